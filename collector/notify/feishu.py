"""Feishu and Lark custom group robot (飞书自定义机器人).

Source: open.feishu.cn, 自定义机器人使用指南: 100 messages a minute, 5 a second, a body of at most 20 KB, and advice
to avoid whole and half hours, when everybody's scheduled messages are refused with 11232.
"""

import base64
import hmac
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from collector.notify.contract import Deferred
from collector.notify.message import Message
from collector.notify.robot.budget import Limit
from collector.notify.robot.clock import RobotClock, restamping
from collector.notify.robot.codes import Later, Meaning, Mend, Never, judge_code
from collector.notify.robot.fitting import Markup, split, within, write
from collector.notify.robot.post import MINUTE_S, Reply, judge_status, post
from collector.notify.robot.reply import own_code
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import FeishuReceiver

BODY_MAX_BYTES = 20_000
LIMITS = (Limit(4, 1.0), Limit(80, MINUTE_S))
"""Below the robot's own 5 and 100: what left here evenly may arrive bunched."""
HALF_HOUR_S = 1_800.0
RUSH_BEFORE_S = 5.0
RUSH_AFTER_S = 25.0
"""Within the minute in which a first message must come. Half hours are the same in every zone with lessons in China."""

MEANINGS: Mapping[int, Meaning] = {
    11232: Later("rate", MINUTE_S),
    99991400: Later("rate", MINUTE_S),
    2200: Later("busy", 30),
    9499: Later("http_refused", MINUTE_S),  # too many, or a bad request: it may be about the message
    19036: Never("too_long"),
    19001: Mend("invalid_robot"),
    19021: Mend("bad_signature"),
    19022: Mend("bad_address"),
    19024: Mend("no_keyword"),
}

TEXT = Markup(title=None, strong="**", has_links=True)


class Feishu:
    def __init__(self, settings: FeishuReceiver, tools: Tools, secrets: Secrets) -> None:
        self._hook = secrets["key_file"]
        self._url = f"{settings.base_url}/open-apis/bot/v2/hook/{quote(self._hook, safe='')}"
        self._session = tools.session
        self._sign_secret = secrets.get("sign_secret_file")
        self._budget = tools.budgets.of(("feishu", settings.base_url, self._hook), LIMITS)
        self._clock = RobotClock(tools.clock)
        self._spread_s = zlib.crc32(self._hook.encode()) % 15

    def parts(self, message: Message) -> Sequence[Message]:
        return split(message, within(BODY_MAX_BYTES, self._body))

    async def send(self, message: Message) -> str:
        with self._budget.obeying():
            return await restamping(self._clock, lambda: self._post(message), self._judge)

    async def _post(self, message: Message) -> Reply:
        body = self._body(message)
        self._avoid_the_rush()
        self._budget.take()
        return await post(self._session, self._url, body)

    def _avoid_the_rush(self) -> None:
        """Wait in front of and behind a whole or half hour, and not all robots until the same second."""
        since_s = (self._clock.now() + RUSH_BEFORE_S) % HALF_HOUR_S
        if since_s < RUSH_BEFORE_S + RUSH_AFTER_S:
            raise Deferred("rate", retry_after_s=RUSH_BEFORE_S + RUSH_AFTER_S + self._spread_s - since_s)

    def _body(self, message: Message) -> str:
        card = {
            "config": {"wide_screen_mode": True},
            "header": {
                "title": {"tag": "plain_text", "content": message.title},
                "template": "red" if message.alarming else "green",
            },
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": write(message, TEXT)}}],
        }
        body: dict[str, Any] = {"msg_type": "interactive", "card": card}
        if self._sign_secret is not None:
            stamp = str(int(self._clock.now()))
            body = {"timestamp": stamp, "sign": sign(stamp, self._sign_secret), **body}
        return msgspec.json.encode(body).decode()

    def _judge(self, reply: Reply) -> str:
        """Take the robot's code where there is one: it answers some refusals with HTTP 400 or 429."""
        secrets = [self._hook, self._sign_secret or ""]
        try:
            code, said = own_code(reply.body, ("code", "StatusCode"), ("msg", "StatusMessage"), secrets)
        except Deferred:
            judge_status(reply.status)
            raise
        if code not in MEANINGS:
            judge_status(reply.status)
        judge_code(code, said, MEANINGS)
        return said


def sign(stamp: str, secret: str) -> str:
    """Sign a time in seconds: time and secret are the key, and the text is empty."""
    return base64.b64encode(hmac.digest(f"{stamp}\n{secret}".encode(), b"", "sha256")).decode()
