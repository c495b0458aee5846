"""Alerts into incidents, incidents into messages: one per office and cause, however many classrooms fall.

Suppress creation, not resolution; wait a little so that what belongs together is told together; never more than a few
messages per office in a window. What was told is told to be over, once.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from collector.core.policy import Policy
from collector.core.state import (
    AlertChange,
    BureauEffect,
    BureauState,
    DeviceMoved,
    Incident,
    IncidentChanged,
    Notice,
    NoticeKind,
)


def step(
    bureau: BureauState, changes: Sequence[AlertChange | DeviceMoved], now: float, policy: Policy
) -> tuple[BureauState, tuple[BureauEffect, ...]]:
    """Fold alert changes into incidents, keep moves, and say what is due. With no changes it lets time pass."""
    effects: list[BureauEffect] = []
    for change in changes:
        if isinstance(change, DeviceMoved):
            waiting = bureau.moves.get(change.office, ())
            bureau = replace(bureau, moves={**bureau.moves, change.office: (*waiting, change)})
        else:
            bureau, opened = _fold(bureau, change, now, policy)
            effects += opened
    for key, incident in sorted(bureau.incidents.items(), key=lambda item: item[1].opened_at):
        bureau, sent = _speak(bureau, key, incident, now, policy)
        effects += sent
    for office in tuple(bureau.moves):
        bureau, told = _tell_moves(bureau, office, now, policy)
        effects += told
    return bureau, tuple(effects)


def _fold(
    bureau: BureauState, change: AlertChange, now: float, policy: Policy
) -> tuple[BureauState, tuple[BureauEffect, ...]]:
    key = f"{change.office}|{change.cause}"
    member = f"{change.school}|{change.subject}"
    incident = bureau.incidents.get(key)
    if change.change == "opened":
        effects: tuple[BureauEffect, ...] = ()
        if incident is None:
            bureau = replace(bureau, incident_count=bureau.incident_count + 1)
            incident = Incident(
                id=f"{bureau.incident_count:06d}", office=change.office, cause=change.cause, opened_at=now
            )
            effects = (_history(incident, "opened", now, (change,)),)
        return _put(bureau, key, _with_member(incident, member, change, now, policy)), effects
    if incident is None or member not in incident.members:
        return bureau, ()
    return _put(bureau, key, _without_member(incident, member, change, now, policy)), ()


def _with_member(incident: Incident, member: str, change: AlertChange, now: float, policy: Policy) -> Incident:
    resolved = {k: v for k, v in incident.resolved_members.items() if k != member}
    incident = replace(incident, members={**incident.members, member: change}, resolved_members=resolved)
    return replace(incident, due_at=_due(incident, now, policy))


def _without_member(incident: Incident, member: str, change: AlertChange, now: float, policy: Policy) -> Incident:
    members = {k: v for k, v in incident.members.items() if k != member}
    resolved = incident.resolved_members
    if member in incident.told:
        resolved = {**resolved, member: change}
    incident = replace(incident, members=members, resolved_members=resolved)
    return replace(incident, due_at=_due(incident, now, policy))


def _due(incident: Incident, now: float, policy: Policy) -> float | None:
    """When the next message may go: unchanged if one is already due, None when there is nothing new to say."""
    news = set(incident.members) - set(incident.told)
    over = not incident.members
    if not news and not over:
        return None
    return incident.due_at if incident.due_at is not None else now + policy.group_wait_s


def _speak(
    bureau: BureauState, key: str, incident: Incident, now: float, policy: Policy
) -> tuple[BureauState, tuple[BureauEffect, ...]]:
    """Emit the message that is due for one incident, if any, and close it when it is over."""
    over = not incident.members
    if over and not incident.told:
        return _drop(bureau, key), (_history(incident, "closed", now, ()),)
    kind = _kind(incident, now, policy)
    if kind is None or not _may_send(bureau, incident.office, now, policy):
        return bureau, ()
    members = incident.resolved_members if over else incident.members
    named = members if kind in ("opened", "resolved", "reminder") else _news(incident)
    notice = Notice(
        kind=kind,
        incident=incident.id,
        office=incident.office,
        cause=incident.cause,
        subject="",
        at=now,
        opened_at=incident.opened_at,
        members=tuple(named.values()),
        remaining_classrooms=_classroom_count(tuple(incident.members.values())),
    )
    bureau = _sent(bureau, incident.office, now, policy)
    if over:
        return _drop(bureau, key), (notice, _history(incident, "closed", now, tuple(members.values())))
    told = tuple(sorted({*incident.told, *incident.members}))
    return _put(bureau, key, replace(incident, told=told, due_at=None, notified_at=now)), (notice,)


def _tell_moves(
    bureau: BureauState, office: str, now: float, policy: Policy
) -> tuple[BureauState, tuple[BureauEffect, ...]]:
    """Tell an office of its moves in one message: a rewired building is one piece of news."""
    moves = bureau.moves[office]
    if now - moves[0].at < policy.group_wait_s or not _may_send(bureau, office, now, policy):
        return bureau, ()
    notice = Notice(
        kind="moved",
        incident="",
        office=office,
        cause=None,
        subject="",
        at=now,
        opened_at=moves[0].at,
        members=(),
        moves=moves,
    )
    waiting = {name: others for name, others in bureau.moves.items() if name != office}
    return replace(_sent(bureau, office, now, policy), moves=waiting), (notice,)


def _kind(incident: Incident, now: float, policy: Policy) -> NoticeKind | None:
    due = incident.due_at is not None and incident.due_at <= now
    if due:
        if not incident.members:
            return "resolved"
        return "updated" if incident.told else "opened"
    overdue = incident.notified_at is not None and now - incident.notified_at >= policy.reminder_after_s
    return "reminder" if overdue and incident.due_at is None else None


def _news(incident: Incident) -> Mapping[str, AlertChange]:
    return {k: v for k, v in incident.members.items() if k not in incident.told}


def _may_send(bureau: BureauState, office: str, now: float, policy: Policy) -> bool:
    recent = [at for at in bureau.sent_at.get(office, ()) if now - at < policy.message_window_s]
    return len(recent) < policy.messages_per_window


def _sent(bureau: BureauState, office: str, now: float, policy: Policy) -> BureauState:
    recent = tuple(at for at in bureau.sent_at.get(office, ()) if now - at < policy.message_window_s)
    return replace(bureau, sent_at={**bureau.sent_at, office: (*recent, now)})


def _put(bureau: BureauState, key: str, incident: Incident) -> BureauState:
    return replace(bureau, incidents={**bureau.incidents, key: incident})


def _drop(bureau: BureauState, key: str) -> BureauState:
    return replace(bureau, incidents={k: v for k, v in bureau.incidents.items() if k != key})


def _classroom_count(members: Sequence[AlertChange]) -> int:
    return len({(m.school, room) for m in members for room in m.classrooms})


def _history(incident: Incident, change: str, now: float, members: Sequence[AlertChange]) -> IncidentChanged:
    return IncidentChanged(
        incident=incident.id,
        office=incident.office,
        cause=incident.cause,
        change="opened" if change == "opened" else "closed",
        at=now,
        classroom_count=_classroom_count(members),
    )
