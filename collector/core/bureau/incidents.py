"""The life of an incident: who belongs to it, what its office was told, and what is news to it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from collector.core.bureau.acks import inherited
from collector.core.bureau.groups import COME_TOGETHER, TOGETHER_WAITS, can_wait, joined_root, scope_of
from collector.core.bureau.morning import another_day, next_morning
from collector.core.bureau.rectification import named
from collector.core.bureau.rest import may_be_told_at
from collector.core.bureau.root import Root, Scope
from collector.core.bureau.words import Incident, Member, Notice, NoticeKind, Share, Tally
from collector.core.events import AlertChange, Withdrawal
from collector.core.policy import Policy

Members = tuple[Member, ...]
_NOTHING_NEW: Final = Share()


def founded(number: int, change: AlertChange, now: float) -> Incident:
    return Incident(
        id=f"{number:06d}",
        scope=scope_of(change),
        office=change.office,
        cause=change.cause,
        opened_at=now,
        since=_since(change),
    )


def has_begun(incident: Incident) -> bool:
    """Whether something of it is open and was never told."""
    return any(m.is_open and m.told is None for members in incident.schools.values() for m in members)


def holds(incident: Incident, change: AlertChange) -> bool:
    return _find(incident.schools.get(change.school, ()), change) is not None


# --- the members of one school --------------------------------------------------------------------------------------


def opened(members: Members, change: AlertChange) -> Members:
    """``change`` opens its member, opens it again, or says more about it."""
    known = _find(members, change)
    if known is None:
        return (*members, Member(alert=change))
    change = replace(change, hub=known.alert.hub)
    if known.is_open:
        flapping = change.flapping or known.alert.flapping
        change = replace(change, flapping=flapping)
        if known.alert == change and known.ending is None:
            return members
        change = replace(change, since=min(_since(known.alert), _since(change)), at=known.alert.at)
    return _with(members, known, Member(alert=change, told=known.told))


def closed(members: Members, change: AlertChange) -> Members:
    """``change`` closes its member, if it is open; one that the office never heard of is forgotten.

    The rooms that are over are those that were told: by now there may be others, or the subject may be gone.
    """
    known = _find(members, change)
    if known is None or not known.is_open:
        return members
    if known.told is None:
        return tuple(member for member in members if member is not known)
    if known.alert.flapping and change.why == "recovered":
        return members if known.ending else _with(members, known, replace(known, ending=change))
    over = replace(change, classrooms=known.told, hub=known.alert.hub)
    return _with(members, known, Member(alert=over, told=known.told))


def ended(members: Members, now: float, policy: Policy) -> Members:
    """What came and went is over where it was well for long enough."""
    for member in members:
        if member.ending is not None and not now < _ends_at(member.ending, policy) <= now + policy.flapping_quiet_s:
            calm = replace(member, alert=replace(member.alert, flapping=False), ending=None)
            members = closed(_with(members, member, calm), member.ending)
    return members


def _ends_at(ending: AlertChange, policy: Policy) -> float:
    return ending.at + policy.flapping_quiet_s


def ends_at(schools: Mapping[str, Members], policy: Policy) -> float | None:
    """When the first of what came and went is over, if it stays well."""
    endings = (member.ending for members in schools.values() for member in members if member.ending)
    return min((_ends_at(ending, policy) for ending in endings), default=None)


def _merged(members: Members, others: Members) -> Members:
    """One for each alert: that of a school which changed its office is told at the old one, and open at the new."""
    for other in others:
        if (known := _find(members, other.alert)) is None:
            members = (*members, other)
            continue
        told = None if known.told is None is other.told else tuple(sorted({*(known.told or ()), *(other.told or ())}))
        left = other if other.is_open else known
        alert = left.alert if left.is_open else replace(left.alert, classrooms=told or ())
        members = _with(members, known, replace(left, alert=alert, told=told))
    return members


def is_open(members: Members, change: AlertChange) -> bool:
    known = _find(members, change)
    return known is not None and known.is_open and known.ending is None


def withdrawn(members: Members, office: str, now: float) -> Members:
    """Close what is open of a school that is gone, or now is in ``office``: that nobody calls recovered."""
    for member in members:
        over = replace(member.alert, change="closed", why="withdrawn", office=office, at=now)
        withdrawal: Withdrawal = "removed" if office == member.alert.office else "moved"
        members = closed(members, replace(over, withdrawal=withdrawal))
    return members


def handed_back(members: Members, now: float) -> Members:
    """A platform's own fault is over: what is still open goes on as its office's, and is no longer told here."""
    for member in members:
        if member.ending is not None:
            calm = replace(member, alert=replace(member.alert, flapping=False), ending=None)
            members = closed(_with(members, member, calm), member.ending)
        else:
            change = replace(member.alert, change="closed", why="withdrawn", still=True, at=now)
            members = closed(members, change)
    return members


def listed(members: Members, office: str, name: str) -> Members:
    """As the roster lists the school now."""
    alerts = (replace(member.alert, office=office, school_name=name) for member in members)
    return tuple(replace(member, alert=alert) for member, alert in zip(members, alerts, strict=True))


def renamed(members: Members, name: str) -> Members:
    if all(member.alert.school_name == name for member in members):
        return members
    return tuple(replace(member, alert=replace(member.alert, school_name=name)) for member in members)


def _find(members: Members, change: AlertChange) -> Member | None:
    for member in members:
        if member.alert.subject == change.subject and member.alert.cause is change.cause:
            return member
    return None


def _with(members: Members, before: Member, after: Member) -> Members:
    return tuple(after if member is before else member for member in members)


def _since(change: AlertChange) -> float:
    return change.at if change.since is None else change.since


def begins(members: Members) -> bool:
    """Whether the office was never told of something that is open at one school, or of all of its rooms."""
    return any(m.is_open and (m.told is None or not set(m.told).issuperset(m.alert.classrooms)) for m in members)


# --- counts ---------------------------------------------------------------------------------------------------------


def tally(members: Members) -> Tally:
    """Count what one school brings."""
    rooms = {room for member in members if member.is_open for room in member.alert.classrooms}
    return Tally(
        sum(member.is_open for member in members), len(rooms), len(_told_rooms(members)), any(map(_is_news, members))
    )


def put(incident: Incident, schools: dict[str, Members], school: str, members: Members) -> Incident:
    """Replace a school's members within ``schools``, which the caller owns, and return the incident over them."""
    minus, plus, sums = tally(schools.get(school, ())), tally(members), incident.tally
    if members:
        schools[school] = members
    else:
        schools.pop(school, None)
    sums = Tally(
        sums.open_count + plus.open_count - minus.open_count,
        sums.classroom_count + plus.classroom_count - minus.classroom_count,
        sums.told_classroom_count + plus.told_classroom_count - minus.told_classroom_count,
        sums.news_count + plus.news_count - minus.news_count,
    )
    return replace(
        incident,
        schools=schools,
        tally=sums,
        classroom_peak_count=max(incident.classroom_peak_count, sums.classroom_count),
        since=min([incident.since, *(_since(member.alert) for member in members if member.is_open)]),
    )


def recounted(incident: Incident) -> Incident:
    """Count everything anew: what is read from the store is believed, sums over it are made."""
    empty, schools = replace(incident, schools={}, tally=Tally()), dict[str, Members]()
    for school, members in incident.schools.items():
        empty = put(empty, schools, school, members)
    return empty


# --- what is told ---------------------------------------------------------------------------------------------------


def due_at(incident: Incident, now: float, policy: Policy, scope: Scope) -> float | None:
    """When the office is to hear of it next: of its news, or for want of news to be reminded."""
    if incident.tally.news_count:
        if incident.due_at is None:
            return None
        if not can_wait(incident):
            return may_be_told_at(incident.cause, incident.due_at, scope.hours, policy)
        # the morning that it waits for is asked for again: that day may be none by now, or none was known then
        return next_morning(scope.hours, incident.due_at, now, policy)
    # the platform's own fault stands in no digest: nobody who reads one can mend it
    if incident.notified_at is None or incident.scope == "bureau":
        return None
    return next_morning(scope.hours, another_day(scope.hours, incident.notified_at), now, policy)


def news_due_at(incident: Incident, now: float, policy: Policy, scope: Scope, *, begins: bool) -> float:
    """When what is news now may go: after a wait for others, or in the morning. ``begins``: not all of it is an end."""
    soon = now + _wait_s(incident, policy, begins=begins)
    return next_morning(scope.hours, soon, now, policy) if can_wait(incident) else soon


def _wait_s(incident: Incident, policy: Policy, *, begins: bool) -> float:
    if incident.notified_at is None:
        return policy.group_wait_s * (TOGETHER_WAITS if incident.cause in COME_TOGETHER else 1)
    # who else is cut off, and who of many is well again, shows report by report
    is_spread = incident.scope != "school" and len(incident.schools) > 1 and incident.tally.open_count > 0
    if is_spread and (incident.cause in COME_TOGETHER or not begins):
        return policy.spread_wait_s
    return policy.group_wait_s


def joined(
    incident: Incident, other: Incident, schools: dict[str, Members]
) -> tuple[Incident, Mapping[str, Mapping[str, int]]]:
    """Take over the members of ``other``; ``schools`` are those of ``incident``, which the caller owns.

    Return also which rooms the office knew by ``other`` alone: its number -> school -> how many.
    """
    brought = dict[str, int]()
    for school, members in other.schools.items():
        before = len(_told_rooms(schools.get(school, ())))
        incident = put(incident, schools, school, _merged(schools.get(school, ()), members))
        if _was_told(members):
            brought[school] = len(_told_rooms(schools[school])) - before
    due = [at for at in (incident.due_at, other.due_at) if at is not None]
    ends = [at for at in (incident.ends_at, other.ends_at) if at is not None]
    incident = replace(incident, ends_at=min(ends, default=None))
    told = [at for at in (incident.told_at, other.told_at) if at is not None]
    incident = replace(inherited(incident, other), told_at=min(told, default=None))
    incident = replace(incident, opened_at=min(incident.opened_at, other.opened_at), due_at=min(due, default=None))
    return incident, {} if other.notified_at is None else {other.id: brought}


def tell(
    incident: Incident, now: float, scope: Scope, brought: Mapping[str, Mapping[str, int]] = MappingProxyType({})
) -> tuple[Incident, Notice]:
    """Say what is news, or all of it as a reminder; return the incident as its office knows it then.

    ``brought``: told incidents that turned out to be this one, each with the rooms that it brought, by school.
    """
    whole = dict(sorted(incident.schools.items()))
    after, schools, items, news = _heard_by_office(incident, whole, now)
    shares = {
        school: _share(news.get(school, _NOTHING_NEW), school, members, schools.get(school, ()), brought)
        for school, members in whole.items()
    }
    root = joined_root(incident, scope)
    notice = Notice(
        kind=_kind(incident, items) if news else "reminder",
        incident=incident.id,
        office=incident.office,
        cause=incident.cause,
        at=now,
        since=incident.since,
        members=tuple(items),
        remaining_classrooms=after.tally.told_classroom_count,
        known_classrooms=sum(share.known_classrooms for share in shares.values()),
        still_classrooms=sum(share.still_classrooms for share in shares.values()),
        joined=tuple(brought),
        joined_classrooms=sum(sum(rooms.values()) for rooms in brought.values()),
        actor=root.actor,
        root_name=root.name,
        acknowledgement=incident.acknowledgement,
        shares=shares,
    )
    return _as_told(after, notice, root), notice


def _heard_by_office(
    incident: Incident, whole: Mapping[str, Members], now: float
) -> tuple[Incident, dict[str, Members], list[AlertChange], dict[str, Share]]:
    """Return the incident and its schools as the office knows them then, what it hears, and of each school with news
    what that brings; of none all that is known already.
    """
    items, news = list[AlertChange](), dict[str, Share]()
    schools, after = dict(incident.schools), incident
    for school, members in whole.items():
        if not any(map(_is_news, members)):
            continue
        heard = tuple(_heard(member) for member in members if member.is_open)
        said = list(_items(members, now))
        items += said
        news[school] = Share(
            known_classrooms=len(_rooms(said, "opened") & _told_rooms(members)),
            still_classrooms=len(_rooms(said, "closed") & _told_rooms(heard)),
        )
        after = put(after, schools, school, heard)
    if not news:
        items = [member.alert for members in whole.values() for member in members]
    return after, schools, items, news


def _as_told(incident: Incident, notice: Notice, root: Root) -> Incident:
    told_at = notice.at if incident.told_at is None else incident.told_at
    incident = replace(
        incident, due_at=None, notified_at=notice.at, notified_count=incident.notified_count + 1, told_at=told_at
    )
    if begun := [member for member in notice.members if member.change == "opened"]:
        incident = replace(incident, actor=root.actor, root_name=root.name or named(root.actor, begun))
    return incident


def _share(
    news: Share, school: str, before: Members, after: Members, brought: Mapping[str, Mapping[str, int]]
) -> Share:
    """``after``: what the office knows of the school then."""
    return replace(
        news,
        hub=before[0].alert.hub,
        was_told=_was_told(before),
        remaining_classrooms=len(_told_rooms(after)),
        brought={number: rooms[school] for number, rooms in brought.items() if school in rooms},
    )


def _items(members: Members, now: float) -> Iterator[AlertChange]:
    """What is news of one school. Rooms that joined or left a member that was told are told by themselves."""
    for member in members:
        alert, told = member.alert, member.told
        if told is None or not member.is_open:
            yield alert
            continue
        if joined := tuple(room for room in alert.classrooms if room not in told):
            yield replace(alert, classrooms=joined)
        if left := tuple(room for room in told if room not in alert.classrooms):
            yield replace(alert, change="closed", why="withdrawn", classrooms=left, at=now)


def _kind(incident: Incident, items: list[AlertChange]) -> NoticeKind:
    if incident.notified_at is None:
        return "opened"
    if any(item.change == "opened" for item in items):
        return "updated"
    return "resolved" if any(item.why == "recovered" for item in items) else "withdrawn"


def _is_news(member: Member) -> bool:
    if member.told is None or not member.is_open:
        return True
    return member.told != member.alert.classrooms and set(member.told) != set(member.alert.classrooms)


def _heard(member: Member) -> Member:
    return replace(member, told=member.alert.classrooms)


def _was_told(members: Members) -> bool:
    return any(member.told is not None for member in members)


def _told_rooms(members: Members) -> set[str]:
    return {room for member in members for room in member.told or ()}


def _rooms(items: list[AlertChange], change: str) -> set[str]:
    return {room for item in items if item.change == change for room in item.classrooms}
