"""How many messages an office gets: never more than a few in a window, whatever falls.

What the limit does not let go by itself goes along: where messages are about to run out, one has all that is due. And
the last message of a window is kept for what begins: that more rooms joined or some are well again goes along with it,
or waits for the next window.
"""

from collections.abc import Sequence
from typing import Literal

from collector.core.bureau.words import Notice
from collector.core.policy import Policy


def free_at(sent_at: Sequence[float], policy: Policy, *, begins: bool = True) -> float:
    """Return from when on one more message may go; ``sent_at`` is in order. ``begins``: it has something new.

    Whoever waits compares with this very number: ``at + window > now`` and ``now - at < window`` differ by rounding.
    """
    most = policy.messages_per_window if begins else max(1, policy.messages_per_window - 1)
    return sent_at[-most] + policy.message_window_s if len(sent_at) >= most else 0.0


def free_count(sent_at: Sequence[float], now: float, policy: Policy) -> int:
    """Return how many messages may go now."""
    recent = sent_at[-policy.messages_per_window :]
    return policy.messages_per_window - sum(at + policy.message_window_s > now for at in recent)


def noted(sent_at: Sequence[float], now: float, policy: Policy) -> tuple[float, ...]:
    """Add the message that goes now; what the limit no longer asks is forgotten."""
    return (*sent_at, now)[-policy.messages_per_window :]


def together(notices: Sequence[Notice]) -> Notice:
    """One message of several; one alone is a message by itself."""
    return notices[0] if len(notices) == 1 else combined("several", notices)


def combined(kind: Literal["several", "digest"], notices: Sequence[Notice]) -> Notice:
    return Notice(
        kind=kind,
        incident="",
        office=notices[0].office,
        cause=None,
        at=notices[0].at,
        since=min(notice.since for notice in notices),
        members=tuple(member for notice in notices for member in notice.members),
        parts=tuple(notices),
    )
