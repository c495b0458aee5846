"""DingTalk custom group robot (钉钉自定义机器人).

Source: open.dingtalk.com, 自定义机器人接入 and its security settings: 20 messages a minute, over it ten minutes of
silence; a body of at most 20,000 bytes. It answers HTTP 200 whatever happened; ``errcode`` decides.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from collector.notify.message import Message
from collector.notify.robot.budget import Limit
from collector.notify.robot.clock import RobotClock, restamping
from collector.notify.robot.codes import Later, Meaning, Mend, Never, failure, judge_code
from collector.notify.robot.fitting import Markup, split, within, write
from collector.notify.robot.post import MINUTE_S, Reply, judge_status, post
from collector.notify.robot.reply import own_code
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import DingTalkReceiver

BODY_MAX_BYTES = 20_000
LIMITS = (Limit(15, MINUTE_S),)
"""Below the robot's own 20, so that a restart in the same minute is forgiven."""
PENALTY_S = 600.0
GATEWAY_DENIES = 1111
"""``status`` in the answer of the gateway before the robot, which also slows down who is too fast."""

MEANINGS: Mapping[int, Meaning] = {
    -1: Later("busy", 30),
    GATEWAY_DENIES: Later("rate", MINUTE_S),
    **dict.fromkeys((130101, 302033, 410100), Later("rate", PENALTY_S)),
    101002: Never("too_long"),
    460101: Never("too_long"),
    300001: Mend("invalid_robot"),
    400013: Mend("invalid_robot"),
    400101: Mend("invalid_robot"),
    400102: Mend("invalid_robot"),
    400106: Mend("invalid_robot"),
    430101: Never("rejected"),
    430102: Never("rejected"),
    430104: Never("rejected"),
}
BAD_CHECK = 310000
_CHECKS: Mapping[str, Mend] = {
    "timestamp": Mend("bad_clock"),
    "过期": Mend("bad_clock"),
    "keyword": Mend("no_keyword"),
    "关键词": Mend("no_keyword"),
    "whitelist": Mend("bad_address"),
    "白名单": Mend("bad_address"),
}
"""One code stands for every check that failed; only its words tell which. Else it is the signature."""


def _title(title: str, alarming: bool) -> str:  # noqa: FBT001 - the shape of Markup.title
    return f'#### <font color="{"#FA5151" if alarming else "#07C160"}">{title}</font>'


MARKDOWN = Markup(title=_title, strong="**", line_end="\n\n", has_links=True)
"""A single line end does not end a line on every client."""


class DingTalk:
    def __init__(self, settings: DingTalkReceiver, tools: Tools, secrets: Secrets) -> None:
        self._url = f"{settings.base_url}/robot/send"
        self._mobiles = settings.mentioned_mobiles
        self._session = tools.session
        self._token = secrets["key_file"]
        self._sign_secret = secrets.get("sign_secret_file")
        self._budget = tools.budgets.of(("dingtalk", settings.base_url, self._token), LIMITS)
        self._clock = RobotClock(tools.clock)

    def parts(self, message: Message) -> Sequence[Message]:
        return split(message, within(BODY_MAX_BYTES, self._body))

    async def send(self, message: Message) -> str:
        body = self._body(message)
        with self._budget.obeying():
            return await restamping(self._clock, lambda: self._post(body), self._judge)

    async def _post(self, body: str) -> Reply:
        self._budget.take()
        params = {"access_token": self._token}
        if self._sign_secret is not None:
            stamp = str(int(self._clock.now() * 1_000))
            params |= {"timestamp": stamp, "sign": sign(stamp, self._sign_secret)}
        reply = await post(self._session, self._url, body, params=params)
        judge_status(reply.status)
        return reply

    def _body(self, message: Message) -> str:
        """Who is mentioned must stand in the text as well, else nobody is: once for an alarm, with its first part."""
        text = write(message, MARKDOWN)
        body: dict[str, Any] = {"msgtype": "markdown", "markdown": {"title": message.title, "text": text}}
        if self._mobiles and message.alarming and message.part == 1:
            mobiles = [mobile for mobile in self._mobiles if mobile != "@all"]
            named = " ".join(f"@{mobile}" for mobile in mobiles)
            body["markdown"]["text"] = f"{text}\n\n{named}" if named else text
            body["at"] = {"atMobiles": mobiles, "isAtAll": "@all" in self._mobiles}
        return msgspec.json.encode(body).decode()

    def _judge(self, reply: Reply) -> str:
        secrets = [self._token, self._sign_secret or ""]
        code, said = own_code(reply.body, ("errcode", "status"), ("errmsg",), secrets)
        if code == BAD_CHECK:
            raise failure(code, said, next((mend for word, mend in _CHECKS.items() if word in said), _BAD_SIGNATURE))
        judge_code(code, said, MEANINGS)
        return said


_BAD_SIGNATURE = Mend("bad_signature")


def sign(stamp: str, secret: str) -> str:
    """Sign a time in milliseconds: the secret is the key and stands in the text as well."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{stamp}\n{secret}".encode(), "sha256")).decode()
