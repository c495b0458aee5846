"""The digest (每日汇总): once a school day an office hears what can wait, and what was told and is not fixed.

It is the only reminder there is. Nothing to say is no message; on other days there is none.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from collector.core.bureau.groups import can_wait
from collector.core.bureau.words import Fixed, Group, Incident, Notice, NoticeKind, Since
from collector.core.events import AlertChange, Meanwhile

FIXED_MAX: Final = 300
"""Schools of which is kept how long they failed; an outage of a province has more."""
MEANWHILE_MAX: Final = 60
"""Gateways of which is kept what came and went; a region that was cut off has more."""
_KINDS: Final[tuple[NoticeKind, ...]] = ("opened", "updated", "reminder", "resolved", "withdrawn")


def is_of_the_morning(incident: Incident) -> bool:
    """Whether what is to be said of it now is no news, or waits for the morning."""
    return can_wait(incident) or not incident.tally.news_count


def counted(since: Since, notice: Notice, incidents: Mapping[str, Incident]) -> Since:
    """Count what a message says to have begun, or to be over. ``incidents``: what is open after it."""
    for part in notice.parts or (notice,):
        is_over = part.kind in {"resolved", "withdrawn"} and not part.remaining_classrooms
        since = replace(
            since,
            began_count=(since.began_count or 0) + (part.kind == "opened"),
            ended_count=(since.ended_count or 0) + is_over,
        )
        still = incidents.get(part.incident)
        since = _with_fixed(since, part, still.schools if still is not None else {})
    return since


def _with_fixed(since: Since, notice: Notice, still: Container[str]) -> Since:
    """Enter the schools that are well again, and take out those that fail again; ``still`` are in the incident."""
    if notice.cause is None:
        return since
    again = {member.school for member in notice.members if member.change == "opened"}
    fixed = [each for each in since.fixed if each.incident != notice.incident or each.school not in again]
    recovered: dict[str, list[AlertChange]] = {}
    for member in notice.members:
        if member.change == "closed" and member.why == "recovered" and member.school not in still:
            recovered.setdefault(member.school, []).append(member)
    fixed += [
        Fixed(
            incident=notice.incident,
            school=school,
            school_name=members[0].school_name,
            cause=notice.cause,
            since=min(member.at if member.since is None else member.since for member in members),
            at=max(member.at for member in members),
            hub=members[0].hub,
        )
        for school, members in recovered.items()
        if school not in again
    ]
    more_count = since.fixed_more_count + max(0, len(fixed) - FIXED_MAX)
    return replace(since, fixed=tuple(fixed[:FIXED_MAX]), fixed_more_count=more_count)


def recalled(since: Since, event: Meanwhile) -> Since:
    """Keep it once, also where a gateway serves several schools that each saw it."""
    known = {(each.gateway, each.episodes) for each in since.meanwhile}
    if (event.gateway, event.episodes) in known:
        return since
    if len(since.meanwhile) >= MEANWHILE_MAX:
        return replace(since, meanwhile_more_count=since.meanwhile_more_count + 1)
    return replace(since, meanwhile=(*since.meanwhile, event))


def digest(office: str, now: float, parts: Sequence[Notice], since: Since, census: tuple[Group, ...] = ()) -> Notice:
    """``parts`` by kind and cause, the largest first."""
    of_cause = Counter[object]()
    for part in parts:
        of_cause[part.kind, part.cause] += max(1, part.remaining_classrooms)
    ordered = sorted(
        parts,
        key=lambda part: (
            _KINDS.index(part.kind) if part.kind in _KINDS else len(_KINDS),
            -of_cause[part.kind, part.cause],
            str(part.cause),
            -part.remaining_classrooms,
            part.incident,
        ),
    )
    return Notice(
        kind="digest",
        incident="",
        office=office,
        cause=None,
        at=now,
        since=min((part.since for part in parts), default=now),
        members=tuple(member for part in ordered for member in part.members),
        parts=tuple(ordered),
        since_digest=since,
        census=census,
    )
