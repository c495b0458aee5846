"""A school with everything that its verdicts rest on."""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from collector.core.bureau.words import Incident
from collector.core.evidence import GatewayState
from collector.core.figures import contention_ratio, segments_of
from collector.core.hours import in_lesson, period_at
from collector.core.mute import mutes_at, silence_held_until
from collector.core.policy import Policy
from collector.core.roster import Classroom, Mute
from collector.core.state import School
from collector.core.timetable import PeriodKind
from collector.core.words import Basis
from collector.text import Language, Names, ago, rate, say
from collector.views.bandwidth import UplinkView, uplink_view
from collector.views.concern import IncidentRef, of_room, refs
from collector.views.platform import PlatformView, platform_view
from collector.views.refused import Refusals, RefusedView, nothing_refused, refused_views
from collector.views.room import ClassroomView, room_view
from collector.views.settings import SeenOf, SettingsView, nothing_said, settings_view
from collector.views.summary import SchoolSummary, summarise
from collector.views.wiring import SegmentView, segment_view

SilentBecause = Literal["maintenance", "exam", "after_lessons", "lost"]


class GatewayView(Struct, frozen=True, kw_only=True):
    gateway: str
    state: Literal["up", "silent", "never"]
    text: str
    silent_because: SilentBecause | None = None
    """Of one that is silent: what is known of it; ``lost`` = nothing is."""
    last_report_at: float | None = None
    age_s: float | None = None
    age_text: str
    report_interval_s: float | None = None
    clock_skew_s: float | None = None
    spool_records: int | None = None
    agent_version: str = ""
    refused: tuple[RefusedView, ...] = ()
    """Within a day."""
    settings: SettingsView | None = None
    """From the bureau; null = there are none, or it said nothing of them yet."""


class Unlisted(Struct, frozen=True, kw_only=True):
    """A room that reports but is not in the roster (未登记)."""

    classroom: str
    last_heard_at: float
    age_text: str


class MutedView(Struct, frozen=True, kw_only=True):
    """Why nobody is told now of what begins to fail."""

    why: Literal["maintenance", "exam"]
    title: str
    text: str
    """In the words of whoever wrote it."""
    platform: str | None
    """The name of the only one that it is about; null = it is about everything."""
    until_at: float


class SchoolView(Struct, frozen=True, kw_only=True):
    summary: SchoolSummary
    now: float
    utc_offset_s: float
    """The school's own zone: seconds east of Greenwich."""
    bureau_utc_offset_s: float
    required_down_bps: int
    required_text: str
    basis: Basis
    contention_ratio: float | None
    period: PeriodKind | None
    """What the timetable says for now; null = nothing."""
    muted: tuple[MutedView, ...]
    gateways: tuple[GatewayView, ...]
    uplinks: tuple[UplinkView, ...]
    segments: tuple[SegmentView, ...]
    platforms: tuple[PlatformView, ...]
    classrooms: tuple[ClassroomView, ...]
    unlisted: tuple[Unlisted, ...]
    incidents: tuple[IncidentRef, ...] = ()
    """Open ones that the school belongs to."""


def show(  # noqa: PLR0913
    school: School,
    names: Names,
    policy: Policy,
    now: float,
    language: Language,
    *,
    rooms: Sequence[Classroom] | None = None,
    refusals: Refusals = nothing_refused,
    settings: SeenOf = nothing_said,
    incidents: Sequence[Incident] = (),
) -> SchoolView:
    """The school with everything that its verdicts rest on; of ``rooms`` alone where they are given.

    ``incidents``: open ones, in which it may have a part.
    """
    state, concerned = school.state, refs(incidents, school.roster.school, names, language)
    shown = school.roster.classrooms.values() if rooms is None else rooms
    return SchoolView(
        summary=summarise(school, names, language),
        now=now,
        utc_offset_s=school.hours.utc_offset_s,
        bureau_utc_offset_s=names.utc_offset_s,
        required_down_bps=policy.required_down_bps,
        required_text=rate(policy.required_down_bps, language),
        basis=policy.basis,
        contention_ratio=contention_ratio(school, policy),
        period=period_at(school.hours, now),
        muted=tuple(_muted(mute, names, language) for mute in mutes_at(school.hours, now)),
        gateways=tuple(
            replace(gateway, settings=settings_view(settings(gateway.gateway), language))
            for gateway in _gateways(school, policy, now, language, refusals)
        ),
        uplinks=tuple(uplink_view(uplink, now, language) for uplink in state.uplinks.values()),
        segments=tuple(
            segment_view(school, segment, policy, now, language)
            for gateway in school.roster.gateways
            for segment in segments_of(school, gateway, now, policy)
        ),
        platforms=tuple(platform_view(school, p, names, policy, now, language) for p in school.roster.platforms),
        classrooms=tuple(
            replace(room_view(school, room, policy, now, language), incidents=of_room(concerned, room.id))
            for room in shown
        ),
        incidents=concerned,
        unlisted=_unlisted(school, now, language),
    )


def _unlisted(school: School, now: float, language: Language) -> tuple[Unlisted, ...]:
    heard = sorted(school.state.unlisted.items())
    return tuple(Unlisted(classroom=room, last_heard_at=at, age_text=ago(at, now, language)) for room, at in heard)


def _muted(mute: Mute, names: Names, language: Language) -> MutedView:
    return MutedView(
        why=mute.why,
        title=say(f"muted.{mute.why}", language),
        text=mute.text,
        platform=mute.platform and names.platform(mute.platform),
        until_at=mute.end,
    )


def _gateways(
    school: School, policy: Policy, now: float, language: Language, refusals: Refusals
) -> Iterator[GatewayView]:
    for name in school.roster.gateways:
        refused = refused_views(refusals(name), policy, language)
        yield replace(_gateway(school, name, policy, now, language), refused=refused)


def _gateway(school: School, name: str, policy: Policy, now: float, language: Language) -> GatewayView:
    gateway = school.state.gateways.get(name)
    if gateway is None:
        never = say("gateway.never", language)
        return GatewayView(gateway=name, state="never", text=never, age_text=say("never", language))
    state: Literal["up", "silent"] = "silent" if gateway.silent else "up"
    because, work = _silent_because(school, gateway, policy, now) if gateway.silent else (None, "")
    text = say("gateway.up", language) if because is None else say(f"silent.{because}", language, work=work)
    return GatewayView(
        gateway=name,
        state=state,
        text=text,
        silent_because=because,
        last_report_at=gateway.last_committed_at,
        age_s=now - gateway.last_committed_at,
        age_text=ago(gateway.last_committed_at, now, language),
        report_interval_s=gateway.report_interval_s,
        clock_skew_s=gateway.clock_skew_s,
        spool_records=gateway.spool_records,
        agent_version=gateway.agent_version,
    )


def _silent_because(school: School, gateway: GatewayState, policy: Policy, now: float) -> tuple[SilentBecause, str]:
    """Why, and of maintenance what is being done, in the words of whoever wrote it."""
    heard_at = gateway.last_committed_at
    fell_by = heard_at + policy.silent_after_intervals * gateway.report_interval_s
    for mute in mutes_at(school.hours, now):
        # what fell silent before the work began has another reason
        if mute.platform is None and mute.start <= fell_by:
            return mute.why, mute.text
    if not in_lesson(school.hours, heard_at) and now <= silence_held_until(school, gateway, policy):
        return "after_lessons", ""
    return "lost", ""
