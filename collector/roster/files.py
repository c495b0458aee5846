"""roster/*.yml as structs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import ClassroomId, ClockTime, GatewayId, OfficeId, SchoolId
from classready.observation import Text
from collector.core.hours import Calendar, Date
from collector.core.maintenance import OfficeMaintenance
from collector.core.timetable import SchoolKind, Stage, TimetableName, Weekday

Sha256 = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f]{64}\Z", examples=["9f86d081…"], description="64 hexadecimal digits, lower case"),
]
Timetable = dict[Weekday, tuple[tuple[ClockTime, ClockTime], ...]]


class _Strict(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    pass


class ClassroomEntry(_Strict, frozen=True, kw_only=True):
    id: ClassroomId
    """The room, which stays when classes move up."""
    name: Text = ""
    """The class that sits there this year (三年级2班)."""
    access: Literal["wired", "wifi", "cellular"] = "wired"
    """How its device is connected; only wired rooms have a port of their own."""
    device: Literal["whiteboard", "panel", "projector", "computer"] | None = "whiteboard"
    """null = no interactive device listed."""
    exempt: Text | None = None
    """Why the room is not judged."""
    exempt_until: Date | None = None
    """The last day of that; null = until somebody takes `exempt` away."""
    follows: TimetableName | None = None
    """The one of `calendar.timetables` that this room and others of its group (毕业班) follow; null = the school's."""


class SchoolEntry(_Strict, frozen=True, kw_only=True):
    id: SchoolId
    """The 10-digit school code, or one made for a teaching point."""
    name: Text
    """For people."""
    kind: SchoolKind = "base"
    """city school, hub 中心校, base 基点校, teaching point 教学点."""
    stage: Stage | None = None
    """primary 小学, junior 初中, senior 高中, nine_year 九年一贯制, complete 完全中学, vocational 中职."""
    hub: SchoolId | None = None
    """The hub school it belongs to."""
    rural_weak: bool = False
    """Whether it is on the list of weak rural schools: with the same need it stands first on the board."""
    operator: Text | None = None
    """Who provides the line; shown in `classready_school_info`."""
    contract_down_bps: Annotated[int, Meta(gt=0)] | None = None
    """What the contract promises. Not used yet."""
    contract_up_bps: Annotated[int, Meta(gt=0)] | None = None
    """What the contract promises. Not used yet."""
    net: Literal["internet", "metro"] = "internet"
    """The whole internet, or only the education metropolitan network. Not used yet."""
    byte_budget_per_day: Annotated[int, Meta(gt=0)] | None = None
    """Most that tests may use in a day. Not used yet: write `max_day_bytes` in agent.yml."""
    mode: Literal["normal", "metered"] = "normal"
    """Whether the line is paid by volume. Not used yet."""
    timezone: str = "Asia/Shanghai"
    """IANA name."""
    timetable: Literal["always", "never"] | Timetable | None = None
    """Lessons of its own; null = the timetable in `calendar.timetables` that it `follows`, else the one for its stage,
    else for its kind, else lessons Mon-Fri 08:00-17:00."""
    follows: TimetableName | None = None
    """The one of `calendar.timetables` that it follows, whatever its stage and kind."""
    school_days: Literal["calendar", "every"] = "calendar"
    """`every` = all days of the year."""
    classrooms: tuple[ClassroomEntry, ...] = ()
    """Every room that should be judged."""


class GatewayEntry(_Strict, frozen=True, kw_only=True):
    id: GatewayId
    """Who reports."""
    token_sha256: Sha256 | None = None
    """SHA-256 of a token made by hand: `printf %s TOKEN | sha256sum`; null = it gets its token when it enrols."""
    schools: Annotated[tuple[SchoolId, ...], Meta(min_length=1)]
    """For which schools it may report."""


class OfficeFile(_Strict, frozen=True, kw_only=True):
    office: OfficeId
    """The managing unit: GB/T 2260 code, or `tfxq`, `szs`."""
    name: Text
    """For people."""
    region: Text | None = None
    """Where it lies."""
    calendar: Calendar = Calendar()
    """What this office decides beside the bureau's calendar (collector.yml): its terms stand instead of the bureau's,
    its days beside them, its timetables before them."""
    maintenance: OfficeMaintenance = OfficeMaintenance()
    """When somebody works on something, and nobody wants to be told."""
    schools: tuple[SchoolEntry, ...] = ()
    """Every school it is responsible for."""
    gateways: tuple[GatewayEntry, ...] = ()
    """Every gateway in them."""
