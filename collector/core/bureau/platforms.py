"""A platform's own fault: missed by several offices, or by most of one, while they reach everything else.

No school can mend it, and each would be told of it by its own office. So it is one incident over all offices: everybody
hears once that it began and once that it is over, and meanwhile no room is called not ready for it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from collector.core.bureau.root import SEVERAL, Scope, beyond_platform
from collector.core.bureau.words import Bureau, Desk, Incident
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.core.words import Cause

LOOKED_AT_MAX = 5_000
"""Open alerts, an equal part of each office: a fault shows in its first hundred, and a look at all of a province's
takes longer than others may wait."""
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
    return ((incident.platform, incident) for incident in incidents if incident.platform is not None)


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
    each = max(LOOKED_AT_MAX // len(desks), 50)
    found = [a for desk in desks.values() for a in islice(_open_alerts(desk, Cause.PLATFORM_UNREACHABLE), each)]
    cut_off = _cut_off(found, scopes)
    near = [
        alert
        for alert in found
        if alert.subject.name == platform
        and abs(_since(alert) - since) <= policy.same_root_s
        and alert.subject.gateway not in cut_off.get(alert.office, ())
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
        silent = {a.subject.gateway for a in _open_alerts(desks.get(office, Desk()), Cause.GATEWAY_SILENT)}
        looking_count = scope.platforms.get(platform, 0) - len(silent | cut_off.get(office, set()))
        is_most = 2 * len({alert.subject.gateway for alert in alerts}) > looking_count > 0
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


def _cut_off(found: Iterable[AlertChange], scopes: Mapping[str, Scope]) -> dict[str, set[str]]:
    """By office, the gateways that miss every platform: cut off themselves, and no witnesses against any of them."""
    missed: dict[tuple[str, str], set[str]] = {}
    for alert in found:
        missed.setdefault((alert.office, alert.subject.gateway), set()).add(alert.subject.name)
    cut_off: dict[str, set[str]] = {}
    for (office, gateway), names in missed.items():
        if len(names) > 1 and office in scopes and names >= scopes[office].platforms.keys():
            cut_off.setdefault(office, set()).add(gateway)
    return cut_off


def _open_alerts(desk: Desk, cause: Cause) -> Iterator[AlertChange]:
    """The newest incidents first."""
    for incident in reversed(tuple(desk.incidents.values())):
        for members in incident.schools.values() if incident.cause is cause else ():
            for member in members:
                if member.is_open and member.ending is None:
                    yield member.alert


def _since(alert: AlertChange) -> float:
    return alert.at if alert.since is None else alert.since
