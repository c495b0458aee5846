"""Where a cause strikes: which schools, switches and rooms, what breaks there, and who is concerned."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from bench.scenarios.draws import draw, one_of
from bench.scenarios.places import OPERATORS, Place, Room
from bench.scenarios.world import GONE, Breakage, What
from classready.units import MBIT


class Hit(Struct, frozen=True, kw_only=True):
    """Where one cause strikes. ``rooms``: (school, room) of everybody concerned. ``words`` a message must contain."""

    breakages: tuple[Breakage, ...]
    rooms: frozenset[tuple[str, str]]
    groups: frozenset[tuple[str, str]]
    """(school, what): two causes that share one of these hide or double each other, and never strike together."""
    words: tuple[str, ...] = ()


Strike = Callable[[int, Sequence[Place], str], Hit | None]
"""(seed, schools, its own name) -> where; None = there is no such place."""


def _rooms(place: Place, rooms: Iterable[Room]) -> frozenset[tuple[str, str]]:
    return frozenset((place.id, room.id) for room in rooms)


def _choose(
    seed: int, places: Sequence[Place], name: str, fits: Callable[[Place], bool] = lambda _: True
) -> Place | None:
    found = [place for place in places if fits(place)]
    return one_of(found, seed, "place", name) if found else None


def _at(place: Place, group: str, rooms: Iterable[Room], *broken: Breakage, words: tuple[str, ...] = ()) -> Hit:
    return Hit(breakages=broken, rooms=_rooms(place, rooms), groups=frozenset({(place.id, group)}), words=words)


# --- gateways and lines -----------------------------------------------------------------------------------------------


def gateway(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name, lambda p: len(p.gateways) == 1)
    if place is None:
        return None
    return _at(place, "silence", place.rooms, Breakage(place.id, "gateway off", place.gateways[0]))


def second_gateway(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name, lambda p: len(p.gateways) > 1)
    if place is None:
        return None
    gone = place.gateways[1]
    own = [room for room in place.rooms if room.gateway == gone]
    return _at(place, "silence", own, Breakage(place.id, "gateway off", gone))


def line_cut(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name)
    return _at(place, "silence", place.rooms, Breakage(place.id, "line cut")) if place else None


def line_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name)
    bps = (20.0 + 60.0 * draw(seed, "bps", name)) * MBIT
    return _at(place, "line", place.rooms, Breakage(place.id, "line bps", "", bps)) if place else None


def _together(places: Sequence[Place], group: str, broken: Callable[[Place], Breakage]) -> Hit | None:
    if not places:
        return None
    return Hit(
        breakages=tuple(broken(place) for place in places),
        rooms=frozenset().union(*(_rooms(place, place.rooms) for place in places)),
        groups=frozenset((place.id, group) for place in places),
    )


def of_operator(seed: int, places: Sequence[Place], name: str, most: int = 10) -> list[Place]:
    operator = one_of(OPERATORS, seed, "operator", name)
    own = sorted((p for p in places if p.operator == operator), key=lambda p: draw(seed, "of", name, p.id))
    return own[:most]


def operator_cut(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = of_operator(seed, places, name)
    return _together(found, "silence", lambda place: Breakage(place.id, "line cut"))


def operator_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = of_operator(seed, places, name, 6)
    return _together(found, "line", lambda place: Breakage(place.id, "line bps", "", 45.0 * MBIT))


def exit_slow(_seed: int, places: Sequence[Place], _name: str) -> Hit | None:
    metro = [place for place in places if place.is_metro]
    hit = _together(metro, "exit", lambda place: Breakage(place.id, "exit bps", "", 60.0 * MBIT))
    # behind a line that is slower still nobody sees the exit
    return hit and _also(hit, frozenset((place.id, "line") for place in metro))


def exit_cut(_seed: int, places: Sequence[Place], _name: str) -> Hit | None:
    metro = [place for place in places if place.is_metro]
    hit = _together(metro, "exit", lambda place: Breakage(place.id, "exit cut"))
    # a school behind it reaches no platform either
    return hit and _also(hit, frozenset((place.id, "platform") for place in metro))


def _also(hit: Hit, groups: frozenset[tuple[str, str]]) -> Hit:
    return Hit(breakages=hit.breakages, rooms=hit.rooms, groups=hit.groups | groups, words=hit.words)


# --- switches and trunks ----------------------------------------------------------------------------------------------


def _on(place: Place, switch: str) -> list[Room]:
    through = {switch, *place.behind(switch)}
    return [room for room in place.rooms if room.switch in through]


def _switch(seed: int, places: Sequence[Place], name: str, *, least: int = 1) -> tuple[Place, str] | None:
    """A managed switch with at least ``least`` rooms behind it."""
    found = [(p, s) for p in places for s in p.switches if len([r for r in p.rooms if r.switch == s]) >= least]
    return one_of(found, seed, "switch", name) if found else None


def switch_dead(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    return _at(place, "inside", _on(place, switch), Breakage(place.id, "switch off", switch), words=(switch,))


def switch_mute(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    own = [room for room in place.rooms if room.switch == switch]
    return _at(place, "inside", own, Breakage(place.id, "switch mute", switch), words=(switch,))


def trunk_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    broken = Breakage(place.id, "trunk bps", switch, 10.0 * MBIT)
    return _at(place, "inside", _on(place, switch), broken, words=(switch,))


def trunk_half(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    broken = Breakage(place.id, "trunk half", switch)
    return _at(place, "inside", _on(place, switch), broken, words=(switch, "半双工"))


def boards_dark(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name, least=5)) is None:
        return None
    place, switch = found
    own = [room for room in place.rooms if room.switch == switch]
    return _at(place, "inside", own, Breakage(place.id, "boards dark", switch))


def building_dark(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    """Nothing there can be read, and it is most of what hangs on the gateway."""
    place = _choose(seed, places, name, lambda p: not p.switches and len(p.rooms) >= 9)
    if place is None:
        return None
    own = [room for room in place.rooms if room.building == place.rooms[0].building]
    return _at(place, "inside", own, Breakage(place.id, "boards dark", own[0].building), words=(own[0].gateway,))


def ap_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    room = _room(seed, places, name, lambda place, room: room.ap is not None and bool(place.switches))
    if room is None:
        return None
    place, own = room
    return _at(place, "inside", [own], Breakage(place.id, "ap bps", own.ap or "", 10.0 * MBIT), words=(own.ap or "",))


# --- rooms ------------------------------------------------------------------------------------------------------------


def _room(
    seed: int, places: Sequence[Place], name: str, fits: Callable[[Place, Room], bool]
) -> tuple[Place, Room] | None:
    found = [(place, room) for place in places for room in place.rooms if fits(place, room)]
    return one_of(found, seed, "room", name) if found else None


def in_a_room(what: What, value: object = GONE, *, managed: bool = True, words: tuple[str, ...] = ()) -> Strike:
    def strike(seed: int, places: Sequence[Place], name: str) -> Hit | None:
        found = _room(seed, places, name, lambda _, room: room.switch is not None or not managed)
        if found is None:
            return None
        place, room = found
        seen = (room.port or "",) if managed else ()
        return _at(place, room.id, [room], Breakage(place.id, what, room.id, value), words=seen + words)

    return strike


def old_card(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = _room(seed, places, name, lambda _, r: r.board == "mqtt" and r.switch is None and r.access == "wired")
    if found is None:
        return None
    place, room = found
    return _at(place, room.id, [room], Breakage(place.id, "card bps", room.id, 10.0 * MBIT))


def way_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = _room(seed, places, name, lambda _, room: room.is_tested)
    if found is None:
        return None
    place, room = found
    return _at(place, room.id, [room], Breakage(place.id, "way bps", room.id, 30.0 * MBIT))


# --- platforms --------------------------------------------------------------------------------------------------------


def platform_at(reason: str, who: Callable[[int, Sequence[Place], str], Sequence[Place]]) -> Strike:
    def strike(seed: int, places: Sequence[Place], name: str) -> Hit | None:
        platform = one_of(("national", "sichuan"), seed, "platform", name)
        return _together(
            who(seed, places, name), "platform", lambda place: Breakage(place.id, "platform", platform, reason)
        )

    return strike


def one_school(seed: int, places: Sequence[Place], name: str) -> Sequence[Place]:
    place = _choose(seed, places, name)
    return [place] if place else []


def all_schools(_seed: int, places: Sequence[Place], _name: str) -> Sequence[Place]:
    return places
