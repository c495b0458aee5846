"""What a notifier is: something that delivers one message, or says why it did not."""

from typing import Literal, Protocol

from collector.notify.message import Message

DeferredReason = Literal[
    "rate", "busy", "timeout", "unreachable", "http_status", "redirect", "bad_reply", "http_refused", "unknown_code"
]
"""``bad_reply``, ``http_refused`` and ``unknown_code`` may be about the message itself: the outbox ends such tries."""
RefusedReason = Literal["too_long", "invalid_robot", "rejected"]


class Deferred(Exception):  # noqa: N818 - not an error: the message is kept and sent later
    """Not delivered now; worth trying again after ``retry_after_s``. ``code`` is the robot's own, for the log."""

    def __init__(self, reason: DeferredReason, retry_after_s: float, code: int | None = None) -> None:
        super().__init__(reason if code is None else f"{reason} ({code})")
        self.reason = reason
        self.retry_after_s = retry_after_s


class Refused(Exception):  # noqa: N818
    """Never to be delivered as it is: trying again is useless."""

    def __init__(self, reason: RefusedReason, code: int | None = None) -> None:
        super().__init__(reason if code is None else f"{reason} ({code})")
        self.reason = reason


class Notifier(Protocol):
    async def send(self, message: Message) -> None:
        """Deliver.

        Raises:
            Deferred: try again later.
            Refused: give up.
        """
