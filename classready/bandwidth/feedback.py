"""The windows of an upload on their way back to the agent: eight of them in each feedback, newest last. Pure."""

from collections.abc import Sequence

from classready.bandwidth.decider import Window
from classready.bandwidth.packets import FEEDBACK_WINDOW, FEEDBACK_WINDOWS, Feedback

_NS = 10**9
_OPENING_MAX_BYTES = 70_000
"""A read holds at most 64 kB of payload in 64 packets (UDP_GRO_CNT_MAX in net/ipv4/udp_offload.c); this is layer 1."""


def opening(packet_count: int) -> Window:
    """Make what stands before the first window of a feedback: the packets of the read that opened it, no time."""
    return Window(seconds=0.0, received_bytes=0.0, sent_bps=0.0, received_count=packet_count)


def pack_windows(recent: Sequence[Window]) -> bytes:
    """Make the windows of a feedback; what does not fit (a sender with mad numbers) is cut to the largest that does."""
    packed = (
        FEEDBACK_WINDOW.pack(
            _fit(w.seconds * _NS, 8),
            _fit(w.received_count, 4),
            _fit(w.sent_bps, 8),
            _fit(w.wanted_bps, 8),
            _fit(w.queue_delay_s * _NS, 8),
            _fit(w.lost_count, 4),
            _fit(w.dropped_count, 4),
        )
        for w in recent[-FEEDBACK_WINDOWS:]
    )
    return b"".join(packed).rjust(FEEDBACK_WINDOWS * FEEDBACK_WINDOW.size, b"\0")


def unpack_windows(feedback: Feedback, after: int, packet_bytes: int, sent_ratio: float = 1.0) -> list[Window] | None:
    """Return the windows that come after the first ``after`` ones; None = some of them are lost for good.

    ``packet_bytes`` is what a packet occupies at layer 1, ``sent_ratio`` how much more that is than what the responder
    takes it for.
    """
    new_count = feedback.count - after
    if new_count > FEEDBACK_WINDOWS:
        return None
    fields = list(FEEDBACK_WINDOW.iter_unpack(feedback.windows))
    opening_count = fields[-1 - feedback.count][1] if feedback.count < FEEDBACK_WINDOWS else 0
    opening_bytes = opening_count * packet_bytes or _OPENING_MAX_BYTES
    return [
        Window(
            seconds=max(ns, 1) / _NS,
            received_bytes=received * packet_bytes,
            opening_bytes=0 if after + i else opening_bytes,
            sent_bps=sent_bps * sent_ratio,
            wanted_bps=wanted_bps,
            queue_delay_s=queue_ns / _NS,
            lost_count=lost,
            received_count=received,
            dropped_count=dropped,
        )
        for i, (ns, received, sent_bps, wanted_bps, queue_ns, lost, dropped) in enumerate(
            fields[FEEDBACK_WINDOWS - max(0, new_count) :]
        )
    ]


def _fit(value: float, size_bytes: int) -> int:
    return min(max(int(value), 0), (1 << 8 * size_bytes) - 1)
