"""The gateways of a bureau as machines, and how far a new release has come among them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from collector.core.state import School
from collector.fleet.staging import IN_FLIGHT_MAX, Fate, Mark, Plan, State
from collector.fleet.trouble import Enrolment, Sight, Trouble, troubles, weight
from collector.text import MESSAGES, Language, Names, say


class TroubleView(Struct, frozen=True, kw_only=True):
    trouble: Trouble
    text: str


class UpgradeOf(Struct, frozen=True, kw_only=True):
    """What the gateway itself says of the release that it should have, and what came of it."""

    version: str
    state: str
    reason: str | None
    fate: Fate | None
    text: str


class GatewayRow(Struct, frozen=True, kw_only=True):
    """One gateway. ``release`` null: it was not installed from a bundle, or is too old to say.

    ``silent_since``: when it was heard last, of one that is silent. ``clock_skew_s`` > 0: its clock is ahead.
    ``found_count``: devices in its network that are not assigned to any room.
    """

    gateway: str
    office: str
    office_name: str
    schools: tuple[str, ...]
    school_names: tuple[str, ...]
    troubles: tuple[TroubleView, ...]
    enrolment: Enrolment
    enrolment_text: str
    agent_version: str
    release: str | None
    upgrade: UpgradeOf | None
    settings_applied: str | None
    settings_wanted: str | None
    settings_refused: tuple[str, ...]
    last_heard_at: float | None
    silent_since: float | None
    report_interval_s: float | None
    clock_skew_s: float | None
    spool_records: int | None
    dropped_records: int
    certificate_expires_at: float | None
    found_count: int | None


class UpgradeView(Struct, frozen=True, kw_only=True):
    """``held``: the releases that this collector has, which alone can be targets. Without ``version`` there is none.

    ``cannot_follow``: gateways that were not installed from a bundle, or whose agent is too old.
    """

    held: tuple[str, ...]
    version: str | None = None
    canary: str | None = None
    percent: int = 0
    state: State | None = None
    by: str = ""
    asked_at: float | None = None
    gate_at: float | None = None
    halted_at: float | None = None
    gateways: int = 0
    with_it: int = 0
    offered: int = 0
    waiting: int = 0
    arrived: int = 0
    well: int = 0
    failed: int = 0
    cannot_follow: int = 0
    at_once_max: int = IN_FLIGHT_MAX
    text: str


class Upgrading(NamedTuple):
    """``held``: the releases that the collector has."""

    plan: Plan | None
    marks: Mapping[str, Mark]
    held: tuple[str, ...]


def _nobody() -> Sequence[Sight]:
    return ()


def _nothing() -> Upgrading:
    return Upgrading(None, {}, ())


@dataclass(frozen=True)
class Fleet:
    """Where it comes from. ``sights`` may be asked in a thread of its own."""

    sights: Callable[[], Sequence[Sight]] = _nobody
    upgrading: Callable[[], Upgrading] = _nothing


class Ranked(NamedTuple):
    sight: Sight
    troubles: tuple[Trouble, ...]


def ranked(sights: Sequence[Sight], office: str | None, trouble: str | None, now: float) -> list[Ranked]:
    """Return those of ``office`` (None = all) with ``trouble`` (None = whatever they have), the worst first."""
    found = [Ranked(sight, troubles(sight, now)) for sight in sights if office in {None, sight.office}]
    chosen = [one for one in found if trouble is None or trouble in one.troubles]
    return sorted(chosen, key=lambda one: (weight(one.troubles), one.sight.gateway))


def row(one: Ranked, names: Names, schools: Mapping[str, School], language: Language) -> GatewayRow:
    sight, state, settings = one.sight, one.sight.state, one.sight.settings
    box = state.box if state else None
    return GatewayRow(
        gateway=sight.gateway,
        office=sight.office,
        office_name=names.office(sight.office),
        schools=sight.schools,
        school_names=tuple(schools[name].roster.name or name for name in sight.schools if name in schools),
        troubles=tuple(TroubleView(trouble=t, text=say(f"fleet.{t}", language)) for t in one.troubles),
        enrolment=sight.enrolment,
        enrolment_text=say(f"enrolment.{sight.enrolment}", language),
        agent_version=state.agent_version if state else "",
        release=box.release if box else None,
        upgrade=_upgrade_of(sight, language),
        settings_applied=settings.applied if settings else None,
        settings_wanted=settings.wanted if settings else None,
        settings_refused=(settings.refused or ()) if settings else (),
        last_heard_at=state.last_committed_at if state else None,
        silent_since=state.last_committed_at if state and state.silent else None,
        report_interval_s=state.report_interval_s if state else None,
        clock_skew_s=state.clock_skew_s if state else None,
        spool_records=state.spool_records if state else None,
        dropped_records=state.dropped_records if state else 0,
        certificate_expires_at=box.certificate_expires_at if box else None,
        found_count=sight.found_count,
    )


def _upgrade_of(sight: Sight, language: Language) -> UpgradeOf | None:
    told = sight.state.box.upgrade if sight.state and sight.state.box else None
    fate = sight.mark.fate if sight.mark else None
    if told is None:
        return None
    reason = (sight.mark.reason if sight.mark else None) or told.reason
    return UpgradeOf(
        version=told.version, state=told.state, reason=reason, fate=fate, text=_told(told.state, reason, language)
    )


def _told(state: str, reason: str | None, language: Language) -> str:
    """A word of a later agent is shown as it is."""
    known = f"upgrade.{state}"
    text = say(known, language) if known in MESSAGES else state
    if reason is None:
        return text
    why = f"upgrade.why.{reason}"
    return say("upgrade.because", language, text=text, why=say(why, language) if why in MESSAGES else reason)


def upgrade_view(upgrading: Upgrading, sights: Sequence[Sight], names: Names, language: Language) -> UpgradeView:
    plan, marks = upgrading.plan, upgrading.marks
    if plan is None:
        return UpgradeView(held=upgrading.held, text=say("fleet.no_upgrade", language))
    fates = Counter(mark.fate for sight in sights if (mark := marks.get(sight.gateway)) is not None)
    releases = [sight.state.box.release if sight.state and sight.state.box else None for sight in sights]
    name = names.office(plan.canary) if plan.canary else ""
    stage = "canary" if plan.canary and plan.gate_at is None else "part"
    fields = {"version": plan.version, "percent": plan.percent, "canary": name}
    return UpgradeView(
        held=upgrading.held,
        version=plan.version,
        canary=plan.canary,
        percent=plan.percent,
        state=plan.state,
        by=plan.by,
        asked_at=plan.asked_at,
        gate_at=plan.gate_at,
        halted_at=plan.halted_at,
        gateways=len(sights),
        with_it=releases.count(plan.version),
        offered=fates.total(),
        waiting=fates["waiting"],
        arrived=fates["arrived"],
        well=fates["well"],
        failed=fates["failed"],
        cannot_follow=releases.count(None),
        text=say(f"fleet.stage.{stage if plan.state == 'running' else plan.state}", language, **fields),
    )
