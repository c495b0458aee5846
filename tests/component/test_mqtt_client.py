"""What the MQTT client of both programs does better than the library's: it ends when it is told to, and leaves nothing.

A moment in which two things happen at once is made by holding the event loop: while it stands still, the answer comes
to the socket and the timer runs out, and both are found in the same turn afterwards, the answer first.
"""

import asyncio
import contextlib
import socket
import time

import aiomqtt
import pytest

from agent.links import Keep, open_link
from agent.settings import MqttLink
from classready import topics
from classready.mqtt import Client
from classready.tasks import asked_to_end, end
from tests.support.mosquitto import running_mosquitto

USERS = {"gw-1": "one", "collector": "col"}
CONNACK = bytes([0x20, 3, 0, 0, 0])
WAIT_S = 10.0


@pytest.fixture
def broker(tmp_path):
    with running_mosquitto(tmp_path, USERS) as broker:
        yield broker


def client_of(host, port, **more):
    more.setdefault("timeout", 5.0)
    return Client(host, port, identifier="gw-1", protocol=aiomqtt.ProtocolVersion.V5, **more)


def collector(broker):
    return client_of(broker.host, broker.port, username="collector", password=USERS["collector"])


async def until(condition):
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0)


def is_asked(mqtt):
    """Say whether a call is on its way: written, and not answered."""
    return list(mqtt._pending_calls) and not mqtt._client.want_write()


async def ended(task):
    """Wait for ``task``, but not for ever."""
    done, _ = await asyncio.wait([task], timeout=WAIT_S)
    assert done, "it went on"
    return task


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
@pytest.mark.parametrize("call", ["publish", "subscribe", "unsubscribe"])
async def test_a_cancellation_that_comes_with_the_answer(broker, call):
    """Is obeyed. The library of Python 3.11 would return the answer and go on for ever."""
    arguments = {"publish": (topics.down("gw-1", "ack"), b"x", 1)}.get(call, (topics.UP_SUBSCRIPTION,))
    async with collector(broker) as mqtt:

        async def work():
            await getattr(mqtt, call)(*arguments)
            await asyncio.Event().wait()

        broker.pause()
        task = asyncio.create_task(work())
        await until(lambda: is_asked(mqtt))
        asyncio.get_running_loop().call_later(0.1, task.cancel)
        broker.resume()
        time.sleep(0.5)
        assert (await ended(task)).cancelled()


@pytest.mark.servers("mosquitto", "mosquitto_passwd")
async def test_a_deadline_that_comes_with_the_puback(broker):
    """A report whose PUBACK comes in the moment its time is up is kept; the courier does not wait for ever."""
    password_file = str(broker.password_file("gw-1"))
    settings = MqttLink(host=broker.host, port=broker.port, tls=False, password_file=password_file, timeout_s=1.0)
    async with collector(broker) as silent, open_link(settings, "gw-1", "0.1.0", 1.0) as link:
        await silent.subscribe(topics.UP_SUBSCRIPTION, qos=1)
        assert await link.send(b"{}", (1,)) == Keep(why="timeout")
        await until(link._connected.is_set)
        broker.pause()
        sending = asyncio.create_task(link.send(b"{}", (1,)))
        await until(lambda: is_asked(link._client))
        broker.resume()
        time.sleep(1.2)
        assert (await ended(sending)).result() in (Keep(why="timeout"), Keep(why="disconnected"))


# --- a broker that does not do what it should -----------------------------------------------------------------------


class OddBroker:
    def __init__(self):
        self.port = 0
        self.accepted, self.read, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.tasks = set()


@contextlib.asynccontextmanager
async def odd_broker(first_words):
    """Accept, answer CONNECT with ``first_words``, and read nothing more until ``read`` is set. Yield what is known."""
    known = OddBroker()

    async def serve(reader, writer):
        known.tasks.add(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            await reader.read(1)
            known.accepted.set()
            writer.write(first_words)
            await known.read.wait()
            while await reader.read(65_536):
                pass
        known.closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_024)
    known.port = server.sockets[0].getsockname()[1]
    try:
        yield known
    finally:
        server.close()
        for task in known.tasks:
            await end(task)


async def connect_and_stay(port, **more):
    async with client_of("127.0.0.1", port, **more):
        await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["times out", "is cancelled"])
async def test_an_attempt_that_comes_to_nothing_leaves_no_connection(how):
    """A broker that takes the connection and never answers: our side of it is closed, not left to the keepalive."""
    async with odd_broker(b"") as broker:
        broker.read.set()
        task = asyncio.create_task(connect_and_stay(broker.port, timeout=0.2 if how == "times out" else 60))
        await asyncio.wait_for(broker.accepted.wait(), WAIT_S)
        if how == "is cancelled":
            task.cancel()
        await ended(task)
        assert task.cancelled() or isinstance(task.exception(), aiomqtt.MqttError)
        await asyncio.wait_for(broker.closed.wait(), WAIT_S)


async def test_an_attempt_given_up_while_the_system_connects(caplog):
    """The thread in which the library connects cannot be cancelled: the connection it makes in the end is closed."""
    closed = asyncio.Event()
    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        with contextlib.closing(writer):
            await reader.read()  # until the end, which the others never come to
            closed.set()

    with socket.create_server(("127.0.0.1", 0), backlog=0) as door, contextlib.ExitStack() as others:
        for _ in range(2):  # fill the queue: whoever comes now is kept waiting by the kernel
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(door.getsockname())
        task = asyncio.create_task(connect_and_stay(door.getsockname()[1]))
        await asyncio.sleep(0.2)
        task.cancel()
        assert (await ended(task)).cancelled()
        async with await asyncio.start_server(serve, sock=door):
            await asyncio.wait_for(closed.wait(), WAIT_S)
            for each in serving:
                await end(each)
    assert "never retrieved" not in caplog.text


async def test_a_connection_that_breaks_off_before_the_connack():
    """Is told at once: the timeout here is longer than the test waits."""

    async def serve(reader, writer):
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        with pytest.raises(aiomqtt.MqttError, match="before CONNACK"):
            await asyncio.wait_for(connect_and_stay(server.sockets[0].getsockname()[1], timeout=60), WAIT_S)


async def test_a_connection_that_takes_too_long(monkeypatch):
    """There is a deadline over all of it."""
    monkeypatch.setattr("classready.mqtt.CONNECT_MAX_S", 0.2)
    async with odd_broker(b"") as broker:
        broker.read.set()
        with pytest.raises(aiomqtt.MqttError, match="no connection within"):
            await asyncio.wait_for(connect_and_stay(broker.port, timeout=60), WAIT_S)
        await asyncio.wait_for(broker.closed.wait(), WAIT_S)


async def test_a_goodbye_that_does_not_get_through_hides_nothing():
    """A broker that stopped reading: whoever is cancelled meanwhile was cancelled, and does not connect again."""
    connected = asyncio.Event()

    async def work():
        async with client_of("127.0.0.1", broker.port, timeout=0.3) as mqtt:
            mqtt._client.publish("t", bytes(16_000_000), 0)
            connected.set()
            await asyncio.Event().wait()

    async with odd_broker(CONNACK) as broker:
        task = asyncio.create_task(work())
        await asyncio.wait_for(connected.wait(), WAIT_S)
        task.cancel()
        assert (await ended(task)).cancelled()
        broker.read.set()
        await asyncio.wait_for(broker.closed.wait(), WAIT_S)


async def test_a_lost_connection_is_no_exception_that_nobody_retrieved(caplog):
    """A connection that ends while nobody waits for a message is told by the next call, once."""
    import gc

    async def lose_it():
        async with client_of("127.0.0.1", broker.port) as mqtt:
            mqtt._client.socket().shutdown(socket.SHUT_RDWR)
            await until(mqtt._disconnected.done)
            await mqtt.publish("t", b"x", 1)

    async with odd_broker(CONNACK) as broker:
        with pytest.raises(aiomqtt.MqttError):
            await lose_it()
    gc.collect()
    assert "never retrieved" not in caplog.text


# --- ending ---------------------------------------------------------------------------------------------------------


async def test_end_asks_until_it_is_done(monkeypatch):
    """What lost one cancellation gets the next; a loop that asks ``asked_to_end`` needs only one."""
    monkeypatch.setattr("classready.tasks.ASK_AGAIN_S", 0.05)

    async def deaf(times):
        while times:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                times -= 1

    async def attentive():
        while not asked_to_end():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    for work in (deaf(3), attentive(), asyncio.sleep(0)):
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        await asyncio.wait_for(end(task), WAIT_S)
        assert task.done()
