"""Who hangs together, and what a group of boards that went off says: decision tables of the states that lead there."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.case import shared
from collector.core.evidence import DeviceReading, GatewayState, PortReading, SegmentReading, SwitchReading
from collector.core.findings import Finding
from collector.core.power import of_groups
from collector.core.roster import Classroom
from collector.core.state import AlertState, ClassroomState, School, SchoolState
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.school import GATEWAY, POLICY, at, device, port, school, trunk

NOW = at("2026-11-23 10:00")
LOST = NOW - 60
OTHER = "dem-gw-02"
GROUP_MIN, WINDOW_S = POLICY.device_group_min, POLICY.device_group_window_s


def room(
    place: tuple[str | None, str | None] | None = ("sw1", "1"),
    lost_at: float | None = LOST,
    *,
    read_at: float = NOW,
    answers: str | None = None,
    late: bool = False,
    gateway: str = GATEWAY,
) -> ClassroomState:
    """A room on ``place`` (None = over MQTT), whose port is down where it lost it."""
    at_ = {"observed_at": read_at, "gateway": gateway, "late": late}
    seen = None if place is None else port("x", oper_up=lost_at is None, switch=place[0], if_name=place[1])
    board = answers or ("awake" if lost_at is None else "away")
    told = device("x", "asleep" if answers == "says asleep" else "awake", answered=board in {"awake", "says asleep"})
    state: Any = "away" if answers == "says asleep" else board
    return ClassroomState(
        gateway=gateway,
        last_port=None if seen is None else PortReading(seen=seen, **at_),  # type: ignore[arg-type]
        device=None if answers == "none" else DeviceReading(state=state, seen=told, **at_),  # type: ignore[arg-type]
        link_lost_at=lost_at,
    )


def county(rooms: Mapping[str, ClassroomState], **state: Any) -> School:
    gateways = {
        name: GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0)
        for name in (GATEWAY, OTHER)
    }
    listed = {name: Classroom(id=name, device="whiteboard") for name in rooms}
    found = school(classrooms=listed, gateways=(GATEWAY, OTHER), platforms={})
    return replace(found, state=SchoolState(classrooms=rooms, **{"gateways": gateways, **state}))


def judged(told: School, now: float = NOW) -> dict[str, Finding]:
    return {found.subject.label: found for found in of_groups(shared(told, now, POLICY))}


def said(told: School, now: float = NOW) -> dict[str, tuple[str, int]]:
    """Whatever they hang on -> what is said of it, and of how many rooms."""
    return {label: (found.bad, len(found.classrooms)) for label, found in judged(told, now).items()}


def many(count: int, **fields: Any) -> dict[str, ClassroomState]:
    return {f"r{number}": room(("sw1", str(number)), **fields) for number in range(count)}


def told_of(subject: Subject, cause: Cause = Cause.DEVICE_OFFLINE) -> dict[str, Any]:
    return {"alerts": (AlertState(subject=subject, cause=cause, opened_at=1.0),)}


SWITCH = Subject("switch", GATEWAY, "sw1")
ON = {"r9": room(("sw1", "9"), None)}
SWITCH_IS = f"switch:{GATEWAY}/sw1"
GATEWAY_IS = f"gateway:{GATEWAY}"


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        pytest.param([("sw1", "1"), ("sw1", "2"), ("sw1", "3")], {SWITCH_IS: 3}, id="ports of their own: the switch"),
        pytest.param([("sw1", "1")] * 3, {f"segment:{GATEWAY}/sw1:1": 3}, id="one port: what stands behind it"),
        pytest.param([("sw1", None)] * 3, {SWITCH_IS: 3}, id="a port without a name is not one port"),
        pytest.param([("sw1", "1"), ("sw2", "1"), ("sw3", "1")], None, id="ports of one name on three switches"),
        pytest.param([None] * 3, {GATEWAY_IS: 3}, id="no port"),
        pytest.param([(None, "1")] * 3, {GATEWAY_IS: 3}, id="a port of a switch nobody knows is none"),
    ],
)
def test_under_what_a_room_is_counted(
    places: list[tuple[str | None, str | None] | None], expected: dict[str, int] | None
) -> None:
    """The nearest thing that is known to feed it: there somebody can go and look."""
    found = judged(county({f"r{number}": room(place) for number, place in enumerate(places)}))
    assert {label: len(each.classrooms) for label, each in found.items()} == (
        expected or {f"switch:{GATEWAY}/sw{number}": 0 for number in (1, 2, 3)}
    )


def test_two_rooms_on_one_port_share_it() -> None:
    """They hang together, and not with the third of that switch."""
    places = (("sw1", "1"), ("sw1", "1"), ("sw1", "2"))
    found = said(county({f"r{number}": room(place) for number, place in enumerate(places)}))
    assert set(found) == {f"segment:{GATEWAY}/sw1:1", SWITCH_IS}


def test_rooms_of_another_gateway_share_no_port() -> None:
    """Two gateways may name their switches alike."""
    rooms = {**many(3), **{f"o{number}": room(("sw1", str(number)), gateway=OTHER) for number in range(3)}}
    assert said(county(rooms)) == {SWITCH_IS: ("yes", 3), f"switch:{OTHER}/sw1": ("yes", 3)}


def test_rooms_that_no_gateway_tells_of_hang_on_nothing() -> None:
    """Two gateways, and nobody said which: neither is blamed."""
    lost = {f"r{number}": room(gateway="gone") for number in range(3)}
    assert said(county(lost)) == {}
    assert said(county({**lost, **many(3)})) == {SWITCH_IS: ("yes", 3)}, "those beside them are told of"


@pytest.mark.parametrize(
    ("rooms", "state", "expected"),
    [
        pytest.param(ON, {}, {}, id="nothing was lost: nobody looks"),
        pytest.param(ON, told_of(SWITCH), {SWITCH_IS: ("no", 0)}, id="it is told: its end is looked for"),
        pytest.param(ON, told_of(SWITCH, Cause.SWITCH_UNREACHABLE), {}, id="something else of it is told"),
        pytest.param(ON, told_of(Subject("classroom", name="r9")), {}, id="a single board is told"),
        pytest.param(ON, told_of(Subject("switch", GATEWAY, "sw7")), {}, id="another switch is told"),
        pytest.param(
            {**many(3), "o": room(("sw2", "1"), None)}, {}, {SWITCH_IS: ("yes", 3)}, id="the switch beside it is well"
        ),
        pytest.param({**ON, "r1": room()}, {}, {SWITCH_IS: ("no", 0)}, id="one was lost"),
    ],
)
def test_of_what_anything_is_said(
    rooms: dict[str, ClassroomState], state: dict[str, Any], expected: dict[str, tuple[str, int]]
) -> None:
    """Thousands of schools are judged a minute: only where a board was lost, or is told to be, is there more to do."""
    assert said(county(rooms, **state)) == expected


@pytest.mark.parametrize(
    ("lost_at", "count"),
    [
        pytest.param([LOST] * GROUP_MIN, GROUP_MIN, id="as many as it takes"),
        pytest.param([LOST] * (GROUP_MIN - 1), 0, id="one too few"),
        pytest.param([LOST - WINDOW_S, LOST, LOST], 3, id="just within the window"),
        pytest.param([LOST - WINDOW_S - 1, LOST, LOST], 0, id="just beyond it"),
        pytest.param([LOST - 2000, LOST, LOST, LOST], 3, id="one went long before: it is not of them"),
        pytest.param([LOST - 2000] * 3 + [LOST] * 4, 4, id="the larger group is told"),
        pytest.param([LOST, LOST, LOST - WINDOW_S], 3, id="whatever their order"),
    ],
)
def test_who_went_together(lost_at: list[float], count: int) -> None:
    """Since when, is when the first of them went."""
    rooms = {f"r{number}": room(("sw1", str(number)), when) for number, when in enumerate(lost_at)}
    found = judged(county(rooms))[SWITCH_IS]
    assert len(found.classrooms) == count
    together = [rooms[name].link_lost_at for name in found.classrooms]
    assert found.since == (min(at for at in together if at is not None) if together else None)
    assert found.evidence_at == NOW


def test_an_interval_of_reports_is_the_least_window() -> None:
    """Boards that are looked at every ten minutes are seen ten minutes apart."""
    rooms = {f"r{number}": room(("sw1", str(number)), LOST - 600 * (number == 0)) for number in range(3)}
    slow = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=600.0)
    assert said(county(rooms)) == {SWITCH_IS: ("unknown", 0)}
    assert said(county(rooms, gateways={GATEWAY: slow})) == {SWITCH_IS: ("yes", 3)}


def test_exempt_rooms_are_not_counted() -> None:
    """Nobody waits for the board of a room that is being rebuilt; that it is on still shows that there is power."""
    rebuilt = Classroom(id="x", device="whiteboard", exempt="装修")
    for beside, expected in (
        (room(("sw1", "9")), {SWITCH_IS: ("unknown", 0)}),
        (room(("sw1", "9"), None), {SWITCH_IS: ("no", 0)}),
    ):
        told = county({**many(2), "x": beside})
        listed = {**told.roster.classrooms, "x": rebuilt}
        assert said(replace(told, roster=replace(told.roster, classrooms=listed))) == expected


OLD = NOW - 181
"""Older than three intervals."""


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        pytest.param({}, ("yes", 3), id="all went"),
        pytest.param({"x": room(("sw1", "9"), None)}, ("no", 0), id="one is on"),
        pytest.param({"x": room(("sw1", "9"), None, read_at=LOST)}, ("no", 0), id="on as the others went"),
        pytest.param({"x": room(("sw1", "9"), None, read_at=LOST - 1)}, ("unknown", 3), id="read just before"),
        pytest.param({"x": room(("sw1", "9"), None, read_at=OLD)}, ("yes", 3), id="it was on long ago"),
        pytest.param({"x": room(("sw1", "9"), LOST - 5000)}, ("yes", 3), id="one was off before"),
        pytest.param(
            {"x": room(("sw1", "9"), read_at=OLD)}, ("unknown", 4), id="of one that went nothing new is known"
        ),
    ],
)
def test_what_ports_say(beside: dict[str, ClassroomState], expected: tuple[str, int]) -> None:
    """A link that is up after the others went says that there is power."""
    found = said(county({**many(3), **beside}))[SWITCH_IS]
    assert found[0] == expected[0]
    assert expected[0] == "no" or found == expected


def test_one_that_is_on_ends_what_was_told_whenever_it_was_read() -> None:
    """Nothing is lost any more, and one link is up: over."""
    on = {"r1": room(("sw1", "1"), None, read_at=LOST - 1)}
    assert said(county(on, **told_of(SWITCH))) == {SWITCH_IS: ("no", 0)}
    off = {"r1": room(("sw1", "1"), LOST - 5000)}
    assert said(county(off, **told_of(SWITCH))) == {SWITCH_IS: ("unknown", 0)}


@pytest.mark.parametrize(
    ("stayed", "lost_count", "expected"),
    [
        pytest.param({}, 3, "yes", id="all"),
        pytest.param({"x": room(None, None)}, 3, "yes", id="most of them"),
        pytest.param({f"x{n}": room(None, None) for n in range(3)}, 3, "no", id="half: they may have left"),
        pytest.param({f"x{n}": room(None, None) for n in range(2)}, 2, "no", id="too few, and others have power"),
        pytest.param({}, 2, "unknown", id="too few, and nobody else is known"),
        pytest.param({f"x{n}": room(None, None, read_at=OLD) for n in range(9)}, 3, "yes", id="seen long ago"),
        pytest.param({f"x{n}": room(None, None, answers="away") for n in range(9)}, 3, "yes", id="off before"),
        pytest.param({f"x{n}": room(None, None, answers="asleep") for n in range(9)}, 3, "yes", id="perhaps asleep"),
        pytest.param({f"x{n}": room(None, None, answers="says asleep") for n in range(9)}, 3, "no", id="in standby"),
        pytest.param({"x": room(None, None, answers="none")}, 3, "yes", id="one of which nothing was ever seen"),
        pytest.param({"x": room(None, LOST, read_at=OLD)}, 3, "unknown", id="of one that went nothing new is known"),
    ],
)
def test_what_boards_say(stayed: dict[str, ClassroomState], lost_count: int, expected: str) -> None:
    """Without ports it takes more than stayed: which of them hang together nobody knows."""
    rooms = {f"r{number}": room(None) for number in range(lost_count)}
    assert said(county({**rooms, **stayed}))[GATEWAY_IS][0] == expected


def silent(name: str) -> dict[str, GatewayState]:
    heard = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0, silent=True)
    return {GATEWAY: replace(heard, silent=name == GATEWAY), OTHER: replace(heard, silent=name == OTHER)}


def switches(*names: str, gateway: str = GATEWAY, reachable: bool = False) -> dict[str, Any]:
    return {
        "switches": {
            f"{gateway}/{name}": SwitchReading(observed_at=NOW, gateway=gateway, switch=name, reachable=reachable)
            for name in names
        }
    }


@pytest.mark.parametrize(
    ("state", "by_ports", "without"),
    [
        pytest.param({}, "yes", "yes", id="nothing else is wrong"),
        pytest.param({"gateways": silent(GATEWAY)}, "unknown", "unknown", id="the gateway is silent"),
        pytest.param({"gateways": silent(OTHER)}, "yes", "yes", id="another is silent"),
        pytest.param({"gateways": {}}, "unknown", "unknown", id="it was never heard"),
        pytest.param(switches("sw1"), "unknown", "unknown", id="their switch does not answer"),
        pytest.param(switches("sw1", reachable=True), "yes", "yes", id="it answers"),
        pytest.param(switches("sw2"), "yes", "unknown", id="another one: boards without a port may hang on it"),
        pytest.param(switches("sw1", gateway=OTHER), "yes", "yes", id="a switch of another gateway"),
    ],
)
def test_what_explains_them(state: dict[str, Any], by_ports: str, without: str) -> None:
    """Behind what does not answer nothing is known of boards."""
    assert said(county(many(3), **state))[SWITCH_IS][0] == by_ports
    assert said(county({name: room(None) for name in "abc"}, **state))[GATEWAY_IS][0] == without


@pytest.mark.parametrize("place", [("sw1", "1"), (None, "1"), None], ids=["port", "port of no switch", "none"])
@pytest.mark.parametrize(
    ("clock", "expected"),
    [("2026-11-23 16:59", "yes"), ("2026-11-23 17:00", "unknown"), ("2026-11-22 10:00", "unknown")],
)
def test_out_of_lessons_nothing_is_known(place: tuple[str | None, str] | None, clock: str, expected: str) -> None:
    """Whole buildings are switched off then."""
    now = at(clock)
    rooms = {name: room(place, now - 60, read_at=now) for name in "abc"}
    (found,) = judged(county(rooms), now).values()
    assert found.bad == expected


def test_late_records_are_late_news() -> None:
    """Of those that went; where none did, of any of them. What a board said is dated by the board, not by its port."""
    late = many(3, late=True)
    assert judged(county(late))[SWITCH_IS].late
    assert not judged(county(many(3)))[SWITCH_IS].late
    assert judged(county({**many(2), "x": room(("sw1", "9"), late=True)}))[SWITCH_IS].late, "one of them"
    older = {**many(2), "x": room(("sw1", "9"), read_at=NOW - 30)}
    assert judged(county(older))[SWITCH_IS].evidence_at == NOW
    stale = {**many(3), "x": room(("sw1", "9"), LOST - 5000, late=True, read_at=NOW - 9)}
    assert not judged(county(stale))[SWITCH_IS].late, "one that was off before"
    assert judged(county({"x": stale["x"]}))[SWITCH_IS].late
    assert judged(county({"x": stale["x"]}))[SWITCH_IS].evidence_at == NOW - 9
    boards = {name: room((None, "1"), late=True) for name in "abc"}
    assert judged(county(boards))[GATEWAY_IS].late
    never = {"x": room((None, "1"), answers="none")}
    assert (judged(county(never))[GATEWAY_IS].late, judged(county(never))[GATEWAY_IS].evidence_at) == (False, None)


@pytest.mark.parametrize(
    ("port_at", "board_at", "expected"),
    [
        pytest.param(NOW, OLD, "yes", id="its port is read"),
        pytest.param(OLD, NOW, "unknown", id="its port is read no more, whatever the board does"),
    ],
)
def test_a_board_on_a_switch_is_judged_by_its_port(port_at: float, board_at: float, expected: str) -> None:
    """The link goes with the power; a board that does not answer may be asleep, or awake by another way."""
    lost = {}
    for name, state in many(3, read_at=port_at, late=False).items():
        assert state.device is not None
        lost[name] = replace(state, device=replace(state.device, observed_at=board_at, late=True))
    found = judged(county(lost))[SWITCH_IS]
    assert (found.bad, found.late, found.evidence_at) == (expected, False, port_at)


# --- trunks -----------------------------------------------------------------------------------------------------------


def segment(*serves: str, gateway: str = GATEWAY, name: str = "core:24") -> SegmentReading:
    return SegmentReading(observed_at=NOW, gateway=gateway, seen=trunk(name=name), switches=serves or None)


def behind(counts: Mapping[str, int], **fields: Any) -> dict[str, ClassroomState]:
    return {
        f"{switch}-{number}": room((switch, str(number)), **fields)
        for switch, count in counts.items()
        for number in range(count)
    }


TRUNK = Subject("segment", GATEWAY, "core:24")


@pytest.mark.parametrize(
    ("counts", "trunk_", "expected"),
    [
        pytest.param({"sw1": 2, "sw2": 1}, segment("sw1", "sw2"), 3, id="the switches that it serves"),
        pytest.param({"sw1": 2, "sw2": 1, "sw3": 1}, segment("sw1", "sw2"), 3, id="not those beside them"),
        pytest.param({"sw1": 2}, segment("sw1", "sw2"), None, id="of one switch it says no more than the switch"),
        pytest.param({"sw1": 2, "sw2": 1}, segment(), None, id="nobody knows what it serves"),
        pytest.param({"sw1": 2, "sw2": 1}, segment("sw1", "sw2", gateway=OTHER), None, id="of another gateway"),
        pytest.param({"sw1": 3, "sw2": 1}, segment("sw1", "sw2"), None, id="one of them is told itself"),
        pytest.param({"sw1": 1, "sw2": 1}, segment("sw1", "sw2"), 0, id="too few"),
        pytest.param({"sw1": 1, "sw2": 1, "on": 1}, segment("sw1", "sw2", "on"), 0, id="one is on; it is looked at"),
    ],
)
def test_what_a_trunk_says(counts: dict[str, int], trunk_: SegmentReading, expected: int | None) -> None:
    rooms = behind(counts) | ({"on-0": room(("on", "0"), None)} if "on" in counts else {})
    found = judged(county(rooms, segments={"x": trunk_})).get(TRUNK.label)
    assert (None if found is None else len(found.classrooms)) == expected
    assert found is None or found.bad == ("yes" if expected else "no" if "on" in counts else "unknown")


@pytest.mark.parametrize(
    ("rooms", "told", "is_there"),
    [
        pytest.param(behind({"sw1": 1, "sw2": 1}, lost_at=None), (TRUNK,), True, id="told: its end is looked for"),
        pytest.param(behind({"sw1": 1, "sw2": 1}, lost_at=None), (SWITCH,), False, id="nothing was lost behind it"),
        pytest.param(behind({"sw1": 3, "sw2": 1}), (TRUNK,), True, id="told, and a switch is bad by itself"),
        pytest.param(behind({"sw1": 1, "sw2": 1}), (SWITCH,), False, id="one of its switches is told already"),
    ],
)
def test_when_a_trunk_is_looked_at(rooms: dict[str, ClassroomState], told: tuple[Subject, ...], is_there: bool) -> None:  # noqa: FBT001 - a table
    """One cut is told once: of the switch, or of the trunk before it."""
    alerts = tuple(AlertState(subject=each, cause=Cause.DEVICE_OFFLINE, opened_at=1.0) for each in told)
    found = judged(county(rooms, segments={"x": segment("sw1", "sw2")}, alerts=alerts))
    assert (TRUNK.label in found) is is_there
