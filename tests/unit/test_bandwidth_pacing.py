"""The paced sender on kernels and ways that grant it less."""

import errno
import itertools
import socket
import time
from collections.abc import Iterator

import pytest

from classready.bandwidth import pacing
from classready.bandwidth.pacing import Lease, Throttle
from classready.bandwidth.packets import End, parse_data

PAYLOAD = 1_000
PACKETS = 40


class Stubborn(socket.socket):
    """A socket that refuses segmentation, or everything, with the error numbers of real drivers."""

    segmented_errno: int | None = None
    plain_errnos: Iterator[int | None] = itertools.repeat(None)

    def sendmsg(self, *arguments: object) -> int:
        if self.segmented_errno is not None:
            raise OSError(self.segmented_errno, "segmentation")
        return super().sendmsg(*arguments)

    def sendto(self, *arguments: object) -> int:
        if (number := next(self.plain_errnos)) is not None:
            raise OSError(number, "plain")
        return super().sendto(*arguments)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1.0)
        yield sock


@pytest.fixture
def sender() -> Iterator[Stubborn]:
    with Stubborn(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        pacing.prepare(sock)
        yield sock


def load(sender: Stubborn, receiver: socket.socket, throttle: Throttle | None = None) -> pacing.Sent:
    lease = Lease(
        id=b"leaseleaseleasel"[:8],
        address=receiver.getsockname(),
        payload_bytes=PAYLOAD,
        max_bytes=PACKETS * (PAYLOAD + 66),
        max_seconds=2.0,
        silence_s=2.0,
    )
    return pacing.send_load(sender, lease, throttle or Throttle(rate_bps=100e6, heard_s=time.monotonic()))


def sequences(receiver: socket.socket, count: int) -> list[int]:
    heads = [parse_data(data, 0, len(data)) for data in (receiver.recv(2_000) for _ in range(count))]
    return [head.sequence for head in heads if head is not None]


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOPROTOOPT])
def test_without_segmentation_packets_go_one_by_one(sender: Stubborn, receiver: socket.socket, number: int) -> None:
    """A port without checksum offload (EIO), an old kernel: the same packets, each by a call of its own."""
    sender.segmented_errno = number
    sent = load(sender, receiver)
    assert (sent.packet_count, sent.end) == (PACKETS, End.BYTES)
    assert sequences(receiver, PACKETS) == list(range(PACKETS))


def test_packets_too_large_for_the_way_are_said(sender: Stubborn, receiver: socket.socket) -> None:
    """Packets must not be cut on the way: EMSGSIZE ends the load, and is nobody's slow line."""
    sender.segmented_errno, sender.plain_errnos = errno.EIO, itertools.repeat(errno.EMSGSIZE)
    sent = load(sender, receiver)
    assert (sent.packet_count, sent.end) == (0, End.SEND_ERROR)


def test_a_full_queue_is_waited_for(sender: Stubborn, receiver: socket.socket) -> None:
    """ENOBUFS in the middle of a batch: nothing is counted that was not sent, and the load goes on."""
    sender.segmented_errno = errno.EIO
    sender.plain_errnos = itertools.chain([None, errno.ENOBUFS, errno.ENOBUFS], itertools.repeat(None))
    sent = load(sender, receiver)
    assert (sent.packet_count, sent.end) == (PACKETS, End.BYTES)
    assert sequences(receiver, PACKETS) == list(range(PACKETS))


@pytest.mark.parametrize("pauses_s", [[0.002], [0.02], [0.02, 0.02]], ids=["caught up", "given up", "twice"])
def test_a_sender_that_is_held_up_says_for_how_long(
    sender: Stubborn, receiver: socket.socket, monkeypatch: pytest.MonkeyPatch, pauses_s: list[float]
) -> None:
    """Also what it made up for by sending faster afterwards: the line was idle in between."""
    throttle = Throttle(rate_bps=100e6, heard_s=time.monotonic())
    held_up, send = iter([0.0, *pauses_s]), pacing._Sender.batch

    def batch(self: pacing._Sender, packet_count: int, rate_bps: int) -> bool:
        time.sleep(next(held_up, 0.0))
        return send(self, packet_count, rate_bps)

    monkeypatch.setattr(pacing._Sender, "batch", batch)
    sent = load(sender, receiver, throttle)
    one_batch_s = 8 * 1_066 * 8 / 100e6  # what the pause itself was meant for
    assert (sent.packet_count, sent.end) == (PACKETS, End.BYTES)
    assert throttle.late_s >= sum(pauses_s) - len(pauses_s) * one_batch_s
    assert sent.late_count >= sum(pause_s > 0.01 for pause_s in pauses_s)
