"""As much of HTTP/1.1 (RFC 9112) as one request needs, read forgivingly and in bounded memory.

Once a status line was read there is an answer: what is wrong with the rest is an oddity to be told, and ends at most
the reading. Why no library: docs/decisions/0022. Nothing is passed on to anybody, so leniency smuggles nothing.
"""

import re
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader
from collections.abc import Mapping, Sequence

from msgspec import Struct

HEAD_MAX_BYTES = 262_144
"""All heads of one answer together, interim ones included. Chromium takes as much."""
PIECE_BYTES = 16_384
INTERIM_MAX_COUNT = 100
ODDITIES_MAX_COUNT = 3

_JUNK_MAX_BYTES = 4
"""What may stand before a status line, an empty line or a byte order mark: Chromium skips as much."""
_STATUS_LINE = re.compile(rb"HTTP/([0-9](?:\.[0-9])?)([ \t]+)([0-9]{3})(?![0-9])(.*)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"\+?([0-9]{1,30})")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,30})([ \t]*)(?:;.*)?", re.DOTALL)


class NotHttp(Exception):  # noqa: N818 - a finding, not a fault
    """What came has no status line. The text is for people."""


class _BrokeOff(Exception):  # noqa: N818 - a finding, not a fault
    """The rest of the answer cannot be read."""


class Answer(Struct):
    """What was read so far: a timeout leaves it as it stands."""

    status: int | None = None
    """The final one, 100 to 599; None = no status line yet."""
    version: bytes = b""
    fields: list[tuple[bytes, bytearray]] = []
    """In their order, names in lower case."""
    body: bytearray = bytearray()
    until_close: bool = False
    """Only the end of the connection says where the body ends."""
    broken: bool = False
    """It ended before it should, or cannot be read to its end."""
    reusable: bool = False
    """Where it ended is certain, and the connection goes on after it."""
    oddities: dict[str, None] = {}
    """What is wrong with it, for people: the first ``ODDITIES_MAX_COUNT`` kinds."""
    head_bytes: int = 0

    def odd(self, what: str) -> None:
        if len(self.oddities) < ODDITIES_MAX_COUNT:
            self.oddities[what] = None

    def values(self, name: bytes) -> Sequence[bytes]:
        return [bytes(value) for known, value in self.fields if known == name]

    def tokens(self, name: bytes) -> Sequence[bytes]:
        """Return the members of a field that is a list, in lower case."""
        members = b",".join(self.values(name)).split(b",")
        return [token for member in members if (token := member.strip(b" \t").lower())]


def request(method: str, authority: str, path: str, fields: Mapping[str, str], body: bytes = b"") -> bytes:
    """Compose a request; the caller vouches for what it puts in."""
    lines = (f"{method} {path} HTTP/1.1", f"Host: {authority}", *(f"{name}: {fields[name]}" for name in fields), "", "")
    return "\r\n".join(lines).encode() + body


async def read_head(reader: StreamReader, answer: Answer) -> None:
    """Read the final status and its fields; interim answers (1xx) are skipped. The limit of ``reader`` is to be ours.

    Raises:
        NotHttp: what came is something else, or ended before a final status.
        OSError: the connection failed before one.
    """
    for _ in range(INTERIM_MAX_COUNT):
        status = await _read_status(reader, answer)
        # 101 ends HTTP on this connection (RFC 9110, 15.2.2): nothing final will follow it.
        final = status >= 200 or status == 101
        answer.fields.clear()
        if final:
            answer.status = status
        try:
            await _read_fields(reader, answer)
        except (_BrokeOff, OSError) as error:
            if not final:
                raise NotHttp(f"nothing after the interim status {status}: {_words(error)}") from None
            _break(answer, f"the head broke off: {_words(error)}")
        if final:
            return
    raise NotHttp("only interim answers (1xx)")


async def read_body(reader: StreamReader, answer: Answer, limit_bytes: int) -> None:
    """Read the body, or ``limit_bytes`` of it, as far as it can be read."""
    assert answer.status is not None
    # These have no body, whatever their fields say (RFC 9112, 6.3).
    if answer.broken or answer.status < 200 or answer.status in {204, 304}:
        return
    try:
        await _read_framed(reader, answer, limit_bytes)
    except (_BrokeOff, OSError) as error:
        _break(answer, f"the body broke off after {len(answer.body)} bytes: {_words(error)}")


def _break(answer: Answer, why: str) -> None:
    """What ends the reading is told before what was merely unusual."""
    answer.broken = True
    answer.oddities = {why: None, **answer.oddities}


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


# --- head -----------------------------------------------------------------------------------------------------------


async def _read_status(reader: StreamReader, answer: Answer) -> int:
    """Binary data is told apart by its first bytes: it may have no line ends, and its sender may wait for us."""
    try:
        start = await reader.readexactly(_JUNK_MAX_BYTES + len(b"HTTP/"))
    except IncompleteReadError as error:
        raise NotHttp(_instead(error.partial)) from None
    begin = start.upper().find(b"HTTP/")
    if begin < 0 and _CONTROL.search(start):
        raise NotHttp(_instead(start))
    answer.head_bytes += len(start)
    try:
        line = start[max(begin, 0) :] + (await _head_line(reader, answer) or b"")
    except _BrokeOff as error:
        raise NotHttp(f"{_instead(start)}, {error}") from None
    found = _STATUS_LINE.fullmatch(line)
    if not found or not 100 <= int(found[3]) <= 599:
        raise NotHttp(_instead(line))
    answer.version = found[1]
    if begin or not found[0].startswith(b"HTTP/1") or found[2] != b" " or found[4][:1] not in b" ":
        answer.odd(f"an unusual status line: {(start[:begin] + line)[:60]!r}")
    return int(found[3])


def _instead(raw: bytes) -> str:
    return f"not an answer of HTTP/1.1: {raw[:60]!r}" if raw else "the connection was closed without an answer"


async def _read_fields(reader: StreamReader, answer: Answer) -> None:
    while line := await _head_line(reader, answer):
        if line[:1] in b" \t":
            _unfold(answer, line)
        else:
            _add_field(answer, line)
    if line is None:
        raise _BrokeOff("the connection was closed")


def _unfold(answer: Answer, line: bytes) -> None:
    """Obsolete line folding, RFC 9112 section 5.2."""
    answer.odd("a folded header line")
    if answer.fields:
        answer.fields[-1][1].extend(b" " + line.strip(b" \t"))


def _add_field(answer: Answer, line: bytes) -> None:
    name, colon, value = line.partition(b":")
    if not colon:
        answer.odd(f"a header line without a colon: {line[:40]!r}")
        return
    if not _NAME.fullmatch(name):
        answer.odd(f"an unusual header name: {name[:40]!r}")
    if _CONTROL.search(value):
        answer.odd(f"a control character in a header: {line[:40]!r}")
    answer.fields.append((name.strip(b" \t").lower(), bytearray(value.strip(b" \t"))))


async def _head_line(reader: StreamReader, answer: Answer) -> bytes | None:
    line = await _line(reader, answer)
    answer.head_bytes += len(line or b"") + len(b"\r\n")
    if answer.head_bytes > HEAD_MAX_BYTES:
        raise _BrokeOff(f"longer than {HEAD_MAX_BYTES} bytes")
    return line


async def _line(reader: StreamReader, answer: Answer) -> bytes | None:
    """Return a line without its end, also one that the connection cut off; None = there is none any more."""
    try:
        line = await reader.readuntil(b"\n")
    except IncompleteReadError as error:
        return error.partial or None
    except LimitOverrunError:
        raise _BrokeOff(f"a line longer than {HEAD_MAX_BYTES} bytes") from None
    if not line.endswith(b"\r\n"):
        answer.odd("line ends without CR")
    return line.removesuffix(b"\n").removesuffix(b"\r")


# --- body -----------------------------------------------------------------------------------------------------------


async def _read_framed(reader: StreamReader, answer: Answer, limit_bytes: int) -> None:
    """RFC 9112 section 6.3: chunks before a length, a length before the end of the connection."""
    codings = [coding for coding in answer.tokens(b"transfer-encoding") if coding != b"identity"]
    length_bytes = _length_bytes(answer)
    if b"chunked" in codings:
        if codings != [b"chunked"] or answer.values(b"content-length"):
            answer.odd("Transfer-Encoding is not chunked alone")
        await _read_chunks(reader, answer, limit_bytes)
    elif length_bytes is not None and not codings:
        await _read_exactly(reader, answer, min(length_bytes, limit_bytes))
        closes = answer.version != b"1.1" or b"close" in answer.tokens(b"connection")
        answer.reusable = length_bytes <= limit_bytes and not closes and not answer.oddities
    else:
        answer.until_close = True
        await _read(reader, answer, limit_bytes)


def _length_bytes(answer: Answer) -> int | None:
    """Of lengths that differ the smallest: more may never come. None = not known."""
    texts = answer.tokens(b"content-length")
    if len(texts) > 1 or not all(text.isdigit() for text in texts):
        answer.odd(f"Content-Length is {b', '.join(texts)[:40]!r}")
    return min((int(found[1]) for text in texts if (found := _LENGTH.fullmatch(text))), default=None)


async def _read_chunks(reader: StreamReader, answer: Answer, limit_bytes: int) -> None:
    while (room_bytes := limit_bytes - len(answer.body)) > 0:
        size_bytes = await _chunk_bytes(reader, answer)
        if not size_bytes:
            return
        await _read_exactly(reader, answer, min(size_bytes, room_bytes))
        if size_bytes < room_bytes and (rest := await _line(reader, answer)):
            raise _BrokeOff(f"a chunk is longer than its size: {rest[:40]!r}")


async def _chunk_bytes(reader: StreamReader, answer: Answer) -> int:
    line = await _line(reader, answer)
    if line is None:
        raise _BrokeOff("the connection was closed before the last chunk")
    found = _CHUNK.fullmatch(line)
    if not found:
        raise _BrokeOff(f"not the size of a chunk: {line[:40]!r}")
    if found[2]:
        answer.odd("blanks after the size of a chunk")
    return int(found[1], 16)


async def _read_exactly(reader: StreamReader, answer: Answer, want_bytes: int) -> None:
    missing_bytes = await _read(reader, answer, want_bytes)
    if missing_bytes:
        raise _BrokeOff(f"the connection was closed, {missing_bytes} bytes were still to come")


async def _read(reader: StreamReader, answer: Answer, want_bytes: int) -> int:
    """Read into the body; returns how much of ``want_bytes`` did not come."""
    while want_bytes and (piece := await reader.read(min(PIECE_BYTES, want_bytes))):
        answer.body.extend(piece)
        want_bytes -= len(piece)
    return want_bytes
