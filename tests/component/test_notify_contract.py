"""One suite for every notifier, against strict stand-ins: success, later, never, and nothing in between."""

import asyncio
import io
import itertools
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, ClientTimeout
from aiohttp.test_utils import TestServer
from msgspec import Struct

from bench.demo.robot import Robot
from collector.notify import NOTIFIERS, dingtalk, feishu, notifiers, wecom
from collector.notify.contract import Deferred, Misconfigured, Notifier, Refused
from collector.notify.message import Message, render
from collector.notify.robot import post
from collector.notify.robot.budget import Budgets
from collector.notify.robot.fitting import PARTS_MAX
from collector.notify.robot.reply import quoted
from collector.notify.robot.tools import Tools
from collector.settings import (
    ConsoleReceiver,
    DingTalkReceiver,
    FeishuReceiver,
    Receiver,
    WebhookReceiver,
    WeComReceiver,
)
from tests.support import chains
from tests.support.robots import DingTalkRobot, FeishuRobot, StrictRobot, WebhookTarget
from tests.support.samples import NAMES, alert, notice

KEY = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"
SIGN_SECRET = "SEC/+fixture=="
QUARTER_PAST = 1_760_000_400.0 + 900.0
"""A quarter past an hour: far from the minutes that Feishu advises against."""


class Time:
    """A wall clock and a monotonic one that stand still until they are moved."""

    def __init__(self) -> None:
        self.wall_s = QUARTER_PAST
        self.tick_s = 1_000.0

    def wall(self) -> float:
        return self.wall_s

    def ticks(self) -> float:
        return self.tick_s

    def pass_by(self, seconds: float) -> None:
        self.wall_s += seconds
        self.tick_s += seconds


class Kind(Struct, frozen=True, kw_only=True):
    receiver: type[Any]
    robot: type[Robot]
    signed: bool = True
    per_minute: int


WECOM = Kind(receiver=WeComReceiver, robot=Robot, signed=False, per_minute=15)
DINGTALK = Kind(receiver=DingTalkReceiver, robot=DingTalkRobot, per_minute=15)
FEISHU = Kind(receiver=FeishuReceiver, robot=FeishuRobot, per_minute=80)
ROBOTS = [pytest.param(kind, id=kind.receiver.__struct_config__.tag) for kind in (WECOM, DINGTALK, FEISHU)]
WEBHOOK = Kind(receiver=WebhookReceiver, robot=WebhookTarget, per_minute=60)
ALL = [*ROBOTS, pytest.param(WEBHOOK, id="webhook")]
SIGNED = ALL[1:]


def message(schools: int = 1, kind: str = "opened") -> Message:
    members = [alert(f"s{n}", f"第{n}中心小学", rooms=30) for n in range(schools)]
    return render(notice(*members, kind=kind, remaining_classrooms=0 if kind == "resolved" else 30), "zh", NAMES)


def robot_of(kind: Kind, time: Time | None = None, **options: Any) -> Robot:
    if kind is WECOM:
        return Robot(KEY, **options)
    clocks = {} if time is None else {"wall": time.wall, "ticks": time.ticks}
    return kind.robot(KEY, SIGN_SECRET, **clocks, **options)  # type: ignore[call-arg]


def receiver_of(kind: Kind, base_url: str, name: str = "group", **settings: object) -> Receiver:
    own = {"url_file": "unused"} if kind is WEBHOOK else {"key_file": "unused", "base_url": base_url}
    made: Receiver = kind.receiver(name=name, **own, **settings)
    return made


def secrets_of(kind: Kind, base_url: str, sign_secret: str | None = SIGN_SECRET, key: str = KEY) -> dict[str, str]:
    own = {"url_file": f"{base_url}/hooks/{quote(key, safe='')}"} if kind is WEBHOOK else {"key_file": key}
    return {**own, **({"sign_secret_file": sign_secret} if kind.signed and sign_secret else {})}


def tools_of(session: ClientSession, time: Time | None = None) -> Tools:
    time = time or Time()
    return Tools(session=session, budgets=Budgets(time.ticks), clock=time.wall)


@asynccontextmanager
async def notifier(
    kind: Kind, robot: Robot, time: Time | None = None, secrets: dict[str, str | None] | None = None, **settings: object
) -> AsyncIterator[Notifier]:
    time = time or Time()
    if isinstance(robot, StrictRobot) and robot.wall is not time.wall:
        robot.wall = time.wall
    async with TestServer(robot.app()) as server, ClientSession() as session:
        base_url = str(server.make_url("")).rstrip("/")
        receiver = receiver_of(kind, base_url, **settings)
        own = secrets_of(kind, base_url, **(secrets or {}))  # type: ignore[arg-type]
        yield NOTIFIERS[kind.receiver](receiver, tools_of(session, time), own)


def test_the_table_and_the_settings_agree() -> None:
    """A receiver kind without a notifier, or the reverse, is found here and nowhere later."""
    assert set(NOTIFIERS) == set(get_args(Receiver))


@pytest.mark.parametrize("kind", ALL)
async def test_every_robot_delivers_long_messages(kind: Kind) -> None:
    """A storm of 600 schools is a few parts within the robot's limits, in order, totals included."""
    robot = robot_of(kind)
    async with notifier(kind, robot) as send_to:
        parts = send_to.parts(message(schools=600))
        for part in parts:
            said = await send_to.send(part)
    assert len(robot.texts) == len(parts) <= PARTS_MAX
    titles = [part.title[-5:] for part in parts]
    assert titles == [f"({n}/{len(parts)})" for n in range(1, len(parts) + 1)] or len(parts) == 1
    assert "600 所学校 18000 间教室" in robot.texts[0]
    text = "\n".join(robot.texts)
    shown, left = text.count("第"), int(text.split("另有 ")[1].split(" ")[0]) if "另有 " in text else 0
    assert shown + left == 600
    assert said.endswith((" 0 ok", " 0 success", "HTTP 200 ok"))


async def test_the_console_delivers_long_messages() -> None:
    """Nothing is cut where nothing limits."""
    output = io.StringIO()
    async with ClientSession() as session:
        send_to = NOTIFIERS[ConsoleReceiver](ConsoleReceiver(name="c"), tools_of(session), {})
        with redirect_stdout(output):
            await send_to.send(message(schools=600))
    assert output.getvalue().count("中心小学") == 600


async def test_a_closed_console_defers() -> None:
    """A full disk or a closed pipe loses no message."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    async with ClientSession() as session:
        send_to = NOTIFIERS[ConsoleReceiver](ConsoleReceiver(name="c"), tools_of(session), {})
        with redirect_stdout(Closed()), pytest.raises(Deferred):
            await send_to.send(message())


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize(
    ("mode", "reason", "least_s"),
    [
        pytest.param("fail", "rate", 60, id="too fast, in the body of a 200"),
        pytest.param("busy", "busy", 1, id="busy, in the body of a 200"),
        pytest.param("error", "http_status", 1, id="500"),
        pytest.param("forbidden", "http_status", 60, id="403 from something on the way"),
        pytest.param("html", "bad_reply", 1, id="200 with a login page"),
        pytest.param("garbage", "bad_reply", 1, id="a reply beyond 64 KB, though it says 0"),
        pytest.param("redirect", "redirect", 60, id="a redirect is not followed"),
    ],
)
async def test_what_is_not_success_is_deferred(kind: Kind, mode: str, reason: str, least_s: float) -> None:
    """HTTP 200 alone is no success, and nothing that may pass is given up; nothing leaks the key."""
    robot = robot_of(kind)
    robot.mode = mode  # type: ignore[assignment]
    async with notifier(kind, robot) as send_to:
        with pytest.raises(Deferred) as raised:
            await send_to.send(message())
    assert raised.value.reason == reason
    assert raised.value.retry_after_s >= least_s
    assert len(robot.attempts) == 1
    assert robot.received == []
    assert is_silent_about_secrets(raised.value)


def is_silent_about_secrets(error: BaseException | None) -> bool:
    while error is not None:
        told = f"{error!r} {error} {getattr(error, 'said', '')}"
        if KEY in told or SIGN_SECRET in told:
            return False
        error = error.__cause__ or error.__context__
    return True


@pytest.mark.parametrize("kind", ALL)
async def test_a_slow_or_absent_robot_is_deferred(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A timeout and a refused connection come back in time, and neither log nor exception holds the address."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(post, "TIMEOUT", ClientTimeout(total=0.2))
    robot = robot_of(kind, slow_s=1)
    robot.mode = "slow"
    async with ClientSession() as session:
        async with TestServer(robot.app()) as server:
            base_url = str(server.make_url("")).rstrip("/")
            receiver = receiver_of(kind, base_url)
            send_to = NOTIFIERS[kind.receiver](receiver, tools_of(session), secrets_of(kind, base_url))
            with pytest.raises(Deferred) as slow:
                await send_to.send(message())
        with pytest.raises(Deferred) as absent:
            await send_to.send(message())
    assert slow.value.reason == "timeout"
    assert absent.value.reason == "unreachable"
    assert is_silent_about_secrets(slow.value)
    assert is_silent_about_secrets(absent.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize("kind", ALL)
async def test_a_robot_behind_bad_tls_is_told_nothing(kind: Kind, tmp_path: Path) -> None:
    """A certificate that nobody vouches for, and no TLS at all: deferred, and not a byte of the message is there."""
    robot = robot_of(kind)
    context = chains.showing(tmp_path, chains.make("robot.example", hosts=["127.0.0.1"]))
    async with ClientSession() as session:
        for shown in (context, None):
            server = TestServer(robot.app(), host="127.0.0.1")
            await server.start_server(ssl=shown)
            base_url = f"https://127.0.0.1:{server.port}"
            receiver = receiver_of(kind, base_url)
            send_to = NOTIFIERS[kind.receiver](receiver, tools_of(session), secrets_of(kind, base_url))
            with pytest.raises(Deferred) as refused:
                await send_to.send(message())
            await server.close()
            assert refused.value.reason == "unreachable"
            assert is_silent_about_secrets(refused.value)
    assert robot.texts == []


def answered(kind: Kind, body: bytes, status: int = 200) -> object:
    """What a notifier of this kind makes of an answer."""
    reply = post.Reply(status, body)
    if kind is WECOM:
        post.judge_status(status)
        return wecom.judge(body, KEY)
    made: Any = NOTIFIERS[kind.receiver](
        receiver_of(kind, "http://h"),
        Tools(session=None, budgets=Budgets()),
        secrets_of(kind, "http://h"),  # type: ignore[arg-type]
    )
    if kind is DINGTALK:
        post.judge_status(status)
    return made._judge(reply)


CODES = [
    (WECOM, 40058, "Refused", "too_long"),
    (WECOM, 45002, "Refused", "too_long"),
    (WECOM, 40008, "Refused", "rejected"),
    (WECOM, 93000, "Misconfigured", "invalid_robot"),
    (WECOM, 45009, "Deferred", "rate"),
    (WECOM, -1, "Deferred", "busy"),
    (WECOM, 99999, "Deferred", "unknown_code"),
    (DINGTALK, 130101, "Deferred", "rate"),
    (DINGTALK, 302033, "Deferred", "rate"),
    (DINGTALK, 410100, "Deferred", "rate"),
    (DINGTALK, -1, "Deferred", "busy"),
    (DINGTALK, 460101, "Refused", "too_long"),
    (DINGTALK, 101002, "Refused", "too_long"),
    (DINGTALK, 300001, "Misconfigured", "invalid_robot"),
    (DINGTALK, 400101, "Misconfigured", "invalid_robot"),
    (DINGTALK, 430102, "Refused", "rejected"),
    (DINGTALK, 99999, "Deferred", "unknown_code"),
    (FEISHU, 11232, "Deferred", "rate"),
    (FEISHU, 99991400, "Deferred", "rate"),
    (FEISHU, 2200, "Deferred", "busy"),
    (FEISHU, 9499, "Deferred", "http_refused"),
    (FEISHU, 19036, "Refused", "too_long"),
    (FEISHU, 19001, "Misconfigured", "invalid_robot"),
    (FEISHU, 19021, "Misconfigured", "bad_signature"),
    (FEISHU, 19022, "Misconfigured", "bad_address"),
    (FEISHU, 19024, "Misconfigured", "no_keyword"),
    (FEISHU, 99999, "Deferred", "unknown_code"),
]


def code_fields(kind: Kind) -> tuple[str, str]:
    return ("code", "msg") if kind is FEISHU else ("errcode", "errmsg")


@pytest.mark.parametrize(("kind", "code", "error", "reason"), CODES)
def test_body_codes(kind: Kind, code: int, error: str, reason: str) -> None:
    """The body's own code decides: wait, never again, or call somebody who mends a setting."""
    field, text = code_fields(kind)
    with pytest.raises((Deferred, Refused)) as raised:
        answered(kind, json.dumps({field: code, text: "x"}).encode())
    assert (type(raised.value).__name__, raised.value.reason) == (error, reason)
    assert raised.value.said == f"{field} {code} x"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("keywords not in content, more: [https://x]", "no_keyword"),
        ("错误描述:关键词不匹配", "no_keyword"),
        ("invalid timestamp, more: [https://x]", "bad_clock"),
        ("sign not match, more: [https://x]", "bad_signature"),
        ("ip 1.2.3.4 not in whitelist, more: [https://x]", "bad_address"),
        ("", "bad_signature"),
    ],
)
def test_dingtalk_says_which_check_failed(words: str, reason: str) -> None:
    """One code for all checks: the words tell which setting to mend."""
    with pytest.raises(Misconfigured) as raised:
        answered(DINGTALK, json.dumps({"errcode": 310000, "errmsg": words}).encode())
    assert raised.value.reason == reason


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize(
    ("status", "reply", "reason"),
    [
        (200, b"", "bad_reply"),
        (200, b"{}", "bad_reply"),
        (200, b'{"CODE": "0"}', "bad_reply"),
        (200, b'{"CODE": null}', "bad_reply"),
        (200, b'{"CODE": false}', "bad_reply"),
        (200, b'{"CODE": 0.0}', "bad_reply"),
        (200, b"[0]", "bad_reply"),
        (200, b"0", "bad_reply"),
        (200, b"\xff\xfe", "bad_reply"),
        (200, b"[" * 60_000, "bad_reply"),
        (204, b"", "bad_reply"),
        (400, b"", "http_refused"),
        (413, b'{"CODE": 0}', "http_refused"),
        (404, b"", "http_status"),
        (407, b"", "http_status"),
        (429, b"", "rate"),
        (502, b'{"CODE": 0}', "http_status"),
        (103, b'{"CODE": 0}', "http_status"),
    ],
)
def test_only_the_robots_own_zero_is_success(kind: Kind, status: int, reply: bytes, reason: str) -> None:
    """An answer without a code is no success, and a status that speaks of the message is told from one of the way."""
    with pytest.raises(Deferred) as raised:
        answered(kind, reply.replace(b"CODE", code_fields(kind)[0].encode()), status)
    assert raised.value.reason == reason


def test_old_and_mixed_answers_of_feishu() -> None:
    """Two spellings of success are known; one that is not 0 is enough for none."""
    assert answered(FEISHU, b'{"StatusCode": 0, "StatusMessage": "success"}') == "code 0 success"
    with pytest.raises(Deferred):
        answered(FEISHU, b'{"StatusCode": 0, "code": 11232}')
    with pytest.raises(Misconfigured):
        answered(FEISHU, b'{"code": 19024, "msg": "Key Words Not Found"}', 400)


async def test_the_gateway_before_dingtalk_denies() -> None:
    """Its own form of too fast has no errcode."""
    with pytest.raises(Deferred) as raised:
        answered(DINGTALK, b'{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"1"}')
    assert raised.value.reason == "rate"


@pytest.mark.parametrize("kind", ALL)
async def test_a_wrong_key_is_a_wrong_setting(kind: Kind) -> None:
    """The robot does not know it; what it repeats of the address stays out of what is told."""
    robot = robot_of(kind)
    async with notifier(kind, robot, secrets={"key": "another/key"}) as send_to:
        with pytest.raises(Misconfigured) as raised:
            await send_to.send(message())
    assert raised.value.reason == "invalid_robot"
    assert "another" not in raised.value.said
    assert is_silent_about_secrets(raised.value)


@pytest.mark.parametrize("secret", ["a key/with +", "x", "https://h/k?key=1"])
def test_secrets_are_left_out_of_words(secret: str) -> None:
    """Raw or escaped, short or long; and the words stay one short line."""
    said = quoted(f"no {secret}\r\n{'y' * 900}", [secret, ""])
    assert secret not in said.replace("***", "")
    assert len(said) <= 200
    assert said.isprintable()


# --- signature and clock --------------------------------------------------------------------------------------------


def test_signatures() -> None:
    """As ``openssl dgst -sha256 -hmac`` makes them: key and text are not the same at both vendors."""
    assert dingtalk.sign("1700000000123", "SECfixture") == "2xjd5s4Rzqa/EMQUQttJPiruKt70bvVuX6WGojQaNkQ="
    assert feishu.sign("1700000000", "SECfixture") == "LKvkpVGZG5WkdjnRzcKbTUMaqd2I8uA2b1eXd41rA6w="


@pytest.mark.parametrize("kind", SIGNED)
async def test_a_wrong_sign_secret_is_a_wrong_setting(kind: Kind) -> None:
    """It is asked once, not again and again."""
    robot = robot_of(kind)
    async with notifier(kind, robot, secrets={"sign_secret": "SECwrong"}) as send_to:
        with pytest.raises(Misconfigured) as raised:
            await send_to.send(message())
    assert raised.value.reason == "bad_signature"
    assert len(robot.attempts) == 1


@pytest.mark.parametrize("kind", SIGNED)
async def test_a_robot_that_asks_for_no_signature(kind: Kind) -> None:
    """Without the secret nothing is signed; a robot that asks for a signature says so."""
    robot = robot_of(kind)
    async with notifier(kind, robot, secrets={"sign_secret": None}) as send_to:
        with pytest.raises(Misconfigured):
            await send_to.send(message())
        robot.secret = None  # type: ignore[attr-defined]
        await send_to.send(message())
    assert len(robot.received) == 1
    assert "sign" not in robot.received[0]


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("off_s", [-3_500.0, 3_500.0, -7_200.0, 7_200.0, -40 * 365 * 86_400.0, 10 * 365 * 86_400.0])
async def test_a_clock_that_is_wrong(kind: Kind, off_s: float) -> None:
    """Within the hour nothing happens; beyond, the robot's own date is learned and the message goes at once."""
    time = Time()
    robot = robot_of(kind, time)
    async with TestServer(robot.app()) as server, ClientSession() as session:
        base_url = str(server.make_url("")).rstrip("/")
        receiver = receiver_of(kind, base_url)
        tools = Tools(session=session, budgets=Budgets(time.ticks), clock=lambda: time.wall() + off_s)
        send_to = NOTIFIERS[kind.receiver](receiver, tools, secrets_of(kind, base_url))
        await send_to.send(message())
        time.pass_by(30)
        await send_to.send(message())
    assert robot.attempts.count(0) == 2
    allowed_s = 300 if kind is WEBHOOK else 3_600
    assert len(robot.attempts) == (2 if abs(off_s) < allowed_s else 3)


# --- one secret takes the place of another --------------------------------------------------------------------------


def of_lines(kind: Kind, base_url: str, field: str, *lines: str) -> dict[str, str]:
    """The files of a receiver, ``field`` of which holds several lines."""
    by_key = {"key": [secrets_of(kind, base_url, key=line) for line in lines]}
    by_sign = {"sign": [secrets_of(kind, base_url, sign_secret=line) for line in lines]}
    each = {**by_key, **by_sign}[field]
    return {f"receivers[0].{name}": "\n".join(dict.fromkeys(one[name] for one in each)) for name in each[0]}


ROTATING = [
    *(pytest.param(kind.values[0], "key", id=f"{kind.id} key") for kind in ALL),
    *(pytest.param(kind.values[0], "sign", id=f"{kind.id} signature") for kind in SIGNED),
]


@pytest.mark.parametrize(("kind", "field"), ROTATING)
async def test_old_and_new_secret_side_by_side(kind: Kind, field: str) -> None:
    """Whichever the robot takes; once it took one, that is asked first. With neither it is a wrong setting."""
    time = Time()
    robot, right = robot_of(kind, time), KEY if field == "key" else SIGN_SECRET
    async with TestServer(robot.app()) as server, ClientSession() as session:
        base_url = str(server.make_url("")).rstrip("/")
        secrets = of_lines(kind, base_url, field, "SECnew", right)
        send_to = notifiers([receiver_of(kind, base_url)], secrets, tools_of(session, time))["group"]
        await send_to.send(message())
        time.pass_by(10)
        await send_to.send(message())
        assert [code == 0 for code in robot.attempts] == [False, True, True]
        setattr(robot, "key" if field == "key" else "secret", "SECnew")
        time.pass_by(10)
        await send_to.send(message())
        assert [code == 0 for code in robot.attempts[3:]] == [False, True]
        setattr(robot, "key" if field == "key" else "secret", "another")
        time.pass_by(10)
        with pytest.raises(Misconfigured) as raised:
            await send_to.send(message())
    assert raised.value.reason == ("invalid_robot" if field == "key" else "bad_signature")
    assert len(robot.received) == 3


async def test_a_robot_that_is_busy_is_not_asked_with_another_secret() -> None:
    """Only what speaks of the secret makes it try the next one."""
    robot = robot_of(WECOM)
    robot.mode = "busy"
    async with TestServer(robot.app()) as server, ClientSession() as session:
        base_url = str(server.make_url("")).rstrip("/")
        secrets = of_lines(WECOM, base_url, "key", KEY, "other")
        send_to = notifiers([receiver_of(WECOM, base_url)], secrets, tools_of(session))["group"]
        with pytest.raises(Deferred):
            await send_to.send(message())
    assert robot.attempts == [-1]


# --- rates ----------------------------------------------------------------------------------------------------------


async def pause_of(send_to: Notifier) -> float:
    """Send one; return how long to wait instead, 0 = it was taken."""
    try:
        await send_to.send(message())
    except Deferred as full:
        return full.retry_after_s
    return 0.0


@pytest.mark.parametrize("kind", ALL)
async def test_the_robot_never_has_to_say_that_it_is_too_fast(kind: Kind) -> None:
    """A storm for five minutes, as fast as the notifier lets it: each pause that it names is enough."""
    time = Time()
    robot = robot_of(kind, time)
    async with notifier(kind, robot, time) as send_to:
        sent, until_s = 0, time.tick_s + 300
        while time.tick_s < until_s:
            pause_s = await pause_of(send_to)
            assert pause_s <= 60
            time.pass_by(pause_s)
            sent += not pause_s
            if kind is WECOM and sent == kind.per_minute:
                break  # its stand-in counts by the machine's clock
    assert set(robot.attempts) == {0}
    assert sent >= (kind.per_minute if kind is WECOM else 5 * kind.per_minute)


@pytest.mark.parametrize("kind", ALL)
async def test_two_receivers_of_one_robot_share_what_it_takes(kind: Kind) -> None:
    """The vendors count per robot; another robot has a budget of its own."""
    time, robot = Time(), robot_of(kind)
    async with TestServer(robot.app()) as server, ClientSession() as session:
        base_url = str(server.make_url("")).rstrip("/")
        receivers = [receiver_of(kind, base_url, name) for name in ("a", "b", "other")]
        keys = {"a": KEY, "b": KEY, "other": "other"}
        secrets = {
            f"receivers[{i}].{field}": value
            for i, receiver in enumerate(receivers)
            for field, value in secrets_of(kind, base_url, key=keys[receiver.name]).items()
        }
        made = notifiers(receivers, secrets, tools_of(session, time))
        taken = 0
        for name in itertools.islice(itertools.cycle("ab"), 2 * kind.per_minute):
            if await pause_of(made[name]):
                time.tick_s += 0.25
            else:
                taken += 1
        with pytest.raises(Misconfigured):
            await made["other"].send(message())
    assert taken <= kind.per_minute


@pytest.mark.parametrize("kind", ALL)
async def test_what_one_receiver_is_told_the_other_obeys(kind: Kind) -> None:
    """A robot that says that it is too fast is not asked by the next receiver either, before its time."""
    time, robot = Time(), robot_of(kind)
    robot.mode = "fail"
    async with TestServer(robot.app()) as server, ClientSession() as session:
        base_url = str(server.make_url("")).rstrip("/")
        receivers = [receiver_of(kind, base_url, name) for name in ("a", "b")]
        own = secrets_of(kind, base_url)
        secrets = {f"receivers[{i}].{field}": value for i in range(2) for field, value in own.items()}
        made = notifiers(receivers, secrets, tools_of(session, time))
        pauses_s = [await pause_of(made[name]) for name in "abab"]
        assert len(robot.attempts) == 1
        assert len(set(pauses_s)) == 1
        time.pass_by(pauses_s[0])
        await pause_of(made["b"])
    assert len(robot.attempts) == 2


async def test_dingtalks_penalty_is_waited_for() -> None:
    """Somebody else used the robot up: it takes nothing for ten minutes, is not asked meanwhile, and then goes on."""
    time = Time()
    robot = DingTalkRobot(KEY, SIGN_SECRET, wall=time.wall, ticks=time.ticks)
    robot.accepted_at = [time.tick_s - 1] * 20
    async with notifier(DINGTALK, robot, time) as send_to:
        for left_s in (600, 420, 240, 60):
            with pytest.raises(Deferred) as raised:
                await send_to.send(message())
            assert raised.value.reason == "rate"
            assert raised.value.retry_after_s == pytest.approx(left_s)
            time.pass_by(180)
        assert robot.asked_count == 1
        await send_to.send(message())
    assert robot.attempts == [130101, 0]


@pytest.mark.parametrize("minute", [0, 30])
async def test_feishu_is_left_alone_at_whole_and_half_hours(minute: int) -> None:
    """A message of 10:29:56 waits for half a minute, then goes; nothing is asked in between."""
    time = Time()
    time.wall_s += 2_700 + 60 * minute - 4
    robot = robot_of(FEISHU, time)
    began_s = time.tick_s
    async with notifier(FEISHU, robot, time) as send_to:
        with pytest.raises(Deferred) as raised:
            await send_to.send(message())
        assert raised.value.reason == "rate"
        time.pass_by(raised.value.retry_after_s)
        await send_to.send(message())
    assert robot.attempts == [0]
    assert 20 < time.tick_s - began_s < 50


# --- what each kind has of its own ----------------------------------------------------------------------------------


async def test_named_people_are_mentioned_in_alarms_only() -> None:
    """Markdown cannot mention by number: an alarm for named people is text, within 2048 bytes; the rest is markdown."""
    robot = Robot(KEY)
    async with notifier(WECOM, robot, mentioned_mobiles=("13800000000",)) as send_to:
        for part in send_to.parts(message(schools=60)):
            await send_to.send(part)
        await send_to.send(message(kind="resolved"))
    alarm, *more, recovery = robot.received
    assert alarm["text"]["mentioned_mobile_list"] == ["13800000000"]
    assert "<font" not in alarm["text"]["content"]
    assert {part["msgtype"] for part in more} == {"markdown"}
    assert recovery["msgtype"] == "markdown"


async def test_dingtalk_mentions_in_text_and_list() -> None:
    """Who is in ``at`` alone is not mentioned; the limit holds with the mention."""
    robot = robot_of(DINGTALK)
    async with notifier(DINGTALK, robot, mentioned_mobiles=("13800000000", "@all")) as send_to:
        for part in send_to.parts(message(schools=600)):
            await send_to.send(part)
        await send_to.send(message(kind="resolved"))
    alarm, *more, recovery = robot.received
    assert more
    assert all("at" not in part for part in more)
    assert alarm["at"] == {"atMobiles": ["13800000000"], "isAtAll": True}
    assert alarm["markdown"]["text"].endswith("\n\n@13800000000")
    assert "at" not in recovery


@pytest.mark.parametrize("kind", SIGNED[:2])
async def test_a_keyword_that_every_message_has(kind: Kind) -> None:
    """The docs name a word for robots that ask for one; another is a wrong setting that is told."""
    robot = robot_of(kind, keyword="教室")
    async with notifier(kind, robot) as send_to:
        await send_to.send(message())
        robot.keyword = "监控报警"  # type: ignore[attr-defined]
        with pytest.raises(Misconfigured) as raised:
            await send_to.send(message())
    assert raised.value.reason == "no_keyword"


@pytest.mark.parametrize("address", ["http://h:99999/CANARY", "http://h:x/CANARY", "CANARY"])
async def test_an_address_that_is_none(address: str) -> None:
    """The library's own error would repeat it in the log, where it is a secret."""
    async with ClientSession() as session:
        send_to = NOTIFIERS[WebhookReceiver](
            WebhookReceiver(name="w", url_file="unused"), tools_of(session), {"url_file": address}
        )
        with pytest.raises(Deferred) as raised:
            await send_to.send(message())
    assert raised.value.reason == "unreachable"
    assert "CANARY" not in f"{raised.value.said} {raised.value!r} {raised.value.__context__!r}"


async def test_a_webhook_is_cut_and_says_so() -> None:
    """A quarter of a megabyte of JSON at most a part, whole schools only, in the list as in the text."""
    target = robot_of(WEBHOOK)
    async with notifier(WEBHOOK, target) as send_to:
        for part in send_to.parts(message(schools=6_000)):
            await send_to.send(part)
    assert [(taken["part"], taken["part_count"]) for taken in target.received] == [(1, 3), (2, 3), (3, 3)]
    left = target.received[-1]["left_out"]["schools"]
    assert 0 < left < 6_000
    assert sum(len(taken["items"]) for taken in target.received) + left == 6_000
    assert target.received[-1]["left_out"]["classrooms"] == 30 * left
    assert f"另有 {left} 所学校" in target.received[-1]["text"]


@pytest.mark.parametrize(
    ("status", "error"), [(403, Deferred), (404, Deferred), (401, Misconfigured), (410, Misconfigured)]
)
def test_a_webhook_is_judged_by_its_status(status: int, error: type[Exception]) -> None:
    """What a proxy may say for a while is waited for; an answer that is meant to last is not."""
    with pytest.raises(error):
        answered(WEBHOOK, b"", status)
    assert answered(WEBHOOK, b"", 204) == "HTTP 204"


# --- the stand-in for WeCom -----------------------------------------------------------------------------------------


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
