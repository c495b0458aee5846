"""What the bureau knows, what reaches it and what it answers. Immutable; times are Unix seconds of the collector.

Everything stands at the *desk* of an office: its open incidents, its waiting moves and when it was last sent a message.
What one change costs so depends on its own desk and never on how much fails elsewhere.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from collector.core.census import Found, GroupKind
from collector.core.checkup import Surveyed
from collector.core.events import AlertChange, DeviceMoved, Meanwhile
from collector.core.policy import Policy
from collector.core.words import Actor, Cause

STATE_VERSION = 1

Scope = Literal["school", "operator", "exit", "platform", "office", "bureau"]
NoticeKind = Literal[
    "opened", "updated", "resolved", "withdrawn", "reminder", "moved", "several", "digest", "escalated", "checkup"
]

# --- events ---------------------------------------------------------------------------------------------------------


class SchoolChanged(Struct, frozen=True, kw_only=True):
    """The roster lists the school, now in this office and by this name."""

    school: str
    office: str
    name: str


class SchoolGone(Struct, frozen=True, kw_only=True):
    """The roster lists the school no longer."""

    school: str


class Acknowledged(Struct, frozen=True, kw_only=True):
    """Somebody says that he is on an incident. Whoever lets it in has capped ``by`` and ``note``."""

    incident: str
    by: str
    note: str
    at: float


BureauEvent = AlertChange | DeviceMoved | Meanwhile | SchoolChanged | SchoolGone | Acknowledged

# --- state ----------------------------------------------------------------------------------------------------------


class Acknowledgement(Struct, frozen=True, kw_only=True):
    by: str
    note: str
    at: float


class Fixed(Struct, frozen=True, kw_only=True):
    """A school that is well again, as far as one incident goes."""

    incident: str
    school: str
    school_name: str
    cause: Cause
    since: float
    """When the evidence first was bad."""
    at: float
    """When it was well again."""
    hub: str | None = None
    """The hub school that it belongs to."""


class Since(Struct, frozen=True):
    """What became of things since an office's last digest: the next one says it."""

    began_count: int | None = 0
    ended_count: int | None = 0
    """Incidents of which it was told that they began, or ended; None = not known, as of some of an office's schools."""
    fixed: tuple[Fixed, ...] = ()
    """The first of them, oldest first."""
    fixed_more_count: int = 0
    """Schools beyond ``fixed``."""
    meanwhile: tuple[Meanwhile, ...] = ()
    """What gateways told when they were back: of this the office was told nothing yet."""
    meanwhile_more_count: int = 0
    """Gateways beyond ``meanwhile``."""


class Group(Struct, frozen=True, kw_only=True):
    """What a census found of one kind; schools with something new first, then the largest."""

    kind: GroupKind
    found: tuple[Found, ...]


class Remembered(Struct, frozen=True, kw_only=True):
    """What an office's censuses found of one kind, and when it was told of it last."""

    first_at: Mapping[str, float] = {}
    """When what is there now was first found."""
    said_at: float | None = None


class Morning(Struct, frozen=True, kw_only=True):
    """What a desk knows of its mornings. That it began to count stands for the first census, which is another day's."""

    census_at: float
    """When the last census was taken."""
    digest_at: float
    """When the last digest went."""
    remembered: Mapping[GroupKind, Remembered] = {}
    groups: tuple[Group, ...] = ()
    """What the last census found worth telling, until it is told."""
    wanted_at: float | None = None
    """Since when there is something to tell that no incident tells."""
    checked_up: str = ""
    """The term (its first day) before which its check-up was told."""


class Member(Struct, frozen=True, kw_only=True):
    """One alert within an incident. One that is closed stays until its office was told that it is over."""

    alert: AlertChange
    told: tuple[str, ...] | None = None
    """The classrooms that the office was told of with it; None = it was not told of it."""

    ending: AlertChange | None = None
    """Its end, where it comes and goes: it counts once it lasted."""

    @property
    def is_open(self) -> bool:
        return self.alert.change == "opened"


class Tally(Struct, frozen=True):
    """Sums over the members, kept so that nobody counts them all at each change."""

    open_count: int = 0
    classroom_count: int = 0
    """Affected now, each room once."""
    told_classroom_count: int = 0
    """Affected as far as the office was told."""
    news_count: int = 0
    """Schools of which there is something to tell."""


class Incident(Struct, frozen=True, kw_only=True):
    """One root with everything it explains. Its ``id`` rests on nothing that can change.

    ``scope`` says what holds it together; which operator, exit or platform that is, each of its members says. Scope
    ``office`` is one for each office and cause: what can wait for the morning, and what earlier releases made of all.
    """

    version: int = STATE_VERSION
    id: str
    scope: Scope
    office: str
    """Whose desk it is on; empty with scope ``bureau``."""
    cause: Cause
    opened_at: float
    since: float
    """When the evidence for the first of its members first was bad."""
    schools: Mapping[str, tuple[Member, ...]] = {}
    tally: Tally = Tally()
    classroom_peak_count: int = 0
    """The most classrooms that were affected at once."""
    due_at: float | None = None
    """When the next message about it may go; None = nothing new to say."""
    notified_at: float | None = None
    ends_at: float | None = None
    """When the first of its members that come and go may count as well again."""
    notified_count: int = 0
    """Messages about it, reminders included; since the release that began to count."""
    acknowledgement: Acknowledgement | None = None
    told_at: float | None = None
    """When the first message about it went."""
    escalated_at: float | None = None
    """When those were told who are told of what nobody takes."""
    actor: Actor | None = None
    """Whom it asks to act by the last message that something began; None = no such message, or an earlier release's."""
    root_name: str | None = None
    """Of the operator or the exit that it named."""
    platform: str | None = None
    """Whose own fault it is; None = it is none, or that is over."""
    fault_at: float | None = None
    """From when on every school is told of that."""
    over_at: float | None = None
    """When that is over, unless the platform is missed again."""
    brought: Mapping[str, Mapping[str, int]] = {}
    """Incidents that the next message says to be this one, each with the rooms that it brought, by school."""


class Desk(Struct, frozen=True, kw_only=True):
    incidents: Mapping[str, Incident] = {}
    """Open ones, by id."""
    moves: tuple[DeviceMoved, ...] = ()
    """Devices that moved and were not told of yet, oldest first."""
    sent_at: tuple[float, ...] = ()
    """When the last messages went, oldest first, as far as the limit asks."""
    followed_at: float | None = None
    """When the last message went that said of nothing that it begins."""
    openings: Mapping[str, tuple[float, ...]] = {}
    """When what opened lately (school, subject and cause) did so, as far as the rule of flapping asks."""
    since_digest: Since = Since()
    morning: Morning | None = None
    """None = nobody counts its schools."""
    next_at: float | None = None
    """When time alone can next change anything here."""


class Bureau(Struct, frozen=True, kw_only=True):
    desks: Mapping[str, Desk] = {}
    """By office."""
    holders: Mapping[str, str] = {}
    """School with an open alert -> the office whose desk has it, and it has them all."""
    incident_count: int = 0
    """The number of the last incident ever opened."""
    as_of: float = 0.0
    """The time of the last step: what is dated later than the next one was written by a wrong clock."""
    policy: Policy | None = None
    """That of the last step, which every ``next_at`` rests on; None after a start."""


# --- effects --------------------------------------------------------------------------------------------------------


class Share(Struct, frozen=True, kw_only=True):
    """What one school brings to the sums of a notice, for receivers that hear of some schools alone."""

    hub: str | None = None
    was_told: bool = False
    """Whether the office was told of it before."""
    remaining_classrooms: int = 0
    known_classrooms: int = 0
    still_classrooms: int = 0
    brought: Mapping[str, int] = {}
    """Of ``joined``: those that the school was in, each with its rooms of ``joined_classrooms``."""


class Notice(Struct, frozen=True, kw_only=True):
    """One message to be sent: codes and numbers, no sentences.

    ``members`` are what the office hears with it, opened ones and closed ones, each with its rooms. Counts add up from
    what it heard before: rooms before + ``joined_classrooms`` + opened - ``known_classrooms`` - closed +
    ``still_classrooms`` = ``remaining_classrooms``.
    Of kind ``moved`` it is about ``moves`` and has no cause: nothing is wrong.
    """

    kind: NoticeKind
    incident: str
    office: str
    """Empty = for every office (a platform's own fault)."""
    cause: Cause | None
    at: float
    since: float
    members: tuple[AlertChange, ...] = ()
    remaining_classrooms: int = 0
    known_classrooms: int = 0
    """Rooms of the opened ones that the office knew to be affected."""
    still_classrooms: int = 0
    """Rooms of the closed ones that another member goes on to affect."""
    joined: tuple[str, ...] = ()
    """Incidents that the office was told of by themselves, and that turned out to be this one: they go on as it."""
    joined_classrooms: int = 0
    """Rooms that the office knew by ``joined`` alone: they count as heard before."""
    moves: tuple[DeviceMoved, ...] = ()
    parts: tuple["Notice", ...] = ()
    """Of kinds ``several`` and ``digest``: what would else be messages of their own. ``members``: of all, in order."""
    since_digest: Since | None = None
    """Of kind ``digest``: what became of incidents since the one before."""
    census: tuple[Group, ...] = ()
    """Of kind ``digest``: what no incident tells of."""
    surveys: tuple[Surveyed, ...] = ()
    """Of kind ``checkup``: what each school is ready for, those with most to do first."""
    term: str | None = None
    """Of kind ``checkup``: the first day of the term."""
    actor: Actor | None = None
    """Who is to act, by the scope of the whole incident; None = nobody."""
    root_name: str | None = None
    """Of the operator or the exit that all of it hangs on."""
    acknowledgement: Acknowledgement | None = None
    """Who is on it."""
    shares: Mapping[str, Share] = {}
    """By school, also of those without news; only until it is routed."""


class IncidentChanged(Struct, frozen=True):
    """For the history: an incident as it was when it began or ended."""

    change: Literal["opened", "closed"]
    incident: Incident
    at: float


BureauEffect = Notice | IncidentChanged
