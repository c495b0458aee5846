"""The datagrams: exact sizes, no half values, nothing that crashes, no amplification."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classready.bandwidth import packets as p

KEY = b"k" * 16
EXAMPLES: list[p.Message] = [
    p.Hello(nonce=b"n" * 8),
    p.Challenge(nonce=b"n" * 8, cookie=b"c" * 16),
    p.Request(
        nonce=b"n" * 8,
        cookie=b"c" * 16,
        direction=0,
        payload_bytes=1464,
        rate_bps=300_000_000,
        max_bytes=20_000_000,
        max_ms=3_000,
        group=b"g" * 8,
        mac=b"m" * 16,
    ),
    p.Grant(nonce=b"n" * 8, lease=b"l" * 8, salt=b"s" * 16, rate_bps=1, max_bytes=2, max_ms=3, mac=b"m" * 16),
    p.Refuse(nonce=b"n" * 8, reason=1, retry_after_ms=250),
    p.Control(lease=b"l" * 8, count=7, command=1, rate_bps=110_000_000, mac=b"m" * 16),
    p.Report(lease=b"l" * 8, packet_count=9, sent_bytes=13_770, elapsed_ns=5, late_count=0, end=1, mac=b"m" * 16),
    p.Feedback(lease=b"l" * 8, count=3, windows=b"w" * 352, mac=b"m" * 16),
    p.Join(lease=b"l" * 8, stream=3, mac=b"m" * 16),
    p.Progress(lease=b"l" * 8, elapsed_ns=5, payload_bytes=9, segment_count=6, queue_us=7, idle_us=8, mac=b"m" * 16),
]
SIZES = {
    "Hello": 64,
    "Challenge": 29,
    "Request": 76,
    "Grant": 73,
    "Refuse": 18,
    "Control": 42,
    "Report": 58,
    "Feedback": 385,
    "Join": 30,
    "Progress": 61,
}
KINDS = [type(example) for example in EXAMPLES]
SIGNED = [kind for kind in KINDS if "mac" in kind.__struct_fields__]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_messages_survive_the_wire(message: p.Message) -> None:
    """Each message has its documented size, comes back equal, and is no other kind."""
    datagram = p.encode(message)
    assert len(datagram) == p.size_of(type(message)) == SIZES[type(message).__name__]
    assert [p.parse(kind, datagram) for kind in KINDS] == [message if k is type(message) else None for k in KINDS]
    assert p.kind_of(datagram) is type(message)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_damaged_messages_are_nothing(message: p.Message) -> None:
    """Too short, too long, another magic, version or kind: None."""
    good = p.encode(message)
    damaged = [
        good[:-1],
        good + b"\0",
        b"X" + good[1:],
        good[:3] + b"\2" + good[4:],
        good[:4] + b"\x63" + good[5:],
        b"",
    ]
    assert [p.parse(type(message), datagram) for datagram in damaged] == [None] * len(damaged)


def test_an_unproven_address_gets_less_than_it_sent() -> None:
    """The only answer before the cookie has come back is smaller than the question."""
    assert p.size_of(p.Challenge) <= p.size_of(p.Hello)
    assert p.size_of(p.Refuse) <= p.size_of(p.Request)


@pytest.mark.parametrize("kind", SIGNED)
def test_a_seal_holds(kind: type) -> None:
    """A sealed message opens with its key only, and with no bit changed."""
    message = next(e for e in EXAMPLES if type(e) is kind)
    sealed = p.seal(message, KEY)
    opened = p.unseal(kind, sealed, KEY)
    assert opened is not None
    assert p.encode(opened)[: -p.MAC_BYTES] == p.encode(message)[: -p.MAC_BYTES]
    assert p.unseal(kind, sealed, b"other") is None
    flipped = [sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :] for i in range(len(sealed))]
    assert [p.unseal(kind, datagram, KEY) for datagram in flipped] == [None] * len(sealed)


@given(
    st.binary(max_size=200) | st.builds(lambda n, rest: b"CRB\1" + bytes([n]) + rest, st.integers(0, 12), st.binary())
)
@settings(max_examples=300)
def test_arbitrary_bytes_never_crash(datagram: bytes) -> None:
    """Whatever arrives is a message or None."""
    for kind in KINDS:
        found = p.parse(kind, datagram)
        assert found is None or p.kind_of(datagram) is kind
    for kind in SIGNED:
        assert p.unseal(kind, datagram, KEY) is None
    p.parse_data(datagram, 0, len(datagram))


@given(st.integers(-5, 100), st.integers(-5, 2_000))
@settings(max_examples=100)
def test_data_heads_stay_inside_their_buffer(offset: int, end: int) -> None:
    """A head is read only where it fits; the rest of the buffer is never looked at."""
    buffer = bytearray(1_464)
    head = p.Data(b"l" * 8, 5, 6, 7)
    for start in range(101):
        p.pack_data(buffer, start, head)
    found = p.parse_data(buffer, offset, end)
    assert found in (None, head)
    assert (found == head) is (offset == 100 and 100 + p.DATA_HEAD_BYTES <= end <= len(buffer))


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_a_head_tells_the_length(message: p.Message) -> None:
    """Over TCP, where messages follow one another, the first five bytes say where this one ends."""
    good = p.encode(message)
    assert p.length_of(good[: p.HEAD_BYTES]) == len(good)
    assert p.length_of(b"GET /") is None
    assert p.length_of(good[: p.HEAD_BYTES - 1]) is None
    assert p.length_of(good[: p.HEAD_BYTES - 1] + b"\x63") is None


def test_groups_have_one_wire_form() -> None:
    """The same name is the same group everywhere, another name another; no name is no group."""
    assert p.group_of("olt-3") == p.group_of("olt-3") == bytes.fromhex("d47fb9cfcc2fe44f")
    assert p.group_of("olt-4") != p.group_of("olt-3") != p.NO_GROUP
    assert p.group_of(None) == p.NO_GROUP == bytes(8)


def test_cookies_bind_address_and_time() -> None:
    """Another port, address, slot, nonce or secret makes another cookie."""
    good = p.cookie(b"s", 1, "10.0.0.1", 5000, b"n" * 8)
    others = [
        p.cookie(b"t", 1, "10.0.0.1", 5000, b"n" * 8),
        p.cookie(b"s", 2, "10.0.0.1", 5000, b"n" * 8),
        p.cookie(b"s", 1, "10.0.0.2", 5000, b"n" * 8),
        p.cookie(b"s", 1, "10.0.0.1", 5001, b"n" * 8),
        p.cookie(b"s", 1, "10.0.0.1", 5000, b"m" * 8),
    ]
    assert good == p.cookie(b"s", 1, "10.0.0.1", 5000, b"n" * 8)
    assert good not in others
