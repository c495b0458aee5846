"""The only writer: reports and time in, verdicts and messages out, everything of one batch in one transaction."""

from collector.engine.writer import CommitFailedError, Engine, NotAppliedError, QueueFullError, UnknownGatewayError

__all__ = ["CommitFailedError", "Engine", "NotAppliedError", "QueueFullError", "UnknownGatewayError"]
