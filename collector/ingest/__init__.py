"""The two doors for reports. Each answers only after the commit; whatever is refused is counted by its reason."""

from prometheus_client import Counter

from classready.codec import DecodedReport, MalformedReport, decode_report

REASONS = (
    "size", "depth", "json", "schema", "identity", "unknown_agent", "rate", "timeout", "internal", "unanswerable",
    "twin", "revoked",
)  # fmt: skip

MESSAGES_RECEIVED = Counter("classready_collector_messages_received", "Reports that arrived, over either link.")
MESSAGES_REJECTED = Counter("classready_collector_messages_rejected", "Reports refused as a whole.", ["reason"])
for _reason in REASONS:
    MESSAGES_REJECTED.labels(_reason)


class ForeignReportError(Exception):
    """The report names another gateway than the one that sent it."""


def decode_from(gateway: str, body: bytes) -> DecodedReport:
    """Decode a report that came with the credential of ``gateway``; count it if it is refused.

    Raises:
        MalformedReport, ForeignReportError: the sender's fault.
    """
    try:
        decoded = decode_report(body)
    except MalformedReport as error:
        MESSAGES_REJECTED.labels(error.reason).inc()
        raise
    if decoded.report.gateway != gateway:
        MESSAGES_REJECTED.labels("identity").inc()
        raise ForeignReportError(decoded.report.gateway)
    return decoded
