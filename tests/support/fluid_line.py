"""A line as a fluid: token bucket, then a queue. It stands in for the network in tests of the pure decider."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from classready.bandwidth.decider import Continue, Decider, Result, SetRate, Window
from classready.units import bps, bps_to_bytes_per_s, bytes_to_bits

STEP_S = 0.001
WINDOW_STEPS = 10
PACKET_BYTES = 1530


@dataclass
class FluidLine:
    """``rate_bps`` sustained, ``bucket_bytes`` of saved-up tokens (full at first), ``queue_bytes`` before loss."""

    rate_bps: float
    bucket_bytes: float = 32_000
    queue_bytes: float = 400_000
    port_bps: float = 1e9
    loss_ratio: float = 0.0

    def __post_init__(self) -> None:
        self._tokens, self._backlog = self.bucket_bytes, 0.0

    def step(self, offered_bytes: float) -> tuple[float, float]:
        """(delivered, lost) bytes of one step."""
        self._tokens += bps_to_bytes_per_s(self.rate_bps) * STEP_S
        self._backlog += offered_bytes
        out = min(self._backlog, self._tokens, bps_to_bytes_per_s(self.port_bps) * STEP_S)
        self._tokens = min(self._tokens - out, self.bucket_bytes)
        self._backlog -= out
        lost = max(0.0, self._backlog - self.queue_bytes)
        self._backlog -= lost
        return out * (1 - self.loss_ratio), lost + out * self.loss_ratio

    @property
    def delay_s(self) -> float:
        return bytes_to_bits(self._backlog) / self.rate_bps


@dataclass
class Cost:
    result: Result
    sent_bytes: float
    seconds: float
    rates_bps: list[float]


def run(
    decider: Decider,
    line: FluidLine,
    *,
    can_send: Callable[[float], bool] = lambda _at_s: True,
    sender_max_bps: float = 1e12,
    receiver_drops: float = 0.0,
    sigma: float = 0.0,
    seed: int = 0,
    window_steps: int = WINDOW_STEPS,
    catch_up_s: float = 0.0,
) -> Cost:
    """Put ``decider`` on ``line`` until it decides. ``can_send`` false = the sender is stalled and sends nothing.

    After a stall of up to ``catch_up_s`` it sends at once what was due meanwhile.
    """
    rng = random.Random(seed)
    rate_bps, at_s, total = decider.rate_bps, 0.0, 0.0
    rates = [rate_bps]
    owed_s = 0.0
    while True:
        sent = arrived = lost = late_s = 0.0
        for i in range(1, window_steps + 1):
            per_s = bps_to_bytes_per_s(min(rate_bps, sender_max_bps))
            owed_s += STEP_S
            step = 0.0
            if can_send(at_s):
                step, owed_s = per_s * (owed_s if owed_s - STEP_S <= catch_up_s else STEP_S), 0.0
            out, gone = line.step(step)
            sent, arrived, lost, at_s = sent + step, arrived + out, lost + gone, at_s + STEP_S
            late_s = max(late_s, i * STEP_S - bytes_to_bits(sent) / rate_bps)
        total += sent
        dropped = arrived * receiver_drops
        seconds = window_steps * STEP_S
        window = Window(
            seconds=seconds,
            received_bytes=max(0.0, (arrived - dropped) * (1 + rng.gauss(0, sigma))),
            sent_bps=bps(sent, seconds),
            wanted_bps=rate_bps,
            late_s=late_s,
            queue_delay_s=line.delay_s,
            lost_count=round((lost + dropped) / PACKET_BYTES),
            received_count=round((arrived - dropped) / PACKET_BYTES),
            dropped_count=round(dropped / PACKET_BYTES),
        )
        match decider.feed(window):
            case Continue():
                continue
            case SetRate(rate):
                rate_bps = rate
                rates.append(rate)
            case Result() as result:
                return Cost(result, total, at_s, rates)
