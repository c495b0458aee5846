"""What a notifier is: something that delivers one message, or says why it did not."""

from collections.abc import Sequence
from typing import Literal, Protocol

from collector.notify.message import Message

DeferredReason = Literal[
    "rate", "busy", "timeout", "unreachable", "http_status", "redirect", "bad_reply", "http_refused", "unknown_code"
]
"""``bad_reply``, ``http_refused`` and ``unknown_code`` may be about the message itself: the outbox ends such tries."""
RefusedReason = Literal["too_long", "rejected"]
SettingReason = Literal[
    "invalid_robot",
    "bad_signature",
    "bad_clock",
    "bad_address",
    "no_keyword",
    "bad_login",
    "bad_sender",
    "bad_recipient",
]
"""What only people can mend: a secret, an address, the machine's clock, the robot's list of addresses or of words."""


class _NotTaken(Exception):  # noqa: N818 - not an error: the message is kept and sent later, or told as lost
    """``code`` is the receiver's own; ``said`` its words, short and without secrets, for who looks for the cause."""

    def __init__(self, reason: str, code: int | None, said: str) -> None:
        super().__init__(reason if code is None else f"{reason} ({code})")
        self.said = said


class Deferred(_NotTaken):
    """Not delivered now; worth trying again after ``retry_after_s``."""

    def __init__(self, reason: DeferredReason, retry_after_s: float, code: int | None = None, said: str = "") -> None:
        super().__init__(reason, code, said)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Refused(_NotTaken):
    """Never to be delivered as it is: trying again is useless."""

    def __init__(self, reason: RefusedReason | SettingReason, code: int | None = None, said: str = "") -> None:
        super().__init__(reason, code, said)
        self.reason = reason


class Misconfigured(Refused):
    """Whatever is sent is refused until somebody mends a setting, here or at the robot: to be told once, loudly."""

    def __init__(self, reason: SettingReason, code: int | None = None, said: str = "") -> None:
        super().__init__(reason, code, said)


class Notifier(Protocol):
    def parts(self, message: Message) -> Sequence[Message]:
        """Return ``message`` as the receiver takes it: whole, or cut into several, to be sent in this order."""

    async def send(self, message: Message) -> str:
        """Deliver one part; return what the receiver said, for people.

        Raises:
            Deferred: try again later.
            Refused: give up; ``Misconfigured`` = and tell people to mend the setting.
        """
