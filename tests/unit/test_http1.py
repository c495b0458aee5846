"""The forgiving reading of HTTP/1.1 answers, and its bounds."""

import asyncio
import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.http1 import HEAD_MAX_BYTES, Answer, NotHttp, read_body, read_head, request

OK = b"HTTP/1.1 200 OK\r\n"
LIMIT_BYTES = 100


def _read(raw: bytes) -> Answer:
    """Read one answer after which the connection is closed."""

    async def read() -> Answer:
        reader = asyncio.StreamReader(limit=HEAD_MAX_BYTES)
        reader.feed_data(raw)
        reader.feed_eof()
        answer = Answer()
        await read_head(reader, answer)
        await read_body(reader, answer, LIMIT_BYTES)
        return answer

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"HTTP/1.1 200 OK", 200),
        (b"HTTP/1.0 401 ", 401),
        (b"HTTP/1.1 503", 503),
        (b"HTTP/1.1 302 \xe6\x89\xbe\xe5\x88\xb0", 302),
        (b"HTTP/1.1 599 x", 599),
    ],
)
def test_status_lines(line: bytes, status: int) -> None:
    """Status lines as servers really send them, reason phrase or none, are nothing special."""
    answer = _read(line + b"\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.oddities) == (status, {})


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200OK",
        b"HTTP/1.1\t200  OK",
        b"HTTP/2 200 OK",
        b"HTTP/1 200",
        b"http/1.1 200 ok",
        b"HTTP/1.1 200 O\x00K",
        b"\r\nHTTP/1.1 200 OK",
        b"\r\n\r\nHTTP/1.1 200 OK",
        b"\xef\xbb\xbfHTTP/1.1 200 OK",
    ],
)
def test_unusual_status_lines(line: bytes) -> None:
    """What a browser takes for a status line is one."""
    assert _read(line + b"\r\nContent-Length: 2\r\n\r\nhi").status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"<html>HTTP/1.1 200 OK",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 99 low\r\n\r\n",
        b"HTTP/1.1 000 none\r\n\r\n",
        b"HTTP/1.1 600 high\r\n\r\n",
        b"HTTP/1.1 999 high\r\n\r\n",
        b"HTTP/1.1 0200 OK\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 20",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + OK + b"\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 " + b"x" * 300_000,
    ],
)
def test_what_is_not_http(raw: bytes) -> None:
    """Without a final status from 100 to 599 there was no answer, and the text says what came instead."""
    with pytest.raises(NotHttp) as refused:
        _read(raw)
    assert str(refused.value)


HEADS = [
    (b"X-P: a;\r\n    b", "folded"),
    (b" folded: x", "folded"),
    (b"X-Foo;: x", "X-Foo;"),
    (b"X-Foo : x", "unusual header name"),
    (b"\xbd\xcc\xd3\xfd: x", "unusual header name"),
    (b": x", "unusual header name"),
    (b"no colon", "without a colon"),
    (b"X: a\x00b", "control character"),
    (b"X: a\rb", "control character"),
    (b"X: a\nY: b", "without CR"),
    (b"X: " + b"y" * 40_000, None),
    (b"X: \xe6\x95\x99\xbd\xcc\x80", None),
    (b"X:\r\nX:\ta\t", None),
]


@pytest.mark.parametrize(("lines", "oddity"), HEADS)
def test_odd_headers(lines: bytes, oddity: str | None) -> None:
    """A header that no standard knows is told, and neither the other headers nor the body are lost."""
    answer = _read(OK + lines + b"\r\nContent-Length: 2\r\n\r\nhi")
    assert (answer.status, bytes(answer.body), answer.broken) == (200, b"hi", False)
    assert oddity is None or oddity in "; ".join(answer.oddities)
    assert bool(oddity) == bool(answer.oddities)


def test_names_are_found_in_whatever_form() -> None:
    """Values of a folded, doubled or oddly written header are found under its name."""
    answer = _read(OK + b"LOCATION : /a\r\n  b\r\nlocation:\t/c \r\nContent-Length: 0\r\n\r\n")
    assert answer.values(b"location") == [b"/a b", b"/c"]


def test_interim_answers_are_skipped() -> None:
    """100 and 103 come before the real status, however many; their headers are not those of the answer."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = _read(interim * 5 + OK + b"Content-Length: 0\r\n\r\n")
    assert (answer.status, answer.values(b"link"), answer.oddities) == (200, [], {})


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"a: b\r\n" * 100_000, "longer than"),
        (b"a: " + b"b" * 600_000, "longer than"),
        (b"a: b", "closed"),
        (b"", "closed"),
    ],
)
def test_a_head_without_end(head: bytes, why: str) -> None:
    """A head that breaks off or never ends is cut, and remains an answer."""
    answer = _read(OK + head)
    assert (answer.status, answer.broken) == (200, True)
    assert next(iter(answer.oddities)).startswith("the head broke off: ")
    assert why in next(iter(answer.oddities))
    assert sum(len(value) for _, value in answer.fields) < HEAD_MAX_BYTES


BODIES = [
    (b"Content-Length: 5", b"hello", b"hello"),
    (b"Content-Length: 5", b"hello and more", b"hello"),
    (b"Content-Length: 500", b"x" * 500, b"x" * 100),
    (b"Content-Length: 99999999999999999999999999", b"x" * 500, b"x" * 100),
    (b"Content-Length: 0", b"", b""),
    (b"Content-Length: 5, 5", b"hello", b"hello"),
    (b"Content-Length: 5\r\nContent-Length: 5", b"hello", b"hello"),
    (b"Content-Length: 5\r\nContent-Length: 500", b"hello", b"hello"),
    (b"Content-Length: +5", b"hello and more", b"hello"),
    (b"Content-Length: -5", b"hello", b"hello"),
    (b"Content-Length: five", b"hello", b"hello"),
    ("Content-Length: ５".encode(), b"hello", b"hello"),
    (b"Content-Length:", b"hello", b"hello"),
    (b"X: y", b"until the end", b"until the end"),
    (b"X: y", b"x" * 200_000, b"x" * 100),
    (b"Transfer-Encoding: identity\r\nContent-Length: 5", b"hello and more", b"hello"),
    (b"Transfer-Encoding: Chunked", b"5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nTrailer: x\r\n\r\n", b"helloyou"),
    (b"Transfer-Encoding: chunked", b"2  \r\nhi\r\n0\r\n\r\n", b"hi"),
    (b"Transfer-Encoding: chunked", b"2\t;x\r\nhi\r\n0\r\n\r\n", b"hi"),
    (b"Transfer-Encoding: chunked", b" 0002\r\nhi\r\n0\r\n", b"hi"),
    (b"Transfer-Encoding: chunked", b"2\nhi\n0\n\n", b"hi"),
    (b"Transfer-Encoding: chunked", b"FFFFFFFF\r\n" + b"x" * 5_000, b"x" * 100),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"2\r\nhi\r\n0\r\n\r\n", b"hi"),
    (b"Transfer-Encoding: gzip, chunked", b"2\r\nhi\r\n0\r\n\r\n", b"hi"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 99", b"2\r\nhi\r\n0\r\n\r\n", b"hi"),
    (b"Transfer-Encoding: gzip\r\nContent-Length: 1", b"hi", b"hi"),
]


@pytest.mark.parametrize(("fields", "raw", "body"), BODIES)
def test_bodies(fields: bytes, raw: bytes, body: bytes) -> None:
    """Every framing is followed, also the ones that no standard allows, and nothing beyond the limit is read."""
    answer = _read(OK + fields + b"\r\n\r\n" + raw)
    assert (bytes(answer.body), answer.broken) == (body, False)


@pytest.mark.parametrize("status", [101, 204, 304])
def test_bodiless_statuses(status: int) -> None:
    """Some statuses have no body, whatever the fields say."""
    answer = _read(b"HTTP/1.1 %d x\r\nContent-Length: 9\r\n\r\nhi" % status)
    assert (answer.status, answer.body, answer.broken) == (status, b"", False)


@pytest.mark.parametrize(
    ("fields", "raw", "body"),
    [
        (b"Content-Length: 5", b"hell", b"hell"),
        (b"Transfer-Encoding: chunked", b"5\r\nhel", b"hel"),
        (b"Transfer-Encoding: chunked", b"5\r\nhellooo\r\n", b"hello"),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n", b"hello"),
        (b"Transfer-Encoding: chunked", b"-1\r\n", b""),
        (b"Transfer-Encoding: chunked", b"zz\r\n", b""),
        (b"Transfer-Encoding: chunked", b"0x2\r\nhi\r\n0\r\n\r\n", b""),
        (b"Transfer-Encoding: chunked", b"", b""),
        (b"Transfer-Encoding: chunked", b"1" * 300_000, b""),
    ],
)
def test_broken_bodies(fields: bytes, raw: bytes, body: bytes) -> None:
    """A body that breaks off or lies about its length is told first, and what came of it is kept."""
    answer = _read(OK + b"odd\r\n" + fields + b"\r\n\r\n" + raw)
    assert (answer.status, bytes(answer.body), answer.broken) == (200, body, True)
    assert "the body broke off" in next(iter(answer.oddities))


@given(st.binary(max_size=400), st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes(head: bytes, body: bytes) -> None:
    """After a status line any bytes are an answer; before it they are one or are refused."""
    assert _read(OK + head + b"\r\n\r\n" + body).status == 200
    with contextlib.suppress(NotHttp):
        _read(head + body)


@pytest.mark.parametrize("line", [b":\n", b" \n", b"a\n", b"\x00:\n", b"a:\n"])
def test_a_hostile_head_is_cheap(line: bytes) -> None:
    """A head of a hundred thousand worst lines costs no more time than its bytes are worth, and few words."""
    began_s = time.process_time()
    answer = _read(OK + line * (HEAD_MAX_BYTES // len(line)))
    assert time.process_time() - began_s < 5.0
    assert len(answer.oddities) <= 4


def test_oddities_are_bounded() -> None:
    """However many different things are odd, three are told, and first why the reading ended."""
    answer = _read(OK + b"".join(b"odd %d\r\n" % n for n in range(1_000)))
    assert [text[:13] for text in answer.oddities] == ["the head brok", *["a header line"] * 3]


def test_request() -> None:
    """A request is its line, the host, the fields and an empty line."""
    raw = request("GET", "h:8080", "/a?b", {"User-Agent": "x"}, b"body")
    assert raw == b"GET /a?b HTTP/1.1\r\nHost: h:8080\r\nUser-Agent: x\r\n\r\nbody"
