"""What others send while we upload, on counters that the test writes."""

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.probes.bandwidth import others
from agent.probes.bandwidth.others import OtherSenders
from classready.bandwidth import windows
from classready.bandwidth.decider import Window
from classready.bandwidth.pacing import Throttle
from classready.units import bps, layer1_bytes

PAYLOAD = 1464
FRAME = PAYLOAD + 42
FULL_FRAME = 1514
BATCH = 8
STEP_S = 0.01


class Port:
    """A port that carries our batches of 8 and others' full frames, and says so in its counters, step by step."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "wan0" / "statistics"
        self.folder.mkdir(parents=True)
        self.waiting_bytes, self.now_s = 0, 0.0
        self.through_bytes = self.through_count = 0
        self.throttle = Throttle(rate_bps=110e6, heard_s=0.0)
        self._write()
        monkeypatch.setattr(windows, "_NET", folder)
        monkeypatch.setattr(others, "_waiting_bytes", lambda _sock: self.waiting_bytes)
        monkeypatch.setattr(others.time, "monotonic", lambda: self.now_s)

    def _write(self) -> None:
        (self.folder / "tx_bytes").write_text(f"{self.through_bytes}\n")
        (self.folder / "tx_packets").write_text(f"{self.through_count}\n")

    def step(self, *, sent: int, carried: int, others_count: int, joined: bool = False) -> None:
        """One step of STEP_S: packets that we sent, those of them that left the port, and others' that did."""
        self.now_s += STEP_S
        self.throttle.packet_count += sent
        self.throttle.call_count += sent // BATCH
        own_bytes = carried * PAYLOAD + (carried // BATCH if joined else carried) * 42
        self.through_bytes += own_bytes + others_count * FULL_FRAME
        self.through_count += (carried // BATCH if joined else carried) + others_count
        self._write()


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Port:
    return Port(tmp_path, monkeypatch)


@pytest.fixture
def senders(port: Port) -> Iterator[OtherSenders]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield OtherSenders("wan0", sock, PAYLOAD, 0)


def window(received: int) -> Window:
    return Window(
        seconds=STEP_S,
        received_bytes=received * layer1_bytes(PAYLOAD),
        sent_bps=110e6,
        wanted_bps=110e6,
        received_count=received,
    )


def fed(senders: OtherSenders, port: Port, received: int) -> Window | None:
    return senders.add(window(received), port.throttle)


@pytest.mark.parametrize("joined", [False, True])
def test_alone_on_the_line_windows_pass_unchanged(port: Port, senders: OtherSenders, *, joined: bool) -> None:
    """However the port counts; and what the responder has not told yet is not taken for others'."""
    senders.watch(0.05, lambda _seconds: None)
    for received in (0, 64, 72, 80, 80):
        port.step(sent=80, carried=72, others_count=0, joined=joined)
        assert fed(senders, port, received) == window(received)
    assert not senders.present


def test_the_port_itself_is_the_bottleneck(port: Port, senders: OtherSenders) -> None:
    """It counts what the line carries, exactly, whatever part of it is ours, and news of ours may be late."""
    senders.present, port.waiting_bytes = True, 200_000
    fed(senders, port, 0)
    carried = []
    for received in (56, 40, 56, 56, 72, 56):
        port.step(sent=80, carried=56, others_count=25)
        carried.append(fed(senders, port, received))
    whole = [w for w in carried if w is not None]
    assert senders.held_back
    assert [round(w.seconds, 3) for w in whole] == [0.02, 0.02, 0.02]
    truth_bps = bps(56 * layer1_bytes(PAYLOAD) + 25 * 1538, STEP_S)
    assert [w.rate_bps for w in whole] == pytest.approx([truth_bps] * 3, rel=0.01)
    assert all(w.cross_sure for w in whole)


def test_the_bottleneck_is_further_on(port: Port, senders: OtherSenders) -> None:
    """All that others sent may have arrived, or some: too much, and said to be unsure; soon there is no hope."""
    senders.present = True
    fed(senders, port, 0)
    seen = []
    for _ in range(4):
        port.step(sent=80, carried=80, others_count=25)
        seen.append(fed(senders, port, 60))
    told = [w for w in seen if w is not None]
    assert [(w.received_count, w.cross_sure) for w in told] == [(120, False)] * 2
    assert [w.cross_bytes for w in told] == pytest.approx([50 * 1538] * 2)
    assert not senders.hopeless
    port.now_s += others.HOPELESS_AFTER_S
    fed(senders, port, 60)
    assert senders.hopeless


def test_others_that_begin_during_the_load_are_noticed(port: Port, senders: OtherSenders) -> None:
    """After 100 kB; before that, it could be late news of our own packets."""
    fed(senders, port, 0)
    steps = itertools.takewhile(lambda _n: not senders.present, itertools.count(1))
    for _ in steps:
        port.step(sent=80, carried=80, others_count=25)
        fed(senders, port, 80)
    assert port.now_s == pytest.approx(0.03)


def test_others_before_the_load_are_noticed(port: Port, senders: OtherSenders) -> None:
    """1 Mbit/s is enough; a name query is not."""
    senders.watch(0.05, lambda _seconds: port.step(sent=0, carried=0, others_count=1))
    assert not senders.present
    senders.watch(0.05, lambda _seconds: port.step(sent=0, carried=0, others_count=10))
    assert senders.present


@pytest.mark.parametrize("interface", [None, "no-such-if"])
def test_without_counters_nothing_is_claimed(port: Port, interface: str | None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        blind = OtherSenders(interface, sock, PAYLOAD, 0)
        blind.watch(0.05, lambda _seconds: None)
        assert blind.add(window(60), port.throttle) == window(60)
        assert not blind.present
        assert not blind.hopeless


def test_the_socket_says_what_waits_at_the_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert others._waiting_bytes(sock) == 0
