"""The HTTP link's own client: one kept connection, and servers and ways that bend or break the answer."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from agent.links import Acked, Keep, Link, TooLarge, http, open_link
from agent.settings import HttpLink
from classready.codec import encode
from classready.report import REPORT_MAX_BYTES, Ack
from tests.support.raw_servers import conversing

ACK = Ack(spool_id="a" * 32, committed=((1, 2),))
BODY = encode(ACK)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
RESET = b"reset"
LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


class Script:
    """What a server answers, connection by connection; an empty answer closes without one, ``RESET`` resets."""

    def __init__(self, *connections: Sequence[bytes]) -> None:
        self._connections = list(connections)
        self.requests: list[list[bytes]] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen: list[bytes] = []
        self.requests.append(seen)
        for answer in self._connections.pop(0):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            seen.append(head + await reader.readexactly(length))
            if answer == RESET:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def linked(script: Script, token_file: Path, timeout_s: float = 10.0) -> AsyncIterator[Link]:
    async with conversing(script.converse) as port:
        settings = HttpLink(url=f"http://127.0.0.1:{port}", token_file=str(token_file), timeout_s=timeout_s)
        async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
            yield link


async def test_what_is_sent(token_file: Path) -> None:
    """A request is complete in itself, with the host as the address names it, and nothing is asked to be compressed."""
    script = Script([GOOD])
    async with linked(script, token_file) as link:
        await link.send(b'{"x":1}', ())
    (((sent,),),) = [script.requests]
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer s3cret\r\n" in head
    assert b"encoding" not in head.lower()
    assert body == b'{"x":1}'


async def test_one_connection_is_kept(token_file: Path) -> None:
    """Reports that follow one another travel over one connection."""
    script = Script([GOOD, GOOD, GOOD])
    async with linked(script, token_file) as link:
        for _ in range(3):
            assert isinstance(await link.send(b"{}", ()), Acked)
    assert [len(seen) for seen in script.requests] == [3]


async def test_an_idle_connection_is_not_trusted(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle for long may be forgotten by a firewall: a new one is made."""
    monkeypatch.setattr(http, "IDLE_MAX_S", 0.0)
    script = Script([GOOD, GOOD], [GOOD])
    async with linked(script, token_file) as link:
        for _ in range(2):
            assert isinstance(await link.send(b"{}", ()), Acked)
    assert [len(seen) for seen in script.requests] == [1, 1]


@pytest.mark.parametrize("ending", [[], [b""], [RESET], [LATE], [b"\r\n\r\n\r\n"], [b"HTTP/1.1 1"]])
async def test_a_kept_connection_that_has_ended(token_file: Path, ending: list[bytes]) -> None:
    """The server closed it, before or after the next request, or says that it waited long enough: sent once again."""
    script = Script([GOOD, *ending], [GOOD])
    async with linked(script, token_file) as link:
        assert isinstance(await link.send(b"{}", ()), Acked)
        assert isinstance(await link.send(b"{}", ()), Acked)
    assert [len(seen) for seen in script.requests] == [1 + len(ending), 1]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(b"", Keep(why="disconnected")), (LATE, Keep(why="busy")), (b"SSH-2.0\r\n", Keep(why="disconnected"))],
)
async def test_a_new_connection_is_not_tried_twice(token_file: Path, answer: bytes, outcome: Keep) -> None:
    """What fails on a new connection fails; the courier decides when to come again."""
    script = Script([answer], [GOOD])
    async with linked(script, token_file) as link:
        assert await link.send(b"{}", ()) == outcome
    assert len(script.requests) == 1


CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
TAKEN: dict[str, bytes] = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "until the end": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "HTTP/1.0": GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "Connection: close": GOOD.replace(b"OK\r\n", b"OK\r\nConnection: Keep-Alive, Close\r\n"),
    "an odd header": GOOD.replace(b"OK\r\n", b"OK\r\nX-Proxy : a;\r\n b\r\n"),
    "after a 100": b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
}


@pytest.mark.parametrize("answer", TAKEN.values(), ids=TAKEN)
async def test_answers_however_framed(token_file: Path, answer: bytes) -> None:
    """An ack is an ack in whatever frame; the connection is kept only where its end is beyond doubt."""
    script = Script([answer] if answer == TAKEN["until the end"] else [answer, GOOD], [GOOD])
    async with linked(script, token_file) as link:
        assert await link.send(b"{}", ()) == Acked(acks=(ACK,))
        assert await link.send(b"{}", ()) == Acked(acks=(ACK,))
    assert [len(seen) for seen in script.requests] == ([2] if answer == TAKEN["after a 100"] else [1, 1])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (GOOD[:-1], Keep(why="disconnected")),
        (GOOD.replace(b"%d" % len(BODY), b"999"), Keep(why="disconnected")),
        (GOOD.replace(BODY, BODY + b" " * REPORT_MAX_BYTES).replace(b"%d" % len(BODY), b"70000"), None),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY + b" " * 200_000, None),
        (b"HTTP/1.1 999 ?\r\n\r\n", Keep(why="disconnected")),
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 413 x\r\nContent-Le", TooLarge()),
    ],
)
async def test_answers_that_delete_nothing(token_file: Path, answer: bytes, outcome: Keep | None) -> None:
    """An ack that was cut off or is too long, and a redirect, are none."""
    script = Script([answer])
    async with linked(script, token_file) as link:
        assert await link.send(b"{}", ()) == (outcome or Keep(why="not_a_collector"))


DATES = [
    (b"Date: Sat, 28 Nov 2026 10:00:00 GMT", 1_795_860_000.0),
    (b"Date: Saturday, 28-Nov-26 10:00:00 GMT", None),
    (b"Date: now", None),
    (b"Date: \xb0\xa1", None),
    (b"X: y", None),
]


@pytest.mark.parametrize(("line", "collector_s"), DATES)
async def test_the_collectors_clock(token_file: Path, line: bytes, collector_s: float | None) -> None:
    """The Date that a server has to send is the collector's clock; anything else is no clock."""
    async with linked(Script([GOOD.replace(b"OK\r\n", b"OK\r\n" + line + b"\r\n")]), token_file) as link:
        outcome = await link.send(b"{}", ())
    assert isinstance(outcome, Acked)
    assert outcome.collector_s == collector_s


def _dripping(start: bytes, more: bytes) -> Callable[..., object]:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0.02)

    return converse


@pytest.mark.parametrize(
    ("start", "more"),
    [(b"", b""), (b"", b"H"), (GOOD[:20], b"a: b\r\n"), (b"HTTP/1.1 200 OK\r\n\r\n", b" "), (GOOD[:-5], b"")],
)
async def test_no_answer_is_waited_for_without_end(token_file: Path, start: bytes, more: bytes) -> None:
    """Silence, and drops that never become an answer, end with the timeout; the next report starts anew."""
    async with conversing(_dripping(start, more)) as port:
        settings = HttpLink(url=f"http://127.0.0.1:{port}", token_file=str(token_file), timeout_s=0.3)
        async with open_link(settings, "gw-1", "0.1.0", 1.0) as link, asyncio.timeout(5):
            assert await link.send(b"{}", ()) == Keep(why="timeout")
            assert await link.send(b"{}", ()) == Keep(why="timeout")


async def test_a_large_report_on_an_answer_that_comes_early(token_file: Path) -> None:
    """A server that answers before it has read the report is heard."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await reader.readexactly(REPORT_MAX_BYTES)

    async with conversing(converse) as port:
        settings = HttpLink(url=f"http://127.0.0.1:{port}", token_file=str(token_file))
        async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
            assert await link.send(b"x" * REPORT_MAX_BYTES, ()) == TooLarge()


async def test_a_token_of_two_lines_is_refused(token_file: Path) -> None:
    """What stands in the token file cannot become a header of its own."""
    token_file.write_text("one\r\nX-Other: two")
    with pytest.raises(OSError, match="not one line of text"):
        async with linked(Script([]), token_file):
            pass
