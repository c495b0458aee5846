"""Doctor against real things: TLS servers, collector's door, broker, responder, snmpd, and ports that drop."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.doctor import alive, devices, dns, machine, run, way
from agent.once import asking
from agent.probes import PROBES
from agent.settings import AgentSettings, HttpLink, LocalPage, MqttLink
from classready.devices import Snmp
from classready.targets import BandwidthTarget, PingTarget, SwitchTarget
from collector import responder
from collector.ingest import http as door
from collector.settings import Responder
from tests.support.chains import make, pem, showing
from tests.support.collecting import TOKENS, FakeClock, opened, start_engine
from tests.support.mosquitto import free_port, running_mosquitto
from tests.support.raw_servers import conversing, saying
from tests.support.snmpd import running_snmpd

TestServer.__test__ = False
ROOT = make("Bureau CA")
REFUSAL = b'HTTP/1.1 400 Bad Request\r\nDate: %s\r\nContent-Length: 17\r\n\r\n{"reason":"json"}'


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKENS['gw-one']}\n")
    path.chmod(0o600)
    return str(path)


def settings(link, *targets, **more):
    return AgentSettings(gateway="gw-one", link=link, targets=targets, **more)


def results(found):
    return {finding.check: (finding.result, finding.code) for finding in found}


@pytest.mark.parametrize(
    ("days", "hosts", "expected", "words"),
    [
        ((-9, 90), ["127.0.0.1"], ("ok", "tls_ok"), "90"),
        ((-9, 5), ["127.0.0.1"], ("warning", "tls_expires"), "5 days"),
        ((-9, -2), ["127.0.0.1"], ("failed", "tls_unreached"), "expired at"),
        ((2, 9), ["127.0.0.1"], ("failed", "tls_unreached"), "is good only from"),
        ((-9, 9), ["board.example"], ("failed", "tls_unreached"), "is for board.example"),
    ],
)
async def test_certificates_of_the_collector(  # noqa: PLR0917
    tmp_path, secret, days, hosts, expected, words
):
    """Each fault of a certificate is told with what it is; the token is sent to nobody who cannot be trusted."""
    asked = []

    async def converse(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(REFUSAL % b"Sun, 29 Nov 2026 09:00:00 GMT")

    leaf = make("collector", ROOT, hosts=hosts, days=days)
    ca_file = str(pem(tmp_path / "ca.pem", ROOT))
    async with conversing(converse, showing(tmp_path, leaf)) as port:
        link = HttpLink(url=f"https://127.0.0.1:{port}", token_file=secret, ca_file=ca_file)
        found = await way.collector(settings(link))
    assert results(found)["tls"] == expected
    assert words in next(f for f in found if f.check == "tls").seen("en")
    assert bool(asked) == (expected[0] != "failed")
    if asked:
        assert results(found)["credential"] == ("ok", "credential_ok")
        assert results(found)["mtu"] == ("ok", "mtu_ok")


async def test_the_collectors_own_door(tmp_path, secret):
    """A token that it knows, one that it does not, its clock; and nothing was stored."""
    clock = FakeClock()
    async with opened(tmp_path) as store:
        engine = await start_engine(store, tmp_path, clock)
        application = web.Application()
        application.add_routes(door.routes(engine, clock))
        async with TestServer(application) as server:
            link = HttpLink(url=f"http://127.0.0.1:{server.port}", token_file=secret)
            known = results(await way.collector(settings(link)))
            (tmp_path / "token").write_text("not ours\n")
            unknown = results(await way.collector(settings(link)))
    assert known["credential"] == ("ok", "credential_ok")
    assert known["clock"] == ("ok", "clock_ok")
    assert unknown["credential"] == ("failed", "credential_refused")


@pytest.mark.parametrize(
    ("answer", "check", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome", "credential", ("failed", "not_a_collector")),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "credential", ("failed", "not_a_collector")),
        (b"SSH-2.0\r\n", "credential", ("failed", "not_a_collector")),
        (REFUSAL % b"Sun, 29 Nov 2020 09:00:00 GMT", "clock", ("failed", "clock_off")),
    ],
)
async def test_others_in_the_collectors_place(secret, answer, check, expected):
    """Login pages and strangers are not the collector; a collector with another time shows whose clock is off."""
    async with conversing(saying(answer)) as port:
        found = await way.collector(settings(HttpLink(url=f"http://127.0.0.1:{port}", token_file=secret)))
    assert results(found)[check] == expected


async def test_nobody_there(secret):
    found = await way.collector(settings(HttpLink(url=f"http://127.0.0.1:{free_port()}", token_file=secret)))
    assert results(found)["tcp"] == ("failed", "tcp_unreached")
    assert "credential" not in results(found)


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_the_broker(tmp_path, monkeypatch):
    """The password is tried where no agent runs; where one does, its connection is left alone."""
    pids = []
    monkeypatch.setattr(machine, "agents", lambda: iter(pids))
    with running_mosquitto(tmp_path, {"gw-one": "one"}) as broker:
        password_file = str(broker.password_file("gw-one"))
        link = MqttLink(host=broker.host, port=broker.port, tls=False, password_file=password_file)
        right = results(await way.collector(settings(link)))
        pids.append(7)
        async with asyncio.timeout(10):
            while "gw-one disconnected" not in (log := broker.log):
                await asyncio.sleep(0.01)
        busy = results(await way.collector(settings(link, page=LocalPage(port=free_port()))))
        assert "gw-one" not in broker.log.removeprefix(log)
        pids.clear()
        (tmp_path / "gw-one.password").write_text("wrong")
        wrong = results(await way.collector(settings(link)))
    assert right["credential"] == ("ok", "broker_ok")
    assert busy["credential"] == ("not_checked", "broker_busy")
    assert wrong["credential"] == ("failed", "broker_refused")


async def test_what_the_running_agent_got_proves_the_password(monkeypatch):
    """Its page tells of an acknowledgement just now; a page that is something else tells nothing."""
    body = b'{"last_ack_at": 990, "now_at": 1000, "spool_records": 0}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    link = MqttLink(host="127.0.0.1", password_file="x")
    async with conversing(saying(head % len(body) + body)) as port:
        agent = settings(link, page=LocalPage(port=port))
        assert (await alive.credential(agent)).code == "broker_in_use"
        assert results(await alive.acknowledged(agent))["reports"] == ("ok", "acks_ok")
    others = [
        b"hello",
        b"[]",
        b'{"last_ack_at": "x", "now_at": []}',
        body.replace(b"990", b'"990"'),
        b"{}",
        b"[" * 5_000,
    ]
    for said in others:
        async with conversing(saying(head % len(said) + said)) as port:
            assert await alive.acknowledged(settings(link, page=LocalPage(port=port))) == []
    assert await alive.acknowledged(settings(link, page=None)) == []


@contextlib.asynccontextmanager
async def responding():
    port = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(responder.serve(Responder(port=0), None, on_ready=port.set_result))
    try:
        yield await asyncio.wait_for(port, 5)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_responder_over_both(monkeypatch):
    """One that answers; one whose UDP is dropped on the way."""
    monkeypatch.setattr(way, "_HELLO_TRY_S", (0.4, 0.4))
    async with responding() as port:
        well = results(await way.responder(BandwidthTarget(name="up", host="127.0.0.1", port=port)))
    async with conversing(saying(b"")) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as drops:
            drops.bind(("127.0.0.1", port))
            half = results(await way.responder(BandwidthTarget(name="up", host="127.0.0.1", port=port)))
    assert well == {
        "responder_tcp": ("ok", "responder_tcp_ok"),
        "responder_udp": ("ok", "responder_udp_ok"),
    }
    assert half == {
        "responder_tcp": ("ok", "responder_tcp_ok"),
        "responder_udp": ("failed", "responder_udp_unreached"),
    }


@pytest.mark.servers("snmpd")
async def test_switches_that_answer_only_a_ping(tmp_path):
    """A wrong community, a wrong passphrase and nobody at all are three things."""
    with running_snmpd(tmp_path) as snmpd:
        ways = {
            "right": snmpd.v2c(),
            "community": Snmp(port=snmpd.port, community="wrong", timeout_s=0.3, retry_count=0),
            "passphrase": snmpd.v3(auth_key="not-the-passphrase"),
        }
        targets = [SwitchTarget(name=name, host="127.0.0.1", snmp=snmp) for name, snmp in ways.items()]
        link = HttpLink(url="http://127.0.0.1:1", token_file="x")
        async with asking(settings(link, *targets, state_dir=str(tmp_path)), PROBES, targets) as asks:
            found = {}
            for target, ask in zip(targets, asks, strict=True):
                [found[target.name]] = await devices.check(target, ask)
    assert found["right"].code in {"switch_ok", "switch_parts"}
    assert found["community"].code == "switch_deaf"
    assert found["passphrase"].code == "switch_auth"


async def test_a_resolver_is_asked_by_itself(monkeypatch):
    """One that lies, one that is not there."""
    monkeypatch.setattr(dns, "TIMEOUT_S", 1.0)
    loop = asyncio.get_running_loop()

    class Lies(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            rest = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3"
            self.transport.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:] + rest, addr)

    transport, _ = await loop.create_datagram_endpoint(Lies, ("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        assert await dns.ask("127.0.0.1", "basic.example", port) == ["10.1.2.3"]
    finally:
        transport.close()
    with pytest.raises(dns.Failed):
        await dns.ask("127.0.0.1", "basic.example", port)


async def test_everything_at_once_is_over_in_time_and_writes_nothing(tmp_path, secret):
    """The whole of it with targets that are silent: within the deadline, each has its line, the spool is not made."""
    state = tmp_path / "state"
    state.mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as drops:
        drops.bind(("127.0.0.1", 0))
        snmp = Snmp(port=drops.getsockname()[1], timeout_s=20, retry_count=5)
        targets = (
            PingTarget(name="here", host="127.0.0.1", count=1, timeout_s=0.5),
            SwitchTarget(name="sw1", host="127.0.0.1", snmp=snmp),
            BandwidthTarget(name="up", host="127.0.0.1", port=free_port()),
        )
        link = HttpLink(url=f"http://127.0.0.1:{free_port()}", token_file=secret)
        agent = settings(link, *targets, state_dir=str(state), page=LocalPage(port=free_port()))
        async with run.checks(agent, PROBES, full=False) as todo, asyncio.timeout(15):
            found = await run.run(todo, 2.5, lambda _: None)
    by = {(finding.check, finding.subject): finding.result for finding in found}
    assert by["switch", "sw1"] == "not_checked"
    assert by["ping", "here"] == "ok"
    assert ("bandwidth", "up") not in by
    checks = {check for check, _ in by}
    assert {"python", "icmp", "memory", "agents", "disk", "secrets", "tcp", "clock", "responder_tcp"} <= checks
    assert list(state.iterdir()) == []
