"""Platforms that fail for several offices at once: still everything is said once, adds up, and comes to an end."""

from collections import defaultdict

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.core.bureau import incidents, platforms
from collector.core.bureau.root import Scope
from collector.core.events import AlertChange
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.properties.test_bureau import (
    DAYS,
    EXAMPLES,
    MOVES,
    ROOMS,
    ROSTERS,
    WAITS,
    Player,
    adds_up,
    ended,
    is_over,
    play,
)

SCOPES = {
    "o1": Scope(school_count=2, hours=DAYS, platforms={"a": 2, "b": 2, "c": 2}),
    "o2": Scope(school_count=2, platforms={"a": 2, "b": 2, "c": 2}),
}
"""Two schools each, so that two that miss the same platform are nearly always its own fault."""
SCHOOLS = st.sampled_from([("o1", "s1"), ("o1", "s2"), ("o2", "s3"), ("o2", "s4"), ("o1", "s3")])


@st.composite
def missed(draw: st.DrawFn) -> AlertChange:
    office, school = draw(SCHOOLS)
    cause = draw(st.sampled_from([Cause.PLATFORM_UNREACHABLE] * 4 + [Cause.GATEWAY_SILENT]))
    return AlertChange(
        change=draw(st.sampled_from(["opened", "opened", "closed"])),
        office=office,
        school=school,
        school_name="甲",
        subject=Subject("platform", f"gw-{school}", draw(st.sampled_from(["a", "a", "a", "b"]))),
        cause=cause,
        at=0.0,
        why=draw(st.sampled_from(["recovered", "recovered", "withdrawn"])),
        operator=draw(st.sampled_from([None, None, "电信"])),
        classrooms=draw(ROOMS),
    )


@st.composite
def by_many(draw: st.DrawFn) -> list[AlertChange]:
    """Some schools tell the same of one platform: it fails, or is back."""
    same = draw(MISSED)
    schools = draw(st.lists(SCHOOLS, min_size=2, max_size=4, unique=True))
    return [
        msgspec.structs.replace(
            same, office=office, school=school, subject=Subject("platform", f"gw-{school}", same.subject.name)
        )
        for office, school in schools
    ]


MISSED = missed()
TOGETHER = st.lists(MISSED | MOVES | ROSTERS, max_size=4) | by_many() | by_many()
HISTORIES = st.lists(st.tuples(WAITS, TOGETHER), max_size=20)


def faults(player: Player) -> int:
    return sum(notice.office == "" for notice in player.sent())


@EXAMPLES
@given(HISTORIES)
def test_counts_add_up(history):
    """What offices were told before goes on as the fault, and is counted there."""
    adds_up(play(history, scopes=SCOPES).told())


@EXAMPLES
@given(HISTORIES)
def test_it_begins_once_and_ends_once(history):
    """Everybody hears of a fault once before he hears of its end."""
    said = defaultdict(list)
    for notice in play(history, scopes=SCOPES).sent():
        if notice.office == "":
            for part in notice.parts or (notice,):
                said[part.incident].append(part.kind in {"resolved", "withdrawn"})
    assert all(ends in ([False], [True], [False, True]) for ends in said.values())


@EXAMPLES
@given(HISTORIES)
def test_every_end_is_an_end(history):
    """Bad then good leaves nothing open, at no desk."""
    player = play(history, scopes=SCOPES)
    alerts = [m.alert for i in player.open_incidents() for members in i.schools.values() for m in members]
    ended(player, [msgspec.structs.replace(alert, change="closed") for alert in alerts])
    is_over(player)
    assert platforms.at_fault(player.bureau, player.now) == frozenset()


@EXAMPLES
@given(HISTORIES)
def test_waking_by_need_is_ticking_every_second(history):
    """Also for what everybody is told, and for when schools are told."""
    woken, ticked = play(history, scopes=SCOPES), play(history, ticking=True, scopes=SCOPES)
    woken.sleep(woken.now + 400)
    ticked.tick(ticked.now + 400)
    assert woken.effects == ticked.effects
    assert woken.bureau.desks == ticked.bureau.desks


@EXAMPLES
@given(HISTORIES)
def test_whoever_has_an_open_alert_is_held(history):
    """By the office that its last news named, wherever the alert stands; sums are what counting gives."""
    player = play(history, scopes=SCOPES)
    found = {
        (school, member.alert.office)
        for incident in player.open_incidents()
        for school, members in incident.schools.items()
        for member in members
        if member.is_open
    }
    assert found == set(player.bureau.holders.items())
    for incident in player.open_incidents():
        assert incident.schools
        assert incidents.recounted(incident).tally == incident.tally


@EXAMPLES
@given(HISTORIES)
def test_twice_is_once(history):
    """A change that comes twice says nothing that it did not say the first time."""
    assert play(history, times=2, scopes=SCOPES).effects == play(history, scopes=SCOPES).effects
