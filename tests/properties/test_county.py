"""Schools woken by need behave as schools that are looked at every second; what comes twice counts once."""

import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.core.hours import Calendar
from collector.core.policy import Policy
from collector.county import County, Outcome
from collector.engine.rostering import InForce
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from tests.support.collecting import NOW, awake, bandwidth, body, port, record, write_roster

POLICY = Policy(observation_school_days=0, confirm_spacing_s=5, raise_after=2, clear_after=2)
END_S = 420

SEEN = (bandwidth(passed=True), bandwidth(passed=False), port("r1"), port("r1", 10**7), awake("r1"))

REPORTS = st.lists(
    st.tuples(st.integers(1, END_S - 30), st.lists(st.sampled_from(range(len(SEEN))), max_size=4)), max_size=6
)


@cache
def given_() -> InForce:
    with tempfile.TemporaryDirectory() as folder:
        roster = load_roster(write_roster(Path(folder)), {"p": ("p",)})
    return InForce(roster, hours_of_schools(roster.entries, Calendar(), NOW), POLICY)


def bodies(reports):
    """(when, bytes) in order of time; each record was seen just before its report was sent."""
    sequence = 0
    for at, seen in sorted(reports):
        records = []
        for n, index in enumerate(seen):
            sequence += 1
            fields = {"wall_s": NOW + at - 10 + n, "monotonic_s": 500.0 + at - 10 + n}
            records.append(record(sequence, SEEN[index], **fields))
        yield NOW + at, body(records, gateway="gw-two", report_interval_s=30.0, sent_monotonic_s=500.0 + at)


def add(outcome: Outcome, more: Outcome) -> None:
    outcome.verdicts += more.verdicts
    outcome.alerts += more.alerts
    outcome.messages += more.messages


def driven(reports, *, each_second: bool = False, copies: int = 1) -> tuple[County, Outcome]:
    place, outcome = County(given_(), NOW), Outcome()
    waiting = list(bodies(reports))
    for second in range(1, END_S + 1):
        now = NOW + second
        while waiting and waiting[0][0] <= now:
            at, sent = waiting.pop(0)
            for _ in range(copies):
                add(outcome, place.report("gw-two", sent, at)[1])
        if each_second:
            for name, row in place._registry.rows.items():
                row.wake_at = now
                place._registry.due.set(name, now)
            add(outcome, place.pass_time(now))
    add(outcome, place.pass_time(NOW + END_S))
    return place, outcome


def shown(place: County):
    return {name: school.state for name, school in place.schools.items()}


def told(outcome: Outcome):
    """What was said; a moment that lies between two seconds is seen at the second."""
    verdicts = [(v.school, v.classroom, v.verdict, v.before, v.after, v.causes) for v in outcome.verdicts]
    alerts = [(a.change, a.school, a.subject, a.cause) for a in outcome.alerts]
    return verdicts, alerts, [(m.notice.kind, m.notice.cause) for m in outcome.messages]


@settings(max_examples=15)
@given(REPORTS)
def test_woken_by_need_is_looked_at_every_second(reports):
    """Whatever was reported: nobody is woken too late, and to be woken more often changes nothing."""
    by_need, ticked = driven(reports), driven(reports, each_second=True)
    assert told(by_need[1]) == told(ticked[1])
    for name, school in by_need[0].schools.items():
        rooms = {room: (state.verdict.ready, state.latch.value) for room, state in school.state.classrooms.items()}
        same = ticked[0].schools[name].state
        assert rooms == {room: (state.verdict.ready, state.latch.value) for room, state in same.classrooms.items()}
        assert school.state.gateways == same.gateways
        assert school.state.uplinks == same.uplinks


@settings(max_examples=25)
@given(REPORTS)
def test_redelivery_changes_nothing(reports):
    """Each report three times is each report once: ledgers, states, verdicts, alerts and messages."""
    once, thrice = driven(reports), driven(reports, copies=3)
    assert once[0]._ledgers == thrice[0]._ledgers
    assert shown(once[0]) == shown(thrice[0])
    assert once[1] == thrice[1]


@settings(max_examples=25)
@given(REPORTS, st.randoms(use_true_random=False))
def test_order_of_arrival_changes_no_evidence(reports, chooser):
    """The same reports in any order, all at the end: the same evidence is newest, and the same is in the ledger."""
    sent = [one for _, one in bodies(reports)]
    found = []
    for _ in range(2):
        place = County(given_(), NOW)
        for one in sent:
            place.report("gw-two", one, NOW + END_S)
        room = place.schools["s3"].state.classrooms["r1"]
        ledgers = {spool: (held.ranges, held.applied_records) for spool, held in place._ledgers.items()}
        found.append((ledgers, room.last_port and room.last_port.observed_at, room.device))
        chooser.shuffle(sent)
    assert found[0] == found[1]
