"""Which alerts are one incident: what has one root, and what began with it.

A school alone has an incident of its own for each cause. Where gateways fall silent, or platforms are missed, at
several schools within minutes of each other, what they hang on shows only as they come: then they become one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from collector.core.bureau.morning import CAN_WAIT
from collector.core.bureau.root import Root, Scope, root_of, shared_root
from collector.core.bureau.words import Incident
from collector.core.bureau.words import Scope as IncidentScope
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.core.words import Cause

COME_TOGETHER: Final = frozenset({Cause.GATEWAY_SILENT, Cause.PLATFORM_UNREACHABLE})
"""Causes that one root has at many schools at once."""
TOGETHER_WAITS: Final = 5 / 3
"""So many times `group_wait_s` the first message about one of them waits, which still is less than a minute: each
gateway was heard at another moment, so the schools of one cut come one by one, and three already show the root."""
_SHARED: Final = frozenset({"gateway", "switch", "segment", "platform"})
_SCOPES: Final[dict[str, IncidentScope]] = {
    "operator": "operator",
    "exit": "exit",
    "platform": "platform",
    "bureau": "office",
}


def scope_of(change: AlertChange) -> IncidentScope:
    """Of an incident that begins with one alert. Who owns a slow line or exit is known from the first of them on."""
    cause = change.cause
    if _can_wait(change):
        return "office"
    if cause is Cause.UPLINK_BELOW_REQUIRED:
        return "operator"
    return "exit" if cause is Cause.EXIT_BELOW_REQUIRED else "school"


def can_wait(incident: Incident) -> bool:
    """Whether nobody needs to hear of it before the morning."""
    return incident.cause in CAN_WAIT and incident.scope == "office"


def _can_wait(change: AlertChange) -> bool:
    # boards that went together are none that somebody may have switched on by tomorrow
    return change.cause in CAN_WAIT and change.subject.kind not in _SHARED


def home_of(change: AlertChange, incidents: Iterable[Incident], policy: Policy) -> Incident | None:
    """The incident that an alert belongs to which none holds; one that spans schools comes before the school's own."""
    homes = [incident for incident in incidents if _is_home(incident, change, policy)]
    return min(homes, key=lambda incident: incident.scope == "school", default=None)


def _is_home(incident: Incident, change: AlertChange, policy: Policy) -> bool:
    if incident.cause is not change.cause or can_wait(incident) is not _can_wait(change):
        return False
    if incident.scope == "school":
        # a gateway, a switch or a trunk may serve several schools: that one of it fails is one thing
        is_shared = change.subject.kind in _SHARED and _first(incident).subject == change.subject
        return change.school in incident.schools or is_shared
    if incident.cause in COME_TOGETHER and not _is_near(incident.since, _since(change), policy):
        return False
    first = _first(incident)
    match incident.scope:
        case "operator":
            return change.operator == first.operator
        case "exit" if incident.cause in COME_TOGETHER:
            return not set(change.exits).isdisjoint(first.exits)
        case "exit" | "platform":
            return change.subject.name == first.subject.name
        case _:
            return True


def same_root(incident: Incident, others: Iterable[Incident], scope: Scope, policy: Policy) -> list[Incident]:
    """All that are one with ``incident``, itself among them, as far as can be seen now."""
    if incident.cause not in COME_TOGETHER or incident.scope == "office":
        return [incident]
    near = [o for o in others if o.cause is incident.cause and _is_near(o.since, incident.since, policy)]
    root = shared_root(incident.cause, _open_alerts(near), scope)
    if incident.cause is Cause.PLATFORM_UNREACHABLE and (root is None or root.actor != "exit"):
        # of platforms that fail at the same time each has its own root, unless all of them are behind one exit
        near = [other for other in near if _first(other).subject.name == _first(incident).subject.name]
        root = shared_root(incident.cause, _open_alerts(near), scope)
    while root is not None:
        found = {other.id: other for other in near if _hangs_on(other, root)}
        if incident.id in found or not found:
            return list(found.values()) or [incident]
        # two operators may fail within the half hour: what the one explains says nothing of the other
        near = [other for other in near if other.id not in found]
        root = shared_root(incident.cause, _open_alerts(near), scope)
    return [incident]


def joined_scope(found: Iterable[Incident], scope: Scope) -> IncidentScope:
    """Of the incident that ``found`` become."""
    found = list(found)
    root = shared_root(found[0].cause, _open_alerts(found), scope)
    return found[0].scope if root is None else _SCOPES[root.actor]


def joined_root(incident: Incident, scope: Scope) -> Root:
    """Who is to act: what the members of an incident hang on does not change because some of them are well again."""
    if incident.cause in COME_TOGETHER:
        match incident.scope:
            case "operator":
                return Root("operator", _first(incident).operator)
            case "exit":
                exits = Counter(name for alert in _alerts([incident]) for name in alert.exits)
                return Root("exit", max(exits, key=lambda name: exits[name], default=None))
            case "platform" | "bureau":
                return Root("platform")
            case _:
                pass
    return root_of(incident.cause, _open_alerts([incident]), scope)


def _hangs_on(incident: Incident, root: Root) -> bool:
    match root.actor:
        case "operator":
            return _first(incident).operator == root.name
        case "exit":
            return root.name in _first(incident).exits
        case _:
            return True


def _is_near(one: float, other: float, policy: Policy) -> bool:
    return abs(one - other) <= policy.same_root_s


def _since(change: AlertChange) -> float:
    return change.at if change.since is None else change.since


def _first(incident: Incident) -> AlertChange:
    return next(iter(incident.schools.values()))[0].alert


def _alerts(incidents: Iterable[Incident]) -> Iterator[AlertChange]:
    return (m.alert for incident in incidents for members in incident.schools.values() for m in members)


def _open_alerts(incidents: Iterable[Incident]) -> Iterator[AlertChange]:
    return (alert for alert in _alerts(incidents) if alert.change == "opened")
