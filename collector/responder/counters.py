"""What the responder counts, whichever way a test comes."""

from prometheus_client import Counter

from classready.bandwidth.packets import Direction, End

tests = Counter("classready_responder_tests", "Bandwidth tests that put a load on the line", ["end"])
refusals = Counter("classready_responder_refusals", "Requests of proven addresses that got no lease", ["reason"])
ignored = Counter("classready_responder_ignored_packets", "Datagrams and connections without an answer", ["reason"])
sent = Counter("classready_responder_sent_bytes", "Load sent, layer-1 equivalent")
received = Counter("classready_responder_received_bytes", "Load received, layer-1 equivalent")


def count(direction: int, layer1_bytes: int, end: End) -> None:
    """Count one load that has ended."""
    tests.labels(end.name.lower()).inc()
    (sent if direction == Direction.DOWN else received).inc(layer1_bytes)
