"""When a load may be sent and which, what the day may cost, what is remembered, and the moment in the next opening."""

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent import schedule
from agent.clock import Clock, Reading
from agent.metrics import Metrics
from agent.probes import PROBES, bandwidth, make_all
from agent.probes.bandwidth import exchange, gate, iperf3, learned, tcp, udp
from agent.probes.bandwidth.exchange import nothing
from agent.probes.bandwidth.learned import Learned
from agent.probes.bandwidth.meter import Meter
from agent.probes.bandwidth.passive import Sample
from agent.probes.contract import Context
from agent.probes.tools import Tools
from agent.runner import Runner
from agent.settings import AgentSettings
from classready.observation import Bandwidth, Outcome, Reason
from classready.targets import BandwidthTarget
from classready.units import MBYTE
from tests.support.bandwidth_ends import DIRECTIVES, SETTINGS

ZONE = ZoneInfo("Asia/Shanghai")
TARGET = BandwidthTarget(name="wan", host="127.0.0.1", mode="auto")
ALL_DAY = replace(TARGET, allowed_hours=(("00:00", "24:00"),))


def at(clock: str, day: int = 23) -> float:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE).timestamp()


NOON = at("12:00")
LESSON = replace(DIRECTIVES, quiet=((NOON - 600, NOON + 600),))
CONTEXT = Context(settings=SETTINGS, directives=DIRECTIVES, clock_good=True)
IN_LESSON = replace(CONTEXT, directives=LESSON)
KNOWN = Learned(bucket_bytes=50_000, at_s=NOON, line="line", plateau_bps=200e6, plateau_at_s=NOON)


# --- lessons --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "needed_bps", "expected"),
    [
        pytest.param(KNOWN, 200e6, None, id="just room enough"),
        pytest.param(KNOWN, 200.1e6, "needs 200 Mbit/s of 200", id="not enough beside present use"),
        pytest.param(KNOWN, None, "how much room", id="present use unknown"),
        pytest.param(replace(KNOWN, plateau_bps=None), 110e6, "how much room", id="no plateau was ever seen"),
        pytest.param(replace(KNOWN, plateau_at_s=NOON - 8 * 86_400), 110e6, "how much room", id="a plateau too old"),
        pytest.param(replace(KNOWN, plateau_at_s=NOON + 60), 110e6, "how much room", id="a plateau of the future"),
        pytest.param(replace(KNOWN, bucket_bytes=None), 110e6, "quickly", id="no bucket known"),
        pytest.param(replace(KNOWN, bucket_bytes=95_000), 110e6, "quickly", id="a bucket too large"),
        pytest.param(replace(KNOWN, at_s=NOON - 8 * 86_400), 110e6, "quickly", id="a bucket known too long"),
        pytest.param(Learned(), 110e6, "quickly", id="nothing known"),
    ],
)
def test_lessons_allow_no_more_than_a_quick_test(
    known: Learned, needed_bps: float | None, expected: str | None
) -> None:
    """Everything else waits; a quick test needs a line with room for it."""
    assert gate.not_now(ALL_DAY, IN_LESSON, NOON) is not None
    why_not = gate.not_even_quick(ALL_DAY, IN_LESSON, NOON, known, needed_bps)
    assert (why_not is None) is (expected is None)
    if why_not is not None:
        assert why_not[0] is Reason.OUTSIDE_HOURS
        assert expected in why_not[1]


@pytest.mark.parametrize("mode", ["drain", "tcp", "iperf3", "passive"])
def test_no_other_method_in_lessons(mode: str) -> None:
    """Only ``auto`` knows quick tests."""
    assert gate.not_even_quick(replace(ALL_DAY, mode=mode), IN_LESSON, NOON, KNOWN, 110e6) is not None


def test_allowed_hours_hold_for_quick_tests_too() -> None:
    """Room on the line is no reason to test outside the hours that the settings give; nor an unknown time of day."""
    early = replace(TARGET, allowed_hours=(("06:00", "07:00"),))
    assert gate.not_even_quick(early, IN_LESSON, NOON, KNOWN, 110e6)[0] is Reason.OUTSIDE_HOURS
    unknown = replace(IN_LESSON, clock_good=False)
    assert gate.not_even_quick(TARGET, unknown, NOON, KNOWN, 110e6)[0] is Reason.CLOCK
    assert gate.not_even_quick(ALL_DAY, unknown, NOON, KNOWN, 110e6) is not None


# --- the day's budget -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "wanted", "limit", "spent", "expected"),
    [
        ("drain", 20 * MBYTE, None, None, 20 * MBYTE),
        ("drain", 20 * MBYTE, 50 * MBYTE, 0, 20 * MBYTE),
        ("drain", 20 * MBYTE, 50 * MBYTE, 45 * MBYTE, 5 * MBYTE),
        ("drain", 20 * MBYTE, 50 * MBYTE, 49 * MBYTE, MBYTE),
        ("drain", 20 * MBYTE, 50 * MBYTE, 49 * MBYTE + 1, None),
        ("quick", 5 * MBYTE, 50 * MBYTE, 60 * MBYTE, None),
        ("streams", 75 * MBYTE, 80 * MBYTE, 5 * MBYTE, 75 * MBYTE),
        ("streams", 75 * MBYTE, 80 * MBYTE, 5 * MBYTE + 1, None),
        ("drain", 20 * MBYTE, 50 * MBYTE, None, None),
    ],
)
def test_what_the_day_still_allows(
    load: gate.Load, wanted: int, limit: int | None, spent: int | None, expected: int | None
) -> None:
    """A small rest makes a small test; streams need all they may take; what nobody knows is spent."""
    left = gate.affordable(load, wanted, limit, spent)
    if expected is None:
        assert isinstance(left, tuple)
        assert left[0] is Reason.BUDGET
    else:
        assert left == expected


def test_a_day_is_local() -> None:
    """Midnight is that of the school; what was spent yesterday, or in a day to come, is not of today."""
    midnight = gate.midnight(at("00:30"), "Asia/Shanghai")
    assert midnight == at("00:00")
    assert learned.spent(Learned(spent_bytes=7, spent_at_s=midnight), midnight) == 7
    assert learned.spent(Learned(spent_bytes=7, spent_at_s=midnight - 1), midnight) == 0
    assert learned.spent(Learned(spent_bytes=7, spent_at_s=midnight + 2 * 86_400), midnight) == 0


def test_spending_survives_a_restart(tmp_path: Path) -> None:
    """It is in the file, adds up, is given back, and begins anew on the next day."""
    midnight = at("00:00")
    assert learned.spent_bytes(tmp_path, "wan", midnight) == 0
    for count in (5_000_000, 3_000_000, -1_000_000):
        assert learned.spend(tmp_path, "wan", count, NOON, midnight)
    learned.keep(tmp_path, "wan", 50_000, NOON, "line")
    assert learned.spent_bytes(tmp_path, "wan", midnight) == 7_000_000
    assert learned.spent_bytes(tmp_path, "other", midnight) == 0
    assert learned.spent_bytes(tmp_path, "wan", at("00:00", 24)) == 0
    assert learned.spend(tmp_path, "wan", 1, at("12:00", 24), at("00:00", 24))
    assert learned.spent_bytes(tmp_path, "wan", at("00:00", 24)) == 1


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"wan":', b"\xff", b'{"wan":{"spent_bytes":-1}}', b'{"wan":7}'])
def test_a_broken_file_spends_nothing_more_today(broken: bytes, tmp_path: Path) -> None:
    """Until the day after it was last written; that other targets write anew changes nothing."""
    path, midnight = tmp_path / learned.FILE, at("00:00")
    path.write_bytes(broken)
    os.utime(path, (NOON, NOON))
    assert learned.spent_bytes(tmp_path, "wan", midnight) is None
    assert learned.note(tmp_path, "other", inconclusive_count=1)
    assert learned.recall(tmp_path, "other").inconclusive_count == 1
    assert learned.spent_bytes(tmp_path, "wan", midnight) is None
    assert learned.spent_bytes(tmp_path, "wan", at("00:00", 24)) == 0
    assert (tmp_path / f"{learned.FILE}.broken").read_bytes() == broken


def test_the_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    """Three fields were there first."""
    (tmp_path / learned.FILE).write_bytes(b'{"wan":{"bucket_bytes":50000,"at_s":1.5,"line":"line"}}')
    assert learned.recall(tmp_path, "wan") == Learned(bucket_bytes=50_000, at_s=1.5, line="line")


@given(st.binary(max_size=200))
def test_any_file_is_survived(content: bytes) -> None:
    """Whatever stands there: nothing is known, or what it says."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / learned.FILE).write_bytes(content)
        learned.recall(Path(folder), "wan")
        assert learned.note(Path(folder), "wan", inconclusive_count=3)
        assert learned.recall(Path(folder), "wan").inconclusive_count == 3


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """It is said, so that nothing is spent without being written down."""
    assert not learned.spend(tmp_path / "missing", "wan", 1, NOON, NOON)


# --- the probe's way through it -------------------------------------------------------------------------------------


class Ends:
    """Ends of the test methods, in place of the network: each result as asked for, and what was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[str, int]] = []
        self.results = {"udp": (Outcome.PASS, None), "tcp": (Outcome.PASS, None), "iperf3": (Outcome.FAIL, None)}
        self.sent_bytes = 2 * MBYTE
        self.mode, self.plateau_bps = "drain", None
        for name, module in (("udp", udp), ("tcp", tcp), ("iperf3", iperf3)):
            monkeypatch.setattr(module, "run", lambda test, name=name: self._run(name, test))

    def _run(self, name: str, test: exchange.Test) -> Bandwidth:
        assert not test.cancelled.is_set()
        assert threading.current_thread() is not threading.main_thread()
        self.ran.append((name, test.target.max_bytes))
        outcome, reason = self.results[name]
        mode = self.mode if name == "udp" else name
        seen = nothing(test.target, outcome, reason, f"{name} says so")
        return replace(seen, mode=mode, bytes=self.sent_bytes, estimate_bps=self.plateau_bps)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    return Ends(monkeypatch)


async def observe(
    target: BandwidthTarget, state_dir: Path, samples: Sequence[Sample] = (), **changes: object
) -> Bandwidth:
    settings = replace(SETTINGS, state_dir=str(state_dir))
    (seen,) = await bandwidth.observe(target, samples, replace(CONTEXT, settings=settings, **changes))
    return seen


@pytest.mark.parametrize(("mode", "ran"), [("auto", "udp"), ("drain", "udp"), ("tcp", "tcp"), ("iperf3", "iperf3")])
async def test_each_mode_has_its_method(mode: str, ran: str, ends: Ends, tmp_path: Path) -> None:
    """One test, by the method that the settings ask for; room and exit are stamped on it."""
    target = replace(ALL_DAY, mode=mode, classroom="r-1", beyond="metro")
    seen = await observe(target, tmp_path)
    assert [name for name, _ in ends.ran] == [ran]
    assert (seen.classroom, seen.beyond) == ("r-1", "metro")
    assert seen.elapsed_s is not None


@pytest.mark.parametrize(
    ("outcome", "reason", "asked"),
    [
        (Outcome.NO_ANSWER, Reason.TIMEOUT, True),
        (Outcome.NO_ANSWER, Reason.REFUSED, True),
        (Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED, False),
        (Outcome.NO_ANSWER, Reason.UNREACHABLE, False),
        (Outcome.UNMEASURED, Reason.PEER_BUSY, False),
        (Outcome.UNMEASURED, Reason.AUTH_FAILED, False),
        (Outcome.UNMEASURED, Reason.TIME_LIMIT, False),
        (Outcome.PASS, None, False),
        (Outcome.FAIL, None, False),
    ],
)
async def test_tcp_where_udp_gets_lost(
    outcome: Outcome, reason: Reason | None, ends: Ends, tmp_path: Path, *, asked: bool
) -> None:
    """Silence asks TCP at once; a verdict, a busy responder and a refused key do not; nor does any other mode."""
    ends.results["udp"] = (outcome, reason)
    seen = await observe(ALL_DAY, tmp_path)
    assert [name for name, _ in ends.ran] == (["udp", "tcp"] if asked else ["udp"])
    assert seen.outcome is (Outcome.PASS if asked else outcome)
    assert not asked or seen.detail == f"UDP: {reason}; TCP: tcp says so"
    ends.ran.clear()
    await observe(replace(ALL_DAY, mode="drain"), tmp_path)
    assert [name for name, _ in ends.ran] == ["udp"]


async def test_tcp_after_two_tests_that_decided_nothing(ends: Ends, tmp_path: Path) -> None:
    """The count survives a restart, does not grow by a busy responder, and a verdict ends it."""
    undecided, busy = (Outcome.UNMEASURED, Reason.TIME_LIMIT), (Outcome.UNMEASURED, Reason.PEER_BUSY)
    for result, ran in [
        (undecided, ["udp"]),
        (busy, ["udp"]),
        (undecided, ["udp", "tcp"]),
        (undecided, ["udp", "tcp"]),
        ((Outcome.FAIL, None), ["udp"]),
        (undecided, ["udp"]),
    ]:
        ends.results["udp"] = result
        ends.ran.clear()
        await observe(ALL_DAY, tmp_path)
        assert [name for name, _ in ends.ran] == ran


async def test_what_tcp_cannot_decide_either(ends: Ends, tmp_path: Path) -> None:
    """Then what UDP said stands."""
    ends.results |= {"udp": (Outcome.NO_ANSWER, Reason.TIMEOUT), "tcp": (Outcome.NO_ANSWER, Reason.REFUSED)}
    seen = await observe(ALL_DAY, tmp_path)
    assert (seen.outcome, seen.reason) == (Outcome.NO_ANSWER, Reason.TIMEOUT)


async def test_a_lesson_waits(ends: Ends, tmp_path: Path) -> None:
    """Nothing is sent in a lesson, and a person's test has no TCP after it there."""
    always = replace(DIRECTIVES, quiet=((0.0, 4e9),))
    seen = await observe(ALL_DAY, tmp_path, directives=always)
    assert (seen.outcome, seen.reason, ends.ran) == (Outcome.UNMEASURED, Reason.OUTSIDE_HOURS, [])
    ends.results["udp"] = (Outcome.NO_ANSWER, Reason.TIMEOUT)
    await observe(ALL_DAY, tmp_path, directives=always, on_demand=True)
    assert [name for name, _ in ends.ran] == ["udp"]
    assert list(tmp_path.iterdir()) == [], "a person's test leaves no trace"


@pytest.mark.parametrize("mode", ["auto", "drain", "tcp"])
async def test_in_examinations_nobody_loads_the_line(ends: Ends, tmp_path: Path, mode: str) -> None:
    """Not even a person who asks for it: three hundred pupils in a listening test are not asked."""
    always = ((0.0, 4e9),)
    examinations = replace(DIRECTIVES, quiet=always, no_load=always)
    for on_demand in (False, True):
        target = replace(ALL_DAY, mode=mode)
        seen = await observe(target, tmp_path, directives=examinations, on_demand=on_demand)
        assert (seen.outcome, seen.reason, ends.ran) == (Outcome.UNMEASURED, Reason.OUTSIDE_HOURS, [])
        assert "examinations" in (seen.detail or "")


async def test_the_budget_of_a_metered_line(ends: Ends, tmp_path: Path) -> None:
    """Each test is held to what is left, and charged what it sent; then there are none until tomorrow."""
    metered = replace(ALL_DAY, max_day_bytes=6 * MBYTE)
    for left in (6, 4, 2):
        assert (await observe(metered, tmp_path)).outcome is Outcome.PASS
        assert ends.ran[-1] == ("udp", left * MBYTE)
    seen = await observe(metered, tmp_path)
    assert (seen.outcome, seen.reason, len(ends.ran)) == (Outcome.UNMEASURED, Reason.BUDGET, 3)
    assert "max_day_bytes 6.0 MB" in seen.detail
    assert (await observe(metered, tmp_path, on_demand=True)).outcome is Outcome.PASS
    streams = replace(metered, name="tcp", mode="tcp", max_day_bytes=50 * MBYTE)
    assert (await observe(streams, tmp_path)).reason is Reason.BUDGET


async def test_a_budget_that_cannot_be_kept(ends: Ends, tmp_path: Path) -> None:
    """No clock, no readable file, no place to write: not a byte is sent."""
    metered = replace(ALL_DAY, max_day_bytes=60 * MBYTE)
    assert (await observe(metered, tmp_path, clock_good=False)).reason is Reason.CLOCK
    assert (await observe(metered, tmp_path / "missing")).reason is Reason.BUDGET
    (tmp_path / learned.FILE).write_bytes(b"broken")
    assert (await observe(metered, tmp_path)).reason is Reason.BUDGET
    assert ends.ran == []


async def test_a_test_that_is_cut_off_has_been_paid_for(
    ends: Ends, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its most is booked before it begins."""
    begun, cancelled = threading.Event(), []

    def hang(test: exchange.Test) -> Bandwidth:
        begun.set()
        cancelled.append(test.cancelled.wait(5))
        raise AssertionError

    monkeypatch.setattr(udp, "run", hang)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(observe(replace(ALL_DAY, max_day_bytes=60 * MBYTE), tmp_path), 0.3)
    assert begun.is_set()
    assert learned.recall(tmp_path, "wan").spent_bytes == 20 * MBYTE
    await asyncio.sleep(0.05)
    assert cancelled == [True]


async def test_what_is_remembered_of_the_line(ends: Ends, tmp_path: Path) -> None:
    """A plateau where one was seen; a drain test without one forgets it, a quick one does not."""
    for mode, plateau_bps, expected in [
        ("drain", 180e6, 180e6),
        ("quick", None, 180e6),
        ("quick", 104e6, 104e6),
        ("drain", None, None),
    ]:
        ends.mode, ends.plateau_bps = mode, plateau_bps
        await observe(ALL_DAY, tmp_path)
        assert learned.recall(tmp_path, "wan").plateau_bps == expected
    kept = learned.recall(tmp_path, "wan")
    assert kept.drained_at_s is not None
    assert kept.spent_bytes == 8 * MBYTE


WEEK_S = learned.FRESH_S
DRAINED = Learned(drained_at_s=at("12:05"), capacity_at_s=at("12:05"))


@pytest.mark.parametrize(
    ("known", "target", "context", "waits"),
    [
        pytest.param(DRAINED, TARGET, CONTEXT, True, id="no limit today"),
        pytest.param(replace(DRAINED, plateau_bps=150e6), TARGET, CONTEXT, False, id="a plateau"),
        pytest.param(replace(DRAINED, drained_at_s=at("18:00", 22)), TARGET, CONTEXT, False, id="yesterday"),
        pytest.param(Learned(), TARGET, CONTEXT, False, id="never drained"),
        pytest.param(DRAINED, ALL_DAY, CONTEXT, False, id="tests at any time"),
        pytest.param(DRAINED, replace(TARGET, mode="drain"), CONTEXT, False, id="settings ask for drain tests"),
        pytest.param(DRAINED, TARGET, replace(CONTEXT, on_demand=True), False, id="a person asks"),
        pytest.param(
            DRAINED, TARGET, replace(CONTEXT, directives=replace(DIRECTIVES, retest=("wan",))), False, id="a retest"
        ),
    ],
)
def test_a_line_without_a_limit_is_drained_once_a_day(
    known: Learned, target: BandwidthTarget, context: Context, *, waits: bool
) -> None:
    """At 17:30: 9 MB for nothing new. It does not wait for other hours, or it would ask again and again in these."""
    why_not = gate.drained_today(target, context, at("17:30"), known)
    assert (why_not is not None) is waits
    assert why_not is None or why_not[0] is Reason.BUDGET


async def test_the_long_test_of_the_week(ends: Ends, tmp_path: Path) -> None:
    """A week after the first test, by TCP, once; without a verdict of it the drain test follows."""
    await observe(ALL_DAY, tmp_path)
    first_s = learned.recall(tmp_path, "wan").capacity_at_s
    assert first_s == pytest.approx(time.time(), abs=10)
    for result, ran in [(Outcome.FAIL, ["tcp"]), (Outcome.UNMEASURED, ["tcp", "udp"])]:
        learned.note(tmp_path, "wan", capacity_at_s=first_s - WEEK_S - 60)
        ends.results["tcp"] = (result, Reason.NO_DATA if result is Outcome.UNMEASURED else None)
        ends.ran.clear()
        seen = await observe(ALL_DAY, tmp_path)
        assert [name for name, _ in ends.ran] == ran
        assert seen.outcome is (Outcome.FAIL if result is Outcome.FAIL else Outcome.PASS)
        ends.ran.clear()
        await observe(ALL_DAY, tmp_path)
        assert [name for name, _ in ends.ran] == ["udp"]


async def test_a_quick_test_in_a_lesson_takes_no_chances(ends: Ends, tmp_path: Path) -> None:
    """It runs where line, room and use are known; on another line it would become a drain test, so it waits."""
    now_s, boot_s = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    samples = [
        Sample(at_s=boot_s + t, stale_s=2.0, port="1", limit_bps=None, down_bytes=0, up_bytes=0)
        for t in range(-100, 1, 10)
    ]
    lesson = replace(DIRECTIVES, quiet=((0.0, 4e9),))
    line = learned.line("lo", 65_536, "127.0.0.1", "down", 100e6)
    known = {"bucket_bytes": 50_000, "at_s": now_s, "plateau_bps": 200e6, "plateau_at_s": now_s}
    learned.note(tmp_path, "wan", line=line, **known)
    ends.mode = "quick"
    assert (await observe(ALL_DAY, tmp_path, directives=lesson, samples=samples)).outcome is Outcome.PASS
    assert (await observe(ALL_DAY, tmp_path, directives=lesson)).reason is Reason.OUTSIDE_HOURS
    learned.note(tmp_path, "wan", line="another")
    seen = await observe(ALL_DAY, tmp_path, directives=lesson, samples=samples)
    assert seen.reason is Reason.OUTSIDE_HOURS
    assert "the line is not the one" in seen.detail
    assert len(ends.ran) == 1


# --- the moment in the next opening ---------------------------------------------------------------------------------


def clocks(spans: list[gate.Span]) -> list[tuple[str, str]]:
    return [tuple(f"{datetime.fromtimestamp(t, ZONE):%d %H:%M}" for t in span) for span in spans]


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        ([("12:00", "13:30"), ("17:00", "18:30")], "10:00", [("23 12:00", "23 13:30"), ("23 17:00", "23 18:30")]),
        ([("12:00", "13:30"), ("17:00", "18:30")], "13:00", [("23 13:00", "23 13:30"), ("23 17:00", "23 18:30")]),
        ([("12:00", "13:30")], "13:29", [("24 12:00", "24 13:30")]),
        ([("22:00", "06:00")], "03:00", [("23 03:00", "23 06:00"), ("23 22:00", "24 06:00")]),
        ([("22:00", "24:00")], "03:00", [("23 22:00", "24 00:00")]),
        ([], "03:00", []),
    ],
)
def test_openings(hours: list[tuple[str, str]], now: str, expected: list[tuple[str, str]]) -> None:
    """What is left of today's spans, and tomorrow's; spans may pass midnight."""
    found = gate.openings(replace(TARGET, allowed_hours=tuple(hours)), CONTEXT, at(now))
    assert clocks(found)[: len(expected)] == expected
    assert bool(found) is bool(expected)


def test_lessons_are_cut_out_of_openings() -> None:
    """Also several, nested and across the edge; a rest of less than two minutes is none."""
    spans = (("11:00", "12:10"), ("12:30", "12:50"), ("12:35", "12:40"), ("12:51", "13:00"))
    quiet = tuple((at(a), at(b)) for a, b in spans)
    context = replace(CONTEXT, directives=replace(DIRECTIVES, quiet=quiet))
    found = gate.openings(replace(TARGET, allowed_hours=(("12:00", "13:30"),)), context, at("10:00"))
    assert clocks(found)[:2] == [("23 12:10", "23 12:30"), ("23 13:00", "23 13:30")]


def test_a_fleet_is_spread_over_the_opening() -> None:
    """3,000 gateways with two targets: at most twice the mean in any minute, and all of them begin in time."""
    start, end = at("12:00"), at("13:30")
    moments = [
        schedule.moment(start, end, schedule.phase(f"gw-{i}", target))
        for i in range(3_000)
        for target in ("down", "up")
    ]
    per_minute = [sum(start + 60 * m <= t < start + 60 * (m + 1) for t in moments) for m in range(90)]
    assert sum(per_minute[:89]) == 6_000
    assert max(per_minute) < 2 * 6_000 / 90
    assert schedule.moment(start, start + 30, 0.9) == start


class SchoolClock(Clock):
    """A boot clock and a wall clock that the test sets; wall time is known."""

    def __init__(self, wall_s: float) -> None:
        super().__init__("0" * 32)
        self.offset_s, self.boot_s = wall_s, 0.0

    def now_s(self) -> float:
        return self.boot_s

    def read(self) -> Reading:
        return Reading(monotonic_s=self.boot_s, wall_s=self.offset_s + self.boot_s, quality="good")


def runner_of(settings: AgentSettings, clock: SchoolClock) -> Runner:
    probes = make_all(PROBES, settings.targets, Tools(settings, clock.now_s, Metrics()))
    return Runner(settings, probes, clock, None, Metrics())


def day_of_tests(gateway: str, interval_s: float, from_clock: str) -> Iterator[tuple[str, str]]:
    """Follow the runner's plan for a day: (time, outcome) of each run; the gate decides, nothing is sent."""
    target = replace(TARGET, interval_s=interval_s)
    settings = replace(SETTINGS, gateway=gateway, targets=(target,))
    clock = SchoolClock(at(from_clock))
    runner = runner_of(settings, clock)
    runner.directives = DIRECTIVES
    [progress] = runner._progress.values()
    while progress.due_s < 86_400:
        clock.boot_s = progress.started_s = progress.due_s
        wall_s = clock.read().wall_s
        progress.waits_for_hours = gate.not_now(target, replace(CONTEXT, settings=settings), wall_s) is not None
        yield f"{datetime.fromtimestamp(wall_s, ZONE):%H:%M}", "waits" if progress.waits_for_hours else "tests"
        clock.boot_s += 3
        runner._plan(progress)


@pytest.mark.parametrize("interval_s", [600.0, 7_200.0, 40_000.0])
def test_every_span_holds_a_test_of_every_gateway(interval_s: float) -> None:
    """Whatever the gateway's place in the interval: a load in each span, and no flood of empty answers."""
    for i in range(60):
        runs = list(day_of_tests(f"gw-{i}", interval_s, "19:00"))
        tested = [clock for clock, what in runs if what == "tests"]
        waited = len(runs) - len(tested)
        assert waited <= 86_400 / interval_s + 3
        if interval_s <= 7_200:
            assert any("12:00" <= clock < "13:30" for clock in tested), runs
            assert any("17:00" <= clock < "18:30" for clock in tested), runs
        else:
            assert tested, runs


def test_who_waits_for_its_hours_is_not_hurried() -> None:
    """The collector's wish for a retest does not fill lessons with empty answers."""
    target = replace(TARGET, interval_s=7_200.0)
    clock = SchoolClock(at("09:00"))
    runner = runner_of(replace(SETTINGS, targets=(target,)), clock)
    [progress] = runner._progress.values()
    progress.finished_s, progress.inconclusive, progress.waits_for_hours = 0.0, True, True
    clock.boot_s = 3_600.0
    runner.direct(replace(DIRECTIVES, retest=("wan",)), asked_at_s=3_500.0)
    assert not progress.wake.is_set()
    progress.waits_for_hours = False
    runner.direct(replace(DIRECTIVES, retest=("wan",)), asked_at_s=3_500.0)
    assert progress.wake.is_set()


async def test_counters_are_asked_for_what_came_since_the_last_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe gets the samples of its target; a window that has proved a line once proves it no more."""
    asked: list[tuple[str, float]] = []
    given: list[object] = []

    def since(_meter: Meter, name: str, at_s: float) -> list[Sample]:
        asked.append((name, at_s))
        return [Sample(at_s=at_s, stale_s=2.0, port="1", limit_bps=None, down_bytes=0, up_bytes=0)]

    async def observed(_target: BandwidthTarget, samples: list[Sample], _context: Context) -> list[Bandwidth]:
        given.append(samples)
        clock.boot_s += 1
        outcome = Outcome.PASS if len(given) == 2 else Outcome.UNMEASURED
        return [nothing(TARGET, outcome, Reason.NO_DATA, "")]

    clock = SchoolClock(NOON)
    clock.boot_s = 100.0
    monkeypatch.setattr(Meter, "since", since)
    monkeypatch.setattr(bandwidth, "observe", observed)
    settings = replace(SETTINGS, targets=(TARGET,))
    [probe] = make_all(PROBES, settings.targets, Tools(settings, clock.now_s, Metrics()))
    for _ in range(3):
        await probe.observe(replace(CONTEXT, settings=settings))
    assert asked == [("wan", 0.0), ("wan", 0.0), ("wan", 102.0)]
    assert [samples[0].at_s for samples in given] == [0.0, 0.0, 102.0]


def test_not_even_a_quick_test_during_examinations():
    """Where one would be made in a lesson, nothing is sent; before and after it is."""
    exam = replace(LESSON, no_load=((NOON - 60, NOON + 60),))
    context = replace(CONTEXT, directives=exam)
    reason, why = gate.not_even_quick(ALL_DAY, context, NOON, KNOWN, 110e6)
    assert (reason, "examinations" in why) == (Reason.OUTSIDE_HOURS, True)
    assert gate.not_even_quick(ALL_DAY, context, NOON + 60, KNOWN, 110e6) is None
    later = replace(CONTEXT, directives=replace(LESSON, no_load=((NOON + 1, NOON + 60),)))
    assert gate.not_even_quick(ALL_DAY, later, NOON, KNOWN, 110e6) is None
