"""A roster, calendar and policy come into force: in memory at once; what each school must hear of it waits for it."""

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from collector.core.events import PolicyChanged, RosterChanged
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.state import School
from collector.core.step import leave
from collector.engine.draft import Draft
from collector.engine.registry import Registry, Row
from collector.engine.resuming import Remembered
from collector.roster import Roster
from collector.store.states import Stored


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
    told, now = set(news), memory.read_at
    for name in told:
        entry, hours = new.roster.schools[name], new.hours[name]
        if name not in registry.schools:
            school = School(roster=entry, hours=hours)
            registry.enter(name, *_returned(school, memory.schools.get(name), now, is_held=name in holders))
            if resumed := memory.resumed(name, new.roster):
                registry.tell(name, resumed)
        registry.tell(name, RosterChanged(roster=entry, hours=hours), now)
    registry.keep(new.roster.schools)
    for name in registry.rows.keys() - told if is_new_policy else ():
        registry.tell(name, PolicyChanged(), now)


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
