"""What the core knows of one school, and the events and effects that go through its step.

Times are Unix seconds (UTC) on the collector's scale. None = not known. Everything is immutable: a step returns a
new value. ``SchoolState`` is what the store keeps, as versioned JSON; roster and hours come from files.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from classready.observation import Observation, SeenBy, WindowSummary
from collector.core.subject import Subject

STATE_VERSION = 1

VerdictValue = Literal["yes", "no", "unknown"]
CompliantValue = Literal["yes", "no", "unknown", "exempt"]
LinkState = Literal["enough", "short", "unknown"]
Basis = Literal["port", "reach", "share"]
DeviceStateName = Literal["awake", "asleep", "away"]
Direction = Literal["down", "up"]


class Cause(StrEnum):
    """Why a classroom is not ready, in root-cause order: the first that holds wins the sentence."""

    GATEWAY_SILENT = "gateway_silent"
    UPLINK_BELOW_REQUIRED = "uplink_below_required"
    EXIT_BELOW_REQUIRED = "exit_below_required"
    SWITCH_UNREACHABLE = "switch_unreachable"
    SEGMENT_BELOW_REQUIRED = "segment_below_required"
    PORT_DOWN = "port_down"
    PORT_BELOW_REQUIRED = "port_below_required"
    PORT_HALF_DUPLEX = "port_half_duplex"
    DEVICE_ABSENT = "device_absent"
    DEVICE_OFFLINE = "device_offline"
    PLATFORM_UNREACHABLE = "platform_unreachable"
    NOT_MEASURED = "not_measured"


class NextStep(StrEnum):
    """The one cheapest thing that would turn an unknown into an answer: true where it is said, and possible today."""

    CHECK_GATEWAY = "check_gateway"
    INSTALL_GATEWAY = "install_gateway"
    NAME_ROOM = "name_room"
    """Gateways report, none of them this room."""
    ADD_TEST = "add_test"
    """Nothing lately tested the line."""
    WAIT_FOR_TEST = "wait_for_test"
    WAIT_FOR_HOURS = "wait_for_hours"
    WAIT_FOR_BUDGET = "wait_for_budget"
    SET_CLOCK = "set_clock"
    CHECK_TEST = "check_test"
    """The test is made and brings no result, for a reason that does not pass by itself."""
    CHECK_SWITCH = "check_switch"
    PLACE_ROOM = "place_room"
    """A managed switch is read, and the room's port on it is not known."""
    SHOW_LINK = "show_link"
    """No managed switch is read: a port or a test must be added."""
    TEST_ROOM = "test_room"
    """There is no port, or one without a speed: only a test into the room can tell."""
    WIRE_ROOM = "wire_room"
    """A cellular room's link does not pass the gateway."""
    WAKE_DEVICE = "wake_device"
    WAIT_FOR_READING = "wait_for_reading"
    CHECK_SWITCH_PROBE = "check_switch_probe"
    LIST_DEVICE = "list_device"
    CHECK_DEVICE_PROBE = "check_device_probe"
    CHECK_PLATFORM_PROBE = "check_platform_probe"
    WAIT_FOR_PLATFORM = "wait_for_platform"
    WAIT_FOR_LESSONS = "wait_for_lessons"

    @classmethod
    def _missing_(cls, _value: object) -> "NextStep":
        """A step that an earlier release stored and this one does not name; every room is judged anew at the start."""
        return cls.WAIT_FOR_READING


class Grade(StrEnum):
    """How good the evidence is, best first; the last two are shown and never prove enough."""

    ACTIVE = "active"
    SELF_TEST = "self_test"
    PASSIVE = "passive"
    NEGOTIATED = "negotiated"
    PARTIAL = "partial"
    """Negotiated speed, and of the way from there to the gateway nothing is known."""
    INSPECTED = "inspected"
    DECLARED = "declared"


# --- roster and hours -----------------------------------------------------------------------------------------------


class Classroom(Struct, frozen=True, kw_only=True):
    id: str
    name: str = ""
    access: Literal["wired", "wifi", "cellular"] = "wired"
    device: str | None = None
    """The kind of interactive device listed; None = none listed."""
    exempt: str | None = None
    """Why this room is not judged; None = it is."""


class SchoolRoster(Struct, frozen=True, kw_only=True):
    office: str
    school: str
    name: str = ""
    kind: Literal["city", "hub", "base", "point"] = "base"
    rural_weak: bool = False
    classrooms: Mapping[str, Classroom] = {}
    gateways: tuple[str, ...] = ()
    platforms: Mapping[str, tuple[str, ...]] = {}
    """Platform id -> the agents' targets that make it up."""


class SchoolDay(Struct, frozen=True):
    """One school day in the school's own time zone. ``lessons``: sorted, disjoint spans of Unix seconds, maybe none."""

    date: str
    lessons: tuple[tuple[float, float], ...] = ()


class Hours(Struct, frozen=True):
    """The school's days, oldest first, far enough into past and future for every rule; the shell renews it daily."""

    days: tuple[SchoolDay, ...] = ()
    utc_offset_s: float = 28_800.0


# --- evidence -------------------------------------------------------------------------------------------------------


class PortReading(Struct, frozen=True, kw_only=True):
    observed_at: float
    gateway: str
    switch: str | None = None
    if_name: str | None = None
    admin_up: bool | None = None
    oper_up: bool | None = None
    speed_bps: int | None = None
    full_duplex: bool | None = None
    in_octets: int | None = None
    fcs_error_count: int | None = None
    alignment_error_count: int | None = None
    late_collision_count: int | None = None
    bad_frame_count: int | None = None
    """Frames that arrived broken or collided late since the reading before it on this port; None = not known."""
    in_lesson: bool = False
    while_asleep: bool = False
    """The device was not awake when last seen before it: what its port had negotiated then says nothing."""

    @property
    def place(self) -> str | None:
        """``switch:port``; None where the switch or the port is not known."""
        return f"{self.switch}:{self.if_name}" if self.switch and self.if_name else None


class DeviceReading(Struct, frozen=True, kw_only=True):
    observed_at: float
    gateway: str
    state: DeviceStateName
    seen_by: SeenBy | None = None
    nic_speed_bps: int | None = None
    facts: Mapping[str, str] = {}


class SegmentReading(Struct, frozen=True, kw_only=True):
    """``switches``: whose rooms use it; None = it has no switch in its name, so all of the gateway's do."""

    observed_at: float
    gateway: str
    name: str
    if_name: str | None = None
    switches: tuple[str, ...] | None = None
    speed_bps: int | None = None
    full_duplex: bool | None = None

    def serves(self, switch: str | None) -> bool:
        """Whether its gateway's rooms on ``switch`` use it."""
        return self.switches is None or switch in self.switches


class BandwidthTest(Struct, frozen=True, kw_only=True):
    """One conclusive test. ``passed`` is the agent's outcome against the thetas it was given."""

    observed_at: float
    mode: str | None
    passed: bool
    at_least_bps: float | None
    at_most_bps: float | None
    estimate_bps: float | None
    bytes: int | None = None
    seconds: float | None = None
    theta0_bps: float | None = None
    theta1_bps: float | None = None
    bucket_bytes: int | None = None
    loss_ratio: float | None = None
    windows: WindowSummary | None = None


class Leg(Struct, frozen=True, kw_only=True):
    """One direction of one bandwidth target. ``tests`` holds the last three counted ones, newest last."""

    gateway: str
    target: str
    direction: Direction
    tests: tuple[BandwidthTest, ...] = ()
    last_unmeasured_at: float | None = None
    last_unmeasured_reason: str | None = None


class UplinkState(Leg, frozen=True, kw_only=True):
    """The school's own line, or the line and the exit of the metropolitan network named by ``beyond``."""

    beyond: str | None = None


class PathState(Leg, frozen=True, kw_only=True):
    """The way inside the school, from the gateway to ``classroom``."""

    classroom: str


class PlatformReading(Struct, frozen=True, kw_only=True):
    """The newest of one target of a platform; ping and HTTP age on their own."""

    gateway: str
    target: str
    http_at: float | None = None
    up: bool | None = None
    reason: str | None = None
    status: int | None = None
    phases_s: Mapping[str, float] = {}
    certificate_expires_at: float | None = None
    ping_at: float | None = None
    rtt_s: float | None = None
    loss_ratio: float | None = None


class SwitchState(Struct, frozen=True, kw_only=True):
    gateway: str
    switch: str
    observed_at: float
    reachable: bool


class GatewayState(Struct, frozen=True, kw_only=True):
    """``last_committed_at`` is the collector's clock: silence is judged by it, never by the gateway's."""

    first_committed_at: float
    last_committed_at: float
    report_interval_s: float
    clock_skew_s: float | None = None
    spool_records: int | None = None
    agent_version: str = ""
    silent: bool = False


class Interval(Struct, frozen=True):
    """What is known of a capacity. ``half_duplex`` makes it short whatever the numbers say."""

    at_least_bps: float | None = None
    at_most_bps: float | None = None
    estimate_bps: float | None = None
    half_duplex: bool = False


class Clauses(Struct, frozen=True, kw_only=True):
    link: VerdictValue = "unknown"
    way: VerdictValue = "unknown"
    device: VerdictValue = "unknown"
    platforms: VerdictValue = "unknown"


class Verdict(Struct, frozen=True, kw_only=True):
    """The present judgement of a classroom; ``causes`` in root-cause order, ``next_step`` only with an unknown."""

    ready: VerdictValue = "unknown"
    clauses: Clauses = Clauses()
    causes: tuple[Cause, ...] = ()
    next_step: NextStep | None = None
    link: Mapping[Basis, Interval] = {}
    link_state: LinkState = "unknown"
    grade: Grade | None = None
    device_up: bool | None = None
    ready_since: float | None = None


class Latch(Struct, frozen=True, kw_only=True):
    """``compliant``: what was last proven, and on which school days evidence spoke against it."""

    value: VerdictValue = "unknown"
    since: float | None = None
    evidence_at: float | None = None
    contrary_days: tuple[str, ...] = ()


class ClassroomState(Struct, frozen=True, kw_only=True):
    """``port`` is accepted evidence; ``pending_port`` waits for its device to be awake; ``last_port`` is the newest."""

    gateway: str | None = None
    port: PortReading | None = None
    pending_port: PortReading | None = None
    last_port: PortReading | None = None
    place: str | None = None
    """``switch:port`` where the device is connected; another one counts when two readings in a row name it."""
    device: DeviceReading | None = None
    last_awake_at: float | None = None
    nic_speed_bps: int | None = None
    """Negotiated speed of the device's own interface, as of ``last_awake_at``."""
    watched_since: float | None = None
    """When this room's device was first looked for: absence is counted from here."""
    verdict: Verdict = Verdict()
    latch: Latch = Latch()


# --- alerts ---------------------------------------------------------------------------------------------------------


class AlertState(Struct, frozen=True, kw_only=True):
    """One subject and cause. Streaks count observations, not time; an unknown one touches neither."""

    bad_streak: int = 0
    good_streak: int = 0
    opened_at: float | None = None
    bad_since: float | None = None
    announced: bool = False
    """Whether the bureau was told (it is not during the observation period)."""


class AlertChange(Struct, frozen=True, kw_only=True):
    """``measured`` and ``limit`` are in the cause's own unit: bit/s for capacities, None elsewhere.

    ``why`` of a closed one: withdrawn = its subject or its rooms are no longer listed, judged or heard of.
    """

    change: Literal["opened", "closed"]
    office: str
    school: str
    school_name: str
    subject: Subject
    cause: Cause
    at: float
    why: Literal["recovered", "withdrawn"] = "recovered"
    since: float | None = None
    """When the evidence first was bad."""
    classrooms: tuple[str, ...] = ()
    measured: float | None = None
    limit: float | None = None
    direction: Direction | None = None


class SchoolState(Struct, frozen=True, kw_only=True):
    version: int = STATE_VERSION
    gateways: Mapping[str, GatewayState] = {}
    uplinks: Mapping[str, UplinkState] = {}
    """Keyed ``gateway/target/direction``."""
    paths: Mapping[str, PathState] = {}
    """Keyed ``gateway/target/direction``."""
    switches: Mapping[str, SwitchState] = {}
    """Keyed ``gateway/switch``."""
    segments: Mapping[str, SegmentReading] = {}
    """Keyed ``gateway/name``."""
    platforms: Mapping[str, PlatformReading] = {}
    """Keyed ``gateway/target``."""
    classrooms: Mapping[str, ClassroomState] = {}
    unlisted: Mapping[str, float] = {}
    """Rooms that report but are not in the roster (未登记) -> when last heard."""
    alerts: Mapping[str, AlertState] = {}
    """Keyed ``subject|cause``."""
    platform_faults: tuple[str, ...] = ()
    """Platforms whose failure is their own: their clause is unknown here."""


class School(Struct, frozen=True, kw_only=True):
    roster: SchoolRoster
    hours: Hours = Hours()
    state: SchoolState = SchoolState()


class DeviceMoved(Struct, frozen=True, kw_only=True):
    """The device of a classroom is connected elsewhere now; ``before`` and ``after`` are ``switch:port``."""

    office: str
    school: str
    school_name: str
    classroom: str
    before: str
    after: str
    at: float


# --- events ---------------------------------------------------------------------------------------------------------


class Observed(Struct, frozen=True, kw_only=True):
    """One record about this school. ``classroom`` is already split from its school; ``late`` may not open an alert."""

    gateway: str
    observation: Observation
    classroom: str | None
    observed_at: float
    late: bool = False


class Heard(Struct, frozen=True, kw_only=True):
    """A report of ``gateway`` was committed: it is not silent."""

    gateway: str
    report_interval_s: float
    clock_skew_s: float | None = None
    spool_records: int | None = None
    agent_version: str = ""


class Tick(Struct, frozen=True):
    """Time went by: silence, ageing and holds."""


class RosterChanged(Struct, frozen=True, kw_only=True):
    roster: SchoolRoster
    hours: Hours


class PolicyChanged(Struct, frozen=True):
    """The policy passed to ``step`` is a new one: judge again."""


class Resumed(Struct, frozen=True, kw_only=True):
    """The collector itself was away (a restart; its clock was set forward): that span ages nothing short-lived."""

    away_from: float
    away_to: float


class PlatformFault(Struct, frozen=True, kw_only=True):
    platform: str
    on: bool


Event = Observed | Heard | Tick | Resumed | RosterChanged | PolicyChanged | PlatformFault


# --- effects --------------------------------------------------------------------------------------------------------


class VerdictChanged(Struct, frozen=True, kw_only=True):
    """A transition for the exact, small history that is kept for years."""

    office: str
    school: str
    classroom: str
    verdict: Literal["ready", "compliant"]
    before: CompliantValue
    after: CompliantValue
    causes: tuple[Cause, ...]
    at: float


SchoolEffect = VerdictChanged | AlertChange | DeviceMoved
