"""Who hears what: a message as it is for a receiver that hears of some schools alone, or of what matters most.

What is asked of it rests on an incident as a whole, never on what one message says of it: its cause, and the hub that
a school had when it began. So whoever was told that something began is told that it is over.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from collector.core.bureau.pace import together
from collector.core.bureau.words import Group, Notice, NoticeKind, Share, Since
from collector.core.events import AlertChange
from collector.core.words import Cause

Severity = Literal["urgent", "normal", "info"]
_ORDER: Final[tuple[Severity, ...]] = ("info", "normal", "urgent")
URGENT: Final = frozenset({Cause.GATEWAY_SILENT, Cause.SWITCH_UNREACHABLE, Cause.PORT_DOWN, Cause.PLATFORM_UNREACHABLE})
"""Lessons are hit now. Below the requirement they go on, slowly, and beside a board that is off there are others."""


class Route(Struct, frozen=True, kw_only=True):
    """What a receiver hears of: whole offices, hubs with their schools, schools. None of the three = everything."""

    offices: tuple[str, ...] = ()
    hubs: tuple[str, ...] = ()
    schools: tuple[str, ...] = ()
    least: Severity = "info"


def covers(route: Route, office: str, school: str, hub: str | None) -> bool:
    """Whether ``route`` leads to a school of ``office`` that belongs to ``hub``; a hub is one of its own."""
    if not (route.offices or route.hubs or route.schools):
        return True
    return office in route.offices or school in route.schools or school in route.hubs or hub in route.hubs


def severity(notice: Notice) -> Severity:
    """Of one incident's message. Reminders, and what has no cause, nobody needs to act on at once."""
    if notice.kind == "checkup":
        return "normal"
    if notice.cause is None or notice.kind == "reminder":
        return "info"
    return "urgent" if notice.cause in URGENT else "normal"


def routed(notice: Notice, route: Route) -> Notice | None:
    """Return what of ``notice`` is for ``route``, as it is stored; None = nothing."""
    told = _severe(notice, route.least)
    if told is not None and not _hears_all(told, route):
        told = narrowed(told, _reached(told, route))
    return None if told is None else _stored(told)


def _hears_all(notice: Notice, route: Route) -> bool:
    if not (route.hubs or route.schools):
        # what is everybody's (a platform's own fault) is each office's
        return not (route.offices and notice.office) or notice.office in route.offices
    return bool(route.offices) and notice.office in {"", *route.offices}


def _reached(notice: Notice, route: Route) -> set[str]:
    """The schools of ``notice`` that ``route`` hears of."""
    return {school for school, hub in _hubs(notice) if covers(route, notice.office, school, hub)}


def _hubs(notice: Notice) -> Iterable[tuple[str, str | None]]:
    """Every school that ``notice`` says anything of, and its hub."""
    for part in notice.parts:
        yield from _hubs(part)
    yield from ((school, share.hub) for school, share in notice.shares.items())
    # what is counted by school says itself which hub it was told to
    yield from ((m.school, m.hub) for m in notice.members if not (notice.parts or notice.shares))
    yield from ((move.school, move.hub) for move in notice.moves)
    yield from ((each.school, each.hub) for each in notice.surveys)
    yield from ((found.school, found.hub) for group in notice.census for found in group.found)
    if notice.since_digest is not None:
        yield from ((each.school, each.hub) for each in notice.since_digest.fixed)
        yield from ((each.school, each.hub) for each in notice.since_digest.meanwhile)


def _stored(notice: Notice) -> Notice:
    """Without what only routing asks."""
    return replace(notice, shares={}, parts=tuple(map(_stored, notice.parts)))


# --- by severity ----------------------------------------------------------------------------------------------------


def _severe(notice: Notice, least: Severity) -> Notice | None:
    if least == "info":
        return notice
    if not notice.parts:
        return notice if _ORDER.index(severity(notice)) >= _ORDER.index(least) else None
    parts = [part for part in notice.parts if _severe(part, least) is not None]
    return _of_parts(replace(notice, since_digest=None, census=()), parts)


def _of_parts(whole: Notice, parts: list[Notice]) -> Notice | None:
    """A message of several, or the digest, with ``parts`` alone."""
    if whole.kind != "digest":
        return together(parts) if parts else None
    since = whole.since_digest
    if not (parts or whole.census or (since and (since.fixed or since.meanwhile))):
        return None
    return replace(
        whole,
        parts=tuple(parts),
        members=tuple(member for part in parts for member in part.members),
        since=min((part.since for part in parts), default=whole.at),
    )


# --- by school ------------------------------------------------------------------------------------------------------


def narrowed(notice: Notice, schools: Collection[str]) -> Notice | None:
    """Return what ``notice`` is for somebody who hears of ``schools`` alone; None = nothing.

    Whether something begins, goes on or ends, and every sum, is so for these schools. Who is to act stays: whose fault
    it is rests on the others, too.
    """
    if notice.kind == "digest" or notice.parts:
        parts = [its for part in notice.parts if (its := narrowed(part, schools)) is not None]
        return _of_parts(_narrowed_digest(notice, schools), parts)
    if notice.kind == "moved":
        moves = tuple(move for move in notice.moves if move.school in schools)
        return replace(notice, moves=moves, since=moves[0].at) if moves else None
    if notice.kind == "checkup":
        surveys = tuple(each for each in notice.surveys if each.school in schools)
        return replace(notice, surveys=surveys) if surveys else None
    return _narrowed_incident(notice, schools)


def _narrowed_incident(notice: Notice, schools: Collection[str]) -> Notice | None:
    members = tuple(member for member in notice.members if member.school in schools)
    shares = {school: share for school, share in notice.shares.items() if school in schools}
    joined = tuple(n for n in notice.joined if any(n in share.brought for share in shares.values()))
    if not members and not joined:
        return None
    return replace(
        notice,
        kind=_kind(notice, members, shares),
        members=members,
        shares=shares,
        since=min((m.at if m.since is None else m.since for m in members), default=notice.since),
        remaining_classrooms=_remaining(notice, members, shares),
        known_classrooms=sum(share.known_classrooms for share in shares.values()),
        still_classrooms=sum(share.still_classrooms for share in shares.values()),
        joined=joined,
        joined_classrooms=sum(sum(share.brought.values()) for share in shares.values()),
    )


def _remaining(notice: Notice, members: Iterable[AlertChange], shares: Mapping[str, Share]) -> int:
    if notice.shares:
        return sum(share.remaining_classrooms for share in shares.values())
    # what is told to escalate, or again and again, is all that is open
    return len({(member.school, room) for member in members for room in member.classrooms})


def _kind(notice: Notice, members: tuple[AlertChange, ...], shares: Mapping[str, Share]) -> NoticeKind:
    if notice.kind in {"reminder", "escalated"} or not notice.shares:
        return notice.kind
    if not any(share.was_told for share in shares.values()):
        return "opened"
    if not members or any(member.change == "opened" for member in members):
        return "updated"
    return "resolved" if any(member.why == "recovered" for member in members) else "withdrawn"


def _narrowed_digest(notice: Notice, schools: Collection[str]) -> Notice:
    """How many incidents began and ended is known of the office alone; of schools, what became of them."""
    groups = (Group(kind=g.kind, found=tuple(f for f in g.found if f.school in schools)) for g in notice.census)
    since = notice.since_digest
    if since is not None:
        since = Since(
            began_count=None,
            ended_count=None,
            fixed=tuple(each for each in since.fixed if each.school in schools),
            meanwhile=tuple(each for each in since.meanwhile if each.school in schools),
        )
    return replace(notice, census=tuple(group for group in groups if group.found), since_digest=since)
