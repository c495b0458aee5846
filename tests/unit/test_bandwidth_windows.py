"""Cutting arrivals into windows, and crediting other traffic: exact where it can be, never too much."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from classready.bandwidth import windows
from classready.bandwidth.decider import Window
from classready.bandwidth.packets import Data, pack_data
from classready.bandwidth.windows import Arrival, CrossTraffic, Windows

PAYLOAD = 1_464
LEASE = b"lease-01"
MS = 1_000_000
T0 = 1_700_000_000 * 10**9


def packet(sequence: int, sent_ns: int, lease: bytes = LEASE) -> bytes:
    buffer = bytearray(PAYLOAD)
    pack_data(buffer, 0, Data(lease, sequence, sent_ns, 100))
    return bytes(buffer)


def arrival(at_ns: int, *packets: bytes, dropped_total: int = 0, segment_bytes: int = PAYLOAD) -> Arrival:
    data = memoryview(b"".join(packets))
    return Arrival(at_ns=T0 + at_ns, data=data, segment_bytes=segment_bytes, dropped_total=dropped_total)


def steady(
    windowed: Windows, count: int, gap_ns: int, *, delay_ns: int = 0, skip: frozenset[int] = frozenset()
) -> list:
    """Feed ``count`` packets sent every ``gap_ns``; those in ``skip`` get lost."""
    arrivals = (arrival(i * gap_ns + delay_ns, packet(i, i * gap_ns)) for i in range(count) if i not in skip)
    return [w for w in map(windowed.add, arrivals) if w is not None]


def test_a_window_is_as_long_as_its_arrivals() -> None:
    """Packets every 0.3 ms: a window of 10.2 ms holds exactly 34 of them, and its rate is theirs."""
    found = steady(Windows(LEASE, PAYLOAD), 100, 300_000)
    assert [(w.seconds, w.received_count, w.lost_count) for w in found] == [(pytest.approx(0.0102), 34, 0)] * 2
    assert found[0].rate_bps == pytest.approx(1_530 * 8 / 0.0003)
    assert found[0].sent_bps == pytest.approx(found[0].rate_bps)


def test_slow_lines_get_longer_windows() -> None:
    """Whatever the rate, a window ends with an arrival: 25 ms apart makes windows of 25 ms."""
    found = steady(Windows(LEASE, PAYLOAD), 4, 25 * MS)
    assert [(w.seconds, w.received_count) for w in found] == [(pytest.approx(0.025), 1)] * 3


def test_losses_show_in_count_and_rate_but_not_in_what_was_sent() -> None:
    """Every second packet lost: half arrives, the sent rate stays."""
    found = steady(Windows(LEASE, PAYLOAD), 200, 300_000, skip=frozenset(range(1, 200, 2)))
    assert found[0].lost_count == 17
    assert found[0].rate_bps == pytest.approx(found[0].sent_bps / 2)


def test_a_stalled_sender_shows_in_what_was_sent() -> None:
    """Less arrived because less was sent: both rates fall together."""
    windowed = Windows(LEASE, PAYLOAD)
    at = [0, 1 * MS, 2 * MS, 30 * MS]
    found = [windowed.add(arrival(t, packet(i, t))) for i, t in enumerate(at)]
    assert found[:3] == [None, None, None]
    assert found[3].sent_bps == pytest.approx(found[3].rate_bps)


def test_joined_datagrams_are_counted_one_by_one() -> None:
    """The kernel may hand over several datagrams at once, with the report as a shorter last one."""
    windowed = Windows(LEASE, PAYLOAD)
    windowed.add(arrival(0, packet(0, 0)))
    window = windowed.add(arrival(12 * MS, *(packet(i, i * MS) for i in range(1, 9)), b"report"))
    assert window.received_count == 8
    assert windowed.others == [b"report"]
    assert (windowed.packet_count, windowed.read_count, windowed.last_sequence) == (9, 2, 8)


def test_the_read_that_opens_the_first_window_is_told_apart() -> None:
    """Joined packets come with one stamp: those of the first read are in no window, and only told with the first."""
    windowed = Windows(LEASE, PAYLOAD)
    windowed.add(arrival(0, *(packet(i, i) for i in range(40))))
    first = windowed.add(arrival(12 * MS, *(packet(i, i) for i in range(40, 48))))
    second = windowed.add(arrival(24 * MS, packet(48, 24 * MS)))
    assert (first.opening_bytes, first.received_bytes, second.opening_bytes) == (40 * 1_530, 8 * 1_530, 0)
    assert windows.joined(first, second).opening_bytes == 40 * 1_530


@pytest.mark.parametrize("opening_count", [1, 3])
def test_a_sender_that_was_late_and_caught_up_is_seen(opening_count: int) -> None:
    """A packet a millisecond is wanted; three come 2.5 ms late, then all that was due: on time by the end."""
    windowed = Windows(LEASE, PAYLOAD)
    rate_bps = 1_530 * 8 * 1_000

    def timed(sequence: int, late_ns: int = 0) -> bytes:
        buffer = bytearray(PAYLOAD)
        pack_data(buffer, 0, Data(LEASE, sequence, sequence * MS + late_ns, rate_bps))
        return bytes(buffer)

    windowed.add(arrival(0, *(timed(i) for i in range(opening_count))))
    windowed.add(arrival(8 * MS, *(timed(i, max(0, 2_500_000 - (i - 4) * MS)) for i in range(opening_count, 9))))
    late = windowed.add(arrival(12 * MS, timed(12)))
    on_time = windowed.add(arrival(24 * MS, timed(24)))
    assert (late.late_s, on_time.late_s) == (pytest.approx(0.0025 + 0.001 * (4 - opening_count)), 0)
    assert late.sent_bps == pytest.approx(rate_bps)
    assert windows.joined(late, on_time).late_s == late.late_s


def test_foreign_packets_are_not_ours() -> None:
    """Another lease, another length, rubbish: handed out, not counted."""
    windowed = Windows(LEASE, PAYLOAD)
    strange = [packet(0, 0, b"another!"), b"x" * PAYLOAD, packet(0, 0)[:-1], b""]
    assert [windowed.add(arrival(0, s, segment_bytes=PAYLOAD)) for s in strange] == [None] * 4
    assert windowed.packet_count == 0
    assert windowed.sent_bytes == 0
    assert windowed.seconds == 0.0


def test_a_queue_shows_as_delay_above_the_smallest() -> None:
    """The clocks of the two machines differ by any constant; only growth counts."""
    windowed = Windows(LEASE, PAYLOAD)
    found = [windowed.add(arrival(i * 2 * MS, packet(i, i * MS))) for i in range(12)]
    delays = [w.queue_delay_s for w in found if w is not None]
    assert delays == [pytest.approx(0.005), pytest.approx(0.010)]


def test_own_drops_are_told_apart() -> None:
    """What the socket lost, also across the counter's wrap."""
    windowed = Windows(LEASE, PAYLOAD)
    windowed.add(arrival(0, packet(0, 0), dropped_total=2**32 - 1))
    assert windowed.add(arrival(11 * MS, packet(9, 11 * MS), dropped_total=2)).dropped_count == 3


def test_reordered_and_repeated_packets_do_no_harm() -> None:
    """Order and repetition change nothing but the odd packet; never a negative count."""
    windowed = Windows(LEASE, PAYLOAD)
    for i, sequence in enumerate([0, 2, 1, 1, 3]):
        windowed.add(arrival(i * MS, packet(sequence, sequence * MS)))
    window = windowed.add(arrival(12 * MS, packet(1, 1 * MS)))
    assert window.lost_count == 0
    assert window.sent_bps >= 0


# --- other traffic --------------------------------------------------------------------------------------------------


class Counters:
    """A made-up interface: its two counter files, and a socket whose queue can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "wan0" / "statistics"
        self.folder.mkdir(parents=True)
        self.set(0, 0)
        self.sock, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def set(self, octets: int, packets: int) -> None:
        (self.folder / "rx_bytes").write_text(f"{octets}\n")
        (self.folder / "rx_packets").write_text(f"{packets}\n")

    def queue_a_packet(self) -> None:
        self._other.send(b"x")

    def close(self) -> None:
        self.sock.close()
        self._other.close()


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counters]:
    monkeypatch.setattr(windows, "_NET", tmp_path)
    monkeypatch.setattr(windows, "SNAPSHOT_EVERY_S", 0.0)
    made = Counters(tmp_path)
    yield made
    made.close()


@pytest.fixture
def cross(counters: Counters) -> Iterator[CrossTraffic]:
    """Counting since a first look at one packet of ours."""
    made = CrossTraffic("wan0", PAYLOAD)
    made.look(1, 1, counters.sock)
    yield made
    made.close()


def frames(count: int, ip_bytes: int = PAYLOAD + 28) -> int:
    """What an interface counts for ``count`` frames: without preamble, FCS and gap."""
    return count * (ip_bytes + 14)


def test_other_traffic_is_credited_once(counters: Counters, cross: CrossTraffic) -> None:
    """Counted minus ours, in layer-1 bytes; a second look without change credits nothing."""
    counters.set(frames(100) + frames(50, 1500), 150)
    assert cross.look(101, 101, counters.sock)
    assert cross.take() == 50 * 1538
    cross.look(101, 101, counters.sock)
    assert cross.take() == 0


def test_what_came_before_the_load_is_no_ones(counters: Counters) -> None:
    """The regression: 250 kB that came between the grant and the first packet passed lines of 90 Mbit/s."""
    cross = CrossTraffic("wan0", PAYLOAD)
    cross.look(0, 0, counters.sock)
    counters.set(frames(170, 1500), 170)
    cross.look(8, 1, counters.sock)
    assert cross.take() == 0
    cross.close()


def test_little_is_not_credited_until_it_is_much(counters: Counters, cross: CrossTraffic) -> None:
    """A few packets of ours may be counted and not yet read; where others really send, nothing is withheld."""
    counters.set(frames(107), 107)
    cross.look(101, 101, counters.sock)
    assert cross.take() == 0
    counters.set(frames(200) + frames(9, 1500), 209)
    cross.look(201, 201, counters.sock)
    assert cross.take() == 9 * 1538


def test_our_own_packets_are_never_credited(counters: Counters, cross: CrossTraffic) -> None:
    """However they are joined for us, a real port counts them one by one."""
    counters.set(frames(800), 800)
    cross.look(801, 101, counters.sock)
    assert cross.take() == 0


def test_a_virtual_port_counts_joined_packets_once(counters: Counters, cross: CrossTraffic) -> None:
    """100 reads of 8 packets counted as 100 packets, plus 50 of others: the others are credited exactly."""
    counters.set(100 * (8 * PAYLOAD + 42) + frames(50, 1500), 150)
    cross.look(801, 101, counters.sock)
    assert cross.take() == 50 * 1538


@pytest.mark.parametrize("counted", range(0, 800, 25))
def test_counters_that_lag_never_credit(counters: Counters, cross: CrossTraffic, counted: int) -> None:
    """A port that has not counted all our packets yet must not look like a virtual one with other traffic."""
    counters.set(frames(counted), counted)
    cross.look(801, 101, counters.sock)
    assert cross.take() == 0


def test_nothing_is_believed_while_the_socket_holds_packets(counters: Counters, cross: CrossTraffic) -> None:
    """Counted but not yet read packets of ours would be credited as others'."""
    counters.set(frames(500), 500)
    counters.queue_a_packet()
    assert not cross.look(101, 101, counters.sock)
    assert cross.take() == 0


def test_counters_that_go_back_credit_nothing(counters: Counters) -> None:
    """A reset interface."""
    counters.set(10**9, 10**6)
    cross = CrossTraffic("wan0", PAYLOAD)
    cross.look(1, 1, counters.sock)
    counters.set(0, 0)
    cross.look(101, 101, counters.sock)
    assert cross.take() == 0
    cross.close()


def test_an_interface_that_disappears_credits_nothing_more(counters: Counters, cross: CrossTraffic) -> None:
    """Unreadable counters end the credit, not the test."""
    counters.set(frames(200), 200)
    cross.look(101, 101, counters.sock)
    first = cross.take()
    (counters.folder / "rx_bytes").write_text("")
    assert cross.look(101, 101, counters.sock)
    assert (first > 0, cross.take()) == (True, 0)


def test_joined_windows_are_one_window() -> None:
    """Bytes, losses and time add up; the rate sent is their mean over time."""
    one = Window(seconds=0.01, received_bytes=100_000, sent_bps=100e6, lost_count=1, received_count=70, cross_bytes=5)
    two = Window(seconds=0.03, received_bytes=20_000, sent_bps=60e6, lost_count=2, received_count=14, queue_delay_s=0.2)
    whole = windows.joined(one, two)
    assert (whole.seconds, whole.received_bytes, whole.cross_bytes) == (0.04, 120_000, 5)
    assert (whole.lost_count, whole.received_count, whole.queue_delay_s) == (3, 84, 0.2)
    assert whole.sent_bps == pytest.approx(70e6)
    assert windows.joined(None, two) is two


@pytest.mark.parametrize("name", [None, "no-such-if", "../etc"])
def test_a_missing_interface_credits_nothing(counters: Counters, name: str | None) -> None:
    """No counters, no credit, no error."""
    cross = CrossTraffic(name, PAYLOAD)
    cross.look(0, 0, counters.sock)
    assert cross.take() == 0
    cross.close()


def test_interfaces_are_found_by_address() -> None:
    """The loopback address belongs to lo, a foreign one to none."""
    assert windows.interface_of("127.0.0.1") == "lo"
    assert windows.interface_of("192.0.2.77") is None
    assert windows.mtu_of("lo") >= 1_500
    assert windows.mtu_of("no-such-if") is None


def test_the_wall_clock_is_watched() -> None:
    """Undisturbed, the distance between the clocks is the same within the step that counts as a jump."""
    assert abs(windows.wall_offset_ns() - windows.wall_offset_ns()) < windows.CLOCK_STEP_NS


def test_kernel_times_and_drops_are_read() -> None:
    """A real socket: arrival time near now, datagrams kept apart, a timeout that is a TimeoutError."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.5)
        windows.prepare(sock)
        receiver = windows.Receiver(sock)
        out.sendto(b"hello", sock.getsockname())
        got = receiver.read()
        assert list(map(bytes, got.datagrams())) == [b"hello"]
        assert abs(got.at_ns - windows.wall_offset_ns() - time.monotonic_ns()) < 10**9
        assert got.dropped_total == 0
        sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            receiver.read()


def test_a_full_socket_counts_its_drops() -> None:
    """What does not fit into the buffer is reported with a later packet."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.5)
        windows.prepare(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        receiver = windows.Receiver(sock)
        for _ in range(50):
            out.sendto(bytes(1_000), sock.getsockname())
        kept = 0
        while windows._waiting(sock):
            receiver.read()
            kept += 1
        out.sendto(bytes(1_000), sock.getsockname())
        assert receiver.read().dropped_total == 50 - kept > 0
