"""What the platform probe says of certificates and handshakes, against real TLS servers."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from agent import tls
from classready.observation import Http, Outcome, Reason
from classready.targets import HttpTarget
from tests.support.chains import Made, make, pem, showing
from tests.support.probing import observe

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Pki(Struct, frozen=True):
    """An authority that clients trust by ``ca_file``, and one between it and the servers."""

    directory: Path
    root: Made
    intermediate: Made
    leaf: Made
    ca_file: Path


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    directory = tmp_path_factory.mktemp("pki")
    root = make("Trusted Root", days=(-400, 4000))
    intermediate = make("Trusted Intermediate", root, days=(-400, 20))
    leaf = make("platform", intermediate, hosts=[HOST, "platform.test"])
    return Pki(directory, root, intermediate, leaf, pem(directory / "ca.pem", root))


Serve = Callable[..., Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A server that answers one request to each client; gives its port."""
    servers: list[asyncio.Server] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            if await reader.read(16_384):
                writer.write(ANSWER)
                await writer.drain()
        writer.transport.abort()

    async def start(context: ssl.SSLContext) -> int:
        servers.append(await asyncio.start_server(converse, HOST, 0, ssl=context))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


async def _probe(port: int, ca_file: Path | None, host: str = HOST, *, clock_good: bool = True) -> Http:
    url, ca = f"https://{host}:{port}/", str(ca_file) if ca_file else None
    (http,) = await observe(HttpTarget(name="p", url=url, ca_file=ca, deadline_s=20), clock_good=clock_good)
    assert isinstance(http, Http)
    return http


async def test_the_intermediate_ends_first(pki: Pki, serve: Serve) -> None:
    """The date is the earliest of the whole chain: on that day browsers refuse the platform."""
    http = await _probe(await serve(showing(pki.directory, pki.leaf, pki.intermediate)), pki.ca_file)
    assert (http.outcome, http.reason) == (Outcome.ANSWERED, None)
    assert http.certificate_expires_at == pki.intermediate.ends_at < pki.leaf.ends_at


async def test_the_root_ends_first(pki: Pki, serve: Serve) -> None:
    """The root is not sent, lies in our store, and ends like the others."""
    root = make("Root that ends", days=(-400, 3))
    leaf = make("platform", root, hosts=[HOST])
    http = await _probe(await serve(showing(pki.directory, leaf)), pem(pki.directory / "ending.pem", root))
    assert (http.outcome, http.certificate_expires_at) == (Outcome.ANSWERED, root.ends_at)


async def test_a_cross_signature_that_nobody_needs(pki: Pki, serve: Serve) -> None:
    """An expired certificate that was sent and is not in the verified chain ends nothing."""
    old = make("Old Root", days=(-4000, -30))
    crossed = make("Trusted Root", old, days=(-4000, -30), key=pki.root.key)
    port = await serve(showing(pki.directory, pki.leaf, pki.intermediate, crossed))
    http = await _probe(port, pki.ca_file)
    assert (http.outcome, http.certificate_expires_at) == (Outcome.ANSWERED, pki.intermediate.ends_at)


async def test_the_intermediate_is_missing(pki: Pki, serve: Serve) -> None:
    """The server shows its own certificate only: the issuer is named, and both that can be are said."""
    http = await _probe(await serve(showing(pki.directory, pki.leaf)), pki.ca_file)
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.TLS_INVALID)
    assert http.certificate_expires_at == pki.leaf.ends_at
    assert http.detail.startswith(
        'signed by "Trusted Intermediate", which was not sent: an intermediate is missing, or '
    )


@pytest.mark.parametrize("own_store", [True, False])
async def test_the_intermediate_of_a_public_authority_is_missing(pki: Pki, serve: Serve, *, own_store: bool) -> None:
    """What only public authorities write shows that nobody stands in between: the platform has to mend it."""
    leaf = make("platform", pki.intermediate, hosts=[HOST], public=True)
    http = await _probe(await serve(showing(pki.directory, leaf)), pki.ca_file if own_store else None)
    assert (http.reason, http.certificate_expires_at) == (Reason.TLS_INVALID, leaf.ends_at)
    assert 'the intermediate certificate "Trusted Intermediate" was not sent' in http.detail


@pytest.mark.parametrize(
    ("with_root", "told"), [(False, "an intermediate is missing"), (True, "a firewall imitates it")]
)
async def test_a_public_authority_that_our_store_does_not_know(
    pki: Pki, serve: Serve, *, with_root: bool, told: str
) -> None:
    """With the intermediate shown, the store of an old gateway is the more likely fault."""
    leaf = make("platform", pki.intermediate, hosts=[HOST], public=True)
    chain = [leaf, pki.intermediate, *([pki.root] if with_root else [])]
    http = await _probe(await serve(showing(pki.directory, *chain)), None)
    assert http.reason is Reason.TLS_INVALID
    assert http.detail.startswith(
        '"Trusted Root", a public authority, is not in this gateway\'s store: the store is old'
    )
    assert f"or {told};" in http.detail


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("own_store", [True, False])
@pytest.mark.parametrize("name", ["School Firewall CA", "Trusted Root"])
async def test_another_authority_stands_in_between(
    pki: Pki, serve: Serve, *, own_store: bool, depth: int, name: str
) -> None:
    """An inspecting firewall shows its own root: it is named, also where it bears a good one's name.

    The date of its certificate is not the platform's, and so not known.
    """
    root = make(name)
    signer = make("School Firewall Sub CA", root) if depth else root
    chain = [make("platform", signer, hosts=[HOST]), *([signer] if depth else []), root]
    http = await _probe(await serve(showing(pki.directory, *chain)), pki.ca_file if own_store else None)
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.AUTHORITY_UNKNOWN)
    assert http.certificate_expires_at is None
    assert http.detail.startswith(f'signed by another authority, "{name}": a firewall that inspects')


async def test_a_certificate_alone_that_no_public_authority_made(pki: Pki, serve: Serve) -> None:
    """Judged by the system's store there is no intermediate to miss; who signed it did not show itself, though."""
    leaf = make("platform", make("School Firewall CA"), hosts=[HOST])
    http = await _probe(await serve(showing(pki.directory, leaf)), None)
    assert (http.reason, http.certificate_expires_at) == (Reason.TLS_INVALID, leaf.ends_at)
    assert http.detail.startswith('signed by "School Firewall CA", no public authority: a firewall that inspects, or ')


async def test_another_authority_that_keeps_its_root(pki: Pki, serve: Serve) -> None:
    """Shown is what signs for the firewall, not its root: it is no public one either way."""
    signer = make("School Firewall Sub CA", make("School Firewall Root"))
    leaf = make("platform", signer, hosts=[HOST])
    http = await _probe(await serve(showing(pki.directory, leaf, signer)), None)
    assert http.reason is Reason.AUTHORITY_UNKNOWN
    assert '"School Firewall Root"' in http.detail


async def test_a_renewed_ca_file_counts_at_once(pki: Pki, serve: Serve) -> None:
    """Whoever follows the advice of the detail sees it work, without a restart."""
    root = make("School Firewall CA")
    port = await serve(showing(pki.directory, make("platform", root, hosts=[HOST]), root))
    ca_file = pem(pki.directory / "renewed.pem", pki.root)
    assert (await _probe(port, ca_file)).reason is Reason.AUTHORITY_UNKNOWN
    pem(ca_file, pki.root, root)
    assert (await _probe(port, ca_file)).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("clock_good", [True, False])
async def test_signed_by_itself(pki: Pki, serve: Serve, *, clock_good: bool) -> None:
    """Whose it is is told by the names in it; by any clock."""
    leaf = make("RouterOS", hosts=["192.168.88.1", "router.lan"])
    http = await _probe(await serve(showing(pki.directory, leaf)), pki.ca_file, clock_good=clock_good)
    assert (http.reason, http.certificate_expires_at) == (Reason.TLS_INVALID, leaf.ends_at)
    assert http.detail.startswith('the certificate of "RouterOS" is signed by itself, for router.lan, 192.168.88.1;')


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        (["elsewhere.example"], "elsewhere.example"),
        (["a.example", "b.example", "c.example", "*.d.example"], "a.example, b.example, c.example and 1 more"),
        (["192.0.2.1"], "192.0.2.1"),
    ],
)
async def test_a_certificate_for_others(pki: Pki, serve: Serve, hosts: Sequence[str], told: str) -> None:
    """Whom it is for says who answered."""
    leaf = make("other", pki.root, hosts=hosts)
    http = await _probe(await serve(showing(pki.directory, leaf)), pki.ca_file)
    assert (http.reason, http.certificate_expires_at) == (Reason.TLS_INVALID, leaf.ends_at)
    assert http.detail.startswith(f"the certificate is for {told}, not for 127.0.0.1;")


def _dated(pki: Pki, leaf_days: tuple[float, float], intermediate_days: tuple[float, float]) -> list[Made]:
    intermediate = make("Dated Intermediate", pki.root, days=intermediate_days)
    return [make("platform", intermediate, hosts=[HOST], days=leaf_days), intermediate]


GOOD, LATE, EARLY = (-400, 90), (-400, -1), (1, 90)


@pytest.mark.parametrize("clock_good", [True, False])
@pytest.mark.parametrize(
    ("leaf", "intermediate", "told"),
    [
        (LATE, GOOD, "certificate for 127.0.0.1 expired at "),
        (GOOD, LATE, 'intermediate certificate "Dated Intermediate" expired at '),
        (EARLY, GOOD, "certificate for 127.0.0.1 is good only from "),
        (GOOD, EARLY, 'intermediate certificate "Dated Intermediate" is good only from '),
    ],
    ids=["leaf late", "intermediate late", "leaf early", "intermediate early"],
)
async def test_dates(pki: Pki, serve: Serve, *, leaf: Any, intermediate: Any, told: str, clock_good: bool) -> None:
    """Which certificate, when, and by which clock; a clock that may be wrong blames nobody."""
    chain = _dated(pki, leaf, intermediate)
    http = await _probe(await serve(showing(pki.directory, *chain)), pki.ca_file, clock_good=clock_good)
    expected = (Outcome.NO_ANSWER, Reason.TLS_INVALID) if clock_good else (Outcome.UNMEASURED, Reason.CLOCK)
    assert (http.outcome, http.reason) == expected
    assert http.detail.startswith(told if clock_good else f"by a clock that may be wrong: {told}")
    assert "(this gateway's clock: 20" in http.detail
    assert http.certificate_expires_at == min(made.ends_at for made in chain)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (False, 'an authority in this gateway\'s store has expired: "Old Root"'),
        (True, 'root certificate "Old Root" expired at '),
    ],
)
async def test_an_authority_of_our_own_store_has_expired(pki: Pki, serve: Serve, *, shown: bool, told: str) -> None:
    """It is named, whether or not the platform shows it, too."""
    root = make("Old Root", days=(-400, -1))
    leaf = make("platform", root, hosts=[HOST])
    port = await serve(showing(pki.directory, leaf, *([root] if shown else [])))
    http = await _probe(port, pem(pki.directory / f"old-{shown}.pem", root))
    assert http.detail.startswith(told)


async def test_another_python_may_not_show_its_chain(pki: Pki) -> None:
    """Then the date is that of the server's own certificate, as far as it is known."""

    class Connection:
        def __init__(self, **leaf: str) -> None:
            self._leaf = leaf

        def getpeercert(self) -> dict[str, str]:
            return self._leaf

    assert tls.expires_at(Connection(notAfter="Nov 28 10:00:00 2026 GMT")) == 1_795_860_000.0
    assert tls.expires_at(Connection(notAfter="Jan  1 00:00:00 12026 GMT")) is None
    assert tls.expires_at(Connection()) is None


@pytest.mark.parametrize(
    "name", ['\u202e"x"\n' * 5, "x" * 64, "深信服上网行为管理根证书"], ids=["controls", "long", "Chinese"]
)
async def test_names_are_chosen_by_whoever_answers(pki: Pki, serve: Serve, name: str) -> None:
    """Long, strange and Chinese names fit a detail, and the address that answered still stands in it."""
    root = make(name)
    leaf = make("platform", root, hosts=["y" * 60 + ".example"] * 90)
    http = await _probe(await serve(showing(pki.directory, leaf, root)), pki.ca_file)
    assert http.reason is Reason.AUTHORITY_UNKNOWN
    assert http.detail.endswith("; connected to 127.0.0.1")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "asked_for"),
    [
        ("platform.test", "platform.test"),
        ("platform.test.", "platform.test"),
        ("PLATFORM.test.", "platform.test"),
        ("教育.test", "xn--wcvs22d.test"),
        ("教育.test.", "xn--wcvs22d.test"),
        (HOST, None),
    ],
)
async def test_the_name_that_is_asked_for(
    pki: Pki, serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str, asked_for: str | None
) -> None:
    """Without the dot at its end, as browsers and curl ask; nobody asks for an address (RFC 6066, section 3)."""
    real, asked = socket.getaddrinfo, []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *more, **options: real(HOST if "test" in name else name, *more, **options)
    )
    leaf = make("platform", pki.root, hosts=[HOST, "platform.test", "xn--wcvs22d.test"])
    context = showing(pki.directory, leaf)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    http = await _probe(await serve(context), pki.ca_file, host)
    assert http.outcome is Outcome.ANSWERED
    assert asked == [asked_for]


# --- handshakes that fail ---------------------------------------------------------------------------------------------


@contextmanager
def _blocking(converse: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server in a thread, for asyncio's own sends no alerts; gives its port."""
    with socket.create_server((HOST, 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        client.settimeout(10)
                        converse(client)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _close(client: socket.socket) -> None:
    client.recv(16_384)


def _reset(client: socket.socket) -> None:
    client.recv(16_384)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close_at_once(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    client.recv(16_384)


def _half(client: socket.socket) -> None:
    client.recv(16_384)
    client.sendall(b"\x16\x03\x03\x40\x00")


def _http(client: socket.socket) -> None:
    client.recv(16_384)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    client.recv(1)


def _ssh(client: socket.socket) -> None:
    client.sendall(b"SSH-2.0-dropbear\r\n")
    client.recv(16_384)


def _alert(number: int) -> Callable[[socket.socket], None]:
    def converse(client: socket.socket) -> None:
        client.recv(16_384)
        client.sendall(b"\x15\x03\x03\x00\x02\x02" + bytes([number]))
        client.recv(1)

    return converse


def _close_notify(client: socket.socket) -> None:
    client.recv(16_384)
    client.sendall(b"\x15\x03\x03\x00\x02\x01\x00")
    client.recv(1)


@pytest.mark.parametrize(
    ("converse", "told"),
    [
        (_close_notify, "the other side ended the handshake without a word"),
        (_close, "the other side ended the handshake without a word"),
        (_close_at_once, "the other side ended the handshake without a word"),
        (_reset, "the other side ended the handshake without a word"),
        (_half, "the other side ended the handshake without a word"),
        (_http, "it answers, but not in TLS"),
        (_ssh, "it answers, but not in TLS"),
        (_alert(40), "no cipher, curve or signature in common"),
        (_alert(42), "it demands a certificate from us"),
        (_alert(49), "the other side ended the handshake: access denied"),
        (_alert(70), "no version of TLS in common"),
        (_alert(80), "the other side ended the handshake: internal error"),
        (_alert(112), "it does not know the name that it was asked for (SNI)"),
        (_alert(120), "[SSL"),
        (_alert(0), "[SSL"),
    ],
)
async def test_handshakes_that_fail(pki: Pki, converse: Callable[[socket.socket], None], told: str) -> None:
    """Nothing to do with certificates: PROTOCOL, and always a word about what happened."""
    with _blocking(converse) as port:
        http = await _probe(port, pki.ca_file)
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.PROTOCOL)
    assert http.detail.startswith(f"tls: {told}")
    assert http.detail.endswith("connected to 127.0.0.1")
    assert http.certificate_expires_at is None


def _only_tls_1_1(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def _only_a_weak_cipher(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")


def _wants_a_certificate(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED


def _wants_one_in_tls_1_2(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_only_tls_1_1, "tls: no version of TLS in common"),
        (_only_a_weak_cipher, "tls: no cipher, curve or signature in common"),
        (_wants_a_certificate, "processing: it demands a certificate from us"),
        (_wants_one_in_tls_1_2, "tls: "),
    ],
)
async def test_servers_that_we_do_not_agree_with(pki: Pki, change: Callable[[ssl.SSLContext], None], told: str) -> None:
    """Real servers of another age, or with other demands: what is missing is said."""
    context = showing(pki.directory, pki.leaf, pki.intermediate)
    change(context)

    def converse(client: socket.socket) -> None:
        with client.dup() as kept:  # a close with something unread would overtake the alert with a reset
            with suppress(ssl.SSLError), context.wrap_socket(client, server_side=True) as secured:
                secured.recv(16_384)
            kept.shutdown(socket.SHUT_WR)
            while kept.recv(16_384):
                pass

    with _blocking(converse) as port:
        http = await _probe(port, pki.ca_file)
    assert http.reason is Reason.PROTOCOL
    assert http.detail.startswith(told)
    assert len(http.detail) > len(told)
