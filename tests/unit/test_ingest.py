"""What ingest decides before anything is judged: dates, identity, ranges, rates."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from classready.observation import Ping
from classready.report import Report
from collector.core.policy import Policy
from collector.core.roster import Classroom, SchoolRoster
from collector.core.state import School, SchoolState
from collector.engine.dating import Dated, date_records
from collector.engine.identity import RefusedError, Route, Router
from collector.ingest.gate import (
    BURST_REPORTS,
    REPORTS_PER_S,
    WAITING_MAX_REPORTS,
    Bucket,
    Gate,
    TooOftenError,
)
from collector.store.ledgers import common, contains, union
from tests.support.collecting import NOW, SPOOL, awake, port, record

REPORT = Report(gateway="gw-one", spool_id=SPOOL, boot_id="abc", report_interval_s=60, sent_monotonic_s=1_000.0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, Dated(NOW - 10, "good"), id="good clock"),
        pytest.param({"clock_quality": "unknown"}, Dated(NOW - 10, "estimated"), id="clock not known good"),
        pytest.param({"wall_s": None}, Dated(NOW - 10, "estimated"), id="no clock"),
        pytest.param({"wall_s": 86_400.0}, Dated(NOW - 10, "estimated"), id="1970 cannot be good"),
        pytest.param({"wall_s": NOW + 601}, Dated(NOW - 10, "estimated"), id="future cannot be good"),
        pytest.param({"wall_s": NOW + 1}, Dated(NOW - 10, "estimated"), id="nothing is seen after it is told"),
        pytest.param({"wall_s": None, "boot_id": "0"}, None, id="earlier boot"),
        pytest.param({"wall_s": None, "monotonic_s": 1_001.0}, None, id="after the report was sent"),
    ],
)
def test_dating(fields, expected):
    """A record is dated by the best clock it offers, and not at all where none can tell."""
    assert date_records(REPORT, [record(1, **fields)], NOW)[1] == expected


def test_dating_by_a_neighbour():
    """A record without a clock is dated by one of the same boot whose clock was good, also of an earlier boot."""
    records = [
        record(1, boot_id="0", monotonic_s=100.0, wall_s=None),
        record(2, boot_id="0", monotonic_s=160.0, wall_s=NOW - 5_000),
        record(3, boot_id="1", monotonic_s=100.0, wall_s=None),
    ]
    dates = date_records(REPORT, records, NOW)
    assert dates == {1: Dated(NOW - 5_060, "rebased"), 2: Dated(NOW - 5_000, "good"), 3: None}


def test_dating_without_a_boot():
    """A sender that does not say its boot is taken to be in the same one."""
    report = Report(gateway="gw-one", spool_id=SPOOL, report_interval_s=60, sent_monotonic_s=1_000.0)
    assert date_records(report, [record(1, wall_s=None)], NOW) == {1: Dated(NOW - 10, "estimated")}


@pytest.mark.parametrize(
    ("sent_at", "fields", "expected"),
    [
        pytest.param(NOW + 300, {"wall_s": NOW + 290}, Dated(NOW - 10, "good"), id="a clock five minutes fast"),
        pytest.param(NOW + 600, {"wall_s": NOW + 590}, Dated(NOW - 10, "good"), id="ten minutes fast"),
        pytest.param(NOW + 601, {"wall_s": NOW + 591}, Dated(NOW - 10, "estimated"), id="more is not believed"),
        pytest.param(NOW + 86_400, {"wall_s": NOW - 50}, Dated(NOW - 10, "estimated"), id="nor where it looks right"),
        pytest.param(NOW + 1e7, {"wall_s": NOW - 50, "boot_id": "0"}, Dated(NOW - 50, "good"), id="earlier boot"),
        pytest.param(NOW + 1e7, {"wall_s": NOW + 50, "boot_id": "0"}, None, id="earlier boot, in the future"),
        pytest.param(NOW + 5, {"wall_s": NOW + 20}, Dated(NOW - 10, "estimated"), id="set back before it was sent"),
        pytest.param(NOW - 3_600, {"wall_s": NOW - 3_610}, Dated(NOW - 3_610, "good"), id="slow, or held by a broker"),
        pytest.param(NOW, {"wall_s": NOW - 10}, Dated(NOW - 10, "good"), id="right"),
    ],
)
def test_dating_by_a_clock_that_is_ahead(sent_at, fields, expected):
    """What a clock ahead of ours dates is put back by as much as the report itself is ahead, or dated by receipt."""
    assert date_records(replace(REPORT, sent_at=sent_at), [record(1, **fields)], NOW)[1] == expected


@given(
    st.floats(-5_000, 5_000),
    st.lists(st.tuples(st.floats(0, 1_000), st.booleans()), min_size=1, max_size=8),
    st.one_of(st.none(), st.floats(-5_000, 5_000)),
)
def test_dating_keeps_order_and_never_leaves_the_past(skew_s, seen, sent_skew_s):
    """Whatever a clock says: nothing is dated after its receipt, and what came later is not dated earlier."""
    records = [
        record(n, monotonic_s=at, wall_s=NOW + skew_s - (1_000 - at), clock_quality="good" if good else "unknown")
        for n, (at, good) in enumerate(seen, 1)
    ]
    report = replace(REPORT, sent_at=None if sent_skew_s is None else NOW + skew_s)
    dates = date_records(report, records, NOW)
    assert all(dated is None or dated.observed_at <= NOW for dated in dates.values())
    if sent_skew_s is not None:
        known = [dates[r.sequence].observed_at for r in sorted(records, key=lambda r: r.monotonic_s)]
        assert all(a <= b + 1e-3 for a, b in pairwise(known))


def schools(**unlisted: float) -> dict[str, School]:
    def one(name: str, *rooms: str) -> School:
        roster = SchoolRoster(office="o", school=name, classrooms={r: Classroom(id=r) for r in rooms})
        return School(roster=roster, state=SchoolState(unlisted=unlisted if name == "s1" else {}))

    return {"s1": one("s1", "r1", "r2"), "s2": one("s2", "r2", "r3")}


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        pytest.param(port("s1/r1"), Route(("s1",), "r1"), id="named school"),
        pytest.param(awake("r3"), Route(("s2",), "r3"), id="the one that lists the room"),
        pytest.param(awake("s2/new"), Route(("s2",), "new"), id="unlisted room of its own school"),
        pytest.param(Ping(target="p"), Route(("s1", "s2"), None), id="about the gateway: every school"),
    ],
)
def test_route(observation, expected):
    """A record goes to the school it names, or to all of the gateway where it names none."""
    assert Router("gw", schools(), Policy()).route(observation) == expected


@pytest.mark.parametrize("room", ["s3/r1", "r2", "new"])
def test_route_refused(room):
    """A foreign school, and a room that could be of two schools or of none, are refused."""
    with pytest.raises(RefusedError, match="identity"):
        Router("gw", schools(), Policy()).route(port(room))


def test_route_unlisted_cap():
    """Unlisted rooms are kept up to a cap; those known already stay welcome."""
    policy = Policy(classrooms_per_gateway_max=2)
    known = schools(u1=1.0, u2=1.0)
    assert Router("gw", known, policy).route(port("s1/u1")) == Route(("s1",), "u1")
    with pytest.raises(RefusedError, match="inventory"):
        Router("gw", known, policy).route(port("s2/u3"))


def test_route_single_school():
    """On a gateway of one school no room needs to be qualified, listed or not."""
    only = {"s1": schools()["s1"]}
    assert Router("gw", only, Policy()).route(port("new")) == Route(("s1",), "new")


RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)).map(lambda t: (t[0], t[0] + t[1])), max_size=8)


@given(RANGES, RANGES)
def test_common(one, other):
    """What two ledgers share is exactly what both cover."""
    one, other = union(tuple(one), ()), union(tuple(other), ())
    found = [n for first, last in common(one, other) for n in range(first, last + 1)]
    assert found == [n for first, last in one for n in range(first, last + 1) if contains(other, n)]


@given(RANGES, RANGES)
def test_union(one, other):
    """The union covers exactly what either covers, in as few ascending ranges as possible."""
    merged = union(tuple(one), tuple(other))
    covered = [n for first, last in merged for n in range(first, last + 1)]
    assert set(covered) == {n for first, last in (*one, *other) for n in range(first, last + 1)}
    assert len(covered) == len(set(covered))
    assert all(a[1] + 1 < b[0] for a, b in pairwise(merged))


def test_bucket():
    """A gateway may send a burst, then so many reports a second, and a refused one costs nothing."""
    bucket = Bucket()
    for _ in range(int(BURST_REPORTS)):
        bucket = bucket.take(NOW)
        assert bucket.tokens >= 0
    assert bucket.take(NOW).tokens < 0
    assert bucket.take(NOW + 1 / REPORTS_PER_S + 1e-6).tokens >= 0


@pytest.mark.parametrize("step_s", [-3_600.0, -1.0, 3_600.0])
def test_gate_outlives_a_clock_that_is_set(step_s):
    """A gateway that used up its burst is let in again at its rate, wherever the clock was set meanwhile."""
    gate, now = Gate(), NOW
    while gate.admit("gw-one", now):
        pass
    now += step_s
    gate.admit("gw-one", now)
    assert [gate.admit("gw-one", now + n / REPORTS_PER_S + 1e-3) for n in (1, 2, 3)] == [True] * 3


def test_gate_keeps_gateways_apart():
    """A flood of one uses up nothing of another, and a refusal costs nothing."""
    gate = Gate()
    assert sum(gate.admit("gw-one", NOW) for _ in range(10_000)) == BURST_REPORTS
    assert gate.admit("gw-two", NOW)
    assert gate.admit("gw-one", NOW + 1 / REPORTS_PER_S + 1e-6)


async def test_turns():
    """One report of a gateway is worked on, a few wait, one more is too many; others wait for none of them."""
    gate, release = Gate(), asyncio.Event()

    async def work():
        async with gate.turn("gw-one", NOW):
            await release.wait()

    tasks = [asyncio.create_task(work()) for _ in range(WAITING_MAX_REPORTS + 1)]
    await asyncio.sleep(0)
    with pytest.raises(TooOftenError):
        await work()
    async with gate.turn("gw-two", NOW):
        release.set()
    await asyncio.gather(*tasks)
    await work()
