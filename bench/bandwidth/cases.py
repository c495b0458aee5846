"""The table of lines: what each one is, and which verdict on it is right."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from classready.observation import Outcome

Mode = Literal["quick", "drain"]
Direction = Literal["down", "up"]
Kind = Literal["tbf", "htb", "policer"]
Cross = Literal["udp", "tcp"]

MODES: Final[tuple[Mode, ...]] = ("quick", "drain")
DIRECTIONS: Final[tuple[Direction, ...]] = ("down", "up")
RATES_MBPS: Final = (20.0, 50.0, 80.0, 90.0, 95.0, 97.0, 100.0, 105.0, 120.0, 150.0, 300.0, 1000.0)
BURSTS_BYTES: Final = (16_000, 64_000, 1_000_000, 5_000_000)
FAIL_TO_MBPS: Final = 95.0
PASS_FROM_MBPS: Final = 100.0
CROSS_SHARE: Final = 0.4
RTT_S: Final = 0.020


class Case(Struct, frozen=True, kw_only=True):
    """One line, one direction, and the mode that is asked for there.

    ``cross`` fills CROSS_SHARE of the line with other traffic; ``hog`` keeps one core busy; ``rtt_s`` > 0 puts a
    delaying relay on the way.
    """

    mode: Mode
    direction: Direction
    rate_mbps: float
    burst_bytes: int
    kind: Kind = "tbf"
    cross: Cross | None = None
    hog: bool = False
    rtt_s: float = 0.0

    @property
    def plain(self) -> bool:
        return self.kind == "tbf" and self.cross is None and not self.hog and not self.rtt_s

    @property
    def condition(self) -> str:
        """What is special about it, for people."""
        extras = [f"40 % {self.cross}"] if self.cross else []
        extras += ["hog"] if self.hog else []
        extras += [f"{self.rtt_s * 1_000:.0f} ms"] if self.rtt_s else []
        return " + ".join([self.kind, *extras])

    @property
    def line(self) -> str:
        return f"{self.direction} {self.rate_mbps:.4g} Mbit/s {self.burst_bytes / 1_000:.0f} kB {self.condition}"

    def __str__(self) -> str:
        return f"{self.mode} {self.line}"


def right_verdict(rate_mbps: float) -> Outcome | None:
    """None = either: between the thresholds no verdict is wrong."""
    if rate_mbps <= FAIL_TO_MBPS:
        return Outcome.FAIL
    return Outcome.PASS if rate_mbps >= PASS_FROM_MBPS else None


def drawn_rates(rng: random.Random) -> list[float]:
    """Half of them below the threshold and half above it, crowded towards it."""
    slow = [FAIL_TO_MBPS * math.exp(-(rng.random() ** 2) * math.log(FAIL_TO_MBPS / 20)) for _ in range(6)]
    fast = [PASS_FROM_MBPS * math.exp(rng.random() ** 2 * math.log(1_000 / PASS_FROM_MBPS)) for _ in range(6)]
    return sorted(round(rate, 1) for rate in slow + fast)


def drawn_bursts(rng: random.Random) -> list[int]:
    """One that is small enough for quick tests, and three of any size."""
    tops = (64_000, 5_000_000, 5_000_000, 5_000_000)
    return sorted(round(16_000 * math.exp(rng.random() * math.log(top / 16_000))) for top in tops)


def table(
    modes: Sequence[Mode], directions: Sequence[Direction], rates: Sequence[float], bursts: Sequence[int]
) -> Iterator[Case]:
    """Every rate with every bucket on a plain line; the harder conditions close to the threshold."""
    for mode in modes:
        for direction in directions:
            plain = [
                Case(mode=mode, direction=direction, rate_mbps=rate, burst_bytes=burst)
                for rate in rates
                for burst in bursts
            ]
            yield from plain
            edges = [case for case in plain if case.rate_mbps in _edges(rates)]
            small = [case for case in edges if case.burst_bytes == min(bursts)]
            large = [case for case in edges if case.burst_bytes == max(bursts) > min(bursts)]
            # A large bucket makes a quick test dear, so the product does not make one.
            for case in small if mode == "quick" else small + large:
                yield replace(case, kind="htb")
                yield replace(case, kind="policer")
                yield replace(case, hog=True)
            for case in small:
                yield replace(case, cross="udp")
                yield replace(case, cross="tcp")
                yield replace(case, rtt_s=RTT_S)


def _edges(rates: Sequence[float]) -> list[float]:
    """The two rates on either side of the threshold that are nearest to it."""
    slow = sorted(rate for rate in rates if rate <= FAIL_TO_MBPS)[-2:]
    fast = sorted(rate for rate in rates if rate >= PASS_FROM_MBPS)[:2]
    return slow + fast
