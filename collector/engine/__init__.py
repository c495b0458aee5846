"""The only writer: reports and time in, verdicts and messages out, everything of one batch in one transaction."""

from collector.engine.errors import CommitFailedError, NotAppliedError, QueueFullError, UnknownGatewayError
from collector.engine.writer import Engine

__all__ = ["CommitFailedError", "Engine", "NotAppliedError", "QueueFullError", "UnknownGatewayError"]
