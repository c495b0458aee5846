"""Prometheus Alertmanager: the same alerts, for bureaus that route, silence and inhibit there.

Source: its API, api/v2/openapi.yaml, and prometheus.io/docs/alerting/latest/clients: whoever posts goes on posting what
is firing, to every member of a cluster, for alerts are neither stored nor passed on. What a notice says goes through
the outbox, so that no end is lost; what stands is posted again each minute besides.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from collector.core.bureau.routing import routed
from collector.core.bureau.words import Notice
from collector.core.events import AlertChange
from collector.core.words import ACTORS, Actor, Cause
from collector.notify.contract import Deferred, Refused
from collector.notify.message import Message, next_step
from collector.notify.robot.codes import Meaning, Mend, failure
from collector.notify.robot.fitting import write
from collector.notify.robot.post import Reply, judge_status, post
from collector.notify.robot.reply import quoted
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import AlertmanagerReceiver, route_of
from collector.text import say

REFRESH_S = 60.0
ENDED_KEPT_S = 900.0
"""So long an end is posted again, for members of a cluster that were away when it came."""
ALERTS_PER_POST = 250
"""About a quarter of a megabyte: proxies take one."""
TRIAL_S = 300.0
TRIAL_NAME = "classready_test"
MEANINGS: Mapping[int, Meaning] = {401: Mend("bad_login")}
WHOLE_SCHOOL = frozenset(
    {
        Cause.GATEWAY_SILENT,
        Cause.UPLINK_BELOW_REQUIRED,
        Cause.EXIT_BELOW_REQUIRED,
        Cause.SWITCH_UNREACHABLE,
        Cause.PLATFORM_UNREACHABLE,
    }
)
"""What takes many rooms at once is ``critical``, a room or a trunk ``warning``."""

Alert = dict[str, Any]


class _Standing(NamedTuple):
    """What was posted last of an alert, and of what it was made."""

    member: AlertChange
    actor: Actor | None
    alert: Alert
    ends_at: float


_log = structlog.get_logger()


class Alertmanager:
    def __init__(self, settings: AlertmanagerReceiver, tools: Tools, secrets: Secrets) -> None:
        self._urls = tuple(f"{url.rstrip('/')}/api/v2/alerts" for url in settings.urls)
        self._route = route_of(settings)
        self._language = settings.language
        self._expires_s = settings.expires_s
        self._secrets = tuple(secrets.values())
        self._headers = _authorization(settings.user, secrets)
        self._session, self._clock, self._render = tools.session, tools.clock, tools.render
        self._turn = asyncio.Lock()
        self._standing: dict[tuple[str, ...], _Standing] = {}
        self._ended: dict[str, tuple[float, Alert]] = {}

    def parts(self, message: Message) -> Sequence[Message]:
        return [message]

    async def send(self, message: Message) -> str:
        async with self._turn:
            now = self._clock()
            if message.about is None:
                return await self._post([_trial(message, now)])
            alerts = list(self._alerts(message.about, now))
            return await self._post(alerts) if alerts else "nothing to post"

    async def keep(self, standing: Callable[[], Iterable[Notice]]) -> None:
        """Post what stands, and what ended lately, again and again until cancelled."""
        while True:
            try:
                # what stands is asked for in the turn: else an end that is sent meanwhile would be taken back
                async with self._turn:
                    await self._refresh(standing())
            except Exception:  # noqa: BLE001 - a bug in the words of one alert must not end the collector
                _log.exception("alertmanager_refresh_failed")
            await asyncio.sleep(REFRESH_S)

    async def _refresh(self, standing: Iterable[Notice]) -> None:
        now = self._clock()
        self._ended = {key: kept for key, kept in self._ended.items() if now - kept[0] < ENDED_KEPT_S}
        self._standing = {key: kept for key, kept in self._standing.items() if kept.ends_at > now}
        again = [alert for _, alert in self._ended.values()]
        mine = [its for notice in standing if (its := routed(notice, self._route)) is not None]
        alerts = [*again, *(alert for notice in mine for alert in self._alerts(notice, now))]
        try:
            if alerts:
                await self._post(alerts)
        except (Deferred, Refused) as error:
            _log.warning("alertmanager_not_refreshed", reason=str(error), alerts=len(alerts))

    # --- what is posted ----------------------------------------------------------------------------------------------

    def _alerts(self, notice: Notice, now: float) -> Iterator[Alert]:
        """One for each member, and its end under the number of an incident that became part of this one meanwhile."""
        for part in notice.parts:
            yield from self._alerts(part, now)
        if notice.cause is None:
            return
        for member in notice.members:
            labels = _labels(notice, notice.cause, member)
            key = tuple(value for name, value in labels.items() if name != "incident")
            before = self._standing.get(key)
            if before is not None and before.alert["labels"] != labels:
                yield self._end({**before.alert, "endsAt": _time(now)}, now)
                before = None
            if member.change == "closed":
                self._standing.pop(key, None)
                yield self._end(self._alert(notice, notice.cause, member, labels, member.at), now)
                continue
            ends_at = now + self._expires_s
            if before is not None and (before.member, before.actor) == (member, notice.actor):
                alert = {**before.alert, "endsAt": _time(ends_at)}
            else:
                alert = self._alert(notice, notice.cause, member, labels, ends_at)
            self._ended.pop(_name(labels), None)
            self._standing[key] = _Standing(member, notice.actor, alert, ends_at)
            yield alert

    def _end(self, alert: Alert, now: float) -> Alert:
        self._ended[_name(alert["labels"])] = (now, alert)
        return alert

    def _alert(
        self, notice: Notice, cause: Cause, member: AlertChange, labels: Mapping[str, str], ends_at: float
    ) -> Alert:
        message = self._render(_alone(notice, member), self._language)
        begun_at = min(member.at if member.since is None else member.since, ends_at)
        alert = {
            "labels": labels,
            "annotations": _annotations(notice, cause, message),
            "startsAt": _time(begun_at),
            "endsAt": _time(ends_at),
        }
        return alert if message.link is None else {**alert, "generatorURL": message.link}

    # --- over HTTP ---------------------------------------------------------------------------------------------------

    async def _post(self, alerts: Sequence[Alert]) -> str:
        """Post to every member; one that takes it is enough, the others get it with the next refresh."""
        bodies = [
            msgspec.json.encode(alerts[first : first + ALERTS_PER_POST]).decode()
            for first in range(0, len(alerts), ALERTS_PER_POST)
        ]
        said = await asyncio.gather(*(self._post_to(url, bodies) for url in self._urls), return_exceptions=True)
        problems = [answer for answer in said if isinstance(answer, BaseException)]
        if len(problems) == len(said):
            raise problems[0]
        for problem in problems:
            _log.warning("alertmanager_member_away", reason=str(problem)[:200])
        return next(answer for answer in said if isinstance(answer, str))

    async def _post_to(self, url: str, bodies: Iterable[str]) -> str:
        said = ""
        for body in bodies:
            said = self._judge(await post(self._session, url, body, headers=self._headers))
        return said

    def _judge(self, reply: Reply) -> str:
        said = quoted(f"HTTP {reply.status} {reply.body.decode(errors='replace')}", self._secrets)
        if meaning := MEANINGS.get(reply.status):
            raise failure(reply.status, said, meaning)
        judge_status(reply.status)
        return said


def _authorization(user: str | None, secrets: Secrets) -> dict[str, str]:
    if "token_file" in secrets:
        return {"Authorization": f"Bearer {secrets['token_file']}"}
    if user is not None:
        pair = f"{user}:{secrets['password_file']}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _labels(notice: Notice, cause: Cause, member: AlertChange) -> dict[str, str]:
    """What an alert is told from others by, so nothing in it may change while it stands."""
    labels = {
        "alertname": cause.value,
        "office": notice.office or member.office,
        "school": member.school,
        "subject": member.subject.label,
        "severity": "critical" if cause in WHOLE_SCHOOL else "warning",
        "incident": notice.incident,
    }
    return {name: value.encode(errors="replace").decode() for name, value in labels.items()}


def _alone(notice: Notice, member: AlertChange) -> Notice:
    """The message as if it were about this one alone."""
    kind = "opened" if member.change == "opened" else "resolved" if member.why == "recovered" else "withdrawn"
    return replace(notice, kind=kind, members=(member,), known_classrooms=0, still_classrooms=0)


def _annotations(notice: Notice, cause: Cause, message: Message) -> dict[str, str]:
    """What people read."""
    actor = notice.actor or ACTORS[cause]
    return {
        "summary": message.title,
        "description": write(message),
        "school_name": message.items[0].name,
        "facts": message.items[0].facts,
        "actor": say(f"actor.{actor}", message.language),
        "next_step": next_step(cause, actor, message.language),
    }


def _name(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode()


def _trial(message: Message, now: float) -> Alert:
    return {
        "labels": {"alertname": TRIAL_NAME, "severity": "none"},
        "annotations": {"summary": message.title, "description": write(message)},
        "startsAt": _time(now),
        "endsAt": _time(now + TRIAL_S),
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
