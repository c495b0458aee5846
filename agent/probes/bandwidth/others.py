"""What others send through the port of an upload, by the port's counters.

The responder sees only our packets. Where the bottleneck is the port itself (a shaper on this gateway holds our packets
back), the port counts what the line carries, others' part included. Where it is further on, the port counts what is
offered: what of it arrives for others is not known.
"""

import fcntl
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from classready.bandwidth import windows
from classready.bandwidth.decider import Window
from classready.bandwidth.pacing import Throttle
from classready.units import COUNTED_OVERHEAD_BYTES, ETHERNET_OVERHEAD_BYTES, MBIT, bps, layer1_bytes

SLACK_BYTES: Final = 100_000
"""So much may be on the way between the port and the responder's last word."""
WINDOW_S: Final = 0.02
"""Others' packets come in bunches of up to 64 kB."""
HOPELESS_AFTER_S: Final = 0.3
_PRESENT_FROM_BPS = 1 * MBIT
_HELD_BACK_BYTES = 30_000
"""More than two batches: fewer wait for a moment at any port."""
_JOINED_BELOW = 0.9
_FULL_FRAME_BYTES = 1_500 + ETHERNET_OVERHEAD_BYTES
_TO_LAYER1 = _FULL_FRAME_BYTES / (_FULL_FRAME_BYTES - COUNTED_OVERHEAD_BYTES)
_TIOCOUTQ = 0x5411  # not in the socket module; asm-generic/ioctls.h
_int = struct.Struct("@i")


class _Counted(NamedTuple):
    """One moment: what went through the port, what we sent, and what of it had arrived."""

    at_s: float
    through_bytes: int
    through_count: int
    sent_count: int
    call_count: int
    received_count: int


class OtherSenders:
    """Sees whether others send, and measures at the port while they do."""

    def __init__(self, interface: str | None, sock: socket.socket, payload_bytes: int, family_bytes: int) -> None:
        self._interface = interface or ""
        self._sock = sock
        self._payload_bytes = payload_bytes
        self._packet_bytes = layer1_bytes(payload_bytes, family_bytes)
        self._head_bytes = layer1_bytes(0, family_bytes) - COUNTED_OVERHEAD_BYTES
        self._first: _Counted | None = None
        self._last: _Counted | None = None
        self._received_count = 0
        self._pending: Window | None = None
        self.present = False
        """Whether others were seen to send."""
        self.held_back = False
        """Whether the port was seen to hold our packets back."""

    @property
    def hopeless(self) -> bool:
        """Whether waiting longer tells no more: others send, and what of it arrives is not known."""
        waited_s = self._last.at_s - self._first.at_s if self._first and self._last else 0.0
        return self.present and not self.held_back and waited_s > HOPELESS_AFTER_S

    def watch(self, seconds: float, wait: Callable[[float], object]) -> None:
        """See before our load whether others send."""
        before = windows.sent_through(self._interface)
        wait(seconds)
        after = windows.sent_through(self._interface)
        if before is not None and after is not None:
            self.present = bps(after[0] - before[0], seconds) > _PRESENT_FROM_BPS

    def add(self, window: Window, throttle: Throttle) -> Window | None:
        """Take what the responder saw; return what the line carried, None = the window is not long enough yet."""
        self._received_count += window.received_count
        window, self._pending = windows.joined(self._pending, window), None
        now = self._count(throttle)
        if now is None:
            return window
        self._first, self._last = self._first or now, self._last or now
        self.held_back |= _waiting_bytes(self._sock) > _HELD_BACK_BYTES
        self.present |= self._others_bytes(self._first, now) > SLACK_BYTES
        if not self.present:
            self._last = now
            return window
        if now.at_s - self._last.at_s < WINDOW_S:
            self._pending = window
            return None
        last, self._last = self._last, now
        own_bytes = float((now.received_count - last.received_count) * self._packet_bytes)
        others_bytes = self._others_bytes(last, now)
        if not self.held_back:
            return replace(window, cross_bytes=max(0.0, others_bytes), cross_sure=False)
        all_bytes = max(0.0, own_bytes + others_bytes)
        own_bytes = min(own_bytes, all_bytes)
        return replace(
            window,
            seconds=now.at_s - last.at_s,
            received_bytes=own_bytes,
            cross_bytes=all_bytes - own_bytes,
        )

    def _count(self, throttle: Throttle) -> _Counted | None:
        at_s, through = time.monotonic(), windows.sent_through(self._interface)
        if through is None:
            return None
        return _Counted(at_s, *through, throttle.packet_count, throttle.call_count, self._received_count)

    def _others_bytes(self, start: _Counted, now: _Counted) -> float:
        """Layer-1 equivalent. Less than 0 when news of what arrived is early."""
        sent_count, call_count = now.sent_count - start.sent_count, now.call_count - start.call_count
        own_count = now.received_count - start.received_count if self.held_back else sent_count
        joined = now.through_count - start.through_count < _JOINED_BELOW * own_count
        head_count = own_count * call_count / max(sent_count, 1) if joined else own_count
        own_bytes = own_count * self._payload_bytes + head_count * self._head_bytes
        return (now.through_bytes - start.through_bytes - own_bytes) * _TO_LAYER1


def _waiting_bytes(sock: socket.socket) -> int:
    """What the socket has given to the port and the port has not sent, as the kernel counts it (with overhead)."""
    (waiting,) = _int.unpack(fcntl.ioctl(sock, _TIOCOUTQ, bytes(_int.size)))
    return int(waiting)
