"""The program's web server against strangers: slow ones, many, and such as speak no HTTP."""

import contextlib
import http.client
import socket
import ssl
import time

import pytest

from collector.app.listening import HEAD_TIMEOUT_S, STRANGERS_MAX, SWEEP_S
from collector.ingest.http import BODY_TIMEOUT_S
from tests.component.test_links import make_certificate
from tests.support.collecting import TOKENS, Collector, body, pings
from tests.support.http_oddities import HALVES, HEADS, SERVED

CLOSED_WITHIN_S = 15.0
"""From the begin; the machine may be busy, so that a test waits twice as long."""


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    running = Collector(tmp_path_factory.mktemp("collector"))
    running.start()
    yield running
    running.stop()


def connect(collector) -> socket.socket:
    return socket.create_connection(("127.0.0.1", collector.port), timeout=2 * CLOSED_WITHIN_S)


def ask(collector, request: bytes) -> bytes:
    """The status line of the answer."""
    with connect(collector) as connection:
        with contextlib.suppress(OSError):  # it may have answered before it read everything
            connection.sendall(request)
        return connection.makefile("rb").readline()


def is_served(collector) -> float:
    """Have a report accepted; return the seconds."""
    begun = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=10)
    client.request("POST", "/api/v1/reports", body(pings([1])), {"Authorization": f"Bearer {TOKENS['gw-one']}"})
    assert client.getresponse().status == 200
    client.close()
    return time.monotonic() - begun


@pytest.mark.parametrize("name", HEADS)
def test_odd_requests(collector, name):
    """What is no request of ours is answered 4xx, without a word in the log."""
    logged = collector.log
    assert ask(collector, HEADS[name]).split(b" ")[1][:1] == b"4"
    assert collector.log == logged


@pytest.mark.parametrize("name", SERVED)
def test_odd_requests_that_are_understood(collector, name):
    """Odd, and served."""
    logged = collector.log
    assert ask(collector, SERVED[name]).split(b" ")[1] == b"200"
    assert collector.log == logged


@pytest.mark.parametrize("name", HALVES)
def test_bodies_that_break_off(collector, name):
    """A body that is not what its head says, or never comes, makes no traceback."""
    logged = collector.log
    head, rest = HALVES[name]
    with connect(collector) as connection:
        connection.sendall(head)
        is_served(collector)  # by now the head was read
        connection.sendall(rest)
    is_served(collector)
    assert collector.log == logged


def test_half_sent_heads(collector):
    """500 connections with half a head are closed in time, one without the body it announced; others are served."""
    begun = time.monotonic()
    bodiless = connect(collector)
    bodiless.sendall(HALVES["no body"][0])
    half_sent = [connect(collector) for _ in range(500)]
    for connection in half_sent:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
    assert max(is_served(collector) for _ in range(10)) < 2
    for connection in half_sent[:250]:
        with contextlib.suppress(OSError):
            connection.sendall(b"a")  # a byte now and then buys no time
    assert [is_closed(connection) for connection in half_sent] == [True] * 500
    assert time.monotonic() - begun >= HEAD_TIMEOUT_S - SWEEP_S
    with bodiless:
        assert bodiless.recv(65_536).startswith(b"HTTP/1.1 408")
    assert BODY_TIMEOUT_S - 1 < time.monotonic() - begun < 2 * CLOSED_WITHIN_S


def is_closed(connection: socket.socket) -> bool:
    with connection, contextlib.suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def test_a_crowd_of_strangers(collector):
    """Beyond a number of silent connections the oldest go at once; who sends a request is not counted among them."""
    with connect(collector) as known:
        known.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"ok" in known.recv(65_536)
        begun = time.monotonic()
        crowd = [connect(collector) for _ in range(STRANGERS_MAX + 100)]
        is_served(collector)
        assert all(is_closed(connection) for connection in crowd[:100])
        assert time.monotonic() - begun < HEAD_TIMEOUT_S
        known.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"ok" in known.recv(65_536)
        for connection in crowd:
            connection.close()


def test_half_a_handshake(tmp_path):
    """Whoever begins TLS and does not go on is closed like everybody who sends half of something."""
    make_certificate(tmp_path)
    secured = Collector(tmp_path)
    text = secured.settings.read_text()
    files = f"tls: {{cert_file: {tmp_path / 'cert.pem'}, key_file: {tmp_path / 'key.pem'}}}"
    secured.settings.write_text(text.replace("listen: {", f"listen: {{{files}, "))
    secured.url = secured.url.replace("http:", "https:")
    secured.context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    secured.start()
    try:
        with connect(secured) as silent, connect(secured) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
            assert [is_closed(silent), is_closed(half)] == [True, True]
        assert "Traceback" not in secured.log
    finally:
        secured.stop()
