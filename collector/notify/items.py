"""What a message says of each school: which rooms, where somebody has to go, what was measured, since when. Pure."""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from collector.core.bureau.words import Notice
from collector.core.events import AlertChange, DeviceMoved
from collector.core.subject import SubjectKind
from collector.core.words import Cause
from collector.notify.names import clean
from collector.text import Language, Names, moment, rate, say

NAMED_MAX = 3
"""Rooms, ports and the like that stand by their names; of more it is said how many."""
NAMED_SCHOOLS_MAX = 10
"""In what is told to every office."""

_PORT = re.compile(r"[A-Za-z-]{0,24}[0-9]{1,4}(/[0-9]{1,4}){0,4}")


class Item(Struct, frozen=True, kw_only=True):
    """One school."""

    name: str
    facts: str
    classrooms: frozenset[str]
    is_rural_weak: bool = False


def place_in_line(item: Item) -> tuple[bool, int, str]:
    """Rural weak schools first, for whose lessons the policy was made; then the largest."""
    return not item.is_rural_weak, -len(item.classrooms), item.name


def items_of(notice: Notice, language: Language, names: Names) -> Iterable[Item]:
    """One for each school and what became of it: a school may have a part that fails and one that is well again."""
    if not notice.office and len({member.school for member in notice.members}) > NAMED_SCHOOLS_MAX:
        yield from _office_items(notice.members, language, names)
        return
    by_school: dict[tuple[str, str, str], list[AlertChange]] = {}
    for member in notice.members:
        by_school.setdefault((member.school, member.change, member.why), []).append(member)
    for (school, _, _), members in by_school.items():
        rooms = frozenset(room for member in members for room in member.classrooms)
        is_weak = names.is_rural_weak(school)
        marks = [say("chat.item_rural_weak", language)] if is_weak else []
        facts = say("chat.item_separator", language).join([*marks, *_facts(notice, members, language, names)])
        name = clean(members[0].school_name) or clean(school)
        yield Item(name=name, facts=facts, classrooms=rooms, is_rural_weak=is_weak)


def _office_items(members: Sequence[AlertChange], language: Language, names: Names) -> Iterable[Item]:
    """One for each office and what became of it: which of its schools they are, everybody else need not read."""
    by_office: dict[tuple[str, str, str], list[AlertChange]] = {}
    for member in members:
        by_office.setdefault((member.office, member.change, member.why), []).append(member)
    for (office, _, _), found in by_office.items():
        platforms = (
            say("chat.item_platform", language, platform=clean(names.platform(p))) for p in _named(found, "platform")
        )
        facts = say("chat.item_separator", language).join((scale_of("affected", found, language), *platforms))
        rooms = frozenset(f"{member.school}/{room}" for member in found for room in member.classrooms)
        yield Item(name=clean(names.office(office)), facts=facts, classrooms=rooms)


def moved_items(moves: Sequence[DeviceMoved], language: Language, names: Names) -> Iterable[Item]:
    by_school: dict[str, list[DeviceMoved]] = {}
    for move in moves:
        by_school.setdefault(move.school, []).append(move)
    for school, moved in by_school.items():
        told = [_moved(move, language, names) for move in moved[:NAMED_MAX]]
        if len(moved) > NAMED_MAX:
            told.append(say("chat.item_rooms", language, classrooms=len({move.classroom for move in moved})))
        yield Item(
            name=clean(moved[0].school_name) or clean(school),
            facts=say("chat.item_separator", language).join(told),
            classrooms=frozenset(move.classroom for move in moved),
        )


def _moved(move: DeviceMoved, language: Language, names: Names) -> str:
    room = clean(names.classroom_name(move.school, move.classroom)) or clean(move.classroom)
    return say("chat.item_moved", language, room=room, after=_place(move.after), before=_place(move.before))


def _place(place: str) -> str:
    """``switch:port``, or either, as it stands on the switch where a port looks like one: no client links that."""
    return ":".join(part if _PORT.fullmatch(part) else clean(part) for part in place.split(":", 1))


def _facts(notice: Notice, members: Sequence[AlertChange], language: Language, names: Names) -> Iterable[str]:
    """What one school's line says; ``members`` all began, or all recovered, or all were withdrawn."""
    yield _rooms(members, language, names)
    for platform in _named(members, "platform"):
        yield say("chat.item_platform", language, platform=clean(names.platform(platform)))
    for name in _named(members, "exit"):
        yield say("chat.item_exit", language, exit=clean(name))
    yield from _places(members, language)
    first = members[0]
    if first.change == "closed" and first.why == "withdrawn":
        yield _withdrawal(first, notice, language, names)
        return
    if any(member.direction == "up" for member in members):
        yield say("chat.item_up", language)
    measured = [m.measured for m in members if m.measured is not None]
    limits = [m.limit for m in members if m.limit is not None]
    if measured:
        yield say("chat.item_measured", language, measured=rate(min(measured), language))
    if limits:
        yield say("chat.item_limit", language, limit=rate(max(limits), language))
    if first.change == "closed":
        at = max(member.at for member in members)
        yield say("chat.item_until", language, time=_moment(at, first.school, notice, language, names))
    else:
        at = min(member.at if member.since is None else member.since for member in members)
        yield say("chat.item_since", language, time=_moment(at, first.school, notice, language, names))
        if any(member.still for member in members):
            yield say("chat.item_still", language)
        if any(member.flapping for member in members):
            yield say("chat.item_flapping", language)


def _places(members: Sequence[AlertChange], language: Language) -> Iterable[str]:
    """Where somebody has to go: switches, trunks and ports by the names that stand on them."""
    for name in _named(members, "switch"):
        yield say("chat.item_switch", language, switch=clean(name))
    groups = [m for m in members if m.cause is Cause.DEVICE_OFFLINE and m.subject.kind != "classroom"]
    for name in sorted({m.subject.gateway for m in groups if m.subject.kind == "gateway"})[:NAMED_MAX]:
        yield say("chat.item_behind_gateway", language, gateway=clean(name))
    trunks = {m.subject.name: m.place for m in members if m.subject.kind == "segment"}
    for name, port in sorted(trunks.items())[:NAMED_MAX]:
        yield say("chat.item_trunk", language, trunk=" ".join(_place(part) for part in (name, port) if part))
    ports = sorted({m.place for m in members if m.subject.kind == "classroom" and m.place})
    if ports:
        listed = say("list.separator", language).join(map(_place, ports[:NAMED_MAX]))
        yield say("chat.item_ports" if len(ports) > NAMED_MAX else "chat.item_port", language, ports=listed)
    if any(member.change == "opened" for member in groups):
        yield say("chat.item_together", language)
    if any(member.half_duplex for member in members):
        yield say("chat.item_half_duplex", language)


def _named(members: Sequence[AlertChange], kind: SubjectKind) -> list[str]:
    return sorted({m.subject.name for m in members if m.subject.kind == kind})[:NAMED_MAX]


def _withdrawal(member: AlertChange, notice: Notice, language: Language, names: Names) -> str:
    """Nobody knows whether it is well now, so nothing says that it recovered."""
    if member.still:
        return say("chat.item_goes_on", language)
    if notice.office and member.office != notice.office:
        return say("chat.item_moved_away", language, office=clean(names.office(member.office)))
    return say("chat.item_withdrawn", language)


def _moment(at: float, school: str, notice: Notice, language: Language, names: Names) -> str:
    """As it was at the school, with its date: a message is read, forwarded and answered days later."""
    own_s = names.school_offset_s(school)
    place_s = names.utc_offset_s if own_s is None else own_s
    return moment(at, place_s, language, now=notice.at, reader_offset_s=names.utc_offset_s)


def _rooms(members: Sequence[AlertChange], language: Language, names: Names) -> str:
    """The classrooms of one school: by name and number while they are few, else how many."""
    school, rooms = members[0].school, sorted({room for member in members for room in member.classrooms})
    if not 0 < len(rooms) <= NAMED_MAX:
        return say("chat.item_rooms", language, classrooms=len(rooms))
    named = ((clean(names.classroom_name(school, room)), clean(room)) for room in rooms)
    listed = say("list.separator", language).join(f"{name} {room}" if name else room for name, room in named)
    return say("chat.item_rooms_named", language, classrooms=len(rooms), rooms=listed)


def scale_of(scale: str, members: Sequence[AlertChange], language: Language) -> str:
    rooms = {(member.school, room) for member in members for room in member.classrooms}
    schools = {member.school for member in members}
    return say(f"chat.{scale}", language, schools=len(schools), classrooms=len(rooms))


def classroom_count(items: Iterable[Item]) -> int:
    return sum(len(item.classrooms) for item in items)
