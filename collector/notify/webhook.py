"""A program of one's own: JSON over HTTP, signed if wanted. Any 2xx is success: the receiver speaks HTTP itself."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from collector.notify.message import Message
from collector.notify.robot.budget import Limit
from collector.notify.robot.clock import RobotClock, restamping
from collector.notify.robot.codes import Meaning, Mend, failure
from collector.notify.robot.fitting import split, within, write
from collector.notify.robot.post import MINUTE_S, Reply, judge_status, post
from collector.notify.robot.reply import quoted
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import WebhookReceiver

BODY_MAX_BYTES = 262_144
LIMITS = (Limit(60, MINUTE_S),)
MEANINGS: Mapping[int, Meaning] = {401: Mend("bad_signature"), 410: Mend("invalid_robot")}
"""401 can be nothing but the signature, and 410 is meant to last (RFC 9110, 15.5.11). 403 and 404 may be a proxy's."""


class Webhook:
    def __init__(self, settings: WebhookReceiver, tools: Tools, secrets: Secrets) -> None:
        self._name = settings.name
        self._url = secrets["url_file"]
        self._hidden = _parts(self._url)
        self._sign_secret = secrets.get("sign_secret_file")
        self._session = tools.session
        self._clock = RobotClock(tools.clock)
        self._budget = tools.budgets.of(("webhook", self._url), LIMITS)

    def parts(self, message: Message) -> Sequence[Message]:
        return split(message, within(BODY_MAX_BYTES, lambda part: body_of(self._name, part)))

    async def send(self, message: Message) -> str:
        body = body_of(self._name, message)
        with self._budget.obeying():
            return await restamping(self._clock, lambda: self._post(body), self._judge)

    async def _post(self, body: str) -> Reply:
        self._budget.take()
        return await post(self._session, self._url, body, headers=self._signature(body))

    def _judge(self, reply: Reply) -> str:
        hidden = (*self._hidden, self._sign_secret or "")
        said = quoted(f"HTTP {reply.status} {reply.body.decode(errors='replace')}", hidden)
        if meaning := MEANINGS.get(reply.status):
            raise failure(reply.status, said, meaning)
        judge_status(reply.status)
        return said

    def _signature(self, body: str) -> dict[str, str]:
        if self._sign_secret is None:
            return {}
        stamp = str(int(self._clock.now()))
        return {"X-Classready-Timestamp": stamp, "X-Classready-Signature": sign(stamp, body, self._sign_secret)}


def _parts(url: str) -> tuple[str, ...]:
    """What of an address may be a secret: many servers repeat the path that they do not know."""
    split = urlsplit(url)
    parts = (url, f"{split.path}?{split.query}", split.path, unquote(split.path), split.query)
    return tuple(part for part in parts if len(part) > 1)


def sign(stamp: str, body: str, secret: str) -> str:
    """Sign time and body together, so that neither can be replayed with another."""
    return "sha256=" + hmac.digest(secret.encode(), f"{stamp}.{body}".encode(), "sha256").hex()


def body_of(receiver: str, message: Message) -> str:
    schools, classrooms = message.left_out
    body: dict[str, Any] = {
        "version": 1,
        "receiver": receiver,
        "language": message.language,
        "alarming": message.alarming,
        "title": message.title,
        "lead": message.lead,
        "items": [
            {"school": item.name, "facts": item.facts, "classrooms": sorted(item.classrooms)} for item in message.items
        ],
        "left_out": {"schools": schools, "classrooms": classrooms},
        "closing": message.closing,
        "text": write(message),
        "link": message.link,
        "part": message.part,
        "part_count": message.part_count,
    }
    return msgspec.json.encode(body).decode()
