"""What an agent saw. An observation has an outcome; only the collector gives a verdict.

Normative text: docs/wire.md. Every field but the first of a kind may be None, which means "not known", never 0.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from classready.forms import checked_apart
from classready.ids import ClassroomRef, DeviceAddress, Host, TargetName

NonNegative = Annotated[float, Meta(ge=0, le=1e15)]
"""Seconds, bit/s: bounded, so that sums and products stay finite."""
UnixTime = Annotated[float, Meta(ge=-62_135_596_800, le=253_402_300_799)]
"""Seconds since 1970 UTC, within the years 1 to 9999: what a calendar can name."""
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Ratio = Annotated[float, Meta(ge=0, le=1)]

_UNSAFE = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
ONE_LINE = rf"^[^{_UNSAFE}]*\Z"
"""No control, surrogate or direction-changing character."""
DETAIL_MAX_CHARACTERS = 200
SWITCHES_MAX = 64
"""Further switches behind one trunk."""

Text = Annotated[
    str,
    Meta(
        max_length=DETAIL_MAX_CHARACTERS,
        pattern=ONE_LINE,
        examples=["东坡区苏南小学"],
        description="one line of text without control characters, at most 200",
    ),
]
"""Text for people, on one line, without control or direction-changing characters."""

InterfaceName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=ONE_LINE,
        examples=["GigabitEthernet1/0/7"],
        description="one line of text without control characters, 1 to 64",
    ),
]

FactName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=ONE_LINE,
        examples=["lamp_hours"],
        description="one line of text without control characters, 1 to 40",
    ),
]


PortLabel = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=ONE_LINE,
        examples=["三年级2班 大屏"],
        description="one line of text without control characters, at most 64",
    ),
]

NetworkText = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f:.]{2,39}/[0-9]{1,3}\Z",
        examples=["192.168.1.0/24"],
        description="a network with the length of its prefix",
    ),
]

CommunityDigest = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{16}\Z",
        examples=["efa1f375d76194fa"],
        description="the first 16 hexadecimal digits of a community's SHA-256",
    ),
]
"""Says which of the communities it was given opened a device, and not the community."""

FOUND_PORTS_MAX = 256
"""Of one switch; a report has room for about as many."""
FOUND_NETWORKS_MAX = 16


class Outcome(StrEnum):
    """What came of the attempt to observe."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    UNMEASURED = "unmeasured"
    PASS = "pass"  # noqa: S105 - the outcome of a threshold test
    FAIL = "fail"


class Reason(StrEnum):
    """Why there was no answer or no measurement."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NAME_UNRESOLVED = "name_unresolved"
    TLS_INVALID = "tls_invalid"
    AUTHORITY_UNKNOWN = "authority_unknown"
    NOT_THE_PLATFORM = "not_the_platform"
    UNPROVEN = "unproven"
    STATUS_UNEXPECTED = "status_unexpected"
    PROTOCOL = "protocol"
    AUTH_FAILED = "auth_failed"
    NOT_FOUND = "not_found"
    PERMISSION = "permission"
    TOOL_MISSING = "tool_missing"
    CLOCK = "clock"
    PEER_BUSY = "peer_busy"
    NO_POLICY = "no_policy"
    OUTSIDE_HOURS = "outside_hours"
    BUDGET = "budget"
    NO_DATA = "no_data"
    SENDER_LIMITED = "sender_limited"
    RECEIVER_LIMITED = "receiver_limited"
    TIME_LIMIT = "time_limit"
    DEADLINE = "deadline"
    PROBE_BUG = "probe_bug"


# ``gc=False`` here, in the envelopes and in the core's state: what is frozen and made from its leaves up has no circle.
# To look for one took a quarter of the time of a report, and 0.1 s at once for each thousand schools.


class Rtt(Struct, frozen=True, kw_only=True, gc=False):
    min: NonNegative | None = None
    median: NonNegative | None = None
    max: NonNegative | None = None


class Phases(Struct, frozen=True, kw_only=True, gc=False):
    """Seconds spent in each phase of one HTTP request; None where it was not reached."""

    resolve: NonNegative | None = None
    connect: NonNegative | None = None
    tls: NonNegative | None = None
    processing: NonNegative | None = None
    transfer: NonNegative | None = None


class ObservationBase(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind"):
    KIND: ClassVar[str] = ""

    outcome: Outcome | None = None
    reason: Reason | None = None
    detail: Text | None = None
    elapsed_s: NonNegative | None = None


@checked_apart
class Ping(ObservationBase, frozen=True, kw_only=True, tag="ping"):
    KIND: ClassVar[str] = "ping"

    target: TargetName
    sent_count: Count | None = None
    received_count: Count | None = None
    rtt_s: Rtt | None = None
    jitter_s: NonNegative | None = None


@checked_apart
class Http(ObservationBase, frozen=True, kw_only=True, tag="http"):
    KIND: ClassVar[str] = "http"

    target: TargetName
    phases_s: Phases | None = None
    status: Annotated[int, Meta(ge=100, le=999)] | None = None
    certificate_expires_at: UnixTime | None = None


@checked_apart
class Port(ObservationBase, frozen=True, kw_only=True, tag="port"):
    """A switch port that serves a classroom. Octets: what the switch received *from* the device (in) and sent to it."""

    KIND: ClassVar[str] = "port"

    classroom: ClassroomRef
    switch: TargetName | None = None
    if_name: InterfaceName | None = None
    admin_up: bool | None = None
    oper_up: bool | None = None
    speed_bps: Count | None = None
    full_duplex: bool | None = None
    in_octets: Count | None = None
    out_octets: Count | None = None
    in_error_count: Count | None = None
    out_error_count: Count | None = None
    fcs_error_count: Count | None = None
    alignment_error_count: Count | None = None
    late_collision_count: Count | None = None


@checked_apart
class Segment(ObservationBase, frozen=True, kw_only=True, tag="segment"):
    """A trunk between gateway and classrooms, or the port of an access point.

    A name with a colon is of the switch before it: its rooms use the segment, and those of the further ``switches``.
    """

    KIND: ClassVar[str] = "segment"

    name: InterfaceName
    if_name: InterfaceName | None = None
    switches: Annotated[tuple[TargetName, ...], Meta(max_length=SWITCHES_MAX)] | None = None
    speed_bps: Count | None = None
    full_duplex: bool | None = None
    in_octets: Count | None = None
    out_octets: Count | None = None


SeenBy = Literal["snmp", "mqtt", "icmp", "arp", "traffic"]


@checked_apart
class Device(ObservationBase, frozen=True, kw_only=True, tag="device"):
    KIND: ClassVar[str] = "device"

    classroom: ClassroomRef
    state: Literal["awake", "asleep", "away"] | None = None
    seen_by: SeenBy | None = None
    nic_speed_bps: Count | None = None
    facts: Annotated[dict[FactName, Text], Meta(max_length=16)] | None = None


class WindowSummary(Struct, frozen=True, kw_only=True, gc=False):
    """The windows that a bandwidth verdict rests on: their rates, and what made them what they are."""

    count: Count | None = None
    min_bps: NonNegative | None = None
    median_bps: NonNegative | None = None
    max_bps: NonNegative | None = None
    cross_bytes: NonNegative | None = None
    """Other traffic through the same port meanwhile."""
    max_queue_s: NonNegative | None = None
    """The longest delay above the smallest one."""


@checked_apart
class Bandwidth(ObservationBase, frozen=True, kw_only=True, tag="bandwidth"):
    """One threshold test of one direction: an interval, not a speed. Rates are layer-1 equivalent.

    With ``classroom`` the way from the gateway to that room was tested; with ``beyond`` the way through that exit of
    the metropolitan network; without either the school's line.
    """

    KIND: ClassVar[str] = "bandwidth"

    target: TargetName
    classroom: ClassroomRef | None = None
    beyond: TargetName | None = None
    direction: Literal["down", "up"] | None = None
    mode: Literal["quick", "drain", "passive", "tcp", "iperf3"] | None = None
    at_least_bps: NonNegative | None = None
    at_most_bps: NonNegative | None = None
    estimate_bps: NonNegative | None = None
    theta0_bps: NonNegative | None = None
    theta1_bps: NonNegative | None = None
    bucket_bytes: Count | None = None
    bytes: Count | None = None
    seconds: NonNegative | None = None
    loss_ratio: Ratio | None = None
    windows: WindowSummary | None = None


class FoundPort(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A port of a switch that was found."""

    name: InterfaceName
    label: PortLabel | None = None
    """What somebody wrote on it (ifAlias), else how its LLDP neighbour calls itself."""
    up: bool | None = None
    trunk: bool | None = None
    """Whether it is a way to further switches or to the gateway: then no room stands behind it."""


@checked_apart
class Found(ObservationBase, frozen=True, kw_only=True, tag="found", omit_defaults=True):
    """What a search of the gateway's own networks found at one address; as ``sweep``, how the search itself went.

    There may be a thousand at once, of most of which little is known: what is not is left out.
    """

    KIND: ClassVar[str] = "found"

    what: Literal["switch", "device", "printer", "sweep"]
    host: Host | None = None
    name: Text | None = None
    description: Text | None = None
    mac: DeviceAddress | None = None
    community_digest: CommunityDigest | None = None
    ports: Annotated[tuple[FoundPort, ...], Meta(max_length=FOUND_PORTS_MAX)] | None = None
    ports_left_out_count: Count | None = None
    switch: Host | None = None
    if_name: InterfaceName | None = None
    networks: Annotated[tuple[NetworkText, ...], Meta(max_length=FOUND_NETWORKS_MAX)] | None = None
    address_count: Count | None = None
    answer_count: Count | None = None


Observation = Ping | Http | Port | Segment | Device | Bandwidth | Found

KINDS: dict[str, type[Observation]] = {cls.KIND: cls for cls in (Ping, Http, Port, Segment, Device, Bandwidth, Found)}


def community_digest(community: str) -> str:
    """Say which community is meant, and to nobody who does not know it what it is."""
    return hashlib.sha256(community.encode()).hexdigest()[:16]


def clean_text(text: str) -> str:
    """Make any text fit for a ``Text`` field: one line, no control characters, at most 200 characters."""
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:DETAIL_MAX_CHARACTERS]


def error_text(error: BaseException) -> str:
    """What ``error`` says, or its kind where it says nothing: a detail must not end behind its colon."""
    return str(error).strip() or type(error).__name__
