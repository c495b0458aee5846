"""Of which open alert the new evidence may be: that alone is looked at, and on a new day all that hangs on it."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Ping
from collector.core.concern import look_again
from collector.core.events import Heard, Observed
from collector.core.folded import Folded
from collector.core.state import AlertState, ClassroomState, SchoolState
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, POLICY, at, bandwidth, device, http, port, school, trunk

NOW, YESTERDAY = at("2026-11-24 10:00"), at("2026-11-23 16:00")
ROOMS = {"r1", "r2"}
SWITCH, TRUNK = Subject("switch", GATEWAY, "sw1"), Subject("segment", GATEWAY, "sw1:uplink")
PLATFORM, ROOM = Subject("platform", GATEWAY, "p"), Subject("classroom", name="r1")
LINE = Subject("uplink", GATEWAY)


def looked(subject: Subject, seen: Any, room: str | None = None, counted_at: float | None = NOW - 60) -> Any:
    """Whether it counts, and whose verdicts are made anew."""
    alert = AlertState(subject=subject, cause=Cause.PORT_DOWN, opened_at=1.0, evidence_at=counted_at)
    before = SchoolState(alerts=(alert,))
    listed = school(platforms={"p": ("page",), "q": ("other",)})
    folded = Folded(replace(listed, state=before), NOW, POLICY)
    event = Observed(gateway=GATEWAY, observation=seen, classroom=room, observed_at=NOW, late=False)
    look_again(folded, before, [Heard(gateway=GATEWAY, report_interval_s=60), event])
    return folded.counts, folded.rooms


@pytest.mark.parametrize(
    ("subject", "seen", "room", "rooms"),
    [
        pytest.param(ROOM, device("r1"), "r1", {"r1"}, id="a board"),
        pytest.param(ROOM, port("r1"), "r1", {"r1"}, id="a port"),
        pytest.param(ROOM, device("r2"), "r2", None, id="another room's board"),
        pytest.param(SWITCH, port("r1"), "r1", set(), id="a switch, by the port of any room"),
        pytest.param(SWITCH, port("r1", switch="sw2"), "r1", None, id="another switch"),
        pytest.param(SWITCH, port("r1", switch=None), "r1", None, id="no switch"),
        pytest.param(Subject("switch", "other", "sw1"), port("r1"), "r1", None, id="a switch of another gateway"),
        pytest.param(TRUNK, trunk(), None, set(), id="a trunk"),
        pytest.param(TRUNK, trunk(name="sw2:uplink"), None, None, id="another trunk"),
        pytest.param(PLATFORM, http(target="page"), None, set(), id="a platform"),
        pytest.param(PLATFORM, http(target="other"), None, None, id="another platform"),
        pytest.param(PLATFORM, Ping(target="page"), None, None, id="a ping judges nobody"),
        pytest.param(LINE, bandwidth(), None, None, id="what counts of a line has everybody judged anyway"),
    ],
)
def test_what_new_evidence_is_about(subject: Subject, seen: Any, room: str | None, rooms: set[str] | None) -> None:
    """The room that it is about; of what many hang on, that it counts."""
    assert looked(subject, seen, room) == ((False, set()) if rooms is None else (True, rooms))


@pytest.mark.parametrize(
    ("subject", "seen", "room", "rooms"),
    [
        pytest.param(TRUNK, trunk(), None, ROOMS, id="a trunk"),
        pytest.param(SWITCH, port("r1"), "r1", ROOMS, id="a switch"),
        pytest.param(ROOM, port("r1"), "r1", {"r1"}, id="a room is but itself"),
    ],
)
@pytest.mark.parametrize("counted_at", [YESTERDAY, None], ids=["yesterday", "never"])
def test_the_first_of_a_day_is_for_all_that_hang_on_it(
    subject: Subject, seen: Any, room: str | None, rooms: set[str], counted_at: float | None
) -> None:
    """Compliance counts days."""
    assert looked(subject, seen, room, counted_at) == (True, rooms)


@pytest.mark.parametrize(
    ("was_at", "is_at", "rooms"),
    [
        pytest.param(YESTERDAY, NOW, {"r1"}, id="the first time of a day"),
        pytest.param(NOW - 60, NOW, set(), id="again on that day"),
        pytest.param(None, NOW, {"r1"}, id="the first time at all"),
        pytest.param(NOW, NOW, set(), id="it was not seen"),
        pytest.param(None, None, set(), id="it never was"),
    ],
)
def test_a_board_that_is_awake_for_the_first_time_of_a_day(
    was_at: float | None, is_at: float | None, rooms: set[str]
) -> None:
    """A good day is one on which it was seen."""
    before, after = (SchoolState(classrooms={"r1": ClassroomState(last_awake_at=when)}) for when in (was_at, is_at))
    folded = Folded(replace(school(), state=after), NOW, POLICY)
    look_again(folded, before, [])
    assert (folded.counts, folded.rooms) == (False, rooms)
