"""What the core keeps of one school: the facts that verdicts rest on, the verdicts, and what was made of them.

``SchoolState`` is what the store keeps, as versioned JSON; roster and hours come from files, and ``judged_at``,
``wake_at`` and ``away`` are memory.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from collector.core.events import Episode
from collector.core.evidence import (
    DeviceReading,
    GatewayState,
    PathState,
    PlatformReading,
    PortReading,
    SegmentReading,
    SwitchReading,
    UplinkState,
)
from collector.core.roster import Hours, SchoolRoster
from collector.core.subject import Subject
from collector.core.words import Basis, Cause, Grade, LinkState, NextStep, VerdictValue

STATE_VERSION = 2


class Interval(Struct, frozen=True, gc=False):
    """What is known of a capacity. ``half_duplex`` makes it short whatever the numbers say."""

    at_least_bps: float | None = None
    at_most_bps: float | None = None
    estimate_bps: float | None = None
    half_duplex: bool = False


class Clauses(Struct, frozen=True, kw_only=True, gc=False):
    link: VerdictValue = "unknown"
    way: VerdictValue = "unknown"
    device: VerdictValue = "unknown"
    platforms: VerdictValue = "unknown"


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
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


class Latch(Struct, frozen=True, kw_only=True, gc=False):
    """``compliant``: what was last proven, and the school days that speak against it and for it since."""

    value: VerdictValue = "unknown"
    since: float | None = None
    evidence_at: float | None = None
    short_days: tuple[str, ...] = ()
    good_days: tuple[str, ...] = ()
    """Days after the last short one on which enough was seen, and no shortfall."""


class ClassroomState(Struct, frozen=True, kw_only=True, gc=False):
    """``port`` is accepted evidence; ``pending_port`` waits for its device to be awake; ``last_port`` is the newest."""

    gateway: str | None = None
    port: PortReading | None = None
    pending_port: PortReading | None = None
    last_port: PortReading | None = None
    # kept beside the newest reading, which may be a stray entry of an address table
    place: str | None = None
    """``switch:port`` where the device is connected; another one counts when two readings in a row name it."""
    device: DeviceReading | None = None
    last_awake_at: float | None = None
    nic_speed_bps: int | None = None
    """Negotiated speed of the device's own interface, as of ``last_awake_at``."""
    link_lost_at: float | None = None
    """When its port was first read without a link, of a device awake until then, in the midst of a lesson; without a
    port, when the device first did not answer."""
    watched_since: float | None = None
    """When this room's device was first looked for: absence is counted from here."""
    verdict: Verdict = Verdict()
    latch: Latch = Latch()


class AlertState(Struct, frozen=True, kw_only=True, gc=False):
    """One finding's past. Streaks count new evidence, not time; an unknown one touches neither."""

    subject: Subject
    cause: Cause
    bad_streak: int = 0
    good_streak: int = 0
    evidence_at: float | None = None
    """Of the newest evidence that was counted."""
    opened_at: float | None = None
    bad_since: float | None = None
    """When the evidence first was bad."""
    announced: bool = False
    """Whether the bureau was told (it is not while something mutes it)."""


class Cut(Struct, frozen=True, kw_only=True, gc=False):
    """What a gateway told late, of the time when it could not report."""

    look_at: float = 0.0
    """When to see what became of it."""
    episodes: tuple[Episode, ...] = ()
    more_count: int = 0
    """Records of further ones."""


class SchoolState(Struct, frozen=True, kw_only=True, gc=False):
    """The keys of the mappings are made of the parts that the values name; nothing takes them apart."""

    version: int = STATE_VERSION
    gateways: Mapping[str, GatewayState] = {}
    uplinks: Mapping[str, UplinkState] = {}
    """Keyed ``gateway/target/direction``."""
    paths: Mapping[str, PathState] = {}
    """Keyed ``gateway/target/direction``."""
    switches: Mapping[str, SwitchReading] = {}
    """Keyed ``gateway/switch``."""
    segments: Mapping[str, SegmentReading] = {}
    """Keyed ``gateway/name``."""
    platforms: Mapping[str, PlatformReading] = {}
    """Keyed ``gateway/target``."""
    classrooms: Mapping[str, ClassroomState] = {}
    unlisted: Mapping[str, float] = {}
    """Rooms that report but are not in the roster (未登记) -> when last heard."""
    alerts: tuple[AlertState, ...] = ()
    """Those with something to remember: a streak, or an alert that is open."""
    meanwhile: Mapping[str, Cut] = {}
    """By gateway: what it told late and nobody was told of yet."""
    platform_faults: tuple[str, ...] = ()
    """Platforms whose failure is their own: their clause is unknown here."""


class Away(NamedTuple):
    """A span in which the collector itself was away: it ages nothing short-lived."""

    start: float
    end: float


class School(Struct, frozen=True, kw_only=True):
    roster: SchoolRoster
    hours: Hours = Hours()
    state: SchoolState = SchoolState()
    judged_at: float | None = None
    """When all its rooms were last judged; None = not since this process began."""
    wake_at: float = 0.0
    """Time alone changes nothing before; infinite = never."""
    away: Away | None = None
