"""The load of one lease: a download that is measured here, or an upload that the responder measures."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from agent.probes.bandwidth import plot
from agent.probes.bandwidth.exchange import POLL_S, Test, Unfinished, check, datagrams
from agent.probes.bandwidth.others import OtherSenders
from classready.bandwidth import pacing, windows
from classready.bandwidth.decider import Continue, Decider, Decision, Result, SetRate, Window
from classready.bandwidth.feedback import unpack_windows
from classready.bandwidth.packets import (
    Command,
    Control,
    End,
    Feedback,
    Grant,
    Report,
    lease_key,
    seal,
    unseal,
)
from classready.observation import Outcome, Reason
from classready.units import COUNTED_OVERHEAD_BYTES, bps, bps_to_mbps, layer1_bytes

_SILENCE_S = 0.3
_OPEN_TRY_S, _OPEN_TRIES = 0.1, 10
_REPORT_TRY_S, _REPORT_TRIES = 0.1, 5
_EXPLAIN_EVERY = 5
_WINDOW_MAX_S = 0.05
_WATCH_S = 0.05
_AFTERWARDS_S = 0.1
_DISTURBED_FROM, _DISTURBED_FROM_BYTES = 0.01, 4_000

OTHERS = (Reason.NO_DATA, "others used the line; what it carried for them is unknown")
_STOPPED = (Reason.NO_DATA, "the responder ended the test")
_ENDS: dict[int, tuple[Reason, str]] = {
    End.SILENT: (Reason.NO_DATA, "the responder no longer heard this agent"),
    End.BYTES: (Reason.BUDGET, "the responder's limit of bytes was reached"),
    End.SECONDS: (Reason.TIME_LIMIT, "the responder's limit of seconds was reached"),
    End.SEND_ERROR: (Reason.SENDER_LIMITED, "the responder could not send packets of this size"),
    End.CLOCK: (Reason.CLOCK, "the clock of the responder was set during the test"),
}
_OWN_ENDS: dict[int, tuple[Reason, str]] = {
    End.SILENT: (Reason.NO_DATA, "the responder no longer says what arrives"),
    End.BYTES: (Reason.BUDGET, "the limit of bytes was reached"),
    End.SECONDS: (Reason.TIME_LIMIT, "the limit of seconds was reached"),
    End.SEND_ERROR: (Reason.SENDER_LIMITED, "this machine could not send packets of this size"),
}


class Load:
    """The load of one lease, from the first keep-alive to the final report."""

    def __init__(self, test: Test, receiver: windows.Receiver, grant: Grant) -> None:
        self._test = test
        self._receiver = receiver
        self._lease = grant.lease
        self._key = lease_key(test.key, grant.salt)
        self._wall_ns = windows.wall_offset_ns()
        self._heard_s = time.monotonic()
        self._next_tell_s = 0.0
        self._control_count = 0
        self._window_count = 0
        self._seen_windows: list[plot.Seen] = []

    def receive(self, decider: Decider) -> Result:
        """Keep the load alive and feed the decider until it has decided, or the load ends some other way."""
        while True:
            check(self._test)
            now = time.monotonic()
            if now >= self._next_tell_s:
                self._keep_alive(decider)
            try:
                decision = self._take(self._receiver.read(), decider)
            except TimeoutError:
                decision = None
            except OSError as error:
                return decider.inconclusive(Reason.NO_DATA, f"cannot receive: {error.strerror}")
            if isinstance(decision, Result):
                return decision
            if now - self._heard_s > _SILENCE_S:
                return decider.inconclusive(Reason.NO_DATA, f"nothing arrived for {now - self._heard_s:.1f} s")

    def stop(self) -> None:
        """End the load; a stop that gets lost is made up for while waiting for the report."""
        import shutil  # brings the compression libraries, which nothing else of an agent needs

        self.tell(Command.STOP, 0.0)
        for row in plot.rows(self._seen_windows, self._test.thetas_bps[1], shutil.get_terminal_size().columns):
            self._test.explain(row)

    def tell(self, command: Command, rate_bps: float) -> None:
        """Send a control; one that gets lost is made up for by the next."""
        self._control_count += 1
        self._next_tell_s = time.monotonic() + POLL_S
        control = Control(lease=self._lease, count=self._control_count, command=command, rate_bps=int(rate_bps))
        with suppress(OSError):
            self._receiver.sock.send(seal(control, self._key))

    def wait_for_report(self) -> Report | None:
        """Repeat the stop until the responder says how it ended; None = it no longer does."""
        with suppress(OSError):
            for _ in range(_REPORT_TRIES):
                for datagram in datagrams(self._test, self._receiver, _REPORT_TRY_S):
                    if (report := unseal(Report, datagram, self._key)) is not None:
                        return report
                self.tell(Command.STOP, 0.0)
        return None

    def cost(self, report: Report | None) -> tuple[int, float]:
        """Layer-1 bytes that went over the line, and for how long."""
        raise NotImplementedError

    def disturbed(self, report: Report | None) -> bool:  # noqa: ARG002 - for uploads
        """Say whether others sent much that the windows know nothing of."""
        return False

    def _keep_alive(self, decider: Decider) -> None:
        raise NotImplementedError

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        raise NotImplementedError

    def _end_among(self, datagrams: Sequence[bytes], decider: Decider) -> Result | None:
        report = next((r for r in (unseal(Report, d, self._key) for d in datagrams) if r is not None), None)
        return None if report is None else decider.inconclusive(*_ENDS.get(report.end, _STOPPED))

    def _feed(self, window: Window, decider: Decider) -> Decision:
        if abs(windows.wall_offset_ns() - self._wall_ns) > windows.CLOCK_STEP_NS:
            return decider.inconclusive(Reason.CLOCK, "the clock of this machine was set during the test")
        decision = decider.feed(window)
        self._seen_windows.append(plot.Seen(window, decider.saturated))
        if self._window_count % _EXPLAIN_EVERY == 0 or not isinstance(decision, Continue):
            self._test.explain(plot.progress(self._seen_windows))
        self._window_count += 1
        if isinstance(decision, SetRate):
            self._test.explain(f"knee: going on at {bps_to_mbps(decision.rate_bps):.1f} Mbit/s")
            self._keep_alive(decider)
        return decision


class Download(Load):
    """The responder sends, and this agent measures."""

    def __init__(
        self, test: Test, receiver: windows.Receiver, grant: Grant, seen: windows.Windows, cross: windows.CrossTraffic
    ) -> None:
        super().__init__(test, receiver, grant)
        self._seen = seen
        self._cross = cross
        self._pending: Window | None = None

    def cost(self, report: Report | None) -> tuple[int, float]:
        if report is not None and report.sent_bytes >= self._seen.sent_bytes:
            return report.sent_bytes, report.elapsed_ns / 1e9
        return self._seen.sent_bytes, self._seen.seconds

    def _keep_alive(self, decider: Decider) -> None:
        self.tell(Command.KEEP_ALIVE, decider.rate_bps)

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        window = self._seen.add(arrival)
        if len(self._seen.others) == 0:
            self._heard_s = time.monotonic()
        elif (end := self._end_among(self._seen.others, decider)) is not None:
            return end
        whole = self._whole(window)
        return None if whole is None else self._feed(whole, decider)

    def _whole(self, window: Window | None) -> Window | None:
        """End a window only where it is known what others' packets came before; until then the next one joins it."""
        seen = self._seen
        known = self._cross.look(seen.packet_count, seen.read_count, self._receiver.sock, now=window is not None)
        if window is None:
            return None
        window = windows.joined(self._pending, window)
        if not known and window.seconds < _WINDOW_MAX_S:
            self._pending = window
            return None
        self._pending = None
        return replace(window, cross_bytes=self._cross.take())


class Upload(Load):
    """This agent sends; the responder measures, and tells the windows."""

    def __init__(
        self, test: Test, receiver: windows.Receiver, grant: Grant, payload_bytes: int, interface: str | None
    ) -> None:
        super().__init__(test, receiver, grant)
        self._sock = receiver.sock.dup()
        self._sock.setblocking(False)
        pacing.prepare(self._sock)
        self._family_bytes = pacing.extra_bytes(receiver.sock.getpeername()[0])
        self._pacing = pacing.Lease(
            id=grant.lease,
            address=receiver.sock.getpeername(),
            payload_bytes=payload_bytes,
            max_bytes=grant.max_bytes,
            max_seconds=grant.max_ms / 1_000,
            silence_s=_SILENCE_S,
            extra_bytes=self._family_bytes + test.target.extra_frame_bytes,
        )
        self._throttle = pacing.Throttle(rate_bps=float(grant.rate_bps), heard_s=time.monotonic())
        self._sent: pacing.Sent | None = None
        self._thread = threading.Thread(target=self._send, name="upload")
        self._others = OtherSenders(interface, self._sock, payload_bytes, self._family_bytes)
        self._taken_count = 0
        self._late_s = 0.0
        self._interface = interface or ""
        self._counted = windows.sent_through(self._interface)

    def receive(self, decider: Decider) -> Result:
        self._others.watch(_WATCH_S, self._test.cancelled.wait)
        self._open(decider)
        self._throttle.rate_bps = decider.rate_bps
        self._heard_s = self._throttle.heard_s = time.monotonic()
        self._thread.start()
        return super().receive(decider)

    def stop(self) -> None:
        self._throttle.stopped = True
        if self._thread.ident is not None:
            self._thread.join()
        self._sock.close()
        super().stop()

    def cost(self, report: Report | None) -> tuple[int, float]:  # noqa: ARG002 - nobody knows better than the sender
        return (self._sent.sent_bytes, self._sent.elapsed_s) if self._sent is not None else (0, 0.0)

    def disturbed(self, report: Report | None) -> bool:
        """A port that sent less than we gave it drops by itself: then what arrived is our part of what it sent.

        Counters alone cannot always tell the two apart, so whoever still sends afterwards counts too.
        """
        before, after = self._counted, windows.sent_through(self._interface)
        if self._sent is None or before is None or after is None or self._others.present:
            return False
        through_bytes, through_count = after[0] - before[0], after[1] - before[1]
        head_bytes = layer1_bytes(0, self._family_bytes) - COUNTED_OVERHEAD_BYTES

        def own_bytes(packet_count: int) -> int:
            """Virtual interfaces count joined packets once."""
            return packet_count * self._pacing.payload_bytes + min(packet_count, through_count) * head_bytes

        own = own_bytes(self._sent.packet_count)
        if report is not None and through_bytes < (1 - _DISTURBED_FROM) * own:
            own = own_bytes(report.packet_count)
        if through_bytes > (1 + _DISTURBED_FROM) * own + _DISTURBED_FROM_BYTES:
            return True
        self._test.cancelled.wait(_AFTERWARDS_S)
        later = windows.sent_through(self._interface)
        allowed_bps = _DISTURBED_FROM * self._test.thetas_bps[1]
        return later is not None and bps(later[0] - after[0], _AFTERWARDS_S) > allowed_bps

    def _send(self) -> None:
        self._sent = pacing.send_load(self._sock, self._pacing, self._throttle)

    def _open(self, decider: Decider) -> None:
        """Wait until the responder listens: before that, nobody would measure the load."""
        for _ in range(_OPEN_TRIES):
            self.tell(Command.KEEP_ALIVE, decider.rate_bps)
            try:
                for datagram in datagrams(self._test, self._receiver, _OPEN_TRY_S):
                    if unseal(Feedback, datagram, self._key) is not None:
                        return
            except OSError:
                self._test.cancelled.wait(_OPEN_TRY_S)
        raise Unfinished(Outcome.UNMEASURED, Reason.NO_DATA, "the responder does not listen to the upload")

    def _keep_alive(self, decider: Decider) -> None:
        """The load itself is the sign of life."""
        self._throttle.rate_bps = decider.rate_bps
        self._next_tell_s = time.monotonic() + POLL_S

    def _take(self, arrival: windows.Arrival, decider: Decider) -> Decision | None:
        datagrams = [bytes(datagram) for datagram in arrival.datagrams()]
        if (end := self._end_among(datagrams, decider)) is not None:
            return end
        if self._sent is not None:
            return decider.inconclusive(*_OWN_ENDS.get(self._sent.end, _STOPPED))
        for datagram in datagrams:
            feedback = unseal(Feedback, datagram, self._key)
            if feedback is None or feedback.lease != self._lease:
                continue
            self._heard_s = self._throttle.heard_s = time.monotonic()
            packet_bytes = self._pacing.packet_bytes
            sent_ratio = packet_bytes / layer1_bytes(self._pacing.payload_bytes, self._family_bytes)
            new = unpack_windows(feedback, self._taken_count, packet_bytes, sent_ratio)
            if new is None:
                return decider.inconclusive(Reason.NO_DATA, "what the responder saw did not all come back")
            self._taken_count += len(new)
            for window in new:
                late_s = self._throttle.late_s - self._late_s
                self._late_s += late_s
                whole = self._others.add(replace(window, late_s=late_s), self._throttle)
                if whole is not None and isinstance(decision := self._feed(whole, decider), Result):
                    return decision
            if self._others.hopeless:
                return decider.inconclusive(*OTHERS)
        return None
