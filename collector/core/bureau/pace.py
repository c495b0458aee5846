"""How many messages an office gets: never more than a few in a window, whatever falls."""

from collections.abc import Sequence

from collector.core.policy import Policy


def free_at(sent_at: Sequence[float], policy: Policy) -> float:
    """Return from when on one more message may go; ``sent_at`` is in order.

    Whoever waits compares with this very number: ``at + window > now`` and ``now - at < window`` differ by rounding.
    """
    if len(sent_at) < policy.messages_per_window:
        return 0.0
    return sent_at[-policy.messages_per_window] + policy.message_window_s


def noted(sent_at: Sequence[float], now: float, policy: Policy) -> tuple[float, ...]:
    """Add the message that goes now; what the limit no longer asks is forgotten."""
    return (*sent_at, now)[-policy.messages_per_window :]
