"""A roster, calendar and policy come into force: in memory at once; what each school must hear of it waits for it.

At a start no school was judged yet. Where time may have changed something since it was stored, that comes before
anything is shown; all others are what they were when the collector ended, and are judged as soon as there is time.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from collector.core.bureau.root import Scope, scopes_of
from collector.core.census import Census, census
from collector.core.checkup import Surveyed, survey
from collector.core.due import next_due
from collector.core.events import PlatformFault, PolicyChanged, RosterChanged
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.state import Away, School
from collector.core.step import leave
from collector.core.words import Cause
from collector.engine.draft import Draft
from collector.engine.registry import Registry, Row
from collector.engine.resuming import Remembered
from collector.roster import Roster
from collector.store.states import Stored

BEFORE_ALL = 0.0
"""Due since ever: nobody sees a school before that is done."""


class InForce(NamedTuple):
    """What everything is judged by. ``hours`` are those of each school of ``roster``."""

    roster: Roster
    hours: Mapping[str, Hours]
    policy: Policy


def draft_farewell(draft: Draft, registry: Registry, new: InForce) -> set[str]:
    """Have the schools that the roster no longer lists take back what they told; return them."""
    gone = registry.schools.keys() - new.roster.schools.keys()
    for name in gone:
        draft.leave(name)
    draft.gone = gone
    draft.applied = (new.roster, new.policy != registry.policy)
    return gone


def put_in_force(
    registry: Registry, new: InForce, news: Iterable[str], memory: Remembered, holders: Container[str]
) -> None:
    """Judge by ``new`` from now on; ``news`` = the schools for which roster or hours are not what they were.

    ``holders`` = the schools of which the bureau has open alerts.
    """
    is_new_policy, registry.policy, registry.roster = new.policy != registry.policy, new.policy, new.roster
    registry.scopes = _scopes(registry, new)
    told, now = set(news), memory.read_at
    for name in told:
        due_at = now
        if name not in registry.schools and not _enter(registry, new, name, memory, is_held=name in holders):
            due_at = now if memory.were_unlisted else BEFORE_ALL
        registry.tell(name, RosterChanged(roster=new.roster.schools[name], hours=new.hours[name]), due_at)
    registry.keep(new.roster.schools)
    for name in registry.rows.keys() - told if is_new_policy else ():
        registry.tell(name, PolicyChanged(), now)


def tell_faults(
    registry: Registry,
    names: Iterable[str],
    before: frozenset[str],
    now_faulty: frozenset[str],
    due_at: float | None = None,
) -> None:
    """Have schools hear which platforms are at fault themselves now, and which no longer; in a turn only."""
    changes = [PlatformFault(platform=platform, on=platform in now_faulty) for platform in sorted(before ^ now_faulty)]
    for name in names:
        for change in changes if name in registry.rows else ():
            registry.tell(name, change, due_at)


def _scopes(registry: Registry, new: InForce) -> dict[str, Scope]:
    offices: dict[str, list[str]] = {}
    for name, school in new.roster.schools.items():
        offices.setdefault(school.office, []).append(name)

    def take_census(names: Sequence[str], now: float) -> Census:
        return census((registry.schools[name] for name in names), now, registry.policy)

    def take_survey(names: Sequence[str], now: float) -> tuple[Surveyed, ...]:
        return survey((registry.schools[name] for name in names), now)

    return {
        office: replace(
            scope,
            take_census=partial(take_census, offices[office]),
            survey=partial(take_survey, offices[office]),
        )
        for office, scope in scopes_of(new.roster.schools.values(), new.hours).items()
    }


def _enter(registry: Registry, new: InForce, name: str, memory: Remembered, *, is_held: bool) -> bool:
    """Take in a school as it is remembered; say whether it must still be what it was then."""
    stored, resumed = memory.schools.get(name), memory.resumed(name, new.roster)
    away = Away(resumed.away_from, resumed.away_to) if resumed else None
    school = School(roster=new.roster.schools[name], hours=new.hours[name], away=away)
    school, row = _returned(school, stored, memory.read_at, is_held=is_held)
    registry.enter(name, school, row)
    if resumed:
        registry.tell(name, resumed)
    tell_faults(registry, [name], frozenset(school.state.platform_faults), registry.faults)
    return _is_as_it_was(school, stored, memory.read_at, new.policy)


def _is_as_it_was(school: School, stored: Stored | None, now: float, policy: Policy) -> bool:
    """Whether nothing is open in it, and no moment has come since it was stored at which something could turn.

    That a gateway is silent does not count as open: nobody but the gateway itself ends it. (An outage of the whole
    province must not make a start during it longer.)

    Whatever stores a school does what is due in it first.
    """
    if stored is None or any(alert.cause is not Cause.GATEWAY_SILENT for alert in school.state.alerts):
        return False
    return next_due(school, min(stored.saved_at, now), policy) > now


def _returned(school: School, stored: Stored | None, now: float, *, is_held: bool) -> tuple[School, Row]:
    """The school as it was stored. Unless the bureau holds something of it, it was away, and what it told withdrawn."""
    if stored is None:
        return school, Row()
    row = Row(revision=stored.revision, saved_at=stored.saved_at)
    school = replace(school, state=stored.state)
    if is_held or not stored.state.alerts:
        return school, row
    left = leave(school, now).school
    if left.state.alerts != stored.state.alerts:
        row.dirty, row.saved_at = True, 0.0  # to be stored with the first commit: it is news
    return left, row
