"""The only writer: reports and time in, verdicts and messages out, everything of one batch in one transaction."""

from collector.engine.engine import Engine
from collector.engine.errors import (
    CommitFailedError,
    EnrolmentRefusedError,
    NotAppliedError,
    ObjectedAlreadyError,
    QueueFullError,
    TooManyObjectionsError,
    TwinError,
    UnknownGatewayError,
)

__all__ = [
    "CommitFailedError",
    "Engine",
    "EnrolmentRefusedError",
    "NotAppliedError",
    "ObjectedAlreadyError",
    "QueueFullError",
    "TooManyObjectionsError",
    "TwinError",
    "UnknownGatewayError",
]
