"""The messages of the bandwidth test: fixed binary layouts, strict both ways. Normative text: docs/bandwidth.md.

Over UDP each is a datagram; over TCP they follow one another, and the kind tells the length.

Whatever arrives, parsing returns the message or None; a wrong magic, version, kind, length or MAC is None.
"""

import hashlib
import hmac
import struct
from enum import IntEnum
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

MAGIC: Final = b"CRB"
VERSION: Final = 1

HELLO_BYTES: Final = 64
"""Padded so that the answer to an unproven address is never larger than what it sent."""
PAYLOAD_MIN_BYTES: Final = 256
PAYLOAD_MAX_BYTES: Final = 1472
"""UDP payload of an unfragmented IPv4 packet at MTU 1500."""

NONCE_BYTES: Final = 8
SECRET_BYTES: Final = 16
MAC_BYTES: Final = 16
NO_GROUP: Final = bytes(8)
NO_COOKIE: Final = bytes(16)
"""Over TCP the handshake has proved the address."""


class RefuseReason(IntEnum):
    """Why no lease was granted."""

    BUSY = 1
    KEY = 2
    UNSUPPORTED = 3


class Direction(IntEnum):
    """Seen from the school."""

    DOWN = 0
    UP = 1


class Command(IntEnum):
    """What the receiver tells the sender: go on at ``rate_bps`` (the first one starts the load), or stop."""

    KEEP_ALIVE = 1
    STOP = 2


class End(IntEnum):
    """Why the load ended."""

    STOPPED = 1
    SILENT = 2
    BYTES = 3
    SECONDS = 4
    SEND_ERROR = 5
    CLOCK = 6


FEEDBACK_WINDOWS: Final = 8
FEEDBACK_WINDOW: Final = struct.Struct("!QIQQQII")
"""A window in a feedback: ns, packets, sent bit/s, wanted bit/s, queue ns, lost, dropped by the receiving socket."""


class Message(Struct, frozen=True, kw_only=True):
    """Fields stand in the order of the wire."""


class Hello(Message, frozen=True, kw_only=True):
    nonce: bytes


class Challenge(Message, frozen=True, kw_only=True):
    nonce: bytes
    cookie: bytes


class Request(Message, frozen=True, kw_only=True):
    """``mac`` is made with the secret shared with the responder (empty when it asks for none)."""

    nonce: bytes
    cookie: bytes
    direction: int
    payload_bytes: int
    rate_bps: int
    max_bytes: int
    max_ms: int
    group: bytes = NO_GROUP
    """Whom this one must not test at the same time as: see ``group_of``."""
    mac: bytes = b""


class Grant(Message, frozen=True, kw_only=True):
    """What is allowed, never more than was asked. Both ends derive the lease key from ``salt``."""

    nonce: bytes
    lease: bytes
    salt: bytes
    rate_bps: int
    max_bytes: int
    max_ms: int
    mac: bytes = b""


class Refuse(Message, frozen=True, kw_only=True):
    nonce: bytes
    reason: int
    retry_after_ms: int


class Control(Message, frozen=True, kw_only=True):
    """``count`` grows with each control of a lease, so that an old one cannot be replayed."""

    lease: bytes
    count: int
    command: int
    rate_bps: int
    mac: bytes = b""


class Report(Message, frozen=True, kw_only=True):
    """What the responder sent (upload: got), in packets and layer-1 equivalent bytes.

    ``late_count`` = how often the sender fell behind.
    """

    lease: bytes
    packet_count: int
    sent_bytes: int
    elapsed_ns: int
    late_count: int
    end: int
    mac: bytes = b""


class Feedback(Message, frozen=True, kw_only=True):
    """What the responder sees of an upload: the last windows, newest last, of ``count`` so far.

    Each window comes in several of these, so that a lost one costs nothing and none needs an acknowledgement.
    """

    lease: bytes
    count: int
    windows: bytes
    mac: bytes = b""


class Join(Message, frozen=True, kw_only=True):
    """First on each TCP connection of a load: which of its streams it is, counted from 0."""

    lease: bytes
    stream: int
    mac: bytes = b""


class Progress(Message, frozen=True, kw_only=True):
    """How a TCP load stands at the responder: what it got (upload) or handed to its sockets, since the load began.

    Upload only: ``segment_count`` also has what came out of order. Download only: ``queue_us`` is the round trip of the
    stream that waits least, above the least one; ``idle_us`` is how long the streams, on average, had nothing to send
    or nobody who took it.
    """

    lease: bytes
    elapsed_ns: int
    payload_bytes: int
    segment_count: int
    queue_us: int
    idle_us: int
    mac: bytes = b""


class Data(Struct, frozen=True):
    """Head of a load packet; random bytes follow up to the lease's payload size. ``sent_ns`` is the sender's clock."""

    lease: bytes
    sequence: int
    sent_ns: int
    rate_bps: int


M = TypeVar("M", bound=Message)
Signed = TypeVar("Signed", Request, Grant, Control, Report, Feedback, Join, Progress)

_HEAD = MAGIC + bytes([VERSION])
_KIND_AT = len(_HEAD)
_DATA_KIND = 8
HEAD_BYTES: Final = _KIND_AT + 1

_LAYOUTS: dict[type[Message], tuple[int, struct.Struct]] = {
    Hello: (1, struct.Struct(f"!{NONCE_BYTES}s{HELLO_BYTES - _KIND_AT - 1 - NONCE_BYTES}x")),
    Challenge: (2, struct.Struct("!8s16s")),
    Request: (3, struct.Struct("!8s16sBHQQI8s16s")),
    Grant: (4, struct.Struct("!8s8s16sQQI16s")),
    Refuse: (5, struct.Struct("!8sBI")),
    Control: (6, struct.Struct("!8sIBQ16s")),
    Report: (7, struct.Struct("!8sQQQIB16s")),
    Feedback: (9, struct.Struct(f"!8sI{FEEDBACK_WINDOWS * FEEDBACK_WINDOW.size}s16s")),
    Join: (10, struct.Struct("!8sB16s")),
    Progress: (11, struct.Struct("!8sQQQII16s")),
}
_BY_NUMBER = {number: kind for kind, (number, _) in _LAYOUTS.items()}
_data = struct.Struct("!3sBB3x8sQQQ")

DATA_HEAD_BYTES: Final = _data.size


def size_of(kind: type[Message]) -> int:
    """Length in bytes of every datagram of this kind."""
    return _KIND_AT + 1 + _LAYOUTS[kind][1].size


def length_of(head: bytes) -> int | None:
    """Say how long the message is that begins with these ``HEAD_BYTES``; None = it is none."""
    kind = _BY_NUMBER.get(head[-1]) if head[:-1] == _HEAD else None
    return size_of(kind) if kind is not None else None


def encode(message: Message) -> bytes:
    kind, layout = _LAYOUTS[type(message)]
    return _HEAD + bytes([kind]) + layout.pack(*msgspec.structs.astuple(message))


def kind_of(datagram: bytes) -> type[Message] | None:
    """Say which message ``datagram`` is, None for anything else."""
    if datagram[:_KIND_AT] != _HEAD or len(datagram) <= _KIND_AT:
        return None
    kind = _BY_NUMBER.get(datagram[_KIND_AT])
    return kind if kind is not None and len(datagram) == size_of(kind) else None


def parse(kind: type[M], datagram: bytes) -> M | None:
    """Return the message if ``datagram`` is exactly one of ``kind``. Its MAC is not looked at."""
    if kind_of(datagram) is not kind:
        return None
    return kind(**dict(zip(kind.__struct_fields__, _LAYOUTS[kind][1].unpack_from(datagram, _KIND_AT + 1), strict=True)))


def seal(message: Signed, key: bytes) -> bytes:
    """Encode a signed message with its MAC."""
    body = encode(message)[:-MAC_BYTES]
    return body + _mac(key, body)


def unseal(kind: type[Signed], datagram: bytes, key: bytes) -> Signed | None:
    """Return the message only if it was sealed with ``key``."""
    message = parse(kind, datagram)
    if message is None or not hmac.compare_digest(message.mac, _mac(key, datagram[:-MAC_BYTES])):
        return None
    return message


def lease_key(shared_key: bytes, salt: bytes) -> bytes:
    """Derive the key of a lease's controls and report; without a shared key it is as secret as the grant."""
    return hmac.digest(shared_key, b"lease" + salt, hashlib.sha256)


def group_of(name: str | None) -> bytes:
    """Make the wire form of a group's name."""
    return NO_GROUP if name is None else hashlib.sha256(name.encode()).digest()[: len(NO_GROUP)]


def cookie(secret: bytes, slot: int, address: str, port: int, nonce: bytes) -> bytes:
    """Make the proof of address that a challenge carries: nothing has to be remembered to check it."""
    text = f"{slot} {address} {port} ".encode()
    return _mac(secret, text + nonce)


def pack_data(buffer: bytearray, offset: int, head: Data) -> None:
    _data.pack_into(buffer, offset, MAGIC, VERSION, _DATA_KIND, head.lease, head.sequence, head.sent_ns, head.rate_bps)


def parse_data(buffer: bytes | bytearray | memoryview, offset: int, end: int) -> Data | None:
    """Return the head of the load packet in ``buffer[offset:end]``."""
    if not 0 <= offset <= end - DATA_HEAD_BYTES or end > len(buffer):
        return None
    magic, version, kind, lease, sequence, sent_ns, rate_bps = _data.unpack_from(buffer, offset)
    if magic != MAGIC or version != VERSION or kind != _DATA_KIND:
        return None
    return Data(lease, sequence, sent_ns, rate_bps)


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)[:MAC_BYTES]
