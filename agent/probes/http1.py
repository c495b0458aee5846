"""As much of HTTP/1.1 (RFC 9112) as one GET needs, read strictly and in bounded memory."""

import re
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader
from collections.abc import Mapping

from msgspec import Struct

HEAD_MAX_BYTES = 32_768
PIECE_BYTES = 16_384
INTERIM_MAX_COUNT = 4

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n\x00]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}):[ \t]*([^\r\n\x00]*)")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n\x00]*)?\r\n")


class Malformed(Exception):  # noqa: N818 - a finding, not a fault
    """The answer is not HTTP/1.1, or broke off. The text is for people."""


class Head(Struct, frozen=True):
    status: int
    fields: Mapping[bytes, bytes]
    """Names in lower case; of repeated fields the first."""


def request(authority: str, path: str, user_agent: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {authority}",
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


async def read_head(reader: StreamReader) -> Head:
    """The final status and its fields; interim answers (1xx) are skipped.

    Raises:
        Malformed: what came is something else.
    """
    for _ in range(INTERIM_MAX_COUNT):
        head = parse_head(await _until(reader, b"\r\n\r\n"))
        if head.status >= 200 or head.status == 101:
            return head
    raise Malformed("only interim answers (1xx)")


def parse_head(raw: bytes) -> Head:
    """Parse one head, with or without the empty line at its end.

    Raises:
        Malformed: with what was found instead.
    """
    first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if not status:
        raise Malformed(f"not an HTTP/1.1 answer: {first[:60]!r}")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise Malformed(f"not a header field: {line[:60]!r}")
        fields.setdefault(field[1].lower(), field[2].strip())
    return Head(int(status[1]), fields)


async def read_body(reader: StreamReader, head: Head, limit_bytes: int) -> int:
    """Read the body and forget it. Returns its bytes, at most ``limit_bytes``.

    Raises:
        Malformed: it ends before it should, or its framing is broken.
    """
    if head.status < 200 or head.status in {204, 304}:
        return 0
    if head.fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        return await _read_chunks(reader, limit_bytes)
    length = head.fields.get(b"content-length")
    if length is None:
        return await _read(reader, limit_bytes)
    if not _LENGTH.fullmatch(length):
        raise Malformed(f"content-length is {length[:60]!r}")
    return await _read_exactly(reader, min(int(length), limit_bytes))


async def _read_chunks(reader: StreamReader, limit_bytes: int) -> int:
    received_bytes = 0
    while received_bytes < limit_bytes:
        line = await _until(reader, b"\r\n")
        chunk = _CHUNK.fullmatch(line)
        if not chunk:
            raise Malformed(f"not the size of a chunk: {line[:60]!r}")
        size_bytes = int(chunk[1], 16)
        if size_bytes == 0:
            break
        received_bytes += await _read_exactly(reader, min(size_bytes, limit_bytes - received_bytes))
        if received_bytes < limit_bytes and await _until(reader, b"\r\n") != b"\r\n":
            raise Malformed("a chunk is longer than its size")
    return received_bytes


async def _read_exactly(reader: StreamReader, want_bytes: int) -> int:
    received_bytes = await _read(reader, want_bytes)
    if received_bytes < want_bytes:
        raise Malformed(f"the body broke off after {received_bytes} of {want_bytes} bytes")
    return received_bytes


async def _read(reader: StreamReader, want_bytes: int) -> int:
    received_bytes = 0
    while received_bytes < want_bytes and (piece := await reader.read(min(PIECE_BYTES, want_bytes - received_bytes))):
        received_bytes += len(piece)
    return received_bytes


async def _until(reader: StreamReader, end: bytes) -> bytes:
    try:
        return await reader.readuntil(end)
    except IncompleteReadError as error:
        raise Malformed(f"the connection was closed after {error.partial[:60]!r}") from None
    except LimitOverrunError:
        raise Malformed(f"no end of line or head within {HEAD_MAX_BYTES} bytes") from None
