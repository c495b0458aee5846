"""What an import does to an office, so that a person can check it before and after."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from collector.roster.files import ClassroomEntry, OfficeFile, SchoolEntry

LISTED_MAX = 20
"""Lines of one kind; the rest is counted."""


class Changes(Struct, frozen=True, kw_only=True):
    """Ids, rooms as ``school/room``. Rooms of schools that come or go are not listed besides."""

    schools_new: tuple[str, ...] = ()
    schools_gone: tuple[str, ...] = ()
    classrooms_new: tuple[str, ...] = ()
    classrooms_gone: tuple[str, ...] = ()
    gateways_gone: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()
    """``s1/r1: exempt '维修' -> nothing``"""
    labels: Mapping[str, str] = {}
    """What leaves -> its name, with what leaves along with it."""

    @property
    def is_loss(self) -> bool:
        """Something leaves the roster: a person must have said so."""
        return bool(self.schools_gone or self.classrooms_gone or self.gateways_gone)


def compare(before: OfficeFile | None, after: OfficeFile) -> Changes:
    """Compare an office with what it will be; None = it is new."""
    before = before or OfficeFile(office=after.office, name=after.name)
    old, new = ({school.id: school for school in file.schools} for file in (before, after))
    stays = [(school, new[id_]) for id_, school in old.items() if id_ in new]
    rooms = [(f"{a.id}/", _rooms(a), _rooms(b)) for a, b in stays]
    return Changes(
        schools_new=tuple(id_ for id_ in new if id_ not in old),
        schools_gone=tuple(sorted(id_ for id_ in old if id_ not in new)),
        classrooms_new=tuple(f"{path}{id_}" for path, was, will in rooms for id_ in will if id_ not in was),
        classrooms_gone=tuple(f"{path}{id_}" for path, was, will in rooms for id_ in was if id_ not in will),
        gateways_gone=tuple(g.id for g in before.gateways if g.id not in {other.id for other in after.gateways}),
        edits=tuple(_edits(before, after, stays)),
        labels={s.id: f"{s.name}, with {len(s.classrooms)} rooms" for s in before.schools}
        | {f"{s.id}/{room.id}": room.name for s in before.schools for room in s.classrooms},
    )


def note_lines(notes: Sequence[str]) -> Iterator[str]:
    """Say what was read, and what was not."""
    yield from notes[: 2 * LISTED_MAX]
    if len(notes) > 2 * LISTED_MAX:
        yield f"... and {len(notes) - 2 * LISTED_MAX} notes more"


def loss_lines(changes: Changes) -> Iterator[str]:
    """Say what leaves the roster."""
    yield from _listed("leaves: school", changes.schools_gone, changes.labels)
    yield from _listed("leaves: room", changes.classrooms_gone, changes.labels)
    yield from _listed("leaves: gateway", changes.gateways_gone, {})


def other_lines(changes: Changes) -> Iterator[str]:
    """Say what is new, and what is different."""
    yield from _listed("new: school", changes.schools_new, {})
    yield from _listed("new: room", changes.classrooms_new, {})
    yield from _listed("changed:", changes.edits, {})


def _listed(what: str, found: Sequence[str], labels: Mapping[str, str]) -> Iterator[str]:
    for each in found[:LISTED_MAX]:
        yield f"{what} {each}" + (f" ({labels[each]})" if labels.get(each) else "")
    if len(found) > LISTED_MAX:
        yield f"{what} ... and {len(found) - LISTED_MAX} more"


def _edits(before: OfficeFile, after: OfficeFile, stays: Iterable[tuple[SchoolEntry, SchoolEntry]]) -> Iterator[str]:
    yield from _differences(f"office {before.office}", before, after)
    old = {gateway.id: gateway for gateway in before.gateways}
    for gateway in after.gateways:
        if gateway.id not in old:
            yield f"gateway {gateway.id}: new"
        elif gateway != old[gateway.id]:
            yield f"gateway {gateway.id}: different"
    for was, will in stays:
        yield from _differences(was.id, was, will)
        rooms = _rooms(was)
        for room in will.classrooms:
            if room.id in rooms:
                yield from _differences(f"{was.id}/{room.id}", rooms[room.id], room)


def _differences(name: str, before: Struct, after: Struct) -> Iterator[str]:
    for field in before.__struct_fields__:
        was, will = getattr(before, field), getattr(after, field)
        if was != will and field not in {"schools", "classrooms", "gateways"}:
            yield f"{name}: {field} {_short(was)} -> {_short(will)}"


def _short(value: Any) -> str:
    return "nothing" if value is None or value == "" else "another" if isinstance(value, dict | Struct) else repr(value)


def _rooms(school: SchoolEntry) -> dict[str, ClassroomEntry]:
    return {room.id: room for room in school.classrooms}
