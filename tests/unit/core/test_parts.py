"""Parts of a link and readings, each on its own: small tables."""

import pytest
from msgspec.structs import replace

from classready.observation import Device, Http, Outcome, Ping, Port, Reason, Rtt, Segment
from classready.units import MBIT
from collector.core import link
from collector.core.age import newest_at
from collector.core.evidence import (
    BandwidthTest,
    DeviceReading,
    HttpReading,
    PingReading,
    PortReading,
    SegmentReading,
    UplinkState,
)
from collector.core.link import (
    divided,
    legs_interval,
    link_bps,
    link_ratio,
    narrowest,
    part_state,
    port_interval,
    segment_interval,
)
from collector.core.policy import Policy
from collector.core.state import Interval, Verdict
from collector.core.subject import Subject
from tests.support.school import GATEWAY, POLICY, bandwidth, port

M = MBIT
THETAS = POLICY.theta_down_bps


def reading(observation: Port) -> PortReading:
    return PortReading(observed_at=1, gateway=GATEWAY, seen=observation)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Interval(95 * M - 1, None), "unknown"),
        (Interval(None, 100 * M + 1), "unknown"),
        (Interval(95 * M, 100 * M), "enough"),
        (Interval(200 * M, 300 * M, None, half_duplex=True), "short"),
    ],
)
def test_thetas_to_the_bit(part, expected):
    """Enough from theta0 on, short up to theta1; half duplex is short whatever was measured."""
    assert part_state(part, THETAS) == expected


@pytest.mark.parametrize(
    ("seen", "nic_bps", "expected"),
    [
        (port("r1", 1000), None, Interval(1000 * M, 1000 * M)),
        (port("r1", 1000), 100 * M, Interval(100 * M, 100 * M)),
        (port("r1", 100), 1000 * M, Interval(100 * M, 100 * M)),
        (port("r1", 1000, full=None), None, Interval(1000 * M, 1000 * M)),
        (port("r1", 1000, full=False), None, Interval(None, 1000 * M, None, half_duplex=True)),
        (port("r1", 0, full=False), None, Interval(half_duplex=True)),
        (port("r1", 0), None, None),
        (port("r1", 10, oper_up=False), None, None),
        (port("r1", 10, oper_up=False), 1000 * M, Interval(1000 * M, 1000 * M)),
        (port("r1", 1000, oper_up=None), None, Interval(1000 * M, 1000 * M)),
    ],
)
def test_a_port_and_the_card_behind_it(seen, nic_bps, expected):
    """The slower end; unknown duplex counts as full; a port that is down has negotiated nothing."""
    assert port_interval(reading(seen), nic_bps) == expected


@pytest.mark.parametrize(
    ("speed_mbps", "full", "expected"),
    [
        (1000, True, Interval(1000 * M, 1000 * M)),
        (1000, None, Interval(1000 * M, 1000 * M)),
        (1000, False, Interval(None, 1000 * M, None, half_duplex=True)),
        (None, False, Interval(half_duplex=True)),
        (None, True, Interval()),
        (0, True, Interval()),
    ],
)
def test_a_trunk(speed_mbps, full, expected):
    """As a port; a speed of 0 is none (ifHighSpeed of an interface that is down)."""
    speed_bps = None if speed_mbps is None else speed_mbps * M
    seen = Segment(name="sw1:up", outcome=Outcome.ANSWERED, speed_bps=speed_bps, full_duplex=full)
    assert segment_interval(SegmentReading(observed_at=1, gateway=GATEWAY, seen=seen)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([Interval(1, 2, 3)], Interval(1, 2, 3)),
        ([Interval(5, 9), Interval(3, 12)], Interval(3, 9)),
        ([Interval(5, 9), Interval(None, 12)], Interval(None, 9)),
        ([Interval(5, None), Interval(3, None)], Interval(3, None)),
        ([Interval(5, 9, 7), Interval(3, 6)], Interval(3, 6, 6)),
        ([Interval(5, 9, 7), Interval(3, 8, 4)], Interval(3, 8, 4)),
        ([Interval(), Interval(None, 9, None, half_duplex=True)], Interval(None, 9, None, half_duplex=True)),
        ([], Interval()),
    ],
)
def test_a_chain_is_as_its_narrowest_part(parts, expected):
    """From above by the least that is known, from below only where all are; an estimate never beyond a bound."""
    assert narrowest(parts) == expected


def test_a_share_and_the_number_to_show():
    """All three numbers divide; shown is the estimate, else what is proven, else the upper bound."""
    assert divided(Interval(90, 120, 100), 3) == Interval(30, 40, pytest.approx(100 / 3))
    assert divided(Interval(90, None), 2) == Interval(45, None)
    assert [link_bps(i) for i in (Interval(1, 2, 3), Interval(1, 2), Interval(None, 2), Interval())] == [3, 1, 2, None]


@pytest.mark.parametrize(
    ("bases", "basis", "expected"),
    [
        ({}, "reach", None),
        ({"reach": Interval()}, "reach", None),
        ({"reach": Interval(None, 50 * M)}, "reach", 0.5),
        ({"reach": Interval(95 * M, None, 300 * M), "port": Interval(1000 * M, 1000 * M)}, "reach", 3),
        ({"reach": Interval(95 * M, None, 300 * M), "port": Interval(1000 * M, 1000 * M)}, "port", 10),
        ({"reach": Interval(95 * M, None, 300 * M)}, "share", None),
    ],
)
def test_how_much_of_what_is_required(bases, basis, expected):
    """On the basis that decides; what is not known is no number."""
    assert link_ratio(Verdict(link=bases), Policy(basis=basis)) == expected


def leg(*passed: bool, target: str = "a", late: tuple[int, ...] = ()) -> UplinkState:
    """Tests at the moments 10, 20, ...; ``late``: those that were."""
    tests = tuple(
        BandwidthTest(observed_at=10 * n, seen=bandwidth(passed=p), late=10 * n in late)
        for n, p in enumerate(passed, 1)
    )
    return UplinkState(gateway=GATEWAY, target=target, direction="down", tests=tests)


@pytest.mark.parametrize(
    ("legs", "state", "decided_at", "is_late"),
    [
        ([leg(True, False, True)], "enough", 30, False),
        ([leg(True, False, False)], "short", 30, False),
        ([leg(False, False, True)], "short", 20, False),
        ([leg(False)], "unknown", None, False),
        ([leg(True), leg(False, False, target="b")], "short", 20, False),
        ([leg(False, False, late=(20,))], "short", 20, True),
        ([leg(False, False, late=(10,))], "short", 20, False),
        ([leg(True, late=(10,)), leg(True, True, target="b")], "enough", 20, False),
        ([], "unknown", None, False),
    ],
)
def test_when_a_part_was_decided(legs, state, decided_at, is_late):
    """By the newest test that agrees; late only if the newest of all tests was."""
    interval = legs_interval(legs)
    part = link.tested(tuple(legs), interval, THETAS)
    assert (part.state, part.decided_at, part.is_late, part.was_tested) == (state, decided_at, is_late, bool(legs))


@pytest.mark.parametrize(
    ("passed", "tried_at", "expected"),
    [
        ((), None, 0),
        ((), 5, 5),
        ((True,), None, 10),
        ((True, True), None, 20),
        ((True, True), 15, 20),
        ((True,), 25, 25),
    ],
)
def test_when_a_leg_last_said_anything(passed, tried_at, expected):
    """By a test or an attempt in vain, whichever was later."""
    assert newest_at(replace(leg(*passed), last_unmeasured_at=tried_at)) == expected


@pytest.mark.parametrize(
    ("sent", "received", "expected"),
    [(10, 10, 0.0), (10, 5, 0.5), (10, 0, 1.0), (10, 11, 0.0), (0, 0, None), (None, None, None), (10, None, None)],
)
def test_loss_of_a_ping(sent, received, expected):
    """Nothing sent, or nothing known, is no loss of 0; a duplicated answer is none below it."""
    seen = Ping(target="t", outcome=Outcome.ANSWERED, sent_count=sent, received_count=received)
    assert PingReading(observed_at=1, gateway=GATEWAY, seen=seen).loss_ratio == expected


def test_round_trip_of_a_ping_is_its_median():
    """None where nothing came back."""
    rtt = Rtt(min=0.001, median=0.002, max=0.009)
    for given, expected in ((rtt, 0.002), (None, None)):
        seen = Ping(target="t", outcome=Outcome.ANSWERED, rtt_s=given)
        assert PingReading(observed_at=1, gateway=GATEWAY, seen=seen).rtt_s == expected


@pytest.mark.parametrize(
    ("outcome", "reason", "up"),
    [
        (Outcome.ANSWERED, None, True),
        (Outcome.NO_ANSWER, Reason.TIMEOUT, False),
        (Outcome.UNMEASURED, Reason.UNPROVEN, None),
    ],
)
def test_whether_a_page_is_up(outcome, reason, up):
    """Something that anybody may have answered is neither."""
    seen = Http(target="t", outcome=outcome, reason=reason)
    assert HttpReading(observed_at=1, gateway=GATEWAY, seen=seen).up is up


def test_who_saw_a_device():
    """Its traffic, where that is the newest; else whoever asked it; its facts stay."""
    seen = Device(classroom="r1", outcome=Outcome.ANSWERED, state="awake", seen_by="snmp", facts={"model": "X"})
    asked = DeviceReading(observed_at=1, gateway=GATEWAY, state="awake", seen=seen)
    heard = DeviceReading(observed_at=2, gateway=GATEWAY, state="awake", seen=seen, by_traffic=True)
    never = DeviceReading(observed_at=2, gateway=GATEWAY, state="awake")
    assert [d.seen_by for d in (asked, heard, never)] == ["snmp", "traffic", None]
    assert [d.facts for d in (asked, heard, never)] == [{"model": "X"}, {"model": "X"}, {}]


@pytest.mark.parametrize(
    ("switch", "if_name", "place"),
    [("sw1", "Gi0/1", "sw1:Gi0/1"), (None, "Gi0/1", None), ("sw1", None, None)],
)
def test_place_of_a_port(switch, if_name, place):
    """Both names, or none."""
    assert reading(port("r1", switch=switch, if_name=if_name)).place == place


def test_labels_of_subjects():
    """The kind and whatever names there are."""
    subjects = [Subject("uplink", "g"), Subject("exit", name="metro"), Subject("switch", "g", "sw1")]
    assert [subject.label for subject in subjects] == ["uplink:g", "exit:metro", "switch:g/sw1"]
