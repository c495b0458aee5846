"""What of a school's state is written with the commit that made it: the table of what is a fact, and what a clock."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.box import Box
from classready.observation import Outcome, Ping, Reason
from collector.core.evidence import (
    BandwidthTest,
    DeviceReading,
    GatewayState,
    HttpReading,
    Leg,
    PathState,
    PingReading,
    PlatformReading,
    PortReading,
    SegmentReading,
    SwitchReading,
    UplinkState,
)
from collector.core.facts import is_news
from collector.core.state import AlertState, ClassroomState, Latch, SchoolState, Verdict
from collector.core.subject import Subject
from collector.core.words import Cause, Grade
from tests.support.school import GATEWAY, MONDAY, Story, bandwidth, device, http, port, trunk

ALERT = AlertState(subject=Subject("uplink", GATEWAY), cause=Cause.UPLINK_BELOW_REQUIRED, bad_streak=1)
LEG = UplinkState(gateway=GATEWAY, target="t", direction="down", last_unmeasured_at=MONDAY)
TEST = BandwidthTest(observed_at=MONDAY + 5, seen=bandwidth())


def with_leg(**fields: Any) -> SchoolState:
    return SchoolState(uplinks={"k": replace(LEG, **fields)})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(SchoolState(), SchoolState(), False, id="the same"),
        pytest.param(SchoolState(), SchoolState(platform_faults=("p",)), True, id="a fault of a platform"),
        pytest.param(SchoolState(), SchoolState(alerts=(ALERT,)), True, id="an alert"),
        pytest.param(
            SchoolState(alerts=(ALERT,)), SchoolState(alerts=(replace(ALERT, bad_streak=2),)), False, id="a streak"
        ),
        pytest.param(
            SchoolState(alerts=(ALERT,)), SchoolState(alerts=(replace(ALERT, announced=True),)), True, id="told"
        ),
        pytest.param(SchoolState(), SchoolState(unlisted={"r9": 1.0}), True, id="an unlisted room"),
        pytest.param(SchoolState(unlisted={"r9": 1.0}), SchoolState(unlisted={"r9": 2.0}), False, id="heard again"),
        pytest.param(SchoolState(), with_leg(), True, id="a target"),
        pytest.param(with_leg(), with_leg(told_at=9.0), False, id="told of again"),
        pytest.param(with_leg(), with_leg(last_unmeasured_at=MONDAY + 1), False, id="in vain again"),
        pytest.param(with_leg(), with_leg(last_unmeasured_reason="clock"), True, id="for another reason"),
        pytest.param(with_leg(), with_leg(last_unmeasured_at=None), True, id="an attempt that is history"),
        pytest.param(with_leg(), with_leg(tests=(TEST,)), True, id="a test"),
        pytest.param(
            with_leg(tests=(TEST,)), with_leg(tests=(TEST,), last_unmeasured_at=MONDAY + 5), False, id="not after it"
        ),
        pytest.param(
            with_leg(tests=(TEST,)), with_leg(tests=(TEST,), last_unmeasured_at=MONDAY + 6), True, id="in vain after it"
        ),
        pytest.param(
            SchoolState(classrooms={"r1": ClassroomState()}),
            SchoolState(classrooms={"r1": ClassroomState(last_awake_at=1.0)}),
            False,
            id="seen awake",
        ),
        pytest.param(
            SchoolState(classrooms={"r1": ClassroomState()}),
            SchoolState(classrooms={"r1": ClassroomState(nic_speed_bps=1)}),
            True,
            id="the speed of a card",
        ),
    ],
)
def test_what_is_a_fact(before: SchoolState, after: SchoolState, expected: bool) -> None:  # noqa: FBT001
    """What was told rests on it; dates, counters and streaks wait for the next one."""
    assert is_news(before, after) is expected


def platform(**fields: Any) -> SchoolState:
    return SchoolState(platforms={"k": PlatformReading(gateway=GATEWAY, target="national", **fields)})


def test_a_ping_is_no_fact_and_a_first_page_is_one() -> None:
    """Nobody is judged by a ping; that a target was fetched at all is news, and that it is no more."""
    ping = PingReading(observed_at=MONDAY, gateway=GATEWAY, seen=Ping(target="national", outcome=Outcome.ANSWERED))
    page = HttpReading(observed_at=MONDAY, gateway=GATEWAY, seen=http())
    assert not is_news(platform(ping=ping), platform(ping=replace(ping, observed_at=MONDAY + 60)))
    assert is_news(platform(ping=ping), platform(ping=ping, http=page))
    assert is_news(platform(ping=ping, http=page), platform(ping=ping))
    assert not is_news(platform(http=page), platform(http=replace(page, observed_at=MONDAY + 60)))


def test_a_whole_school() -> None:
    """Everything that it tells is news once; told again it is not."""
    story = Story()
    empty = story.school.state
    known = story.all_well().school.state
    assert is_news(empty, known)
    assert not is_news(known, known)
    assert not is_news(known, story.later(30).all_well().school.state)


# --- field by field -------------------------------------------------------------------------------------------------

READING: dict[str, Any] = {"observed_at": MONDAY, "gateway": GATEWAY}
VERDICT = Verdict(ready="yes", grade=Grade.ACTIVE)
LATCH = Latch(value="yes", since=MONDAY, evidence_at=MONDAY, short_days=("2026-11-19",))
PORT = PortReading(**READING, seen=port("r1"))
DEVICE = DeviceReading(**READING, state="awake", seen=replace(device("r1"), facts={"model": "A"}))
ROOM = ClassroomState(
    gateway=GATEWAY, port=PORT, pending_port=PORT, last_port=PORT, place="sw1:1", device=DEVICE, last_awake_at=MONDAY,
    nic_speed_bps=10**9, watched_since=MONDAY, verdict=VERDICT, latch=LATCH,
)  # fmt: skip
LATER: dict[str, Any] = {"observed_at": MONDAY + 60}
KEPT: dict[str, Any] = {
    "gateways": GatewayState(first_committed_at=MONDAY, last_committed_at=MONDAY, report_interval_s=60.0),
    "uplinks": LEG,
    "paths": PathState(gateway=GATEWAY, target="t", direction="down", classroom="r1"),
    "switches": SwitchReading(**READING, switch="sw1", reachable=True),
    "segments": SegmentReading(**READING, seen=replace(trunk(), if_name="Gi0/24"), switches=("sw1",)),
    "platforms": PlatformReading(gateway=GATEWAY, target="national", http=HttpReading(**READING, seen=http())),
    "classrooms": ROOM,
}
FACTS: dict[str, list[dict[str, Any]]] = {
    "gateways": [
        {"first_committed_at": MONDAY + 1}, {"report_interval_s": 30.0}, {"agent_version": "2"}, {"silent": True},
        {"box": Box(release="0.2.0-a")},
    ],
    "uplinks": [{"failing_since": MONDAY}, {"beyond": "metro"}, {"source": "self_test"}, {"direction": "up"}],
    "paths": [{"tests": (TEST,)}, {"classroom": "r2"}, {"last_unmeasured_reason": "clock"}],
    "switches": [{"reachable": False}, {"late": True}],
    "segments": [
        {"switches": ("sw1", "sw2")}, {"late": True}, {"seen": replace(trunk(100), if_name="Gi0/24")},
        {"seen": replace(trunk(full=False), if_name="Gi0/24")}, {"seen": replace(trunk(), if_name="Gi0/25")},
    ],
    "platforms": [
        {"http": HttpReading(**READING, seen=seen, late=late)}
        for seen, late in (
            (http(up=False), False), (http(), True), (replace(http(), status=503), False),
            (replace(http(), reason=Reason.TIMEOUT), False),
        )
    ] + [{"http": None}],
    "classrooms": [
        {"gateway": "other"}, {"place": "sw1:2"}, {"nic_speed_bps": 10**8}, {"watched_since": MONDAY + 1},
        {"link_lost_at": MONDAY}, {"verdict": replace(VERDICT, ready="no")}, {"latch": replace(LATCH, value="no")},
        {"latch": replace(LATCH, since=MONDAY + 1)}, {"latch": replace(LATCH, short_days=())},
        {"latch": replace(LATCH, good_days=("2026-11-20",))}, {"port": None}, {"last_port": None}, {"device": None},
        {"port": replace(PORT, seen=port("r1", 100))}, {"last_port": replace(PORT, seen=port("r1", oper_up=False))},
        {"device": replace(DEVICE, state="asleep")}, {"device": replace(DEVICE, by_traffic=True)},
        {"device": replace(DEVICE, seen=replace(device("r1"), facts={"model": "B"}))},
    ],
}  # fmt: skip
CLOCKS: dict[str, list[dict[str, Any]]] = {
    "gateways": [
        {"last_committed_at": MONDAY + 60}, {"clock_skew_s": 1.0}, {"spool_records": 9}, {"dropped_records": 9},
    ],
    "uplinks": [{"told_at": MONDAY}],
    "paths": [{"told_at": MONDAY}],
    "switches": [LATER],
    "segments": [LATER],
    "platforms": [
        {"ping": PingReading(**READING, seen=Ping(target="national", outcome=Outcome.ANSWERED))},
        {"http": HttpReading(**{**READING, **LATER}, seen=http())},
    ],
    "classrooms": [
        {"pending_port": None}, {"last_awake_at": MONDAY + 60}, {"port": replace(PORT, **LATER)},
        {"last_port": replace(PORT, **LATER, bad_frame_count=3)}, {"device": replace(DEVICE, **LATER)},
        {"latch": replace(LATCH, evidence_at=MONDAY + 60)}, {"verdict": replace(VERDICT)}, {"latch": replace(LATCH)},
    ],
}  # fmt: skip
EACH = [
    pytest.param(kind, changes, is_fact, id=f"{kind} {' '.join(changes)} {n}")
    for is_fact, table in ((True, FACTS), (False, CLOCKS))
    for kind, changed in table.items()
    for n, changes in enumerate(changed)
]


@pytest.mark.parametrize(("kind", "changes", "is_fact"), EACH)
def test_each_field_is_a_fact_or_a_clock(kind: str, changes: dict[str, Any], is_fact: bool) -> None:  # noqa: FBT001
    """A fact is never lost with the process, and no clock makes every report write its school."""
    before, after = (SchoolState(**{kind: {"k": value}}) for value in (KEPT[kind], replace(KEPT[kind], **changes)))
    assert is_news(before, after) is is_fact
    assert is_news(after, before) is is_fact


@pytest.mark.parametrize("kind", KEPT)
def test_no_field_is_forgotten(kind: str) -> None:
    """Whoever adds a field to what is kept decides whether it is a fact. Names are in the key."""
    named = {name for table in (FACTS, CLOCKS) for changes in table[kind] for name in changes}
    names_in_key = {"gateway", "target", "switch"} if kind != "classrooms" else set()
    of_a_leg = {*Leg.__struct_fields__}
    other = of_a_leg if kind in {"uplinks", "paths"} else set()
    assert {*type(KEPT[kind]).__struct_fields__} - named - names_in_key - other == set()


def test_a_room_that_nobody_saw_is_the_same_as_it_was() -> None:
    """Neither port nor board: still neither."""
    for changes in ({"port": None, "last_port": None}, {"device": None}):
        room = replace(ROOM, **changes)
        states = (SchoolState(classrooms={"r1": kept}) for kept in (room, replace(room, last_awake_at=MONDAY + 60)))
        assert not is_news(*states)


def test_which_alert_it_is_is_a_fact() -> None:
    """Its subject, its cause, since when, and what was told of it; the date of its evidence is a clock."""
    known = SchoolState(alerts=(ALERT,))
    told = {"subject": Subject("uplink", "g2"), "cause": Cause.PORT_DOWN, "opened_at": 1.0, "bad_since": 1.0}
    for name, value in told.items():
        assert is_news(known, SchoolState(alerts=(replace(ALERT, **{name: value}),))), name
    for name, value in {"evidence_at": 1.0, "good_streak": 1}.items():
        assert not is_news(known, SchoolState(alerts=(replace(ALERT, **{name: value}),))), name
