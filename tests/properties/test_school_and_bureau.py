"""A school and its bureau together: for every cause, bad then good leaves no alert and no open incident.

Whatever the order, and whatever the roster does meanwhile: offices, names, exempt rooms, leaving gateways and schools.
"""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core.bureau.step import step
from collector.core.bureau.words import Bureau, BureauEvent, Incident, Notice, SchoolChanged, SchoolGone
from collector.core.events import AlertChange, Heard, Observed, RosterChanged
from collector.core.step import leave
from tests.properties.test_come_and_gone import BAD, GOOD, OTHER, Act, start, well
from tests.support.school import GATEWAY, Story, Tick

OTHER_OFFICE = "511403"


class Listed(Story):
    """A school that hears its own gateways only, as the engine sees to."""

    def event(self, event: Any, now: float | None = None) -> "Story":
        if isinstance(event, Observed | Heard) and event.gateway not in self.school.roster.gateways:
            return self
        return super().event(event, now)


class Both:
    """Hands everything from the one to the other as the engine does: first what the roster says, then the school."""

    def __init__(self) -> None:
        begun = start()
        self.story = Listed(begun.school, begun.now, begun.policy)
        self.bureau, self.notices = Bureau(), list[Notice]()
        self.wake_at: float | None = None
        self.heard = 0
        self.hand_over()

    def put(self, events: list[BureauEvent], now: float) -> None:
        self.bureau, effects, self.wake_at = step(self.bureau, events, now, self.story.policy)
        self.notices += [part for e in effects if isinstance(e, Notice) for part in e.parts or (e,)]

    def hand_over(self, *before: BureauEvent) -> None:
        now, fresh = self.story.now, self.story.effects[self.heard :]
        self.heard = len(self.story.effects)
        self.sleep(now)
        self.put([*before, *(effect for effect in fresh if isinstance(effect, AlertChange))], now)

    def sleep(self, until: float) -> None:
        while self.wake_at is not None and self.wake_at <= until:
            self.put([], self.wake_at)

    def rounds(self, act: Act, count: int) -> None:
        roster = self.story.school.roster
        for _ in range(count):
            self.story.later(61)
            for gateway in roster.gateways:
                self.story.heard(gateway)
            act(self.story)
            self.story.event(Tick())
            self.hand_over()

    def relist(self, **changes: Any) -> None:
        school = self.story.school
        roster = replace(school.roster, **changes)
        said = SchoolChanged(school=roster.school, office=roster.office, name=roster.name)
        self.story.event(RosterChanged(roster=roster, hours=school.hours))
        self.hand_over(said)

    def leave_and_return(self, away_s: float) -> None:
        self.story.school, effects, _ = leave(self.story.school, self.story.now)
        self.story.effects += effects
        self.hand_over()
        self.put([SchoolGone(school=self.story.school.roster.school)], self.story.now)
        self.story.later(away_s)
        self.relist()

    def exempt(self, reason: str | None) -> None:
        rooms = self.story.school.roster.classrooms
        self.relist(classrooms={**rooms, "r1": replace(rooms["r1"], exempt=reason)})

    def all_well(self) -> None:
        """Everything is told to be good, often enough; then the bureau has all the time it wants."""
        self.rounds(lambda story: (GOOD["slow card"](story), well(story)), 8)
        self.sleep(self.story.now + 10_000)

    def incidents(self) -> list[Incident]:
        return [incident for desk in self.bureau.desks.values() for incident in desk.incidents.values()]


ACTS = {
    "office": lambda both: both.relist(office=OTHER_OFFICE),
    "office back": lambda both: both.relist(office="511402"),
    "name": lambda both: both.relist(name="城关小学"),
    "exempt": lambda both: both.exempt("拆除"),
    "judged": lambda both: both.exempt(None),
    "gateway leaves": lambda both: both.relist(gateways=(GATEWAY,)),
    "gateway returns": lambda both: both.relist(gateways=(GATEWAY, OTHER)),
    "leaves and returns": lambda both: both.leave_and_return(300),
    "leaves for a day": lambda both: both.leave_and_return(86_400),
}


def check(both: Both) -> None:
    """Nothing is open, every story that was told has an end, and its numbers add up."""
    assert both.story.school.state.alerts == ()
    assert (both.incidents(), both.bureau.holders, both.wake_at) == ([], {}, None)
    said: dict[str, list[Notice]] = defaultdict(list)
    for notice in both.notices:
        if notice.kind != "reminder":
            said[notice.incident].append(notice)
    for notices in said.values():
        assert [notice.kind for notice in notices].index("opened") == 0
        assert notices[-1].kind in {"resolved", "withdrawn"}
        rooms = 0
        for notice in notices:
            for change, sign in (("opened", 1), ("closed", -1)):
                named = {(m.school, room) for m in notice.members if m.change == change for room in m.classrooms}
                rooms += sign * len(named)
            rooms += notice.still_classrooms - notice.known_classrooms
            assert rooms == notice.remaining_classrooms
        assert rooms == 0


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("cause", BAD)
def test_each_change_of_the_roster_during_each_cause(cause: str, act: str) -> None:
    """Told when it begins; then the roster changes; then it is still so; then all is well."""
    both = Both()
    both.rounds(BAD[cause], 6)
    assert both.notices, cause
    ACTS[act](both)
    both.rounds(BAD[cause], 4)
    both.all_well()
    check(both)


CAUSES, CHANGES = st.tuples(st.sampled_from(sorted(BAD)), st.integers(1, 4)), st.sampled_from(sorted(ACTS))


@settings(max_examples=60, deadline=None)
@given(st.lists(CAUSES | CHANGES, max_size=8))
def test_any_order_with_any_change_of_the_roster(history: list[Any]) -> None:
    """Causes and changes one after the other, then all is well."""
    both = Both()
    for item in history:
        if isinstance(item, str):
            ACTS[item](both)
        else:
            both.rounds(BAD[item[0]], item[1])
    both.all_well()
    check(both)
