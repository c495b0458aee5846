"""Whatever a gateway reports, the state of its school stays below a bound that the policy and the roster give."""

from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from classready.codec import encode
from classready.observation import (
    Bandwidth,
    Device,
    Http,
    Observation,
    Outcome,
    Phases,
    Ping,
    Port,
    Reason,
    Rtt,
    Segment,
    WindowSummary,
)
from classready.report import Record
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import School
from collector.engine.draft import Draft
from collector.engine.reports import apply_report
from tests.support.collecting import BOOT, SPOOL, report
from tests.support.school import GATEWAY, MONDAY, school

ROOM_BYTES = 5_500
"""A room of the roster without its facts: three readings of its port, one of its device, its verdict, its alerts."""
SWITCH_BYTES, SEGMENT_BYTES, TARGET_BYTES, TEST_BYTES, UNLISTED_BYTES = 500, 1_900, 1_200, 2_950, 60
LISTED_BYTES = 70
"""Of one switch in the list of a trunk."""
REST_BYTES = 2_000
ESCAPED = 2
"""JSON writes a quotation mark in two bytes."""


def bound_bytes(policy: Policy, rooms: int, gateways: int = 1) -> int:
    """What the state of a school may take at most."""
    of_a_gateway = (
        policy.switches_per_gateway_max * SWITCH_BYTES
        + policy.segments_per_gateway_max * SEGMENT_BYTES
        + policy.switches_behind_trunks_max * LISTED_BYTES
        + policy.targets_per_gateway_max * TARGET_BYTES
        + policy.tests_per_gateway_max * TEST_BYTES
        + policy.classrooms_per_gateway_max * UNLISTED_BYTES
    )
    of_a_room = ROOM_BYTES + ESCAPED * policy.facts_per_device_max_bytes
    return REST_BYTES + rooms * of_a_room + gateways * of_a_gateway


# --- observations as large as the wire lets them be -----------------------------------------------------------------

WIDE = "😀" * 60
NUMBER = 123_456_789_012_345.67
COUNT = 2**63 - 1
DETAIL = '"' * 200
PHASES = Phases(**dict.fromkeys(Phases.__struct_fields__, NUMBER))
RTT = Rtt(**dict.fromkeys(Rtt.__struct_fields__, NUMBER))
WINDOWS = WindowSummary(**{**dict.fromkeys(WindowSummary.__struct_fields__, NUMBER), "count": COUNT})
FACTS_MAX_BYTES = 2_000


def target(n: int) -> str:
    return f"{n:x<64}"


def interface(n: int) -> str:
    return f"{n:04}{WIDE}"


def large(kind: str, n: int, room: str, *, good: bool) -> Observation:
    """The ``n``-th of its kind."""
    outcome = Outcome.ANSWERED if good else Outcome.NO_ANSWER
    reason = None if good else Reason.AUTHORITY_UNKNOWN
    base: dict[str, Any] = {"outcome": outcome, "reason": reason, "detail": DETAIL, "elapsed_s": NUMBER}
    tested = {**base, "outcome": Outcome.PASS if good else Outcome.FAIL, "target": target(n), "direction": "down"}
    rates = ("at_least_bps", "at_most_bps", "estimate_bps", "theta0_bps", "theta1_bps")
    numbers = dict.fromkeys((*rates, "seconds"), NUMBER)
    bandwidth = {**tested, **numbers, "mode": "passive", "bucket_bytes": COUNT, "bytes": COUNT, "loss_ratio": 1 / 3}
    counters = {name: COUNT for name in Port.__struct_fields__ if name.endswith(("octets", "_count", "_bps"))}
    match kind:
        case "ping":
            return Ping(**base, target=target(n), sent_count=COUNT, received_count=COUNT, rtt_s=RTT, jitter_s=NUMBER)
        case "http":
            return Http(**base, target=target(n), phases_s=PHASES, status=200, certificate_expires_at=NUMBER / 1e4)
        case "port":
            flags = {"admin_up": True, "oper_up": True, "full_duplex": good}
            return Port(**{**base, **flags, **counters}, classroom=room, switch=target(n), if_name=interface(n))
        case "segment":
            listed = tuple(target(n + k) for k in range(64 if good else 3))
            octets = {"in_octets": COUNT, "out_octets": COUNT, "speed_bps": COUNT}
            name = f"{n:04}{WIDE[:58]}:u"
            return Segment(
                **{**base, "outcome": Outcome.ANSWERED}, **octets, name=name, if_name=interface(n), switches=listed
            )
        case "device":
            facts = (
                {f"{k}{'灯' * 20}": '"' * (60 + n % 5 if n % 3 else 200) for k in range(16)}
                if good
                else {"k": '"' * 200}
            )
            return Device(**base, classroom=room, seen_by="snmp", nic_speed_bps=COUNT, facts=facts)
        case "line":
            return Bandwidth(**bandwidth, windows=WINDOWS, beyond=target(n % 12) if n % 3 else None)
        case "way":
            return Bandwidth(**bandwidth, windows=WINDOWS, classroom=room)
    raise AssertionError(kind)


KINDS = ("ping", "http", "port", "segment", "device", "line", "way")


def told(found: School, policy: Policy, seen: Iterable[tuple[float, Observation]]) -> Iterator[School]:
    """The school after each report of up to 30 of ``seen`` (when, what)."""
    waiting, sequence = list(seen), 0
    while waiting:
        part, waiting = waiting[:30], waiting[30:]
        now = max(at for at, _ in part) + 1
        records = [
            Record(sequence=sequence + n, boot_id=BOOT, monotonic_s=1, wall_s=at, clock_quality="good", observation=one)
            for n, (at, one) in enumerate(part, 1)
        ]
        sequence += len(records)
        draft = Draft({"s1": found}, lambda _: (), policy, now)
        decoded = report([], gateway=GATEWAY, spool_id=SPOOL, agent_version="v" * 40)
        apply_report(draft, replace(decoded, records=tuple(records)), ("s1",), now)
        found = draft.school("s1")
        yield found


SMALL = Policy(
    observation_school_days=0, classrooms_per_gateway_max=2, switches_per_gateway_max=3, segments_per_gateway_max=3,
    switches_behind_trunks_max=70, targets_per_gateway_max=2, tests_per_gateway_max=3, exits_per_gateway_max=2,
    facts_per_device_max_bytes=FACTS_MAX_BYTES,
)  # fmt: skip
SEEN = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 12),
    st.sampled_from(["s1/r1", "s1/r2", "s1/x1", "s1/x2", "s1/x3"]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SEEN, min_size=1, max_size=150))
def test_never_larger(sent: list[tuple[str, int, str, bool]]) -> None:
    """Any sequence of reports, each observation as large as the wire allows."""
    seen = [
        (MONDAY + 90 * n, large(kind, number, room, good=good)) for n, (kind, number, room, good) in enumerate(sent)
    ]
    for found in told(school(), SMALL, seen):
        assert len(encode(found.state)) <= bound_bytes(SMALL, rooms=2)


def test_everything_at_once() -> None:
    """All that one gateway may name, as large as can be, again and again: about 1 MB."""
    policy, rooms = Policy(observation_school_days=0), 15
    entries = {f"r{n}": Classroom(id=f"r{n}", name="", device="whiteboard") for n in range(rooms)}
    seen = [
        (MONDAY + 400 * turn + n / 100, large(kind, n, f"s1/{'r' if n < 400 else 'x'}{n % rooms}", good=good))
        for turn, good in enumerate((True, True, True, False, False, True))
        for n in range(260)
        for kind in KINDS
    ]
    states = told(school(classrooms=entries), policy, seen)
    largest_bytes = 0
    for found in states:
        largest_bytes = max(largest_bytes, len(encode(found.state)))
        assert len(encode(found.state.classrooms)) <= rooms * (ROOM_BYTES + ESCAPED * policy.facts_per_device_max_bytes)
    assert 900_000 < largest_bytes <= bound_bytes(policy, rooms) <= 1_400_000
