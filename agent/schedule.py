"""When a target is due. Pure: no clock and no randomness; what is spread is spread by hashing names.

Times are seconds on any one monotonic clock.
"""

import hashlib
from typing import Final

ROOM_S: Final = 60.0
"""Whoever begins so long before the end of a span ends within it, also after another target."""


def phase(gateway: str, target: str) -> float:
    """Where in its interval a target of a gateway stands, in [0, 1): the same after every restart."""
    # Not hash(): it is salted anew in each process, and a restart would move all targets.
    digest = hashlib.blake2b(f"{gateway}/{target}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def first_start(now_s: float, interval_s: float, phase_ratio: float) -> float:
    """Spread first starts over the interval, so that a start of the program is not a burst of probes."""
    return now_s + phase_ratio * interval_s


def next_start(previous_s: float, now_s: float, interval_s: float, phase_ratio: float) -> float:
    """Return when to start again: never earlier than one interval after the previous start.

    A little late means at once. Late by an interval or more means that the machine slept: then every target is late
    together, and they are spread again.
    """
    due_s = previous_s + interval_s
    if now_s - due_s >= interval_s:
        return first_start(now_s, interval_s, phase_ratio)
    return max(due_s, now_s)


def moment(start_s: float, end_s: float, phase_ratio: float) -> float:
    """Return when to start within a span, at least ``ROOM_S`` before its end, or at its start if it is shorter.

    The phase spreads the gateways of a fleet over the span.
    """
    return start_s + phase_ratio * max(0.0, end_s - start_s - ROOM_S)
