"""What goes into a school's step, and what comes out of it."""

from typing import Literal

from msgspec import Struct

from classready.box import Box
from classready.observation import Observation
from collector.core.roster import Hours, SchoolRoster
from collector.core.subject import Subject
from collector.core.words import Cause, Direction, ShownValue, Source

# --- events ---------------------------------------------------------------------------------------------------------


class Observed(Struct, frozen=True, kw_only=True, gc=False):
    """One record about this school. ``classroom`` is already split from its school; ``late`` may not open an alert."""

    gateway: str
    observation: Observation
    classroom: str | None
    observed_at: float
    # decided where it arrives (``engine``): the core sees no moment of arrival
    late: bool = False
    source: Source = "gateway"


class Heard(Struct, frozen=True, kw_only=True, gc=False):
    """A report of ``gateway`` was committed: it is not silent."""

    gateway: str
    report_interval_s: float
    clock_skew_s: float | None = None
    spool_records: int | None = None
    agent_version: str = ""
    dropped_records: int = 0
    """Of its present spool, ever."""
    box: Box | None = None


class Resumed(Struct, frozen=True, kw_only=True):
    """The collector itself was away (a restart; its clock was set forward): that span ages nothing short-lived."""

    away_from: float
    away_to: float


class RosterChanged(Struct, frozen=True, kw_only=True):
    roster: SchoolRoster
    hours: Hours


class PolicyChanged(Struct, frozen=True):
    """The policy passed to ``step`` is a new one: judge again."""


class PlatformFault(Struct, frozen=True, kw_only=True):
    platform: str
    on: bool


Notice = Heard | Resumed | RosterChanged | PolicyChanged | PlatformFault
"""What a school is told beside what was observed in it."""
Event = Observed | Notice


# --- effects --------------------------------------------------------------------------------------------------------


class VerdictChanged(Struct, frozen=True, kw_only=True):
    """A transition for the exact, small history that is kept for years."""

    office: str
    school: str
    classroom: str
    verdict: Literal["ready", "compliant"]
    before: ShownValue
    after: ShownValue
    causes: tuple[Cause, ...]
    at: float


Withdrawal = Literal["exempted", "moved", "removed"]
"""Why nobody says whether it is well: its rooms are not judged, it is another office's, the roster has it no more."""


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
    withdrawal: Withdrawal | None = None
    """What became of its subject; None = it is not heard of any more, or nobody knows."""
    since: float | None = None
    """When the evidence first was bad."""
    classrooms: tuple[str, ...] = ()
    measured: float | None = None
    limit: float | None = None
    direction: Direction | None = None
    place: str | None = None
    """The port it is about, as ``switch:port``, or the trunk's own port; None = about none, or not known."""
    half_duplex: bool = False
    operator: str | None = None
    """Who provides the school's line, by the roster."""
    hub: str | None = None
    """The hub school (中心校) that it belongs to, by the roster when it opened: its end goes where its begin went."""
    exits: tuple[str, ...] = ()
    """Of a platform that is out of reach: the exits of the metropolitan network that the gateway tests."""
    flapping: bool = False
    """It opened so often lately that the bureau holds it open until it was well for a while."""
    still: bool = False
    """An opened one that was open before, when nobody was to be told: observation or maintenance is over.
    One that is withdrawn from a platform's own fault: it goes on as an incident of its office."""


class DeviceMoved(Struct, frozen=True, kw_only=True):
    """The device of a classroom is connected elsewhere now; ``before`` and ``after`` are ``switch:port``."""

    office: str
    school: str
    school_name: str
    classroom: str
    before: str
    after: str
    at: float
    hub: str | None = None
    """The hub school that it belongs to, by the roster."""


class Episode(Struct, frozen=True, kw_only=True, gc=False):
    """Something that was bad in lessons while its gateway could not say so; ``first_at`` and ``last_at`` were bad."""

    subject: Subject
    cause: Cause
    first_at: float
    last_at: float
    count: int = 1
    """Observations that say so."""


class Meanwhile(Struct, frozen=True, kw_only=True):
    """补报: what came and went while a gateway was cut off; nobody was told of it, and it is over."""

    office: str
    school: str
    school_name: str
    gateway: str
    episodes: tuple[Episode, ...]
    more_count: int = 0
    """Records of what there was no room for."""
    at: float
    hub: str | None = None
    """The hub school that the school belongs to, by the roster."""


SchoolEffect = VerdictChanged | AlertChange | DeviceMoved | Meanwhile
