"""What the rules about one room look at: of which age, of whose gateway and switch, and what an exit adds."""

import pytest
from msgspec.structs import replace

from classready.units import MBIT
from collector.core.case import Case, case_of, shared
from collector.core.events import Observed
from collector.core.roster import Classroom
from collector.core.words import Grade
from tests.support.school import GATEWAY, MONDAY, POLICY, Story, at, device, exit_test, port, school, trunk

OTHER = "dem-gw-02"
PROVEN_FOR_A_DAY = replace(POLICY, device_proof_school_days=1)


def case(story: Story, room: str = "r1") -> Case:
    found = case_of(shared(story.school, story.now, story.policy), story.school.roster.classrooms[room])
    assert found is not None
    return found


def room(access: str = "wired") -> Story:
    rooms = {"r1": Classroom(id="r1", access=access, device="panel")}  # type: ignore[arg-type]
    return Story(school(classrooms=rooms, gateways=(GATEWAY, OTHER))).heard().heard(OTHER).room_well()


@pytest.mark.parametrize(
    ("now", "is_valid"),
    [("2026-11-23 12:00", True), ("2026-11-24 09:00", True), ("2026-11-24 09:01", False)],
)
def test_what_a_cable_negotiated_is_good_for_a_day_of_lessons(now: str, is_valid: bool) -> None:  # noqa: FBT001
    """Of a trunk, of a port, and of what a card said when its board was awake: eight hours, with their last moment."""
    rooms = {"r1": Classroom(id="r1", device="panel")}
    told = replace(device("r1"), nic_speed_bps=10 * MBIT)
    story = Story(school(classrooms=rooms)).heard().saw(port("r1"), "r1").saw(told, "r1").saw(trunk(10))
    story.now = at(now)
    found = case(story)
    known = (found.valid_port is not None, found.valid_nic_bps is not None, bool(found.trunks))
    assert known == (is_valid, is_valid, is_valid)


@pytest.mark.parametrize(
    ("gateway", "name", "bounds"),
    [
        (GATEWAY, "sw1:uplink", True),
        (GATEWAY, "sw2:uplink", False),
        (GATEWAY, "backbone", True),
        (OTHER, "sw1:uplink", False),
        (OTHER, "backbone", False),
    ],
)
def test_which_trunk_is_on_the_way(gateway: str, name: str, *, bounds: bool) -> None:
    """Of the room's own gateway, and of its switch or of no switch at all."""
    story = room()
    story.event(Observed(gateway=gateway, observation=trunk(10, name=name), classroom=None, observed_at=story.now))
    assert len(case(story).trunks) == int(bounds)


def test_a_trunk_that_tells_no_speed_speaks_for_no_cable() -> None:
    """The port's speed then says nothing of what is behind its switch."""
    story = Story().all_well().saw(trunk(None, full=None))
    assert case(story).trunks == ()
    assert story.school.state.classrooms["r1"].verdict.grade is Grade.PARTIAL


@pytest.mark.parametrize(("access", "has_port"), [("wired", True), ("wifi", False), ("cellular", False)])
def test_whose_port_is_evidence(access: str, *, has_port: bool) -> None:
    """By air a port is somebody else's."""
    assert (case(room(access)).port is not None) is has_port


@pytest.mark.parametrize(
    ("now", "is_proven"), [("2026-11-23 16:00", True), ("2026-11-24 16:00", True), ("2026-11-25 08:00", False)]
)
def test_a_board_that_was_awake_lately_works(now: str, is_proven: bool) -> None:  # noqa: FBT001
    """Counted in school days; with none to count nothing is proven by that."""
    story = Story(policy=PROVEN_FOR_A_DAY).heard().room_well()
    story.now = at(now)
    assert case(story).device_is_proven is is_proven
    story.policy = POLICY
    assert case(story).device_is_proven is False
    assert case(Story(policy=PROVEN_FOR_A_DAY).heard()).device_is_proven is False


def test_an_exit_that_is_not_known_neither_proves_nor_dates() -> None:
    """One failing test says nothing yet; once it passes the line rests on it as well."""
    story = Story().heard().uplink()
    story.later(600).heard().saw(exit_test(passed=False))
    assert case(story).upstream.evidence_at == MONDAY
    story.later(600).heard().saw(exit_test(target="beyond-2", beyond="city"))
    assert case(story).upstream.evidence_at == story.now
