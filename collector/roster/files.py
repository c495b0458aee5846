"""roster/*.yml as structs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import ClassroomId, GatewayId, OfficeId, SchoolId
from classready.observation import Text
from collector.core.hours import Weekday

ClockTime = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]
Timetable = dict[Weekday, tuple[tuple[ClockTime, ClockTime], ...]]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ClassroomEntry(_Strict, frozen=True, kw_only=True):
    id: ClassroomId
    name: Text = ""
    """The class that sits there this year (三年级2班)."""
    access: Literal["wired", "wifi", "cellular"] = "wired"
    device: Literal["whiteboard", "panel", "projector", "computer"] | None = "whiteboard"
    """null = no interactive device listed."""
    exempt: Text | None = None
    """Why the room is not judged."""


class SchoolEntry(_Strict, frozen=True, kw_only=True):
    id: SchoolId
    name: Text
    kind: Literal["city", "hub", "base", "point"] = "base"
    hub: SchoolId | None = None
    rural_weak: bool = False
    operator: Text | None = None
    contract_down_bps: Annotated[int, Meta(gt=0)] | None = None
    contract_up_bps: Annotated[int, Meta(gt=0)] | None = None
    net: Literal["internet", "metro"] = "internet"
    byte_budget_per_day: Annotated[int, Meta(gt=0)] | None = None
    mode: Literal["normal", "metered"] = "normal"
    timezone: str = "Asia/Shanghai"
    timetable: Literal["always", "never"] | Timetable | None = None
    """null = lessons Mon-Fri 08:00-17:00."""
    school_days: Literal["calendar", "every"] = "calendar"
    classrooms: tuple[ClassroomEntry, ...] = ()


class GatewayEntry(_Strict, frozen=True, kw_only=True):
    id: GatewayId
    token_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    schools: Annotated[tuple[SchoolId, ...], Meta(min_length=1)]


class OfficeFile(_Strict, frozen=True, kw_only=True):
    office: OfficeId
    name: Text
    region: Text | None = None
    schools: tuple[SchoolEntry, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()
