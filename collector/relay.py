"""From Alertmanager back to the chats: its webhook's groups, through the outbox like every other message.

``POST /alertmanager/RECEIVER`` is for one receiver, as Alertmanager's own routes say; ``POST /alertmanager`` for all
whose routes lead there. ``hubs``: school -> the hub that it belongs to.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web
from msgspec.structs import replace
from prometheus_client import Counter

from collector.core.bureau.routing import Route, covers
from collector.engine import CommitFailedError
from collector.notify.group import Group, read_group, render_group
from collector.outbox import Outbox
from collector.settings import AlertmanagerReceiver, Receiver, route_of
from collector.text import Language, Names

BODY_MAX_BYTES = 1_048_576
RELAYED = Counter(
    "classready_collector_alertmanager_groups", "Groups from Alertmanager, by what became of them.", ["outcome"]
)
for _outcome in ("taken", "refused"):
    RELAYED.labels(_outcome)


def routes(  # noqa: PLR0913 - what it stands between
    outbox: Outbox,
    receivers: Sequence[Receiver],
    language: Language,
    names: Callable[[], Names],
    clock: Callable[[], float],
    *,
    hubs: Callable[[], Mapping[str, str]] = dict,
) -> list[web.RouteDef]:
    async def take(request: web.Request) -> web.Response:
        body = await _read(request)
        if body is None:
            return _refused(413, f"more than {BODY_MAX_BYTES} bytes: set max_alerts in the webhook_config")
        try:
            group = read_group(body)
        except ValueError as error:
            return _refused(400, f"no webhook of Alertmanager, version 4: {error}")
        asked = request.match_info.get("receiver")
        shares = _shares(group, receivers, asked, hubs())
        if not shares:
            return _refused(404, f"no receiver {asked!r} to tell" if asked else "no receiver for these offices")
        known, now = names(), clock()
        try:
            own = {receiver.name: receiver.language or language for receiver in receivers}
            await outbox.relay({to: render_group(share, own[to], known, now) for to, share in shares.items()})
        except CommitFailedError:
            return _json(503, error="the store did not take it; try again")
        RELAYED.labels("taken").inc()
        return _json(200, receivers=sorted(shares))

    return [web.post("/alertmanager", take), web.post("/alertmanager/{receiver}", take)]


async def _read(request: web.Request) -> bytes | None:
    """Read a body that is whole within the limit; None = it is longer."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            return None
    return bytes(body)


def _shares(
    group: Group, receivers: Sequence[Receiver], asked: str | None, hubs: Mapping[str, str]
) -> dict[str, Group]:
    """What of it each receiver gets. Never back to an Alertmanager: it would tell us again."""
    chats = [receiver for receiver in receivers if not isinstance(receiver, AlertmanagerReceiver)]
    if asked is not None:
        return {receiver.name: group for receiver in chats if receiver.name == asked}
    shares = {
        receiver.name: _share(group, route_of(receiver), hubs)
        for receiver in chats
        if not (receiver.standby or receiver.escalation)
    }
    return {name: share for name, share in shares.items() if share.alerts}


def _share(group: Group, route: Route, hubs: Mapping[str, str]) -> Group:
    """The alerts of ``route``, and those of no office: they are for everybody. How severe they are, its rules say."""

    def is_mine(labels: Mapping[str, str]) -> bool:
        office, school = labels.get("office", ""), labels.get("school", "")
        return not office or covers(route, office, school, hubs.get(school))

    return replace(group, alerts=tuple(alert for alert in group.alerts if is_mine(alert.labels)))


def _refused(status: int, why: str) -> web.Response:
    RELAYED.labels("refused").inc()
    return _json(status, error=why)


def _json(status: int, **fields: Any) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(fields), content_type="application/json")
