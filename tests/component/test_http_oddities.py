"""The platform probe against servers that bend HTTP: what every browser opens is not out of reach."""

import asyncio
import socket
import struct
from typing import Any

import pytest

from bench.demo.platforms import Authority, issue, make_authority
from classready.observation import Http, Outcome, Reason
from classready.targets import HttpTarget
from tests.support.probing import observe
from tests.support.raw_servers import Conversation, conversing, saying

OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b"Content-Length: 15\r\n\r\n<title>x</title>"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


async def _probe(authority: Authority, converse: Conversation, **changes: Any) -> Http:
    tls = issue(authority, "127.0.0.1").context()
    async with conversing(converse, tls) as port:
        url = f"https://127.0.0.1:{port}/"
        target = HttpTarget(name="p", url=url, ca_file=str(authority.ca_file), **{"deadline_s": 10, **changes})
        (http,) = await observe(target)
    assert isinstance(http, Http)
    return http


NOTHING_SPECIAL = {
    "five early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 5 + OK + PAGE,
    "thirty early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 30 + OK + PAGE,
    "a head of 40 kB": OK + b"Set-Cookie: a=%s\r\n" % (b"x" * 4_000) * 10 + PAGE,
    "a header of 100 kB": OK + b"X: %s\r\n" % (b"x" * 100_000) + PAGE,
    "no reason phrase": b"HTTP/1.1 200\r\n" + PAGE,
    "a reason phrase in GBK": b"HTTP/1.1 200 \xb3\xc9\xb9\xa6\r\n" + PAGE,
    "header values in UTF-8 and GBK": OK + b"X: \xe6\x95\x99\r\nY: \xbd\xcc\r\n" + PAGE,
    "chunk extensions and trailers": OK + CHUNKED + b"2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n",
    "no last CRLF": OK + CHUNKED + b"2\r\nhi\r\n0\r\n",
    "204 with a body": b"HTTP/1.1 204 No Content\r\n" + PAGE,
    "HTTP/1.0 until the end": b"HTTP/1.0 200 OK\r\n\r\nhi",
}


@pytest.mark.parametrize("answer", NOTHING_SPECIAL.values(), ids=NOTHING_SPECIAL)
async def test_legal_if_rare(authority: Authority, answer: bytes) -> None:
    """What the standards allow is an answer without a remark."""
    http = await _probe(authority, saying(answer))
    assert (http.outcome, http.reason) == (Outcome.ANSWERED, None)
    assert http.detail == "connected to 127.0.0.1"


ODD = {
    "a folded header line": (OK + b"X-P: a;\r\n    b\r\n" + PAGE, "folded"),
    "a fold without a header": (OK + b" folded\r\n" + PAGE, "folded"),
    "blanks after a chunk size": (OK + CHUNKED + b"2  \r\nhi\r\n0\r\n\r\n", "blanks after the size"),
    "a tab after a chunk size": (OK + CHUNKED + b"2\t\r\nhi\r\n0\r\n\r\n", "blanks after the size"),
    "bare LF line ends": ((OK + PAGE).replace(b"\r\n", b"\n"), "without CR"),
    "bare LF in chunks": ((OK + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n").replace(b"\r\n", b"\n"), "without CR"),
    "one bare LF": (OK + b"A: b\n" + PAGE, "without CR"),
    "an odd header name": (OK + b"X-Foo;: x\r\n" + PAGE, "X-Foo;"),
    "a header name in GBK": (OK + b"\xbd\xcc: x\r\n" + PAGE, "header name"),
    "a header without a name": (OK + b": x\r\n" + PAGE, "header name"),
    "a blank before the colon": (OK + b"Server : x\r\n" + PAGE, "header name"),
    "a blank before the colon of the length": (OK + PAGE.replace(b":", b" :", 1), "header name"),
    "a line without a colon": (OK + b"<!-- hello -->\r\n" + PAGE, "without a colon"),
    "NUL in a header": (OK + b"X: a\x00b\r\n" + PAGE, "control character"),
    "CR in a header": (OK + b"X: a\rb\r\n" + PAGE, "control character"),
    "Content-Length: 15, 15": (OK + PAGE.replace(b"15", b"15, 15"), "Content-Length"),
    "Content-Length twice": (OK + b"Content-Length: 15\r\n" + PAGE, "Content-Length"),
    "Content-Length: +15": (OK + PAGE.replace(b"15", b"+15"), "Content-Length"),
    "Content-Length: -1": (OK + PAGE.replace(b"15", b"-1"), "Content-Length"),
    "two lengths": (OK + b"Content-Length: 20\r\n" + PAGE, "Content-Length"),
    "chunked twice": (OK + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", "not chunked alone"),
    "chunked, and a length": (OK + b"Content-Length: 99\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", "not chunked alone"),
    "a CRLF before the status line": (b"\r\n" + OK + PAGE, "status line"),
    "200OK": (b"HTTP/1.1 200OK\r\n" + PAGE, "status line"),
    "HTTP/2 as text": (b"HTTP/2 200\r\n" + PAGE, "status line"),
    "a length too long": (OK + PAGE.replace(b"15", b"150"), "the body broke off"),
    "a length beyond all bounds": (OK + PAGE.replace(b"15", b"9" * 29), "the body broke off"),
    "no last chunk": (OK + CHUNKED + b"2\r\nhi\r\n", "the body broke off"),
    "a chunk cut off": (OK + CHUNKED + b"ff\r\nhi", "the body broke off"),
    "a chunk longer than its size": (OK + CHUNKED + b"1\r\nhi\r\n0\r\n\r\n", "the body broke off"),
    "no chunks where chunks were promised": (OK + CHUNKED + b"<title>x</title>", "the body broke off"),
    "a head cut off": (OK + b"Server: x\r\nContent-Le", "the head broke off"),
    "nothing but a status line": (OK, "the head broke off"),
    "a head without end": (OK + b"X: y\r\n" * 100_000, "the head broke off"),
}


@pytest.mark.parametrize(("answer", "oddity"), ODD.values(), ids=ODD)
async def test_oddities(authority: Authority, answer: bytes, oddity: str) -> None:
    """After a status line nothing makes a platform unreachable; what is odd is told, and who answered."""
    http = await _probe(authority, saying(answer))
    assert (http.outcome, http.reason, http.status) == (Outcome.ANSWERED, None, 200)
    assert oddity in http.detail
    assert "127.0.0.1" in http.detail
    assert None not in {http.phases_s.tls, http.phases_s.processing, http.phases_s.transfer}


@pytest.mark.parametrize("answer", [OK + b"A b\r\n" + PAGE, OK + PAGE.replace(b"15", b"99")])
async def test_an_odd_answer_is_judged_by_its_status(authority: Authority, answer: bytes) -> None:
    """An oddity excuses no status that means failure, and is told beside it."""
    http = await _probe(authority, saying(answer.replace(b"200", b"503", 1)))
    assert (http.outcome, http.reason, http.status) == (Outcome.NO_ANSWER, Reason.STATUS_UNEXPECTED, 503)
    assert http.detail.startswith("status 503; ")


async def test_a_connection_reset_in_the_body(authority: Authority) -> None:
    """A reset after the status line is an oddity; the same before it is no answer."""

    def resetting(answer: bytes) -> Conversation:
        async def converse(reader: Any, writer: Any) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        return converse

    http = await _probe(authority, resetting(OK + PAGE.replace(b"15", b"99")))
    assert (http.outcome, http.status) == (Outcome.ANSWERED, 200)
    assert "broke off" in http.detail
    http = await _probe(authority, resetting(b""))
    assert (http.outcome, http.reason, http.status) == (Outcome.NO_ANSWER, Reason.PROTOCOL, None)


NO_HTTP = {
    "nothing": b"",
    "a mail server": b"220 mail.example ESMTP\r\n",
    "HTTP/2 frames": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64",
    "HTTP/0.9": b"<html><title>hello</title></html>",
    "a radio": b"ICY 200 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 x\r\n" + PAGE,
    "status 600": b"HTTP/1.1 600 x\r\n" + PAGE,
    "status 999": b"HTTP/1.1 999 x\r\n" + PAGE,
    "status 0200": b"HTTP/1.1 0200 OK\r\n" + PAGE,
    "status -1": b"HTTP/1.1 -1 x\r\n" + PAGE,
    "only interim answers": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("stays", [False, True], ids=["closes", "stays"])
@pytest.mark.parametrize("answer", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_http(authority: Authority, answer: bytes, stays: Any) -> None:
    """Without a status line there is no HTTP; said at once of whole lines, and of what is no text."""
    undecided = stays and answer in {NO_HTTP[name] for name in ("nothing", "HTTP/0.9", "only interim answers")}
    http = await _probe(authority, saying(answer, stays=stays), deadline_s=1.5 if undecided else 20)
    assert (http.outcome, http.status) == (Outcome.NO_ANSWER, None)
    assert http.reason == (Reason.TIMEOUT if undecided else Reason.PROTOCOL)


async def test_a_page_without_length_on_a_connection_that_stays_open(authority: Authority) -> None:
    """Such a page may be whole, and a browser shows it; one that promised more and stopped is a line that drops."""
    answers = [OK + b"\r\n<title>x</title>", OK + b"\r\n", OK + PAGE.replace(b"15", b"99"), OK + b"Server: x\r\n"]
    probes = [_probe(authority, saying(answer, stays=True), deadline_s=4) for answer in answers]
    whole, *promised = await asyncio.gather(*probes)
    assert (whole.outcome, whole.status) == (Outcome.ANSWERED, 200)
    assert "did not close" in whole.detail
    for http in promised:
        assert (http.outcome, http.reason, http.status) == (Outcome.NO_ANSWER, Reason.TIMEOUT, 200)
