"""Strict stand-ins for DingTalk, Feishu and a webhook: they check signature, clock, rate, size and form as documented.

The one for WeCom is ``bench.demo.robot``, which the demo runs as well; these misbehave in the same ways.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web

from bench.demo.robot import Robot

SKEW_MAX_S = 3_600.0


class StrictRobot(Robot):
    """``wall`` is its date, ``ticks`` what it counts rates by; ``said`` goes out with each refusal."""

    path: str
    codes: Mapping[str, int]
    """What it answers in the modes ``fail`` (too fast) and ``busy``."""

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        *,
        keyword: str = "",
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        slow_s: float = 30.0,
    ) -> None:
        super().__init__(key, slow_s=slow_s)
        self.secret = secret
        self.keyword = keyword
        self.wall = wall
        self.ticks = ticks
        self.accepted_at: list[float] = []
        self.asked_count = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post(self.path, self._send)
        return app

    async def _send(self, request: web.Request) -> web.Response:
        self.asked_count += 1
        if (strange := await self._misbehave()) is not None:
            self.attempts.append(None)
            return strange
        code, words = self.judge(request, await request.read())
        self.attempts.append(code)
        return web.json_response(self.reply(code, words), headers={"Date": formatdate(self.wall(), usegmt=True)})

    def judge(self, request: web.Request, body: bytes) -> tuple[int, str]:
        raise NotImplementedError

    def reply(self, code: int, words: str) -> dict[str, Any]:
        raise NotImplementedError

    def within(self, window_s: float) -> int:
        now = self.ticks()
        return sum(1 for at in self.accepted_at if now - at < window_s)

    def take(self, message: dict[str, Any]) -> tuple[int, str]:
        self.accepted_at.append(self.ticks())
        self.received.append(message)
        return 0, "ok"


class DingTalkRobot(StrictRobot):
    path = "/robot/send"
    codes: Mapping[str, int] = {"fail": 130101, "busy": -1}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.punished_until = float("-inf")

    @property
    def texts(self) -> list[str]:
        return [message["markdown"]["text"] for message in self.received]

    def reply(self, code: int, words: str) -> dict[str, Any]:
        return {"errcode": code, "errmsg": words}

    def judge(self, request: web.Request, body: bytes) -> tuple[int, str]:
        if request.query.get("access_token") != self.key:
            return 300001, "token is not exist"
        if self.mode in self.codes:
            return self.codes[self.mode], "send too fast, exceed 20 times per minute"
        if self.secret is not None and (wrong := self._wrong_stamp(request.query)):
            return 310000, wrong
        if not request.headers["Content-Type"].startswith("application/json"):
            return 43004, "invalid http header Content-Type"
        if len(body) > 20_000:
            return 460101, "message too long, exceed 20000 bytes"
        try:
            message = json.loads(body)
            assert message["msgtype"] == "markdown"
            assert message["markdown"]["title"]
            text = message["markdown"]["text"]
        except (ValueError, KeyError, TypeError, AssertionError):
            return 400105, "unsupported message"
        if self.keyword not in text:
            return 310000, "keywords not in content, more: [https://ding-doc.dingtalk.com]"
        return self._count(message)

    def _wrong_stamp(self, query: Mapping[str, str]) -> str | None:
        stamp = query.get("timestamp", "")
        if not (stamp.isdecimal() and len(stamp) == 13 and abs(int(stamp) / 1_000 - self.wall()) <= SKEW_MAX_S):
            return "invalid timestamp, more: [https://ding-doc.dingtalk.com]"
        text = f"{stamp}\n{self.secret}".encode()
        good = base64.b64encode(hmac.new(str(self.secret).encode(), text, hashlib.sha256).digest()).decode()
        return None if query.get("sign") == good else "sign not match, more: [https://ding-doc.dingtalk.com]"

    def _count(self, message: dict[str, Any]) -> tuple[int, str]:
        if self.ticks() < self.punished_until or self.within(60) >= 20:
            self.punished_until = max(self.punished_until, self.ticks() + 600)
            return 130101, "send too fast, exceed 20 times per minute"
        return self.take(message)


class FeishuRobot(StrictRobot):
    path = "/open-apis/bot/v2/hook/{hook}"
    codes: Mapping[str, int] = {"fail": 11232, "busy": 2200}

    @property
    def texts(self) -> list[str]:
        return [message["card"]["elements"][0]["text"]["content"] for message in self.received]

    def reply(self, code: int, words: str) -> dict[str, Any]:
        if code == 0:
            return {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}
        return {"code": code, "data": {}, "msg": words}

    def judge(self, request: web.Request, body: bytes) -> tuple[int, str]:
        if request.match_info["hook"] != self.key:
            return 19001, f"param invalid: incoming webhook access token invalid {request.match_info['hook']}"
        if self.mode in self.codes:
            return self.codes[self.mode], "frequency limited"
        if len(body) > 20_480:
            return 19036, "request body exceeds the limit"
        try:
            message = json.loads(body)
            assert message["msg_type"] == "interactive"
            card = message["card"]
            assert card["header"]["title"]["tag"] == "plain_text"
            text = card["header"]["title"]["content"] + card["elements"][0]["text"]["content"]
        except (ValueError, KeyError, TypeError, AssertionError):
            return 9499, "Bad Request"
        if self.secret is not None and not self._is_stamped(message):
            return 19021, "sign match fail or timestamp is not within one hour from current time"
        if self.keyword not in text:
            return 19024, "Key Words Not Found"
        if self.within(1) >= 5 or self.within(60) >= 100 or self.wall() % 1_800 < 20:
            return 11232, "frequency limited"
        return self.take(message)

    def _is_stamped(self, message: Mapping[str, Any]) -> bool:
        stamp = message.get("timestamp", "")
        if not (str(stamp).isdecimal() and abs(int(stamp) - self.wall()) <= SKEW_MAX_S):
            return False
        good = hmac.new(f"{stamp}\n{self.secret}".encode(), b"", hashlib.sha256).digest()
        return message.get("sign") == base64.b64encode(good).decode()


class WebhookTarget(StrictRobot):
    """Takes what docs/receivers.md says that is sent; ``key`` is the last part of its address."""

    path = "/hooks/{key}"
    codes: Mapping[str, int] = {"fail": 429, "busy": 503}

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.received]

    async def _send(self, request: web.Request) -> web.Response:
        self.asked_count += 1
        if (strange := await self._misbehave()) is not None:
            self.attempts.append(None)
            return strange
        code, words = self.judge(request, await request.read())
        self.attempts.append(code)
        return web.Response(status=code or 200, text=words, headers={"Date": formatdate(self.wall(), usegmt=True)})

    def judge(self, request: web.Request, body: bytes) -> tuple[int, str]:
        if request.match_info["key"] != self.key:
            return 410, f"gone: {request.path}"
        if self.mode in self.codes:
            return self.codes[self.mode], "no"
        if self.secret is not None and not self._is_signed(request.headers, body):
            return 401, "bad signature"
        if len(body) > 262_144:
            return 413, "too large"
        message = json.loads(body)
        fields = "version receiver language alarming title lead items left_out closing text link part part_count"
        if list(message) != fields.split() or self.keyword not in message["text"]:
            return 422, "not what was said"
        if self.within(60) >= 60:
            return 429, "too fast"
        return self.take(message)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        stamp = headers.get("X-Classready-Timestamp", "")
        if not (stamp.isdecimal() and abs(int(stamp) - self.wall()) <= 300):
            return False
        good = hmac.new(str(self.secret).encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return headers.get("X-Classready-Signature") == f"sha256={good}"
