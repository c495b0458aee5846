"""What counters prove, and what they must never prove: windows, resets, staleness, negotiated speed."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.loading import load_settings
from agent.probes import bandwidth
from agent.probes.bandwidth import learned, meter, passive
from agent.probes.bandwidth.passive import Sample
from agent.probes.contract import Context
from classready.devices import Snmp
from classready.observation import Outcome, Reason
from classready.settings import SettingsError
from classready.targets import BandwidthTarget, UplinkPort
from classready.units import MBIT, MBYTE
from tests.support import asking
from tests.support.bandwidth_ends import DIRECTIVES, SETTINGS
from tests.support.probing import wired

THETAS = (95.0 * MBIT, 100.0 * MBIT)
TARGET = BandwidthTarget(name="wan", host="127.0.0.1", interface="wan0", mode="passive")
STALE_S = 2.0


def counted(*mbps: float, every_s: float = 10.0, limit_bps: float | None = 1e9) -> list[Sample]:
    """Samples of a port that carries one of ``mbps`` after the other; a tenth of it upwards."""
    samples, total = [], 5_000_000_000.0
    for i, rate in enumerate([0.0, *mbps]):
        total += rate * MBIT * every_s / 8
        samples.append(
            Sample(
                at_s=1_000.0 + i * every_s,
                stale_s=STALE_S,
                port="2",
                limit_bps=limit_bps,
                down_bytes=int(total),
                up_bytes=int(total / 10),
            )
        )
    return samples


def proves(samples: Sequence[Sample], bucket_bytes: int | None = None) -> bool:
    return passive.proves(passive.best(samples, "down", bucket_bytes), THETAS)


@pytest.mark.parametrize(
    ("samples", "bucket_bytes", "expected"),
    [
        pytest.param(counted(123.0), None, True, id="ten seconds at 123"),
        pytest.param(counted(121.0), None, False, id="ten seconds at 121 may be 96 and a bucket"),
        pytest.param(counted(118.0), 64_000, True, id="a bucket known to be small takes less away"),
        pytest.param(counted(*[100.0] * 9), 64_000, True, id="a full line of 100 after a minute and a half"),
        pytest.param(counted(*[100.0] * 7), 64_000, False, id="but not sooner"),
        pytest.param(counted(*[95.0] * 90), 64_000, False, id="a line of 95, however long"),
        pytest.param(counted(0, 0, 300.0, 0, 0), None, True, id="one peak among silence"),
        pytest.param(counted(500.0, every_s=8.0), None, False, id="too short"),
        pytest.param(counted(500.0, every_s=301.0), None, False, id="too long between two samples"),
        pytest.param(counted(), None, False, id="one sample"),
        pytest.param([], None, False, id="none"),
        pytest.param(counted(999.0, limit_bps=100e6), None, False, id="more than the port can carry"),
        pytest.param(counted(100.0, 900.0, 100.0, limit_bps=100e6), 64_000, False, id="a jump amid plausible traffic"),
    ],
)
def test_what_proves(samples: list[Sample], bucket_bytes: int | None, *, expected: bool) -> None:
    """8 (D - B) / (T + delta) must reach the middle of the thetas."""
    assert proves(samples, bucket_bytes) is expected


def test_the_bound_is_the_formula() -> None:
    """By hand: 150 Mbit/s for 10 s, a bucket of 1 MB, counters up to 2 s late."""
    proof = passive.best(counted(150.0), "down", MBYTE)
    assert proof is not None
    assert proof.at_least_bps == pytest.approx((150 * 10 - 8) / 12 * MBIT)
    assert (proof.seconds, proof.used_bytes) == (10, 150 * 10 * MBIT // 8)


def _later(samples: Sequence[Sample], **changes: object) -> list[Sample]:
    """The same with every sample but the first two changed."""
    return [*samples[:2], *(replace(sample, **changes) for sample in samples[2:])]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(_later(counted(60, 200), port="3"), id="another interface of this name"),
        pytest.param(_later(counted(60, 200), limit_bps=100e6), id="negotiated anew"),
        pytest.param(_later(counted(60, 200), down_bytes=10**9), id="reset"),
        pytest.param(_later(counted(60, 200), up_bytes=0), id="only the other direction was reset"),
        pytest.param(_later(counted(60, 200), at_s=1_009.0), id="a clock that goes back"),
        pytest.param(_later(counted(60, 200), at_s=1_010.0), id="no time passed"),
        pytest.param(_later(counted(60, 200), at_s=8_000.0), id="suspended in between"),
        pytest.param(_later(counted(60, 200), down_bytes=10**18), id="mad"),
    ],
)
def test_no_window_spans_a_break(broken: list[Sample]) -> None:
    """What lies before and after a break is two lines, not one."""
    assert proves(counted(60, 200))
    assert not proves(broken)
    assert passive.use_bps(broken, "down", 1_020.0) is None


@given(
    capacity_mbps=st.sampled_from([2.0, 20.0, 95.0]) | st.floats(1, 95),
    use=st.lists(st.tuples(st.floats(0, 1), st.floats(10, 60), st.floats(0, STALE_S)), min_size=1, max_size=30),
    bucket_bytes=st.sampled_from([64_000, 6 * MBYTE]),
    resets=st.sets(st.integers(0, 29), max_size=2),
)
def test_the_bound_never_exceeds_the_line(
    capacity_mbps: float, use: list[tuple[float, float, float]], bucket_bytes: int, resets: set[int]
) -> None:
    """Any traffic that a token bucket lets through, any lateness up to the bound, any resets: nothing false."""
    rate, now_s, tokens, samples = capacity_mbps * MBIT / 8, 0.0, float(bucket_bytes), []
    total = shown = 0.0
    for i, (ratio, seconds, late_s) in enumerate(use):
        burst = tokens + rate * seconds if ratio > 0.5 else ratio * rate * seconds
        tokens = min(bucket_bytes, tokens + rate * seconds - burst)
        shown = max(shown, total + burst - burst / seconds * late_s)
        total, now_s = total + burst, now_s + seconds
        if i in resets:
            total = shown = 0.0
        samples.append(Sample(at_s=now_s, stale_s=STALE_S, port="2", limit_bps=None, down_bytes=int(shown), up_bytes=0))
    proof = passive.best(samples, "down", bucket_bytes)
    assert proof is None or proof.at_least_bps <= capacity_mbps * MBIT * 1.000001
    assert not proves(samples, bucket_bytes)


def test_present_use() -> None:
    """The busiest interval of the last minute; unknown where it is not covered up to now."""
    samples = counted(10, 80, 20, 30, 40, 30, 20, 10)
    now_s = samples[-1].at_s + 5
    assert passive.use_bps(samples, "down", now_s) == pytest.approx(80 * MBIT)
    assert passive.use_bps(samples, "up", now_s) == pytest.approx(8 * MBIT, rel=1e-6)
    assert passive.use_bps(samples, "down", now_s + 60) is None
    assert passive.use_bps(samples[-3:], "down", now_s) is None
    assert passive.use_bps([], "down", now_s) is None


# --- the negotiated speed -------------------------------------------------------------------------------------------


def interface(net: Path, name: str = "wan0", **files: str) -> None:
    """An interface as sysfs shows it."""
    (net / name / "statistics").mkdir(parents=True, exist_ok=True)
    (net / name / "device").mkdir(exist_ok=True)
    shown = {"ifindex": "2", "operstate": "up", "speed": "1000", "duplex": "full"}
    shown |= {f"statistics/{d}_{what}": "0" for d in ("rx", "tx") for what in ("bytes", "packets")}
    for file, text in (shown | files).items():
        (net / name / file).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("files", "at_most_bps"),
    [
        ({"speed": "10"}, 10e6),
        ({"speed": "10", "duplex": "half"}, 10e6),
        ({"speed": "100", "duplex": "half"}, 100e6),
        ({"speed": "-1", "duplex": "half"}, 100e6),
        ({"speed": "100"}, None),
        ({"speed": "1000"}, None),
        ({"speed": "-1", "duplex": "unknown"}, None),
        ({"speed": "0"}, None),
        ({"speed": "4294967295"}, None),
        ({"speed": "fast"}, None),
        ({"speed": "10", "operstate": "down"}, None),
    ],
)
async def test_a_port_that_negotiated_too_little(
    files: dict[str, str], at_most_bps: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAIL for nothing below theta0 or with half duplex; what is unknown or down says nothing."""
    monkeypatch.setattr(meter, "_NET", tmp_path)
    interface(tmp_path, **files)
    (seen,) = wired(await bandwidth.observe(TARGET, (), context(tmp_path)))
    if at_most_bps is None:
        assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.NO_DATA)
    else:
        assert (seen.outcome, seen.mode, seen.bytes, seen.at_most_bps) == (Outcome.FAIL, "passive", 0, at_most_bps)
        assert "negotiated" in seen.detail


def test_virtual_interfaces_negotiate_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel that calls itself 10 Mbit/s is not believed; its traffic is counted all the same."""
    monkeypatch.setattr(meter, "_NET", tmp_path)
    interface(tmp_path, speed="10")
    (tmp_path / "wan0" / "device").rmdir()
    assert meter.negotiated("wan0") == (None, None)
    assert meter.negotiated("missing") == (None, None)
    sample = meter.read_interface("wan0", lambda: 7.0)
    assert sample is not None
    assert (sample.at_s, sample.limit_bps) == (7.0, None)


# --- the probe ------------------------------------------------------------------------------------------------------


def context(state_dir: Path, **changes: object) -> Context:
    settings = replace(SETTINGS, state_dir=str(state_dir))
    whole = Context(settings=settings, directives=DIRECTIVES, clock_good=True)
    return replace(whole, **changes)


async def test_a_pass_costs_nothing(tmp_path: Path) -> None:
    """All evidence is there, and it goes over the wire; also in the middle of a lesson."""
    lesson = replace(DIRECTIVES, quiet=((0.0, 4e9),))
    for directives in (DIRECTIVES, lesson):
        asked = context(tmp_path, directives=directives)
        (seen,) = wired(await bandwidth.observe(replace(TARGET, mode="auto"), counted(150, 150), asked))
        assert (seen.outcome, seen.mode, seen.bytes, seen.seconds) == (Outcome.PASS, "passive", 0, 20.0)
        assert seen.at_least_bps == pytest.approx((150 * 20 - 48) / 22 * MBIT)
        assert (seen.theta0_bps, seen.theta1_bps, seen.bucket_bytes) == (*THETAS, 6 * MBYTE)
        assert "150.0 Mbit/s used for 20 s" in seen.detail


async def test_a_fresh_bucket_makes_it_sharper(tmp_path: Path) -> None:
    """118 Mbit/s for 10 s proves a line whose bucket is known, for a week."""
    now_s = 1_800_000_000.0
    learned.keep(tmp_path, "wan", 64_000, now_s, "line")

    def seen(at_s: float) -> Outcome:
        return bandwidth.by_counters(TARGET, counted(118), context(tmp_path), THETAS, at_s).outcome

    assert (seen(now_s), seen(now_s + learned.FRESH_S + 1)) == (Outcome.PASS, Outcome.UNMEASURED)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"direction": "up"}, "only prove the download"),
        ({"beyond": "metro"}, "only prove the download"),
        ({"classroom": "r-1"}, "only prove the download"),
        ({"interface": None}, "interface or uplink_port"),
    ],
)
async def test_what_counters_cannot_prove(changes: dict[str, str | None], words: str, tmp_path: Path) -> None:
    """What is sent may be dropped behind the port; a room, an exit or an unnamed port is not the line."""
    (seen,) = await bandwidth.observe(replace(TARGET, **changes), counted(500, 500), context(tmp_path))
    assert (seen.outcome, seen.reason) == (Outcome.UNMEASURED, Reason.NO_DATA)
    assert words in seen.detail
    assert (seen.classroom, seen.beyond) == (changes.get("classroom"), changes.get("beyond"))


async def test_a_person_wants_a_test(tmp_path: Path) -> None:
    """On demand the counters are only quoted."""
    told: list[str] = []
    asked = context(tmp_path, on_demand=True, explain=told.append)
    (seen,) = await bandwidth.observe(TARGET, counted(500), asked)
    assert seen.outcome == Outcome.UNMEASURED
    assert "500.0 Mbit/s used for 10 s" in told[0]


# --- the meter ------------------------------------------------------------------------------------------------------


def test_one_source_for_all_its_targets() -> None:
    """Two targets of one port share its samples; samples are kept for two hours; a target without a port has none."""
    port = UplinkPort(host="10.0.0.1", port="GE0/0/24")
    targets = [TARGET, replace(TARGET, name="up", direction="up"), replace(TARGET, name="sw", uplink_port=port)]
    watched = meter.Meter([*targets, BandwidthTarget(name="bare", host="h")], lambda: 0.0, asking.session())
    assert set(watched._samples) == {"wan0", port}
    for at_s in range(0, 10_000, 10):
        watched.add("wan0", replace(counted()[0], at_s=float(at_s)))
    kept = watched.since("wan", 0.0)
    assert kept == watched.since("up", 0.0)
    assert (kept[0].at_s, kept[-1].at_s, len(watched.since("wan", 9_000.0))) == (2_790.0, 9_990.0, 100)
    assert all(a.at_s < b.at_s for a, b in pairwise(kept))
    assert [list(watched.since(name, 0.0)) for name in ("sw", "bare", "unknown")] == [[], [], []]


async def test_without_a_source_the_meter_ends_at_once() -> None:
    """An agent without bandwidth targets pays nothing."""
    bare = meter.Meter([BandwidthTarget(name="bare", host="h")], lambda: 0.0, asking.session())
    await asyncio.wait_for(bare.run(), 1)


@pytest.mark.parametrize("garbage", ["", "x", "1 2", "-"])
def test_counters_that_are_no_numbers(garbage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no sample."""
    monkeypatch.setattr(meter, "_NET", tmp_path)
    interface(tmp_path, **{"statistics/rx_packets": garbage})
    assert meter.read_interface("wan0", lambda: 0.0) is None
    assert meter.read_interface("gone", lambda: 0.0) is None


def test_linux_counters_are_layer_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 bytes more for each packet: a thousand full frames are 1,538,000 bytes."""
    monkeypatch.setattr(meter, "_NET", tmp_path)
    interface(tmp_path, **{"statistics/rx_bytes": "1514000", "statistics/rx_packets": "1000"})
    sample = meter.read_interface("wan0", lambda: 0.0)
    assert sample is not None
    assert (sample.down_bytes, sample.up_bytes, sample.limit_bps) == (1_538_000, 0, 1e9)


def test_switch_counters_are_layer_1() -> None:
    """20 bytes more for each packet, what the switch receives is the download, and nothing without 64 bits."""
    ifx = "1.3.6.1.2.1.31.1.1.1"
    values = {f"{ifx}.{column}.7": 1_000 for column in (7, 8, 9, 11, 12, 13)}
    values |= {f"{ifx}.6.7": 1_518_000, f"{ifx}.10.7": 64_000, f"{ifx}.15.7": 100}
    sample = meter.switch_sample(values, "7", 5.0, 6.0)
    assert sample is not None
    assert (sample.down_bytes, sample.up_bytes) == (1_518_000 + 60_000, 64_000 + 60_000)
    assert (sample.at_s, sample.stale_s, sample.limit_bps) == (5.0, 31.0, 100e6)
    fewer = meter.switch_sample({k: v for k, v in values.items() if k != f"{ifx}.8.7"}, "7", 5.0, 6.0)
    assert fewer is not None
    assert fewer.down_bytes == 1_518_000
    assert fewer.port != sample.port, "a count of packets that comes and goes must not look like traffic"
    assert meter.switch_sample({f"{ifx}.6.7": 1, f"{ifx}.10.7": b"x"}, "7", 5.0, 6.0) is None
    assert meter.switch_sample({}, "7", 5.0, 6.0) is None
    assert hash(UplinkPort(host="h", port="1", snmp=Snmp()))


def test_the_port_of_a_switch_needs_whole_credentials(tmp_path: Path) -> None:
    """SNMPv3 without keys is a mistake in the settings, found before anything starts."""
    token, config = tmp_path / "token", tmp_path / "agent.yml"
    token.touch(mode=0o600)
    token.write_text("secret\n")
    config.write_text(
        "gateway: gw-1\nlink: {kind: http, url: 'https://c.example', token_file: token}\ntargets:\n"
        "  - {kind: bandwidth, name: wan, host: r.example, uplink_port: {host: sw, port: GE24, snmp: {version: '3'}}}\n"
    )
    with pytest.raises(SettingsError) as found:
        load_settings(config)
    assert [str(problem).rpartition(" ")[2] for problem in found.value.problems] == [
        "user",
        "auth_key_file",
        "priv_key_file",
    ]


async def test_a_named_method_is_not_replaced(tmp_path: Path) -> None:
    """Whoever sets ``drain`` gets drain tests, whatever the counters prove."""
    asked = context(tmp_path)
    assert bandwidth.by_counters(replace(TARGET, mode="drain"), counted(500), asked, THETAS, 0.0) is None
    assert bandwidth.by_counters(replace(TARGET, mode="auto"), counted(500), asked, THETAS, 0.0) is not None
