"""WeCom group robot (企业微信群机器人).

Source: developer.work.weixin.qq.com/document/path/91770: markdown <= 4096 bytes, text <= 2048, 20 messages a minute.
It answers HTTP 200 whatever happened; only ``errcode`` 0 in the body is success. The key stands in the address.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from collector.notify.message import Message
from collector.notify.robot.budget import Limit
from collector.notify.robot.codes import Later, Meaning, Mend, Never, judge_code
from collector.notify.robot.fitting import Markup, split, within, write
from collector.notify.robot.post import MINUTE_S, judge_status, post
from collector.notify.robot.reply import own_code
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import WeComReceiver

MARKDOWN_MAX_BYTES = 4_096
TEXT_MAX_BYTES = 2_048
PER_MINUTE_MAX = 15
"""Below the robot's own 20, so that a restart in the same minute is forgiven."""
LIMITS = (Limit(PER_MINUTE_MAX, MINUTE_S),)

MEANINGS: Mapping[int, Meaning] = {
    -1: Later("busy", 30),
    45009: Later("rate", MINUTE_S),
    40008: Never("rejected"),
    44004: Never("rejected"),
    40058: Never("too_long"),
    45002: Never("too_long"),
    93000: Mend("invalid_robot"),
}


def _title(title: str, alarming: bool) -> str:  # noqa: FBT001 - the shape of Markup.title
    return f'**<font color="{"warning" if alarming else "info"}">{title}</font>**'


MARKDOWN = Markup(title=_title, bullet="> ", strong="**", has_links=True)


class WeCom:
    def __init__(self, settings: WeComReceiver, tools: Tools, secrets: Secrets) -> None:
        self._url = f"{settings.base_url}/cgi-bin/webhook/send"
        self._mobiles = settings.mentioned_mobiles
        self._session = tools.session
        self._key = secrets["key_file"]
        self._budget = tools.budgets.of(("wecom", settings.base_url, self._key), LIMITS)

    def parts(self, message: Message) -> Sequence[Message]:
        markdown, text = within(MARKDOWN_MAX_BYTES, _markdown), within(TEXT_MAX_BYTES, write)
        return split(message, lambda part: text(part) if self._mentions(part) else markdown(part))

    async def send(self, message: Message) -> str:
        body = msgspec.json.encode(self._body(message)).decode()
        with self._budget.obeying():
            self._budget.take()
            reply = await post(self._session, self._url, body, params={"key": self._key})
            judge_status(reply.status)
            return judge(reply.body, self._key)

    def _mentions(self, message: Message) -> bool:
        """Once for an alarm, with its first part."""
        return bool(self._mobiles) and message.alarming and message.part == 1

    def _body(self, message: Message) -> dict[str, Any]:
        """Markdown cannot mention by telephone number, so what is for named people goes as text."""
        if self._mentions(message):
            return {"msgtype": "text", "text": {"content": write(message), "mentioned_mobile_list": self._mobiles}}
        return {"msgtype": "markdown", "markdown": {"content": _markdown(message)}}


def _markdown(message: Message) -> str:
    return write(message, MARKDOWN)


def judge(body: bytes, key: str) -> str:
    """Return the robot's words if it took the message, else raise what its code means."""
    code, said = own_code(body, ("errcode",), ("errmsg",), [key])
    judge_code(code, said, MEANINGS)
    return said
