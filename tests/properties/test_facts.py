"""What is not news may be lost: a collector that goes on from the last news shows what one shows that never stopped."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.core.compliance import compliant
from collector.core.events import Event, Resumed
from collector.core.facts import is_news
from collector.core.state import ClassroomState, School, SchoolState
from collector.core.step import step
from tests.properties.test_wake import POLICY, SEEN, STARTS, heard, observed
from tests.support.school import Story, at, bandwidth, device, http, port

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


def test_a_steady_hour_is_no_news() -> None:
    """A report a minute that confirms what is known, counters growing, is written by nobody."""
    story = Story(policy=POLICY).all_well().later(30).heard()
    seen: list[Any] = []
    for minute in range(62):
        before = story.school.state
        story.later(60)
        for room in ("r1", "r2"):
            seen += [(port(room, in_octets=1_000 * minute), room), (device(room), room)]
        seen += [(bandwidth(), None)] if minute % 30 == 0 else []
        seen += [(http(), None)]
        events: list[Event] = [heard(), *(observed(one, story.now) for one in seen)]
        story.school = step(story.school, events, story.now, POLICY).school
        if minute > 1 and minute % 30 != 0:
            assert not is_news(before, story.school.state), minute
        seen.clear()
