"""Who is to act on an incident: decided by its scope, never by its cause alone.

One school alone asks that school. Several of one operator, or behind one exit, while others are well, ask whoever runs
that: no school can mend it. What everybody misses is the platform's.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from collector.core.census import Census
from collector.core.checkup import Surveyed
from collector.core.events import AlertChange
from collector.core.roster import Hours, SchoolRoster
from collector.core.words import ACTORS, Actor, Cause

SEVERAL = 3
"""Two schools of one operator fail together by chance; DESIGN says "several"."""
SHARE_MIN_RATIO = 0.25
"""Of an operator's schools: gateways that died one by one over the weeks are nobody's outage."""
TOGETHER_MIN_RATIO = 0.1
"""The same of those that began to fail within minutes of each other: chance hardly does that."""
OF_ALL_MIN_RATIO = 0.5
"""Of all schools of an office, whosever lines they have."""
TIMES_OTHERS = 2.0
"""So many times the share of all other schools: what fails everywhere is not one operator's."""


class Scope(Struct, frozen=True, kw_only=True):
    """What the roster says of an office."""

    school_count: int = 0
    operators: Mapping[str, int] = {}
    """Operator -> how many of the schools it serves."""
    platforms: Mapping[str, int] = {}
    """Platform -> how many gateways are to look at it."""
    hours: Hours = Hours()
    """Of most of its schools."""
    survey: Callable[[float], tuple[Surveyed, ...]] | None = None
    """Looks at its schools before a term; None = nobody can."""
    take_census: Callable[[float], Census] | None = None
    """Counts its schools as they are at that moment; None = nobody can. Asked once a school day, for it reads all."""


class Root(NamedTuple):
    actor: Actor
    name: str | None = None
    """Of the operator or the exit."""


def scopes_of(schools: Iterable[SchoolRoster], hours: Mapping[str, Hours]) -> dict[str, Scope]:
    """Office -> its scope. ``hours`` by school."""
    by_office: dict[str, list[SchoolRoster]] = {}
    for school in schools:
        by_office.setdefault(school.office, []).append(school)
    return {
        office: Scope(
            school_count=len(listed),
            operators=Counter(school.operator for school in listed if school.operator),
            platforms=_platforms(listed),
            hours=_of_most([hours[school.school] for school in listed if school.school in hours]),
        )
        for office, listed in by_office.items()
    }


def _platforms(listed: Iterable[SchoolRoster]) -> dict[str, int]:
    gateways: dict[str, set[str]] = {}
    for school in listed:
        for platform in school.platforms:
            gateways.setdefault(platform, set()).update(school.gateways)
    return {platform: len(found) for platform, found in gateways.items()}


def _of_most(found: Sequence[Hours]) -> Hours:
    """Schools of one timetable and calendar share their hours, so they are told apart by identity."""
    counted = Counter(map(id, found))
    return max(found, key=lambda hours: counted[id(hours)], default=Hours())


def root_of(cause: Cause, alerts: Iterable[AlertChange], scope: Scope, *, together: bool = False) -> Root:
    """``alerts``: the open ones of the incident. ``together``: all of them began within minutes of each other."""
    share_min_ratio = TOGETHER_MIN_RATIO if together else SHARE_MIN_RATIO
    failing: dict[str, list[AlertChange]] = {}
    for alert in alerts:
        failing.setdefault(alert.school, []).append(alert)
    if cause is Cause.PLATFORM_UNREACHABLE:
        return _of_platform(failing, scope, share_min_ratio)
    of_operators = cause in {Cause.GATEWAY_SILENT, Cause.UPLINK_BELOW_REQUIRED}
    if of_operators and (name := _operator(failing, scope, share_min_ratio)):
        return Root("operator", name)
    of_all_min_ratio = TOGETHER_MIN_RATIO if together else OF_ALL_MIN_RATIO
    if cause is Cause.GATEWAY_SILENT and len(failing) >= max(SEVERAL, of_all_min_ratio * scope.school_count):
        # power of a town, or the network that all lines end in: no school can mend that
        return Root("bureau")
    return Root(ACTORS[cause])


def shared_root(cause: Cause, alerts: Iterable[AlertChange], scope: Scope) -> Root | None:
    """What several schools hang on that began to fail together; None = each of them is alone with it."""
    root = root_of(cause, alerts, scope, together=True)
    return None if root.actor == "school" else root


def beyond_platform(alerts: Sequence[AlertChange], scope: Scope) -> Root | None:
    """The operator whose schools alone miss a platform, in all offices together (``scope``); None = there is none."""
    failing: dict[str, list[AlertChange]] = {}
    for alert in alerts:
        failing.setdefault(alert.school, []).append(alert)
    if name := _operator(failing, scope, TOGETHER_MIN_RATIO, among_others=True):
        return Root("operator", name)
    # the first of them to be seen are too few for shares, and all of one operator are so by no chance
    names = {alert.operator for alert in alerts}
    name = names.pop() if len(names) == 1 and len(failing) >= SEVERAL else None
    return Root("operator", name) if name and scope.operators.get(name, 0) < scope.school_count else None


def _of_platform(failing: Mapping[str, list[AlertChange]], scope: Scope, share_min_ratio: float) -> Root:
    if len(failing) < SEVERAL and len(failing) < scope.school_count:
        # its resolver, its proxy, its clock: all others reach the platform
        return Root("school")
    # a single platform that is missed behind an exit may as well be the platform's own fault
    if len({alert.subject.name for alerts in failing.values() for alert in alerts}) > 1 and (name := _exit(failing)):
        return Root("exit", name)
    if name := _operator(failing, scope, share_min_ratio, among_others=True):
        return Root("operator", name)
    return Root("platform")


def _exit(failing: Mapping[str, list[AlertChange]]) -> str | None:
    """The exit that nearly all of them sit behind."""
    found = Counter(name for alerts in failing.values() for name in {name for alert in alerts for name in alert.exits})
    enough = (name for name, count in found.most_common() if count >= SEVERAL and 3 * count >= 2 * len(failing))
    return next(enough, None)


def _operator(
    failing: Mapping[str, list[AlertChange]], scope: Scope, share_min_ratio: float, *, among_others: bool = False
) -> str | None:
    """The operator whose schools fail far more than those of others; ``among_others``: only where there are others."""
    found = Counter(name for alerts in failing.values() if (name := alerts[0].operator))
    if not found:
        return None
    ((name, count),) = found.most_common(1)
    if count < SEVERAL:
        return None
    served_count = max(count, scope.operators.get(name, count))
    other_count = max(0, scope.school_count - served_count)
    if among_others and not other_count:
        return None
    share, other_share = count / served_count, (len(failing) - count) / max(1, other_count)
    return name if share >= share_min_ratio and share >= TIMES_OTHERS * other_share else None
