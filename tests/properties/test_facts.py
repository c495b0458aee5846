"""What is not news may be lost: a collector that goes on from the last news shows what one shows that never stopped."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from classready.observation import Outcome, Port, Reason
from collector.core.compliance import compliant
from collector.core.events import Event, Heard, PlatformFault, Resumed
from collector.core.facts import is_news
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School, SchoolState
from collector.core.step import step
from tests.properties.test_wake import POLICY, SEEN, STARTS, heard, observed
from tests.support.school import GATEWAY, Story, Tick, at, bandwidth, device, http, path_test, port, trunk

EXAMPLES = settings(max_examples=60, deadline=None)
WRITTEN_AFTER_S = 600.0
"""What only became younger is written all the same after this."""
HISTORIES = st.lists(
    st.tuples(st.sampled_from([7, 63, 189, 590, 35_000]), st.booleans(), st.lists(SEEN, max_size=4)), max_size=10
)
"""(wait, whether the gateway reports then, what it saw)."""


def shown(school: School) -> dict[str, Any]:
    """What anybody was told, or can see."""

    def room(name: str) -> Any:
        state = school.state.classrooms.get(name, ClassroomState())
        return state.verdict.ready, state.verdict.causes, compliant(school.roster.classrooms[name], state)

    alerts = {(a.subject, a.cause): a.announced for a in school.state.alerts if a.opened_at is not None}
    return {"rooms": {name: room(name) for name in school.roster.classrooms}, "alerts": alerts}


def restarted(school: School, stored: bytes, away_from: float, now: float) -> School:
    """The school as a new process has it that read ``stored``."""
    state = msgspec.json.decode(stored, type=SchoolState)
    found = School(roster=school.roster, hours=school.hours, state=state)
    return step(found, [Resumed(away_from=away_from, away_to=now)], now, POLICY).school


@EXAMPLES
@given(STARTS, HISTORIES, st.sampled_from([0, 60, 3_000]))
def test_what_is_no_news_may_be_lost(start: str, history: list[Any], down_s: float) -> None:
    """Stopped after any step, the school goes on from the last news with the same verdicts and alerts."""
    now = saved_at = at(start)
    school = step(Story().school, [], now, POLICY).school
    saved = school.state
    for wait_s, reports, seen in history:
        end = now + wait_s
        before = school.state
        while (due := step(school, [], now, POLICY).wake_at) is not None and due <= end:
            now = max(due, now)
            school = step(school, [], now, POLICY).school
            if is_news(before, school.state):
                saved, saved_at = school.state, now
            before = school.state
        now = end
        events: list[Event] = [heard(), *(observed(one, now) for one in seen)] if reports else []
        school = step(school, events, now, POLICY).school
        if is_news(before, school.state) or now - saved_at >= WRITTEN_AFTER_S:
            saved, saved_at = school.state, now
        back = now + down_s
        never_stopped = step(school, [Resumed(away_from=now, away_to=back)], back, POLICY).school
        assert shown(restarted(school, msgspec.json.encode(saved), saved_at, back)) == shown(never_stopped)


CLOCKS = {
    *("observed_at", "last_committed_at", "told_at", "last_unmeasured_at", "last_awake_at", "evidence_at", "unlisted"),
    *("in_octets", "out_octets", "bad_frame_count", "bad_streak", "good_streak", "clock_skew_s", "spool_records"),
}
"""What may differ where nothing is news: dates and counters."""
NOT_YET = {"pending_port", "while_asleep", "ping"}
"""What is evidence of nothing yet, or judged by nobody."""
SAID = {("device", "seen", "state"), ("device", "seen", "outcome"), ("device", "seen", "reason")}
"""By the agent of a device: what the collector made of it stands beside it."""


def different(before: Any, after: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths to whatever is not equal."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = (different(before.get(key), after.get(key), (*path, key)) for key in {**before, **after})
        return [one for several in found for one in several]
    if isinstance(before, list | tuple) and isinstance(after, list | tuple) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [one for was, now in pairs for one in different(was, now, path)]
    return [] if before == after else [path]


@EXAMPLES
@given(STARTS, HISTORIES)
def test_no_news_is_only_clocks_and_counters(start: str, history: list[Any]) -> None:
    """Whatever of what is stored may wait to be written, field by field."""
    now = at(start)
    school = step(Story().school, [], now, POLICY).school
    for wait_s, reports, seen in history:
        for events in ([], [heard(), *(observed(one, now + wait_s) for one in seen)] if reports else []):
            before = school.state
            school = step(school, events, now + wait_s, POLICY).school
            if is_news(before, school.state):
                continue
            for path in different(msgspec.to_builtins(before), msgspec.to_builtins(school.state)):
                assert "tests" not in path, path
                assert {*path} & (CLOCKS | NOT_YET) or path[-3:] in SAID, path
        now += wait_s


def test_a_steady_hour_is_no_news() -> None:
    """A report a minute that confirms what is known is written by nobody: dates, octets and vain attempts are none."""
    story = Story(policy=POLICY).all_well().saw(trunk())
    for minute in range(60):
        before = story.school.state
        story.later(60)
        rooms = [[(port(room, in_octets=1_000 * minute), room), (device(room), room)] for room in ("r1", "r2")]
        waiting = bandwidth(target="exit", outcome=Outcome.UNMEASURED, reason=Reason.OUTSIDE_HOURS, at_least_bps=None)
        seen = [*rooms[0], *rooms[1], (http(), None), (trunk(), None), (waiting, None)]
        events: list[Event] = [heard(), *(observed(one, story.now) for one in seen)]
        story.school = step(story.school, events, story.now, POLICY).school
        assert story.school.state != before
        if minute > 2:  # by then the octets have proved the devices awake, and each is told of once
            assert not is_news(before, story.school.state), minute


def test_a_test_too_close_to_the_last_is_no_news() -> None:
    """Counters are read every few seconds where a line is watched: what does not count only says that it is told of."""
    story = Story(policy=POLICY).all_well().later(5).uplink(estimate_mbps=120)  # today is a good day from then on
    before = story.later(10).school.state
    assert not is_news(before, story.uplink(estimate_mbps=120).school.state)
    assert is_news(before, story.later(60).uplink(estimate_mbps=120).school.state)


NEWS: dict[str, Callable[[Story], Story]] = {
    "a gateway fell silent": lambda s: s.later(181).event(Tick()),
    "it is heard at another interval": lambda s: s.heard(interval_s=30),
    "its agent was renewed": lambda s: s.event(Heard(gateway=GATEWAY, report_interval_s=60, agent_version="9")),
    "a test failed": lambda s: s.later(60).uplink(passed=False),
    "a path was tested": lambda s: s.saw(path_test("r1"), "r1"),
    "a test is in vain since": lambda s: s.saw(bandwidth(outcome=Outcome.UNMEASURED, reason=Reason.BUDGET)),
    "a switch does not answer": lambda s: s.saw(
        Port(classroom="r1", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), "r1"
    ),
    "a trunk is slower": lambda s: s.saw(trunk(100)),
    "a trunk is half duplex": lambda s: s.saw(trunk(full=False)),
    "a platform is down": lambda s: s.platform(up=False),
    "a platform is itself at fault": lambda s: s.event(PlatformFault(platform="national", on=True)),
    "a port has another speed": lambda s: s.saw(port("r1", 100), "r1"),
    "a port is half duplex": lambda s: s.saw(port("r1", full=False), "r1"),
    "a port is down": lambda s: s.saw(port("r1", oper_up=False), "r1"),
    "a port is switched off": lambda s: s.saw(port("r1", admin_up=False), "r1"),
    "a port is another": lambda s: s.saw(port("r1", if_name="Gi0/9"), "r1"),
    "a device sleeps": lambda s: s.saw(device("r1", "asleep"), "r1"),
    "a room is not listed": lambda s: s.saw(device("r9"), "r9"),
}


@pytest.mark.parametrize("what", NEWS)
def test_news(what: str) -> None:
    """Whatever changes what is known, and not only when or how often, is written at once, and once."""
    story = Story(policy=POLICY).all_well().saw(trunk()).later(1)
    before = story.school.state
    after = NEWS[what](story).school.state
    assert is_news(before, after)
    assert not is_news(after, after)


@pytest.mark.parametrize("what", [what for what in NEWS if what.startswith(("a platform", "a switch", "a trunk"))])
def test_news_of_what_hangs_on_nobody(what: str) -> None:
    """Evidence is a fact of its own, whatever it does to a verdict or an alert."""
    story = Story(policy=POLICY).all_well().saw(trunk()).later(1)
    before = story.school.state
    after = NEWS[what](story).school.state
    assert is_news(before, replace(after, classrooms=before.classrooms, alerts=before.alerts))


def test_an_alert_is_news_and_its_streak_is_none() -> None:
    """Beginning, opening, being told and ending are facts; one more piece of evidence either way is a count."""
    story = Story(policy=Policy(observation_school_days=0)).all_well()
    news = []
    for up in (False, False, False, False, True, True):
        before = story.school.state.alerts
        story.later(60).heard().platform(up=up)
        states = (SchoolState(alerts=alerts) for alerts in (before, story.school.state.alerts))
        news.append(is_news(*states))
    assert news == [True, False, True, False, False, True]
