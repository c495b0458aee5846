"""What most needs a person comes first: rooms, schools and offices alike."""

import random

import pytest
from msgspec.structs import replace

from collector.core.state import School
from collector.core.words import Cause, CompliantValue
from collector.text import Names
from collector.views.office import OfficeSummary, Sums, total
from collector.views.summary import figures, summarise
from collector.views.urgency import NEEDS, Counts, Need, most_urgent, most_urgent_room, need_of
from tests.support import bureaus
from tests.support.samples import gateway_heard, with_state


@pytest.mark.parametrize(
    ("ready", "up", "silent", "expected"),
    [
        pytest.param(Counts(unknown=30), 0, 1, "silent", id="its only gateway fell silent"),
        pytest.param(Counts(unknown=2), 0, 2, "silent", id="both did"),
        pytest.param(Counts(unknown=2), 0, 1, "silent", id="one did, the other was never heard"),
        pytest.param(Counts(no=30), 1, 0, "not_ready", id="no room can be used"),
        pytest.param(Counts(yes=15, no=15), 1, 0, "not_ready", id="half of them"),
        pytest.param(Counts(yes=16, no=14), 1, 0, "partly_not_ready", id="fewer"),
        pytest.param(Counts(unknown=30), 0, 0, "unknown", id="never heard"),
        pytest.param(Counts(unknown=30), 1, 0, "unknown", id="heard, nothing measured"),
        pytest.param(Counts(yes=10, unknown=20), 1, 1, "partly_silent", id="one gateway of two"),
        pytest.param(Counts(yes=29, no=1), 1, 0, "partly_not_ready", id="one slow cable"),
        pytest.param(Counts(no=1, unknown=29), 1, 0, "partly_not_ready", id="one slow cable, the rest unknown"),
        pytest.param(Counts(yes=29, unknown=1), 1, 0, "partly_unknown", id="one unknown"),
        pytest.param(Counts(yes=30), 1, 0, "nothing", id="all well"),
        pytest.param(Counts(), 0, 1, "empty", id="no rooms: nobody waits for it"),
        pytest.param(Counts(exempt=3), 1, 0, "empty", id="all exempt"),
    ],
)
def test_what_a_school_needs(ready: Counts, up: int, silent: int, expected: str) -> None:
    """A decision table over its rooms and gateways."""
    assert need_of(ready, up, silent) == expected


def ordered(*schools: School) -> list[str]:
    names = Names()
    found = [summarise(school, names, "zh") for school in schools]
    random.Random(1).shuffle(found)
    return [summary.name for summary in sorted(found, key=most_urgent)]


def test_the_order_of_schools() -> None:
    """Silent, mostly not ready, wholly unknown, partly silent, one slow cable, one unknown, good, without rooms."""
    partly = bureaus.school(4, 12, "good", name="部分无上报", gateways=("gw-a", "gw-b"))
    partly = with_state(partly, gateways={"gw-a": gateway_heard(), "gw-b": gateway_heard(silent=True)})
    one_unknown = bureaus.school(6, 8, "mixed", name="一间未知")
    states = {
        k: replace(s, verdict=replace(s.verdict, ready="unknown" if s.verdict.ready == "unknown" else "yes"))
        for k, s in one_unknown.state.classrooms.items()
    }
    schools = [
        bureaus.school(1, 2, "silent", name="全校无上报"),
        bureaus.school(2, 3, "half slow", name="多数不可用"),
        bureaus.school(3, 2, "never", name="从未上报"),
        partly,
        bureaus.school(5, 60, "one slow", name="一条慢网线"),
        with_state(one_unknown, classrooms=states),
        bureaus.school(7, 90, "good", name="全部可用"),
        bureaus.school(8, 0, "never", name="没有教室"),
    ]
    assert ordered(*schools) == [school.roster.name for school in schools]
    needs = [summarise(school, Names(), "zh").need for school in schools]
    assert needs == list(NEEDS), "every need is met once, in its order"


def test_ties() -> None:
    """Within a need: weak rural schools, then more rooms concerned, then the name; never the order of the roster."""
    schools = [
        bureaus.school(1, 2, "silent", name="薄弱教学点", rural_weak=True),
        bureaus.school(2, 40, "silent", name="大校"),
        bureaus.school(3, 9, "silent", name="甲校"),
        bureaus.school(4, 9, "silent", name="甲校二"),
        bureaus.school(5, 30, "unknown", name="薄弱但未知", rural_weak=True),
        bureaus.school(6, 30, "unknown", name="未知"),
        bureaus.school(7, 3, "one slow", name="薄弱慢网线", rural_weak=True),
        bureaus.school(8, 30, "mixed", name="七间不可用"),
        bureaus.school(9, 30, "one slow", name="一条慢网线"),
    ]
    assert ordered(*schools) == [school.roster.name for school in schools]


def test_the_order_of_offices_follows_the_same_rule() -> None:
    """An office in the dark stands before one with slow cables, and says how many schools are in which need."""

    def office(number: int, *moods: bureaus.Mood) -> OfficeSummary:
        schools = [bureaus.school(10 * number + n, 10, mood) for n, mood in enumerate(moods)]
        return total(Sums(figures(school) for school in schools), "zh", name=str(number))

    dark, slow, good = office(1, "silent", "silent"), office(2, "one slow", "silent", "never"), office(3, "good")
    assert [o.name for o in sorted([good, slow, dark], key=most_urgent)] == ["1", "2", "3"]
    assert [(n.need, n.schools) for n in slow.needs] == [(Need.SILENT, 1), (Need.UNKNOWN, 1)]


def test_the_order_of_rooms() -> None:
    """Not ready by root cause, then unknown, ready, exempt."""
    rooms: list[tuple[CompliantValue, Cause | None]] = [
        ("no", Cause.PORT_BELOW_REQUIRED),
        ("no", Cause.DEVICE_OFFLINE),
        ("unknown", Cause.GATEWAY_SILENT),
        ("unknown", Cause.NOT_MEASURED),
        ("yes", None),
        ("exempt", None),
    ]
    assert sorted(random.Random(1).sample(rooms, len(rooms)), key=lambda room: most_urgent_room(*room)) == rooms
