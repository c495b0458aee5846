"""How many messages an office gets: never more than a few in a window, whatever falls.

Each message has all that is due, or will be within a minute: a reader of two messages a minute apart would have liked
one. One message of a window may be without a beginning (more rooms joined, some are well again), and never its last
one: what else there is of that kind goes along with what begins, or waits for the next window.
"""

from collections.abc import Sequence
from typing import Final

from collector.core.bureau.words import Notice
from collector.core.policy import Policy

COMPANY_WAITS: Final = 2
"""What is due within so many times `group_wait_s` goes along with a message that goes now."""


def free_at(sent_at: Sequence[float], policy: Policy) -> float:
    """Return from when on one more message with a beginning may go; ``sent_at`` is in order.

    Whoever waits compares with this very number: ``at + window > now`` and ``now - at < window`` differ by rounding.
    """
    return _free_at(sent_at, policy.messages_per_window, policy)


def free_of_beginnings_at(sent_at: Sequence[float], followed_at: float | None, policy: Policy) -> float:
    """Return the same for a message without a beginning; ``followed_at``: when the last one of these went."""
    free_at = _free_at(sent_at, max(1, policy.messages_per_window - 1), policy)
    return free_at if followed_at is None else max(free_at, followed_at + policy.message_window_s)


def _free_at(sent_at: Sequence[float], most: int, policy: Policy) -> float:
    return sent_at[-most] + policy.message_window_s if len(sent_at) >= most else 0.0


def noted(sent_at: Sequence[float], now: float, policy: Policy) -> tuple[float, ...]:
    """Add the message that goes now; what the limit no longer asks is forgotten."""
    return (*sent_at, now)[-policy.messages_per_window :]


def together(notices: Sequence[Notice]) -> Notice:
    """One message of several; one alone is a message by itself."""
    if len(notices) == 1:
        return notices[0]
    return Notice(
        kind="several",
        incident="",
        office=notices[0].office,
        cause=None,
        at=notices[0].at,
        since=min(notice.since for notice in notices),
        members=tuple(member for notice in notices for member in notice.members),
        parts=tuple(notices),
    )
