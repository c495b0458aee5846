"""Both links against the real thing: an HTTP server that speaks the contract, and mosquitto with the shipped ACL."""

import asyncio
import contextlib
import hashlib
import socket
import subprocess
import time

import aiomqtt
import pytest
from aiohttp import web

from agent.links import Acked, Keep, Refused, TooLarge, open_link
from agent.settings import HttpLink, MqttLink
from classready import topics
from classready.codec import decode_presence, encode
from classready.mqtt import Client
from classready.report import Ack, Refusal
from classready.tasks import end
from tests.support.mosquitto import running_mosquitto

SPOOL_ID = "a" * 32
ACK = Ack(spool_id=SPOOL_ID, committed=((1, 2),))


# --- HTTP -----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(answer, ssl_context=None):
    """Serve ``answer`` at the reports path; yield the base address and the requests seen."""
    seen = []

    async def handle(request):
        seen.append((request.headers, await request.read()))
        found = answer()
        return await found if asyncio.iscoroutine(found) else found

    app = web.Application()
    app.router.add_post("/api/v1/reports", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if ssl_context else 'http'}://127.0.0.1:{port}", seen
    finally:
        await runner.cleanup()


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return str(path)


async def send_http(url, token_file, body=b"{}", **more):
    async with open_link(HttpLink(url=url, token_file=token_file, **more), "gw-1", "0.1.0", 1.0) as link:
        return await link.send(body, (1, 2))


async def test_http_posts_with_the_token_and_returns_the_ack(token_file):
    """The body travels as it is, with the bearer token; the answer brings the ack and the collector's clock."""
    async with serving(lambda: web.Response(body=encode(ACK))) as (url, seen):
        outcome = await send_http(url + "/", token_file, b'{"a":1}')
    assert isinstance(outcome, Acked)
    assert outcome.acks == (ACK,)
    assert abs(outcome.collector_s - time.time()) < 5
    [(headers, body)] = seen
    assert headers["Authorization"] == "Bearer s3cret"
    assert body == b'{"a":1}'


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (401, {}, Keep(why="denied")),
        (403, {}, Keep(why="denied")),
        (429, {"Retry-After": "7"}, Keep(why="busy", retry_after_s=7)),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, Keep(why="busy")),
        (500, {}, Keep(why="server_error")),
        (413, {}, TooLarge()),
        (400, {}, Refused()),
        (422, {}, Refused()),
        (404, {}, Keep(why="not_a_collector")),
        (302, {"Location": "http://127.0.0.1:1/steal"}, Keep(why="not_a_collector")),
        (204, {}, Keep(why="not_a_collector")),
    ],
)
async def test_http_statuses(token_file, status, headers, outcome):
    """Each status has one meaning; only a 200 with an ack deletes anything, and a redirect is never followed."""
    async with serving(lambda: web.Response(status=status, headers=headers)) as (url, seen):
        assert await send_http(url, token_file) == outcome
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"reason":"revoked","detail":"the bureau took it back"}', "revoked"),
        (b'{"reason":"unknown_agent"}', "denied"),
        (b'{"reason":"twin"}', "twin"),
        (b'{"reason":"surprise"}', "denied"),
        (b'{"reason":7}', "denied"),
        (b"\xff{", "denied"),
        (b"<html>please log in</html>", "denied"),
    ],
)
async def test_http_says_why_it_is_denied(token_file, body, why):
    """A token that was taken back is said as that, and nothing that the other end may say becomes a new word."""
    async with serving(lambda: web.Response(status=403, body=body)) as (url, _seen):
        assert await send_http(url, token_file) == Keep(why=why)


@pytest.mark.parametrize(
    "body", [b"", b"<html>please log in</html>", b"[" * 50_000, b"x" * 200_000, b'{"committed":[]}']
)
async def test_http_pages_that_are_no_ack_keep_everything(token_file, body):
    """A captive portal's 200 is no acknowledgement, whatever its size."""
    async with serving(lambda: web.Response(body=body)) as (url, _seen):
        assert await send_http(url, token_file) == Keep(why="not_a_collector")


async def test_http_silence_and_closed_doors(token_file):
    """A server that never answers, and none at all."""
    async with serving(lambda: asyncio.sleep(60)) as (url, _seen):
        assert await send_http(url, token_file, timeout_s=0.2) == Keep(why="timeout")
    assert await send_http(url, token_file) == Keep(why="disconnected")


def make_certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


async def test_https_trusts_only_the_configured_ca(token_file, tmp_path):
    """With ca_file the collector's own CA is trusted; without it the same server is refused."""
    import ssl

    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with serving(lambda: web.Response(body=encode(ACK)), context) as (url, seen):
        assert await send_http(url, token_file) == Keep(why="tls")
        assert seen == []
        assert isinstance(await send_http(url, token_file, ca_file=str(tmp_path / "cert.pem")), Acked)


# --- MQTT -----------------------------------------------------------------------------------------------------------

USERS = {"gw-1": "one", "gw-2": "two", "collector": "col"}


@pytest.fixture
def broker(tmp_path):
    with running_mosquitto(tmp_path, USERS) as broker:
        yield broker


def mqtt_settings(broker, **more):
    more.setdefault("timeout_s", 5.0)
    password_file = str(broker.password_file("gw-1"))
    return MqttLink(host=broker.host, port=broker.port, tls=False, password_file=password_file, **more)


def client(broker, user="collector"):
    return Client(
        broker.host, broker.port, username=user, password=USERS[user], identifier=f"test-{user}",
        protocol=aiomqtt.ProtocolVersion.V5,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def collector(broker, acks_for):
    """Answer each report with the acks of ``acks_for(n)``, n counting from 1; yield the messages seen."""
    seen = []

    async def work():
        async with client(broker) as mqtt:
            await mqtt.subscribe([(topics.UP_SUBSCRIPTION, 1), (topics.PRESENCE_SUBSCRIPTION, 1)])
            subscribed.set()
            async for message in mqtt.messages:
                seen.append(message)
                if message.topic.value.endswith("/report"):
                    reports = sum(m.topic.value.endswith("/report") for m in seen)
                    for ack in acks_for(reports):
                        await mqtt.publish(topics.down("gw-1", "ack"), encode(ack), qos=1)

    subscribed = asyncio.Event()
    task = asyncio.create_task(work())
    try:
        async with asyncio.timeout(10):
            await subscribed.wait()
        yield seen
    finally:
        await end(task)


async def until(condition, deadline_s=10):
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_waits_for_the_collectors_own_ack(broker):
    """A report goes out with QoS 1 on the gateway's topic and is answered by the ack; presence frames it."""
    async with collector(broker, lambda _n: [ACK]) as seen:
        async with open_link(mqtt_settings(broker), "gw-1", "0.1.0", 1.0) as link:
            assert await link.send(b'{"x":1}', (1, 2)) == Acked(acks=(ACK,))
        await until(lambda: len(seen) == 3)
    assert [m.topic.value.rpartition("/")[2] for m in seen] == ["presence", "report", "presence"]
    assert [decode_presence(m.payload).online for m in (seen[0], seen[2])] == [True, False]
    assert (seen[1].payload, seen[1].qos) == (b'{"x":1}', 1)
    assert not any(m.retain for m in seen)


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_without_a_collector_says_so_at_once(broker):
    """The broker takes the message though nobody will ever get it: reason 16 keeps the records."""
    async with open_link(mqtt_settings(broker), "gw-1", "0.1.0", 1.0) as link:
        assert await link.send(b"{}", (1,)) == Keep(why="rc16_no_subscriber")


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_a_broker_with_smaller_packets(broker):
    """What the broker would end the connection for is not sent but halved; less gets through on the same connection."""
    broker.restart_with("max_packet_size 65536", "max_packet_size 2000")
    async with (
        collector(broker, lambda _n: [ACK]) as seen,
        open_link(mqtt_settings(broker), "gw-1", "0.1.0", 1.0) as link,
    ):
        for size in (58_000, 2_000):
            assert await link.send(b"x" * size, (1, 2)) == TooLarge()
        assert await link.send(b"x" * 1_900, (1, 2)) == Acked(acks=(ACK,))
        assert [m.topic.value.rpartition("/")[2] for m in seen] == ["presence", "report"]


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_silence_of_the_collector_keeps(broker):
    """A PUBACK without the collector's ack deletes nothing; the late ack counts with the next answer."""
    late = Ack(spool_id=SPOOL_ID, committed=((1, 1),))
    answers = {1: [], 2: [late, Ack(spool_id=SPOOL_ID, committed=((7, 7),))]}
    async with (
        collector(broker, answers.__getitem__),
        open_link(mqtt_settings(broker, timeout_s=0.5), "gw-1", "0.1.0", 1.0) as link,
    ):
        assert await link.send(b"{}", (1,)) == Keep(why="timeout")
        outcome = await link.send(b"{}", (7,))
    assert [ack.committed for ack in outcome.acks] == [((1, 1),), ((7, 7),)]


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_malformed_acks_are_ignored(broker):
    """Garbage on the ack topic neither ends the connection nor counts as an answer."""
    async with (
        collector(broker, lambda _n: [{"nonsense": 1}, ACK]),
        open_link(mqtt_settings(broker), "gw-1", "", 1.0) as link,
    ):
        assert await link.send(b"{}", (2,)) == Acked(acks=(ACK,))


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_a_refusal_of_another_report_says_nothing(broker):
    """One that came too late speaks of a report that was given up; only the one in flight can be refused."""
    refusals = {n: Refusal(report_sha256=hashlib.sha256(b"%d" % n).hexdigest(), reason="json") for n in (1, 2)}
    answers = {1: [], 2: [refusals[1], refusals[2]], 3: [refusals[2], ACK]}
    async with (
        collector(broker, answers.__getitem__),
        open_link(mqtt_settings(broker, timeout_s=0.5), "gw-1", "0.1.0", 1.0) as link,
    ):
        assert await link.send(b"1", (2,)) == Keep(why="timeout")
        assert await link.send(b"2", (2,)) == Refused()
        assert await link.send(b"3", (2,)) == Acked(acks=(ACK,))


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_connects_for_the_first_report(broker):
    """First reports are spread over the time after a county's power cut, and with them the first connections."""
    async with (
        collector(broker, lambda _n: [ACK]) as seen,
        open_link(mqtt_settings(broker), "gw-1", "0.1.0", 1.0) as link,
    ):
        await asyncio.sleep(0.5)  # many times as long as connecting takes
        assert not seen
        assert await link.send(b"{}", (1, 2)) == Acked(acks=(ACK,))


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_last_will_tells_of_a_crash(broker):
    """A gateway that vanishes is announced by the broker."""
    from agent.links.mqtt import MqttReports

    async with collector(broker, lambda _n: []) as seen:
        link = MqttReports(mqtt_settings(broker), "gw-1", "0.1.0", 1.0)
        task = asyncio.create_task(link.keep_connected())
        sending = asyncio.create_task(link.send(b"{}", (1,)))
        try:
            await until(lambda: len(seen) == 2)
            link._client._client.socket().shutdown(socket.SHUT_RDWR)
            await until(lambda: any(b'"online":false' in m.payload for m in seen))
        finally:
            await end(sending)
            await end(task)


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_the_shipped_acl_keeps_gateways_apart(broker):
    """A gateway can neither report nor acknowledge for another, nor read what others get; anonymous is refused."""
    async with collector(broker, lambda _n: []) as seen, client(broker, "gw-2") as rogue:
        await rogue.subscribe("classready/v1/#")
        await rogue.subscribe(topics.down("gw-1", "ack"))
        for topic in (topics.up("gw-1", "report"), topics.down("gw-1", "ack"), topics.down("gw-2", "ack")):
            await rogue.publish(topic, b"forged", qos=1)
        await rogue.publish(topics.up("gw-2", "report"), b"own", qos=1)
        await until(lambda: seen)
        assert [m.topic.value for m in seen] == [topics.up("gw-2", "report")]
        assert len(rogue.messages) == 0
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(broker.host, broker.port, protocol=aiomqtt.ProtocolVersion.V5):
            pass


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_mqtt_wrong_password_keeps_trying(broker):
    """A refused login is a closed way, not the end of the program."""
    settings = mqtt_settings(broker, timeout_s=0.5)
    (broker.folder / "gw-1.password").write_text("wrong")
    async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
        assert await link.send(b"{}", (1,)) == Keep(why="disconnected")
