"""When a subject's trouble becomes an alert, and when it ends.

Streaks count observations of that subject, so a single bad one never blames; an unknown one touches neither streak.
Bandwidth has its own majority rule and silence its own limit: those open and close at once.
"""

from collections.abc import Mapping
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from collector.core.hours import school_days_between
from collector.core.policy import Policy
from collector.core.state import AlertChange, AlertState, Cause, GatewayState, School
from collector.core.subject import Subject, SubjectKind

_AT_ONCE = (Cause.GATEWAY_SILENT, Cause.UPLINK_BELOW_REQUIRED, Cause.EXIT_BELOW_REQUIRED)


class Sighting(Struct, frozen=True, kw_only=True):
    """What one event says about one subject and cause. ``bad`` None = unknown.

    ``counts`` is False where nothing new was observed (a Tick): holds may run out, streaks stay.
    """

    subject: str
    cause: Cause
    bad: bool | None
    gateway: str
    counts: bool = True
    late: bool = False
    classrooms: tuple[str, ...] = ()
    measured: float | None = None
    limit: float | None = None

    @property
    def key(self) -> str:
        return f"{self.subject}|{self.cause}"

    @property
    def is_settled(self) -> bool:
        """Another rule has decided already: a classroom's path, unlike a trunk's speed, is tested."""
        tested_path = self.cause is Cause.SEGMENT_BELOW_REQUIRED and self.subject.startswith("classroom:")
        return self.cause in _AT_ONCE or tested_path


def decide(
    alert: AlertState, sighting: Sighting, now: float, policy: Policy, *, observing: bool
) -> tuple[AlertState, bool | None]:
    """Return the alert after ``sighting`` and whether to tell: True opened, False closed, None nothing.

    | open | sighting                         | then                                  | tell   |
    |------|----------------------------------|---------------------------------------|--------|
    | any  | unknown                          | as it was                             |        |
    | no   | bad, enough of them, hold over   | opens; announced unless observing     | opened |
    | yes  | bad, not announced, not observing| announced                             | opened |
    | yes  | good, enough of them             | closes                                | closed if announced |
    """
    if sighting.bad is None:
        return alert, None
    alert = _count(alert, sighting, now)
    if alert.opened_at is None:
        if sighting.late or not sighting.bad or not _is_due(alert, sighting, now, policy):
            return alert, None
        return replace(alert, opened_at=now, announced=not observing), None if observing else True
    if sighting.bad:
        if alert.announced or observing:
            return alert, None
        return replace(alert, announced=True), True
    if alert.good_streak < (1 if sighting.is_settled else policy.clear_after):
        return alert, None
    return AlertState(), False if alert.announced else None


def _count(alert: AlertState, sighting: Sighting, now: float) -> AlertState:
    if not sighting.counts:
        return alert
    if sighting.bad and sighting.late:
        return alert
    if sighting.bad:
        return replace(alert, bad_streak=alert.bad_streak + 1, good_streak=0, bad_since=alert.bad_since or now)
    return replace(alert, bad_streak=0, good_streak=alert.good_streak + 1, bad_since=None)


def _is_due(alert: AlertState, sighting: Sighting, now: float, policy: Policy) -> bool:
    if sighting.is_settled:
        return True
    held_s = now - (alert.bad_since or now)
    held = held_s >= policy.platform_hold_s if sighting.cause is Cause.PLATFORM_UNREACHABLE else True
    return alert.bad_streak >= policy.raise_after and held


def is_observing(school: School, gateway: str, now: float, policy: Policy) -> bool:
    """观察期: a new gateway is measured and shown, but nobody is told yet."""
    heard: GatewayState | None = school.state.gateways.get(gateway)
    if policy.observation_school_days == 0 or heard is None:
        return False
    return school_days_between(school.hours, heard.first_committed_at, now) < policy.observation_school_days


def apply(
    school: School, sightings: tuple[Sighting, ...], now: float, policy: Policy
) -> tuple[Mapping[str, AlertState], tuple[AlertChange, ...]]:
    """Run every sighting through ``decide``; quiet alerts are not kept."""
    alerts = dict(school.state.alerts)
    changes: list[AlertChange] = []
    for sighting in sightings:
        observing = is_observing(school, sighting.gateway, now, policy)
        alert, told = decide(alerts.get(sighting.key, AlertState()), sighting, now, policy, observing=observing)
        if alert == AlertState() or (alert.opened_at is None and not alert.bad_streak):
            alerts.pop(sighting.key, None)
        else:
            alerts[sighting.key] = alert
        if told is not None:
            changes.append(_change(school, sighting, alert, now, opened=told))
    return alerts, tuple(changes)


def _change(school: School, sighting: Sighting, alert: AlertState, now: float, *, opened: bool) -> AlertChange:
    is_uplink = sighting.cause in (Cause.UPLINK_BELOW_REQUIRED, Cause.EXIT_BELOW_REQUIRED)
    return AlertChange(
        change="opened" if opened else "closed",
        office=school.roster.office,
        school=school.roster.school,
        school_name=school.roster.name,
        subject=_subject(sighting.subject),
        cause=sighting.cause,
        at=now,
        since=alert.bad_since,
        direction="down" if is_uplink else None,
        classrooms=sighting.classrooms,
        measured=sighting.measured,
        limit=sighting.limit,
    )


def _subject(written: str) -> Subject:
    kind, _, name = written.partition(":")
    if kind in {"switch", "segment"}:
        gateway, _, name = name.partition("/")
        return Subject(cast("SubjectKind", kind), gateway, name)
    return Subject(cast("SubjectKind", kind), *((name, "") if kind in {"gateway", "uplink"} else ("", name)))


def without_gone(
    school: School, alerts: Mapping[str, AlertState], now: float
) -> tuple[Mapping[str, AlertState], tuple[AlertChange, ...]]:
    """Close alerts about classrooms, gateways and platforms that the roster no longer lists (or now exempts)."""
    kept: dict[str, AlertState] = {}
    changes: list[AlertChange] = []
    for key, alert in alerts.items():
        subject, _, cause = key.partition("|")
        if _is_listed(school, subject):
            kept[key] = alert
        elif alert.announced:
            gone = Sighting(subject=subject, cause=Cause(cause), bad=False, gateway="")
            changes.append(replace(_change(school, gone, alert, now, opened=False), why="withdrawn"))
    return kept, tuple(changes)


def withdrawn(school: School, now: float) -> tuple[Mapping[str, AlertState], tuple[AlertChange, ...]]:
    """Take back everything that was announced."""
    told = {key: alert for key, alert in school.state.alerts.items() if alert.announced}
    gone = (Sighting(subject=s, cause=Cause(c), bad=False, gateway="") for s, _, c in (k.partition("|") for k in told))
    closed = (_change(school, g, a, now, opened=False) for g, a in zip(gone, told.values(), strict=True))
    changes = [replace(change, why="withdrawn") for change in closed]
    return {**school.state.alerts, **{k: replace(a, announced=False) for k, a in told.items()}}, tuple(changes)


def _is_listed(school: School, subject: str) -> bool:
    kind, _, name = subject.partition(":")
    if kind == "classroom":
        room = school.roster.classrooms.get(name)
        return room is not None and room.exempt is None
    if kind == "platform":
        return name in school.roster.platforms
    if kind == "exit":
        return any(uplink.beyond == name for uplink in school.state.uplinks.values())
    return name.partition("/")[0] in school.roster.gateways
