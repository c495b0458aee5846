"""The only writer: reports and time in, verdicts and messages out, everything of one batch in one transaction."""

from collector.engine.engine import Engine
from collector.engine.errors import (
    CommitFailedError,
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
    "NotAppliedError",
    "ObjectedAlreadyError",
    "QueueFullError",
    "TooManyObjectionsError",
    "TwinError",
    "UnknownGatewayError",
]
