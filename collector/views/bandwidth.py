"""Capacities, and the bandwidth tests that they rest on."""

from collections.abc import Iterator

from msgspec import Struct

from classready.observation import Bandwidth, WindowSummary
from collector.core.evidence import BandwidthTest, Leg, UplinkState
from collector.core.link import leg_interval, test_interval
from collector.core.state import Interval
from collector.core.words import Direction
from collector.text import Language, ago, capacity, duration, rate, reason, say, size


class Capacity(Struct, frozen=True, kw_only=True):
    at_least_bps: float | None
    at_most_bps: float | None
    estimate_bps: float | None
    half_duplex: bool
    text: str


class TestView(Struct, frozen=True, kw_only=True):
    observed_at: float
    age_text: str
    passed: bool
    mode: str | None
    bytes: int | None
    seconds: float | None
    theta0_bps: float | None
    theta1_bps: float | None
    bucket_bytes: int | None
    loss_ratio: float | None
    windows: WindowSummary | None
    capacity: Capacity
    text: str
    evidence_text: str
    """What the result rests on, on one line."""


class UplinkView(Struct, frozen=True, kw_only=True):
    gateway: str
    target: str
    beyond: str | None
    """The exit of the metropolitan network that was tested with the line."""
    direction: Direction
    capacity: Capacity
    tests: tuple[TestView, ...]
    last_unmeasured_at: float | None
    """Set while the newest attempt brought no result."""
    last_unmeasured_reason: str | None
    text: str


def capacity_view(interval: Interval, language: Language) -> Capacity:
    return Capacity(
        at_least_bps=interval.at_least_bps,
        at_most_bps=interval.at_most_bps,
        estimate_bps=interval.estimate_bps,
        half_duplex=interval.half_duplex,
        text=capacity(interval, language),
    )


def uplink_view(uplink: UplinkState, now: float, language: Language) -> UplinkView:
    known = capacity_view(leg_interval(uplink), language)
    why = uplink.last_unmeasured_reason if uplink.waits else None
    return UplinkView(
        gateway=uplink.gateway,
        target=uplink.target,
        beyond=uplink.beyond,
        direction=uplink.direction,
        capacity=known,
        tests=tuple(_test(test, now, language) for test in reversed(uplink.tests)),
        last_unmeasured_at=uplink.last_unmeasured_at if uplink.waits else None,
        last_unmeasured_reason=why and reason(why, language),
        text=leg_text(uplink, language),
    )


def leg_text(leg: Leg, language: Language) -> str:
    known = f"{say(f'direction.{leg.direction}', language)} {capacity(leg_interval(leg), language)}"
    beyond = leg.beyond if isinstance(leg, UplinkState) else None
    return known if beyond is None else say("evidence.beyond", language, exit=beyond, known=known)


_OF_THE_TEST = tuple(name for name in TestView.__struct_fields__ if name in Bandwidth.__struct_fields__)


def _test(test: BandwidthTest, now: float, language: Language) -> TestView:
    interval = test_interval(test)
    return TestView(
        observed_at=test.observed_at,
        age_text=ago(test.observed_at, now, language),
        passed=test.passed,
        capacity=capacity_view(interval, language),
        text=_test_text(test, capacity(interval, language), language),
        evidence_text=" · ".join(evidence_of_test(test, language)),
        **{name: getattr(test.seen, name) for name in _OF_THE_TEST},
    )


def _test_text(test: BandwidthTest, measured: str, language: Language) -> str:
    text = f"{say('test.passed' if test.passed else 'test.failed', language)} {measured}"
    seen = test.seen
    if seen.bytes is None or seen.seconds is None:
        return text
    used = "test.watched" if seen.mode == "passive" else "test.cost"
    cost = say(used, language, bytes=size(seen.bytes, language), seconds=duration(seen.seconds, language))
    return f"{text} · {cost}"


def evidence_of_test(test: BandwidthTest, language: Language) -> Iterator[str]:
    """Result, method, thresholds, and what the line did meanwhile, as far as the agent said so."""
    seen = test.seen
    yield _test_text(test, capacity(test_interval(test), language), language)
    if seen.mode is not None:
        yield say(f"mode.{seen.mode}", language)
    if seen.theta0_bps is not None and seen.theta1_bps is not None:
        low, high = rate(seen.theta0_bps, language), rate(seen.theta1_bps, language)
        yield say("test.thetas", language, low=low, high=high)
    if seen.bucket_bytes is not None:
        yield say("test.bucket", language, bytes=size(seen.bucket_bytes, language))
    if seen.loss_ratio is not None:
        yield say("test.loss", language, ratio=f"{seen.loss_ratio * 100:.1f}".removesuffix(".0"))
    if seen.windows is not None:
        yield from _windows_evidence(seen.windows, language)


def _windows_evidence(windows: WindowSummary, language: Language) -> Iterator[str]:
    known = (windows.min_bps, windows.median_bps, windows.max_bps)
    rates = [rate(rate_bps, language) for rate_bps in known if rate_bps is not None]
    if windows.count is not None and len(rates) == len(known):
        low, middle, high = rates
        yield say("test.windows", language, count=windows.count, low=low, middle=middle, high=high)
    if windows.cross_bytes is not None:
        yield say("test.cross", language, bytes=size(windows.cross_bytes, language))
    if windows.max_queue_s is not None:
        yield say("test.queue", language, duration=duration(windows.max_queue_s, language))
