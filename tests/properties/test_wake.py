"""Woken by need, in rounds, in any order: the same as being looked at every moment, one record at a time."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from collector.core.events import Event, Heard, Observed, VerdictChanged
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School
from collector.core.step import rounds, step
from tests.support.school import GATEWAY, MONDAY, Story, at, bandwidth, device, exit_test, http, path_test, port, trunk

POLICY = Policy(observation_school_days=0, platform_hold_s=120)
EXAMPLES = settings(max_examples=60, deadline=None)

ROOM = st.sampled_from(["r1", "r2"])
NO_ANSWER = {"outcome": Outcome.NO_ANSWER, "reason": Reason.TIMEOUT}


def in_room(make: Any, *values: Any) -> Any:
    return st.tuples(st.builds(make, ROOM, *values)).map(lambda made: (made[0], made[0].classroom))


SEEN = st.one_of(
    in_room(lambda r, s, up, octets: port(r, s, oper_up=up, in_octets=octets), st.sampled_from([10, 100, 1000]),
            st.booleans(), st.integers(0, 9)),
    in_room(lambda r, s: device(r, s, answered=s is not None), st.sampled_from(["awake", "asleep", "away", None])),
    in_room(lambda r: Port(classroom=r, switch="sw1", **NO_ANSWER)),
    in_room(lambda r, ok: path_test(r, passed=ok), st.booleans()),
    st.booleans().map(lambda ok: (bandwidth(passed=ok), None)),
    st.booleans().map(lambda ok: (exit_test(passed=ok), None)),
    st.booleans().map(lambda up: (http(up=up), None)),
    st.sampled_from([10, 1000]).map(lambda mbps: (trunk(mbps), None)),
)  # fmt: skip
"""(observation, room)."""


def observed(seen: Any, now: float, ago_s: float = 0.0) -> Observed:
    observation, room = seen
    return Observed(gateway=GATEWAY, observation=observation, classroom=room, observed_at=now - ago_s)


def heard(interval_s: float = 60.0) -> Heard:
    return Heard(gateway=GATEWAY, report_interval_s=interval_s)


def judged(school: School) -> dict[str, Any]:
    """Everything but what a judgement carries along by the day: dates, and days on which all was well."""

    def room(state: ClassroomState) -> Any:
        verdict = replace(state.verdict, ready_since=None)
        return verdict, (state.latch.value, state.latch.short_days), state.port, state.device

    alerts = {(a.subject, a.cause): (a.bad_streak, a.opened_at is not None, a.announced) for a in school.state.alerts}
    rooms = {name: room(state) for name, state in school.state.classrooms.items()}
    silent = {name: gateway.silent for name, gateway in school.state.gateways.items()}
    return {"rooms": rooms, "alerts": alerts, "silent": silent}


# --- wake-driven = ticked -------------------------------------------------------------------------------------------

STARTS = st.sampled_from(["2026-11-23 07:58", "2026-11-23 10:00", "2026-11-23 16:57", "2026-11-27 16:58"])
STEP_S = 7.0
"""A tick every second would take a minute an example; that every whole number of seconds is as good shows as well."""


@EXAMPLES
@given(
    STARTS, st.lists(st.tuples(st.sampled_from([7, 63, 189, 1_400, 35_000]), st.lists(SEEN, max_size=4)), max_size=6)
)
def test_woken_is_ticked(start: str, history: list[Any]) -> None:
    """Stepping only at ``wake_at`` ends in the state of stepping all the time, at any moment one looks."""
    ticked = woken = step(School(roster=Story().school.roster, hours=Story().school.hours), [], at(start), POLICY)
    now = at(start)
    for wait_s, seen in history:
        end = now + wait_s
        pace_s = STEP_S if wait_s < 30_000 else 10 * STEP_S
        while now + pace_s <= end:
            now += pace_s
            ticked = step(ticked.school, [], now, POLICY)
        now = end
        ticked = step(ticked.school, [], now, POLICY)
        while woken.wake_at is not None and woken.wake_at <= now:
            before = woken.wake_at
            woken = step(woken.school, [], before, POLICY)
            assert woken.wake_at is None or woken.wake_at > before
        assert judged(ticked.school) == judged(woken.school)
        events: list[Event] = [heard(), *(observed(one, now) for one in seen)]
        ticked, woken = (step(one.school, events, now, POLICY) for one in (ticked, woken))
        assert judged(ticked.school) == judged(woken.school)


@EXAMPLES
@given(st.lists(SEEN, max_size=8))
def test_confirmation_needs_no_judgement(history: list[Any]) -> None:
    """A report that confirms what is known leaves the school as a judgement of everybody would."""
    story = Story(policy=POLICY).all_well()
    for n, seen in enumerate(history):
        story.later(20 + n).heard()
        story.school, _, _ = step(story.school, [observed(seen, story.now)], story.now, POLICY)
        anew = step(replace(story.school, judged_at=None), [], story.now, POLICY).school
        assert judged(story.school) == judged(anew)


# --- rounds ---------------------------------------------------------------------------------------------------------


@EXAMPLES
@given(st.lists(SEEN, max_size=25))
def test_rounds_keep_everything_in_order(history: list[Any]) -> None:
    """Every event is in one round, those of one subject in their order, one a round."""
    events = [observed(seen, MONDAY + n) for n, seen in enumerate(history)]
    together = [list(one) for one in rounds(events)]
    assert sorted(e.observed_at for one in together for e in one) == [e.observed_at for e in events]
    assert all(together) or not history, "no round is empty"
    for one in together:
        subjects = [(type(e.observation), e.classroom, getattr(e.observation, "target", None)) for e in one]
        assert len(subjects) == len(set(subjects))


@EXAMPLES
@given(st.lists(SEEN, min_size=1, max_size=12))
def test_together_is_one_by_one(history: list[Any]) -> None:
    """A report of different subjects, folded at once, ends as its records one by one."""
    start = Story(policy=POLICY).all_well().later(30).heard()
    found: dict[Any, Any] = {}
    for observation, room in history:
        found[type(observation), room, getattr(observation, "target", None)] = (observation, room)
    events = [observed(seen, start.now) for seen in found.values()]
    once = step(start.school, events, start.now, POLICY).school
    single = start.school
    for event in events:
        single = step(single, [event], start.now, POLICY).school
    single = step(single, [], start.now, POLICY).school
    states = [{r: s.verdict.ready for r, s in school.state.classrooms.items()} for school in (once, single)]
    assert states[0] == states[1]
    assert once.state.uplinks == single.state.uplinks
    assert once.state.platforms == single.state.platforms


def test_a_backlog_counts_one_by_one() -> None:
    """Three silent polls of a switch in one report are three pieces of evidence, as in three reports."""
    story = Story(policy=POLICY).all_well().later(60).heard()
    polls = [(Port(classroom="r1", switch="sw1", **NO_ANSWER), "r1")] * 3
    events = [observed(seen, story.now, ago_s=40.0 - 20 * n) for n, seen in enumerate(polls)]
    school, effects, _ = step(story.school, events, story.now, POLICY)
    assert [alert.cause for alert in school.state.alerts if alert.opened_at] == ["switch_unreachable"]
    assert [e.after for e in effects if isinstance(e, VerdictChanged)].count("unknown") == 2
