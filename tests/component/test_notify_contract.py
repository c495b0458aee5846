"""One suite for every notifier, against strict stand-ins: success, later, never, and nothing in between."""

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout
from typing import get_args

import pytest
from aiohttp import ClientSession, ClientTimeout
from aiohttp.test_utils import TestServer

from bench.demo.robot import Robot
from collector.notify import NOTIFIERS, wecom
from collector.notify.contract import Deferred, Notifier, Refused
from collector.notify.message import Message, render
from collector.settings import ConsoleReceiver, Receiver, WeComReceiver
from tests.support.samples import NAMES, alert, notice

KEY = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"


def message(schools: int = 1, kind: str = "opened") -> Message:
    members = [alert(f"s{n}", f"第{n}中心小学", rooms=30) for n in range(schools)]
    return render(notice(*members, kind=kind, remaining_classrooms=0 if kind == "resolved" else 30), "zh", NAMES)


def settings_of(kind: type[Receiver], base_url: str) -> Receiver:
    if kind is WeComReceiver:
        return WeComReceiver(name="group", key_file="unused", base_url=base_url)
    return kind(name="group")  # type: ignore[call-arg]


@asynccontextmanager
async def notifier(robot: Robot, kind: type[Receiver] = WeComReceiver, **settings: object) -> AsyncIterator[Notifier]:
    async with TestServer(robot.app()) as server, ClientSession() as session:
        receiver = settings_of(kind, str(server.make_url("")).rstrip("/"))
        for name, value in settings.items():
            receiver = type(receiver)(**{**{f: getattr(receiver, f) for f in receiver.__struct_fields__}, name: value})
        yield NOTIFIERS[kind](receiver, session, KEY)


def test_the_table_and_the_settings_agree() -> None:
    """A receiver kind without a notifier, or the reverse, is found here and nowhere later."""
    assert set(NOTIFIERS) == set(get_args(Receiver))


@pytest.mark.parametrize("kind", list(NOTIFIERS))
async def test_every_notifier_delivers_long_messages(kind: type[Receiver]) -> None:
    """A storm of 100 schools is one message within the receiver's limits, totals included."""
    robot, output = Robot(KEY), io.StringIO()
    async with notifier(robot, kind) as send_to:
        with redirect_stdout(output):
            await send_to.send(message(schools=100))
    [text] = robot.texts or [output.getvalue()]
    assert "100 所学校 3000 间教室" in text


@pytest.mark.parametrize("kind", [ConsoleReceiver])
async def test_a_closed_console_defers(kind: type[Receiver]) -> None:
    """A full disk or a closed pipe loses no message."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    async with notifier(Robot(KEY), kind) as send_to:
        with redirect_stdout(Closed()), pytest.raises(Deferred):
            await send_to.send(message())


@pytest.mark.parametrize(
    ("mode", "reason", "least_s"),
    [
        pytest.param("fail", "rate", 60, id="45009 in the body of a 200"),
        pytest.param("busy", "busy", 1, id="-1 in the body of a 200"),
        pytest.param("error", "http_status", 1, id="500"),
        pytest.param("forbidden", "http_status", 60, id="403 from something on the way"),
        pytest.param("html", "bad_reply", 1, id="200 with a login page"),
        pytest.param("garbage", "bad_reply", 1, id="a reply beyond 64 KB, though it says 0"),
        pytest.param("redirect", "redirect", 60, id="a redirect is not followed"),
    ],
)
async def test_what_is_not_success_is_deferred(mode: str, reason: str, least_s: float) -> None:
    """HTTP 200 alone is no success, and nothing that may pass is given up; nothing leaks the key."""
    robot = Robot(KEY)
    robot.mode = mode  # type: ignore[assignment]
    async with notifier(robot) as send_to:
        with pytest.raises(Deferred) as raised:
            await send_to.send(message())
    assert raised.value.reason == reason
    assert raised.value.retry_after_s >= least_s
    assert len(robot.attempts) == 1
    assert robot.received == []
    assert is_silent_about_the_key(raised.value)


def is_silent_about_the_key(error: BaseException | None) -> bool:
    while error is not None:
        if KEY in repr(error) or KEY in str(error):
            return False
        error = error.__cause__ or error.__context__
    return True


async def test_a_slow_or_absent_robot_is_deferred(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A timeout and a refused connection come back in time, and neither log nor exception holds the address."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(wecom, "TIMEOUT", ClientTimeout(total=0.2))
    robot = Robot(KEY, slow_s=1)
    robot.mode = "slow"
    async with ClientSession() as session:
        async with TestServer(robot.app()) as server:
            receiver = WeComReceiver(name="group", key_file="unused", base_url=str(server.make_url("")).rstrip("/"))
            send_to = NOTIFIERS[WeComReceiver](receiver, session, KEY)
            with pytest.raises(Deferred) as slow:
                await send_to.send(message())
        with pytest.raises(Deferred) as absent:
            await send_to.send(message())
    assert slow.value.reason == "timeout"
    assert absent.value.reason == "unreachable"
    assert is_silent_about_the_key(slow.value)
    assert is_silent_about_the_key(absent.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(40058, Refused, id="too long is never tried again"),
        pytest.param(93000, Refused, id="an unknown robot neither"),
        pytest.param(40008, Refused, id="a kind it does not know neither"),
        pytest.param(99999, Deferred, id="a code nobody knows is tried again"),
    ],
)
def test_body_codes(code: int, error: type[Exception]) -> None:
    """The body's own code decides."""
    with pytest.raises(error):
        wecom._judge(200, b'{"errcode": %d, "errmsg": "x"}' % code)


@pytest.mark.parametrize(
    ("status", "reply", "reason"),
    [
        (200, b"", "bad_reply"),
        (200, b"{}", "bad_reply"),
        (200, b'{"errcode": "0"}', "bad_reply"),
        (200, b'{"errcode": null}', "bad_reply"),
        (200, b"[0]", "bad_reply"),
        (204, b"", "bad_reply"),
        (400, b"", "http_refused"),
        (413, b'{"errcode": 0}', "http_refused"),
        (404, b"", "http_status"),
        (407, b"", "http_status"),
        (429, b"", "rate"),
        (502, b'{"errcode": 0}', "http_status"),
    ],
)
def test_only_the_robots_own_zero_is_success(status: int, reply: bytes, reason: str) -> None:
    """An answer without a code is no success, and a status that speaks of the message is told from one of the way."""
    with pytest.raises(Deferred) as raised:
        wecom._judge(status, reply)
    assert raised.value.reason == reason


async def test_a_wrong_key_is_refused() -> None:
    """The robot says 93000 to a key it does not know."""
    robot = Robot("another")
    async with notifier(robot) as send_to:
        with pytest.raises(Refused) as raised:
            await send_to.send(message())
    assert raised.value.reason == "invalid_robot"
    assert is_silent_about_the_key(raised.value)


async def test_at_most_fifteen_messages_a_minute() -> None:
    """The sixteenth waits here; the robot never has to say 45009."""
    robot = Robot(KEY)
    async with notifier(robot) as send_to:
        for _ in range(wecom.PER_MINUTE_MAX):
            await send_to.send(message())
        with pytest.raises(Deferred) as raised:
            await send_to.send(message())
    assert raised.value.reason == "rate"
    assert 0 < raised.value.retry_after_s <= 60
    assert robot.attempts == [0] * wecom.PER_MINUTE_MAX


async def test_named_people_are_mentioned_in_alarms_only() -> None:
    """Markdown cannot mention by number: an alarm for named people is text, within 2048 bytes; the rest is markdown."""
    robot = Robot(KEY)
    async with notifier(robot, mentioned_mobiles=("13800000000",)) as send_to:
        await send_to.send(message(schools=60))
        await send_to.send(message(kind="resolved"))
    alarm, recovery = robot.received
    assert alarm["text"]["mentioned_mobile_list"] == ["13800000000"]
    assert "<font" not in alarm["text"]["content"]
    assert recovery["msgtype"] == "markdown"


def bodies() -> list[tuple[bytes, int]]:
    return [
        (b"not json", 40058),
        (b'{"msgtype": "markdown"}', 40058),
        (b'{"msgtype": "image", "image": {"content": "x"}}', 40008),
        (b'{"msgtype": "markdown", "markdown": {"content": "%s"}}' % (b"x" * 4_097), 40058),
        (b'{"msgtype": "text", "text": {"content": "%s"}}' % (b"x" * 2_049), 40058),
        (b'{"msgtype": "text", "text": {"content": "%s"}}' % (b"x" * 2_048), 0),
    ]


@pytest.mark.parametrize(("body", "code"), bodies())
async def test_the_stand_in_is_strict(body: bytes, code: int) -> None:
    """The robot refuses what the real one refuses, always with HTTP 200."""
    robot = Robot(KEY)
    async with (
        TestServer(robot.app()) as server,
        ClientSession() as session,
        session.post(server.make_url(f"/cgi-bin/webhook/send?key={KEY}"), data=body) as response,
    ):
        assert response.status == 200
        assert (await response.json())["errcode"] == code


async def test_the_stand_in_counts_and_obeys() -> None:
    """More than twenty a minute is 45009; its mode can be set, and what it took can be read, over HTTP."""
    robot = Robot(KEY)
    body = {"msgtype": "text", "text": {"content": "x"}}
    async with TestServer(robot.app()) as server, ClientSession() as session:

        async def post(path: str, json: object) -> dict[str, object]:
            async with session.post(server.make_url(path), json=json) as response:
                reply: dict[str, object] = await response.json()
                return reply

        codes = [(await post(f"/cgi-bin/webhook/send?key={KEY}", body))["errcode"] for _ in range(21)]
        assert codes == [0] * 20 + [45009]
        assert await post("/control", {"mode": "busy"}) == {"mode": "busy"}
        assert "error" in await post("/control", {"mode": "dance"})
        async with session.get(server.make_url("/received")) as response:
            assert len(await response.json()) == 20


async def test_the_stand_in_runs_from_the_command_line() -> None:
    """``python -m bench.demo.robot`` says where it listens and stops on a signal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.demo.robot", "--port", "0", "--key", KEY, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    assert line.startswith(b"robot listening on 127.0.0.1:")
    process.terminate()
    await asyncio.wait_for(process.communicate(), 20)
