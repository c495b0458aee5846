"""A platform's own fault: missed by several offices, or by most of one, while they reach everything else.

No school can mend it, and each would be told of it by its own office. So it is one incident over all offices: everybody
hears once that it began and once that it is over, and meanwhile no room is called not ready for it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from collector.core.bureau.root import SEVERAL, Scope, beyond_platform
from collector.core.bureau.words import Bureau, Desk, Incident
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.core.words import Cause

EVERYBODY = ""
"""The desk of no office: what is told to all of them."""


def about(incident: Incident) -> str | None:
    """The one platform that an incident is about; None = several, or something else."""
    if incident.cause is not Cause.PLATFORM_UNREACHABLE:
        return None
    names = {member.alert.subject.name for members in incident.schools.values() for member in members}
    return names.pop() if len(names) == 1 else None


def faulty(incidents: Iterable[Incident]) -> Iterator[tuple[str, Incident]]:
    """The platforms of whose own fault there is an incident, with it."""
    for incident in incidents:
        if incident.fault_at is not None and (platform := about(incident)) is not None:
            yield platform, incident


def at_fault(bureau: Bureau, now: float) -> frozenset[str]:
    """The platforms that every school is to be told are themselves at fault."""
    desk = bureau.desks.get(EVERYBODY, Desk())
    return frozenset(
        name for name, i in faulty(desk.incidents.values()) if i.fault_at is not None and i.fault_at <= now
    )


def whole(scopes: Mapping[str, Scope]) -> Scope:
    """All offices as one; its hours are those of the largest."""
    operators = Counter[str]()
    for scope in scopes.values():
        operators.update(scope.operators)
    largest = max(scopes.values(), key=lambda scope: scope.school_count, default=Scope())
    school_count = sum(scope.school_count for scope in scopes.values())
    return Scope(school_count=school_count, operators=operators, hours=largest.hours)


def missing_count(
    platform: str, since: float, desks: Mapping[str, Desk], scopes: Mapping[str, Scope], policy: Policy
) -> int:
    """How many offices miss ``platform`` since about ``since`` through its own fault; 0 = it is not at fault.

    One office alone must miss it from most of its gateways; of two, each from several schools or most gateways.
    """
    missed = _by_gateway(desks)
    near = [
        alert
        for alert in _open_alerts(desks.values(), Cause.PLATFORM_UNREACHABLE)
        if alert.subject.name == platform
        and abs(_since(alert) - since) <= policy.same_root_s
        and not _reaches_nothing(missed[alert.subject.gateway], scopes.get(alert.office))
    ]
    gateways = {alert.subject.gateway for alert in near}
    # a single gateway may serve schools of two offices
    if len(gateways) < 2 or beyond_platform(near, whole(scopes)) is not None:
        return 0
    by_office: dict[str, list[AlertChange]] = {}
    for alert in near:
        by_office.setdefault(alert.office, []).append(alert)
    missing, is_most_of_one = 0, False
    for office, alerts in by_office.items():
        scope, schools = scopes.get(office, Scope()), {alert.school for alert in alerts}
        is_most = _is_most(platform, alerts, scope, _unheard_count(office, desks, missed, scope))
        missing += is_most or len(schools) >= SEVERAL
        is_most_of_one |= is_most and len(schools) >= min(SEVERAL, max(2, scope.school_count))
    return missing if missing > 1 or is_most_of_one else 0


def lasts(incident: Incident) -> bool:
    """Whether a fault goes on: two offices, or several schools of one, still miss it from half of where it was missed.

    What one school alone goes on to miss is that school's.
    """
    held, still = Counter[str](), Counter[str]()
    for members in incident.schools.values():
        office = members[0].alert.office
        held[office] += 1
        still[office] += any(member.is_open and member.ending is None for member in members)
    missing = [count for office, count in still.items() if count and 2 * count >= held[office]]
    return len(missing) > 1 or any(count > 1 for count in missing)


def _is_most(platform: str, alerts: Sequence[AlertChange], scope: Scope, unheard_count: int) -> bool:
    looking_count = scope.platforms.get(platform, 0) - unheard_count
    return 2 * len({alert.subject.gateway for alert in alerts}) > looking_count > 0


def _unheard_count(office: str, desks: Mapping[str, Desk], missed: Mapping[str, set[str]], scope: Scope) -> int:
    """Of how many gateways of ``office`` nobody knows whether the platform answers: silent, or cut off from all."""
    desk = desks.get(office, Desk())
    silent = {alert.subject.gateway for alert in _open_alerts([desk], Cause.GATEWAY_SILENT)}
    cut_off = {
        alert.subject.gateway
        for alert in _open_alerts([desk], Cause.PLATFORM_UNREACHABLE)
        if _reaches_nothing(missed[alert.subject.gateway], scope)
    }
    return len(silent | cut_off)


def _reaches_nothing(missed: set[str], scope: Scope | None) -> bool:
    """Whoever misses every platform is itself cut off from them, and a witness against none."""
    return scope is not None and len(scope.platforms) > 1 and missed >= scope.platforms.keys()


def _by_gateway(desks: Mapping[str, Desk]) -> dict[str, set[str]]:
    """What each gateway misses, but for what is known to be nobody's here."""
    missed: dict[str, set[str]] = {}
    for alert in _open_alerts(desks.values(), Cause.PLATFORM_UNREACHABLE):
        missed.setdefault(alert.subject.gateway, set()).add(alert.subject.name)
    return missed


def _open_alerts(desks: Iterable[Desk], cause: Cause) -> Iterator[AlertChange]:
    for desk in desks:
        for incident in desk.incidents.values():
            if incident.cause is cause:
                yield from (m.alert for of in incident.schools.values() for m in of if m.is_open and m.ending is None)


def _since(alert: AlertChange) -> float:
    return alert.at if alert.since is None else alert.since
