"""``notify-test``: one message, the receiver's own answer, and an exit code that a script can act on."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestServer
from aiohttp.web import Application
from click.testing import CliRunner

from bench.demo.robot import Robot
from collector.__main__ import main
from tests.support.chains import make, pem, showing
from tests.support.mail_server import Post
from tests.support.mail_server import serving as serving_mail
from tests.support.robots import DingTalkRobot, FeishuRobot

KEY = "canary-key"
SIGN = "SECcanary-sign"


@asynccontextmanager
async def serving(app: Application):
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def write(folder, kind: str, base_url: str, *, key: str = KEY, sign: str = SIGN, more: str = "") -> None:
    for name, text in (("key", key), ("sign", sign)):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    signed = "" if kind == "wecom" else "    sign_secret_file: sign\n"
    (folder / "collector.yml").write_text(
        f"receivers:\n  - kind: {kind}\n    name: group\n    key_file: key\n{signed}    base_url: {base_url}\n{more}"
        "  - {kind: wecom, name: other, key_file: not-there}\n"
    )


def arguments_of(folder, receiver: str = "group") -> list[str]:
    return ["notify-test", receiver, "-c", str(folder / "collector.yml")]


async def notify_test_apart(folder) -> tuple[int, str]:
    """Run it as a program of its own: aiosmtplib leaves the end of its TLS connection to the end of the program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "collector", *arguments_of(folder)), stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert KEY not in output.decode()
    return process.returncode or 0, output.decode()


async def notify_test(folder, receiver: str = "group") -> tuple[int, str]:
    """Run it as an operator does. The other receiver's missing secret, and no roster at all, do not matter to it."""
    arguments = arguments_of(folder, receiver)
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert KEY not in done.output
    assert SIGN not in done.output
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("kind", "robot"),
    [
        ("wecom", Robot(KEY)),
        ("dingtalk", DingTalkRobot(KEY, SIGN, keyword="教室")),
        ("feishu", FeishuRobot(KEY, SIGN, keyword="教室", wall=lambda: 1_760_001_300.0)),
    ],
)
async def test_taken(tmp_path, kind, robot):
    """The group reads Chinese, the operator what the robot said; at a half hour Feishu's answer is to wait."""
    async with serving(robot.app()) as url:
        write(tmp_path, kind, url)
        code, text = await notify_test(tmp_path)
    if code == 75 and kind == "feishu":
        assert text.startswith("group: not now: the robot takes no more for now; try again in ")
        return
    assert (code, "group: taken; it said: " in text) == (0, True)
    assert "这是一条测试消息:教室的告警和恢复将发到这里。" in robot.texts[0]


@pytest.mark.parametrize(
    ("robot", "mode", "expected_code", "expected"),
    [
        (DingTalkRobot(KEY, SIGN), "fail", 75, "not now: the robot takes no more for now (130101); said: errcode"),
        (DingTalkRobot(KEY, SIGN), "html", 75, "not now: the answer is not the robot's (a login page?)"),
        (DingTalkRobot("another", SIGN), "ok", 78, "wrong setting: there is no such robot; check its key (300001)"),
        (DingTalkRobot(KEY, "another"), "ok", 78, "(310000); said: errcode 310000 sign not match"),
        (DingTalkRobot(KEY, SIGN, keyword="监控"), "ok", 78, "the message has none of the robot's keywords"),
    ],
)
async def test_not_taken(tmp_path, robot, mode, expected_code, expected):
    """What passes is told from what somebody must mend, and what the robot said is shown."""
    robot.mode = mode
    async with serving(robot.app()) as url:
        write(tmp_path, "dingtalk", url)
        code, text = await notify_test(tmp_path)
    assert code == expected_code
    assert expected in text


async def test_a_mail(tmp_path):
    """A relative path of an authority is beside the settings, and what the mail server says is shown."""
    root = make("authority")
    pem(tmp_path / "root.pem", root)
    post = Post("classready", KEY)
    async with serving_mail(post, showing(tmp_path, make("mail", root, hosts=["127.0.0.1"]))) as port:
        (tmp_path / "password").write_text(f"{KEY}\n")
        (tmp_path / "password").chmod(0o600)
        (tmp_path / "collector.yml").write_text(
            f"receivers:\n  - kind: email\n    name: group\n    host: 127.0.0.1\n    port: {port}\n"
            "    user: classready\n    password_file: password\n    ca_file: root.pem\n"
            "    sender: classready@edu.example\n    to: admin@edu.example\n"
        )
        assert await notify_test_apart(tmp_path) == (0, "group: taken; it said: OK queued as 1\n")
        post.password = "another"
        code, text = await notify_test_apart(tmp_path)
    assert code == 78
    assert "wrong setting: the server does not accept user and password, or the token (535)" in text
    assert "这是一条测试消息" in post.received[0].get_content()


async def test_nobody_there(tmp_path):
    """A robot that cannot be reached is not now, and says why; a name that is not there is usage."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        write(tmp_path, "wecom", f"http://127.0.0.1:{free.getsockname()[1]}")
        assert await notify_test(tmp_path) == (
            75,
            "group: not now: the robot cannot be reached; said: Connection refused; try again in 30 s\n",
        )
    code, text = await notify_test(tmp_path, "nobody")
    assert code == 2
    assert "no receiver 'nobody'; there are: group, other" in text
    code, text = await notify_test(tmp_path, "other")
    assert code == 78
    assert "receivers[1].key_file: " in text
