"""WeCom group robot (企业微信群机器人).

Source: developer.work.weixin.qq.com/document/path/91770: markdown <= 4096 bytes, text <= 2048, 20 messages a minute.
It answers HTTP 200 whatever happened; only ``errcode`` 0 in the body is success. The key is a secret: it stands in the
address, so nothing that carries the address may reach a log or an exception.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from msgspec import Struct

from collector.notify.contract import Deferred, Refused, RefusedReason
from collector.notify.message import Message, fit
from collector.settings import WeComReceiver

MARKDOWN_MAX_BYTES = 4_096
TEXT_MAX_BYTES = 2_048
PER_MINUTE_MAX = 15
"""Below the robot's own 20, so that a restart in the same minute is forgiven."""
REPLY_MAX_BYTES = 65_536
TIMEOUT = ClientTimeout(total=10)
MINUTE_S = 60.0

_FINAL: Mapping[int, RefusedReason] = {40008: "rejected", 40058: "too_long", 44004: "rejected", 93000: "invalid_robot"}


_ABOUT_THE_MESSAGE = frozenset({400, 411, 413, 414, 415, 422, 431})
"""HTTP statuses that speak of what was sent; other 4xx speak of the way to the robot (RFC 9110, section 15.5)."""


class _Reply(Struct):
    errcode: int


_reply = msgspec.json.Decoder(_Reply)


class WeCom:
    def __init__(self, settings: WeComReceiver, session: ClientSession, secret: str | None) -> None:
        self._url = f"{settings.base_url}/cgi-bin/webhook/send"
        self._mobiles = settings.mentioned_mobiles
        self._session = session
        self._key = secret or ""
        self._sent_at: deque[float] = deque()

    async def send(self, message: Message) -> None:
        self._take_turn(time.monotonic())
        status, reply = await self._post(self._body(message))
        _judge(status, reply)

    def _take_turn(self, now_s: float) -> None:
        while self._sent_at and now_s - self._sent_at[0] >= MINUTE_S:
            self._sent_at.popleft()
        if len(self._sent_at) >= PER_MINUTE_MAX:
            raise Deferred("rate", retry_after_s=self._sent_at[0] + MINUTE_S - now_s)
        self._sent_at.append(now_s)

    def _body(self, message: Message) -> dict[str, Any]:
        """Markdown cannot mention by telephone number, so an alarm for named people goes as text."""
        if self._mobiles and message.alarming:
            text = {"content": fit(message, "plain", TEXT_MAX_BYTES), "mentioned_mobile_list": self._mobiles}
            return {"msgtype": "text", "text": text}
        return {"msgtype": "markdown", "markdown": {"content": fit(message, "markdown", MARKDOWN_MAX_BYTES)}}

    async def _post(self, body: dict[str, Any]) -> tuple[int, bytes]:
        failure: Deferred
        try:
            async with self._session.post(
                self._url, params={"key": self._key}, json=body, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                return response.status, await _read(response)
        except TimeoutError:
            failure = Deferred("timeout", retry_after_s=30)
        except (ClientError, OSError):
            failure = Deferred("unreachable", retry_after_s=30)
        raise failure  # here, so that no exception with the address hangs on it


async def _read(response: ClientResponse) -> bytes:
    """Read a reply that is whole within the limit; a longer one is no reply of a robot and reads as empty."""
    try:
        await response.content.readexactly(REPLY_MAX_BYTES + 1)
    except asyncio.IncompleteReadError as complete:
        return complete.partial
    return b""


def _judge(status: int, reply: bytes) -> None:
    """Raise unless the robot took the message. It always answers 200: anything else is something on the way to it."""
    if status == 429:
        raise Deferred("rate", retry_after_s=MINUTE_S, code=status)
    if 300 <= status < 400:
        raise Deferred("redirect", retry_after_s=300, code=status)
    if status in _ABOUT_THE_MESSAGE:
        raise Deferred("http_refused", retry_after_s=60, code=status)
    if status >= 400:
        raise Deferred("http_status", retry_after_s=30 if status >= 500 else 300, code=status)
    _judge_code(_errcode(reply))


def _errcode(reply: bytes) -> int:
    try:
        return _reply.decode(reply).errcode
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise Deferred("bad_reply", retry_after_s=60)


def _judge_code(code: int) -> None:
    if code == 45009:
        raise Deferred("rate", retry_after_s=MINUTE_S, code=code)
    if code == -1:
        raise Deferred("busy", retry_after_s=30, code=code)
    if code in _FINAL:
        raise Refused(_FINAL[code], code)
    if code != 0:
        raise Deferred("unknown_code", retry_after_s=300, code=code)
