"""The strict reading of HTTP/1.1 answers."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.probes.http import _split
from agent.probes.http1 import HEAD_MAX_BYTES, Head, Malformed, parse_head, read_body, read_head, request

OK = b"HTTP/1.1 200 OK\r\n"


def _reader(raw: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=HEAD_MAX_BYTES)
    reader.feed_data(raw)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", 200),
        (b"HTTP/1.0 401 \r\n\r\n", 401),
        (b"HTTP/1.1 503\r\nX-Empty:\r\n\r\n", 503),
        (b"HTTP/1.1 302 \xe6\x89\xbe\xe5\x88\xb0\r\nLocation: /\xff\r\n\r\n", 302),
    ],
)
def test_heads(raw: bytes, status: int) -> None:
    """Status lines and fields as servers really send them, reason phrase or none."""
    assert parse_head(raw).status == status


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 low\r\n\r\n",
        b"HTTP/1.1 0200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"space : x\r\n\r\n",
        OK + b" folded: x\r\n\r\n",
        OK + b"a: b\nc: d\r\n\r\n",
    ],
)
def test_malformed_heads(raw: bytes) -> None:
    """Anything else is refused, and the text says what came instead."""
    with pytest.raises(Malformed, match=r"^not "):
        parse_head(raw)


async def test_interim_answers_are_skipped() -> None:
    """100 and 103 come before the real status; a server that sends nothing else is refused."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert (await read_head(_reader(interim + OK + b"\r\n"))).status == 200
    with pytest.raises(Malformed, match="interim"):
        await read_head(_reader(interim * 10))


async def test_endless_head_is_cut() -> None:
    """A head that never ends costs at most the reader's buffer."""
    with pytest.raises(Malformed, match="no end"):
        await read_head(_reader(OK + b"a: b\r\n" * 20_000))


@pytest.mark.parametrize(
    ("fields", "body", "received_bytes"),
    [
        ({b"content-length": b"5"}, b"hello", 5),
        ({b"content-length": b"5"}, b"hello and more", 5),
        ({b"content-length": b"500"}, b"x" * 500, 100),
        ({b"content-length": b"0"}, b"", 0),
        ({}, b"until the end", 13),
        ({}, b"x" * 200_000, 100),
        ({b"transfer-encoding": b"Chunked"}, b"5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nTrailer: x\r\n\r\n", 8),
        ({b"transfer-encoding": b"chunked"}, b"FFFFFFFF\r\n" + b"x" * 5_000, 100),
    ],
)
async def test_bodies(fields: dict[bytes, bytes], body: bytes, received_bytes: int) -> None:
    """Every framing is followed, and nothing beyond the limit is read."""
    assert await read_body(_reader(body), Head(200, fields), 100) == received_bytes


@pytest.mark.parametrize("status", [101, 204, 304])
async def test_bodiless_statuses(status: int) -> None:
    """Some statuses have no body, whatever the fields say."""
    assert await read_body(_reader(b""), Head(status, {b"content-length": b"9"}), 100) == 0


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({b"content-length": b"5"}, b"hell"),
        ({b"content-length": b"-5"}, b"hello"),
        ({b"content-length": b"5, 5"}, b"hello"),
        ({b"content-length": "５".encode()}, b"hello"),
        ({b"transfer-encoding": b"chunked"}, b"5\r\nhel"),
        ({b"transfer-encoding": b"chunked"}, b"5\r\nhellooo\r\n"),
        ({b"transfer-encoding": b"chunked"}, b"-1\r\n"),
        ({b"transfer-encoding": b"chunked"}, b"5\r\nhello\r\n"),
    ],
)
async def test_broken_bodies(fields: dict[bytes, bytes], body: bytes) -> None:
    """An answer that breaks off or lies about its length is not an answer."""
    with pytest.raises(Malformed):
        await read_body(_reader(body), Head(200, fields), 100)


@given(st.binary(max_size=400), st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes(head: bytes, body: bytes) -> None:
    """Any bytes are either read or Malformed."""

    async def read() -> None:
        reader = _reader(OK + head + b"\r\n\r\n" + body)
        await read_body(reader, await read_head(reader), 1_000)

    with contextlib.suppress(Malformed):
        asyncio.run(read())


@pytest.mark.parametrize(
    ("url", "authority", "path", "port"),
    [
        ("https://basic.smartedu.cn", "basic.smartedu.cn", "/", 443),
        ("http://h:8080/a?b=c&d=%20", "h:8080", "/a?b=c&d=%20", 8080),
        ("https://[::1]:9/x", "[::1]:9", "/x", 9),
        ("https://教育.中国/课程?名=一", "xn--wcvs22d.xn--fiqs8s", "/%E8%AF%BE%E7%A8%8B?%E5%90%8D=%E4%B8%80", 443),
        ("https://h/a#fragment", "h", "/a", 443),
    ],
)
def test_addresses(url: str, authority: str, path: str, port: int) -> None:
    """Host header, path and port come out as a server expects them, also of Chinese names."""
    parts = _split(url)
    assert (parts.authority, parts.path, parts.port) == (authority, path, port)
    assert request(parts.authority, parts.path, "x").startswith(
        f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n".encode()
    )
