"""What holds for every history of a school, however strange."""

from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from classready.observation import Outcome, Port, Reason
from collector.core.events import AlertChange
from collector.core.link import legs_interval, line_legs, part_state
from collector.core.state import SchoolState
from collector.core.words import Cause
from tests.support.school import GATEWAY, POLICY, Story, Tick, bandwidth, device, exit_test, http, path_test, port

ROOMS = st.sampled_from(["r1", "r2", "r9"])
ACTIONS = st.one_of(
    st.tuples(st.just("tick"), st.just(None), st.just(None)),
    st.tuples(st.just("heard"), st.just(None), st.just(None)),
    st.tuples(
        st.just("saw"), st.none(), st.booleans().map(lambda ok: bandwidth(passed=ok, estimate_mbps=120 if ok else 70))
    ),
    st.tuples(
        st.just("saw"), st.none(), st.builds(exit_test, st.sampled_from(["metro", "backup"]), passed=st.booleans())
    ),
    st.tuples(st.just("saw"), st.none(), st.builds(exit_test, passed=st.booleans(), target=st.just("uplink"))),
    st.tuples(st.just("path"), ROOMS, st.booleans()),
    st.tuples(st.just("saw"), st.none(), st.booleans().map(lambda up: http(up=up))),
    st.tuples(st.just("port"), ROOMS, st.tuples(st.sampled_from([0, 10, 100, 1000]), st.booleans(), st.booleans())),
    st.tuples(st.just("device"), ROOMS, st.sampled_from(["awake", "asleep", "away", None])),
    st.tuples(st.just("deaf"), ROOMS, st.none()),
)
HISTORIES = st.lists(st.tuples(st.sampled_from([0, 1, 30, 70, 700, 30_000, 90_000]), ACTIONS), max_size=60)
EXAMPLES = settings(max_examples=120, deadline=None)


def play(story: Story, history: list[Any], *, twice: bool = False) -> Story:
    for seconds, (action, room, value) in history:
        story.later(seconds)
        for _ in range(2 if twice else 1):
            act(story, action, room, value)
    return story


def _at_their_times(history: list[Any], left_out: str) -> list[Any]:
    """The same history with the actions of one kind left out, the clock running as before."""
    return [(seconds, ("wait", None, None) if what[0] == left_out else what) for seconds, what in history]


def act(story: Story, action: str, room: str | None, value: Any) -> None:
    match action:
        case "tick":
            story.event(Tick())
        case "heard":
            story.heard()
        case "saw":
            story.saw(value)
        case "path":
            story.saw(path_test(room or "", passed=value), room)
        case "port":
            speed, full, up = value
            story.saw(port(room or "", speed, full=full, oper_up=up), room)
        case "device":
            story.saw(device(room or "", value, answered=value is not None), room)
        case "deaf":
            silent = Port(classroom=room or "", switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
            story.saw(silent, room)


@EXAMPLES
@given(HISTORIES)
def test_verdicts_are_consistent(history):
    """Ready follows from its clauses, causes stand in root-cause order, every unknown has a next step."""
    story = play(Story(), history).event(Tick())
    for room in story.school.state.classrooms.values():
        verdict, clauses = room.verdict, msgspec.structs.astuple(room.verdict.clauses)
        if verdict.ready == "unknown":
            assert verdict.next_step is not None
            assert verdict.causes
        elif verdict.ready == "yes":
            assert set(clauses) == {"yes"}
            assert verdict.causes == ()
        else:
            assert "no" in clauses
            assert set(verdict.causes) - {Cause.NOT_MEASURED, Cause.GATEWAY_SILENT}
        assert list(verdict.causes) == [c for c in Cause if c in verdict.causes]


@EXAMPLES
@given(HISTORIES)
def test_redelivery_changes_nothing(history):
    """Feeding every observation twice gives the same evidence and the same verdicts."""
    once, again = play(Story(), history), play(Story(), history, twice=True)
    assert once.school.state.classrooms == again.school.state.classrooms
    assert once.school.state.uplinks == again.school.state.uplinks
    assert once.school.state.paths == again.school.state.paths


@EXAMPLES
@given(HISTORIES)
def test_paths_and_lines_are_apart(history):
    """Tests inside the school change nothing that is known of its line, and the other way round."""

    def left(of: list[Any]) -> SchoolState:
        return play(Story(), of).event(Tick()).school.state

    both = left(history)
    assert left(_at_their_times(history, "path")).uplinks == both.uplinks
    assert left(_at_their_times(history, "saw")).paths == both.paths


@EXAMPLES
@given(HISTORIES)
def test_exit_is_blamed_only_behind_a_good_line(history):
    """Whenever an exit is a cause, tests of the line alone say that it is enough."""
    story = Story()
    for seconds, (action, room, value) in history:
        story.later(seconds)
        act(story, action, room, value)
        story.event(Tick())
        causes = {cause for state in story.school.state.classrooms.values() for cause in state.verdict.causes}
        if Cause.EXIT_BELOW_REQUIRED in causes:
            own = [leg for leg in line_legs(story.school, GATEWAY, "down") if leg.beyond is None]
            assert part_state(legs_interval(own), POLICY.theta_down_bps) == "enough"
            assert Cause.UPLINK_BELOW_REQUIRED not in causes


@EXAMPLES
@given(HISTORIES)
def test_alerts_open_and_close_in_turn(history):
    """Per subject and cause, opened and closed alternate, beginning with opened."""
    story = play(Story(), history)
    turns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for change in story.told(AlertChange):
        turns[change.subject, change.cause].append(change.change)
    for turn in turns.values():
        assert turn == [("opened", "closed")[i % 2] for i in range(len(turn))]


@EXAMPLES
@given(HISTORIES)
def test_state_survives_the_store(history):
    """The stored JSON of any reachable state decodes to the same state."""
    state = play(Story(), history).school.state
    assert msgspec.json.decode(msgspec.json.encode(state), type=SchoolState) == state


@EXAMPLES
@given(HISTORIES)
def test_compliant_needs_evidence(history):
    """Only a room with an awake device and a tested uplink can ever be compliant."""
    story = play(Story(), history)
    tested = bool(story.school.state.uplinks)
    for room in story.school.state.classrooms.values():
        if room.latch.value == "yes":
            assert tested
            assert room.last_awake_at is not None
