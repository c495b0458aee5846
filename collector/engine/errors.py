"""Why a report was not taken, and whose fault that is."""

from typing import Literal

EnrolmentRefusal = Literal["unknown", "used", "expired", "revoked", "wrong_school", "not_listed"]


class UnknownGatewayError(Exception):
    """The gateway is not in the roster (any more)."""


class TwinError(Exception):
    """Another machine reports under this gateway's identity, and was there first."""


class QueueFullError(Exception):
    """Too much waits already: try again later."""


class CommitFailedError(Exception):
    """The store did not take it; nothing of it was kept."""


class NotAppliedError(Exception):
    """Something in this report breaks its transaction, alone as well: to send it again in this form helps nobody."""


class ObjectedAlreadyError(Exception):
    """An objection about the same waits for its tests since ``at``."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at


class TooManyObjectionsError(Exception):
    """The school had as many as it may have in a day."""


class EnrolmentRefusedError(Exception):
    """The code gives no token: ``reason`` says why, in a word of ``EnrolmentRefusal``."""

    def __init__(self, reason: EnrolmentRefusal) -> None:
        super().__init__(reason)
        self.reason: EnrolmentRefusal = reason
