"""Every kind of thing that goes wrong: where it can, what it breaks in the world, and what should be said of it.

What is right is what the public contract says in "What the verdicts mean" and "Alerts and chat": the cause that a
person on the spot would name, and the one who can do something about it, from scope and evidence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bench.scenarios.draws import draw, one_of
from bench.scenarios.places import OPERATORS, Place, Room
from bench.scenarios.world import GONE, Breakage, What
from classready.units import MBIT
from collector.core.words import Cause
from collector.text import Actor


class Hit(Struct, frozen=True, kw_only=True):
    """Where one cause strikes. ``rooms``: (school, room) of everybody concerned. ``words`` a message must contain."""

    breakages: tuple[Breakage, ...]
    rooms: frozenset[tuple[str, str]]
    groups: frozenset[tuple[str, str]]
    """(school, what): two causes that share one of these hide or double each other, and never strike together."""
    words: tuple[str, ...] = ()


Strike = Callable[[int, Sequence[Place], str], Hit | None]
"""(seed, schools, its own name) -> where; None = there is no such place."""


class Kind(Struct, frozen=True, kw_only=True):
    """``lasts_h``: hours of the clock, or with ``school_days`` so many school days until its evening."""

    about: str
    """What is injected, for people."""
    should: str
    """What should be said."""
    causes: tuple[Cause, ...]
    actors: tuple[Actor, ...]
    strike: Strike
    lasts_h: tuple[float, float] = (2.0, 4.0)
    school_days: int = 0
    tell_within_h: float | None = None
    """What is said later is no use; None = as long as it lasts."""
    is_silence: bool = False
    """It hides everything else at its school while it lasts."""


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


def _gateway(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name, lambda p: len(p.gateways) == 1)
    if place is None:
        return None
    return _at(place, "silence", place.rooms, Breakage(place.id, "gateway off", place.gateways[0]))


def _second_gateway(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name, lambda p: len(p.gateways) > 1)
    if place is None:
        return None
    gone = place.gateways[1]
    own = [room for room in place.rooms if room.gateway == gone]
    return _at(place, "silence", own, Breakage(place.id, "gateway off", gone))


def _line_cut(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    place = _choose(seed, places, name)
    return _at(place, "silence", place.rooms, Breakage(place.id, "line cut")) if place else None


def _line_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
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


def _of_operator(seed: int, places: Sequence[Place], name: str, most: int = 10) -> list[Place]:
    operator = one_of(OPERATORS, seed, "operator", name)
    own = sorted((p for p in places if p.operator == operator), key=lambda p: draw(seed, "of", name, p.id))
    return own[:most]


def _operator_cut(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = _of_operator(seed, places, name)
    return _together(found, "silence", lambda place: Breakage(place.id, "line cut"))


def _operator_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = _of_operator(seed, places, name, 6)
    return _together(found, "line", lambda place: Breakage(place.id, "line bps", "", 45.0 * MBIT))


def _exit_slow(_seed: int, places: Sequence[Place], _name: str) -> Hit | None:
    metro = [place for place in places if place.is_metro]
    hit = _together(metro, "exit", lambda place: Breakage(place.id, "exit bps", "", 60.0 * MBIT))
    # behind a line that is slower still nobody sees the exit
    return hit and _also(hit, frozenset((place.id, "line") for place in metro))


def _exit_cut(_seed: int, places: Sequence[Place], _name: str) -> Hit | None:
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


def _switch_dead(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    return _at(place, "inside", _on(place, switch), Breakage(place.id, "switch off", switch), words=(switch,))


def _switch_mute(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    own = [room for room in place.rooms if room.switch == switch]
    return _at(place, "inside", own, Breakage(place.id, "switch mute", switch), words=(switch,))


def _trunk_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    broken = Breakage(place.id, "trunk bps", switch, 10.0 * MBIT)
    return _at(place, "inside", _on(place, switch), broken, words=(switch,))


def _trunk_half(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name)) is None:
        return None
    place, switch = found
    broken = Breakage(place.id, "trunk half", switch)
    return _at(place, "inside", _on(place, switch), broken, words=(switch, "半双工"))


def _boards_dark(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    if (found := _switch(seed, places, name, least=5)) is None:
        return None
    place, switch = found
    own = [room for room in place.rooms if room.switch == switch]
    return _at(place, "inside", own, Breakage(place.id, "boards dark", switch))


def _ap_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
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


def _in_a_room(what: What, value: object = GONE, *, managed: bool = True, words: tuple[str, ...] = ()) -> Strike:
    def strike(seed: int, places: Sequence[Place], name: str) -> Hit | None:
        found = _room(seed, places, name, lambda _, room: room.switch is not None or not managed)
        if found is None:
            return None
        place, room = found
        seen = (room.port or "",) if managed else ()
        return _at(place, room.id, [room], Breakage(place.id, what, room.id, value), words=seen + words)

    return strike


def _old_card(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = _room(seed, places, name, lambda _, r: r.board == "mqtt" and r.switch is None and r.access == "wired")
    if found is None:
        return None
    place, room = found
    return _at(place, room.id, [room], Breakage(place.id, "card bps", room.id, 10.0 * MBIT))


def _way_slow(seed: int, places: Sequence[Place], name: str) -> Hit | None:
    found = _room(seed, places, name, lambda _, room: room.is_tested)
    if found is None:
        return None
    place, room = found
    return _at(place, room.id, [room], Breakage(place.id, "way bps", room.id, 30.0 * MBIT))


# --- platforms --------------------------------------------------------------------------------------------------------


def _platform_at(reason: str, who: Callable[[int, Sequence[Place], str], Sequence[Place]]) -> Strike:
    def strike(seed: int, places: Sequence[Place], name: str) -> Hit | None:
        platform = one_of(("national", "sichuan"), seed, "platform", name)
        return _together(
            who(seed, places, name), "platform", lambda place: Breakage(place.id, "platform", platform, reason)
        )

    return strike


def _one(seed: int, places: Sequence[Place], name: str) -> Sequence[Place]:
    place = _choose(seed, places, name)
    return [place] if place else []


def _all(_seed: int, places: Sequence[Place], _name: str) -> Sequence[Place]:
    return places


SLOW_PORT: Final = 10.0 * MBIT

KINDS: Final[Mapping[str, Kind]] = {
    "gateway_dead": Kind(
        about="the school's only gateway dies in lesson time",
        should="gateway silent, to the school",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("school",),
        strike=_gateway,
        is_silence=True,
    ),
    "second_gateway_dead": Kind(
        about="one of two gateways dies in lesson time",
        should="that gateway silent, its rooms only, to the school",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("school",),
        strike=_second_gateway,
        is_silence=True,
    ),
    "line_cut": Kind(
        about="one school's line is cut; what was seen meanwhile comes later",
        should="gateway silent, to the school (one school alone)",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("school",),
        strike=_line_cut,
        is_silence=True,
    ),
    "operator_cut": Kind(
        about="ten schools of one operator lose their lines at once",
        should="one incident, to the operator",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("operator",),
        strike=_operator_cut,
        lasts_h=(1.0, 2.5),
        is_silence=True,
    ),
    "line_slow": Kind(
        about="one line carries 20 to 80 Mbit/s for some days",
        should="uplink below required, to the operator",
        causes=(Cause.UPLINK_BELOW_REQUIRED,),
        actors=("operator",),
        strike=_line_slow,
        school_days=3,
    ),
    "operator_slow": Kind(
        about="six schools of one operator get 45 Mbit/s",
        should="uplink below required, one incident, to the operator",
        causes=(Cause.UPLINK_BELOW_REQUIRED,),
        actors=("operator",),
        strike=_operator_slow,
        school_days=2,
    ),
    "exit_slow": Kind(
        about="the metropolitan network's exit gives each school 60 Mbit/s",
        should="exit below required, to bureau and exit",
        causes=(Cause.EXIT_BELOW_REQUIRED,),
        actors=("exit", "bureau"),
        strike=_exit_slow,
        school_days=2,
    ),
    "exit_cut": Kind(
        about="the exit is cut: schools behind it reach no platform, and report all the same",
        should="that exit, to bureau and exit, not each school nor the platforms",
        causes=(Cause.EXIT_BELOW_REQUIRED, Cause.PLATFORM_UNREACHABLE),
        actors=("exit", "bureau"),
        strike=_exit_cut,
    ),
    "switch_dead": Kind(
        about="a managed switch loses its power",
        should="switch unreachable by its name, to the school",
        causes=(Cause.SWITCH_UNREACHABLE,),
        actors=("school",),
        strike=_switch_dead,
    ),
    "switch_mute": Kind(
        about="somebody changes a switch's SNMP community",
        should="switch unreachable by its name, to the school",
        causes=(Cause.SWITCH_UNREACHABLE,),
        actors=("school",),
        strike=_switch_mute,
        school_days=1,
    ),
    "trunk_slow": Kind(
        about="a trunk negotiates 10 Mbit/s",
        should="way inside below required, the trunk by name, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=_trunk_slow,
        school_days=1,
    ),
    "trunk_half": Kind(
        about="a trunk falls to half duplex at 1 Gbit/s",
        should="way inside below required, the trunk by name, half duplex said, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=_trunk_half,
        school_days=1,
    ),
    "ap_slow": Kind(
        about="an access point's port negotiates 10 Mbit/s",
        should="way inside below required for its Wi-Fi rooms, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=_ap_slow,
        school_days=1,
    ),
    "boards_dark": Kind(
        about="a building's mains fail in a lesson: all boards behind one switch lose their link",
        should="boards offline, told at once as a group, to the school",
        causes=(Cause.DEVICE_OFFLINE,),
        actors=("school",),
        strike=_boards_dark,
        lasts_h=(1.5, 3.0),
        tell_within_h=0.5,
    ),
    "port_closed": Kind(
        about="a room's port is shut down in the switch's configuration",
        should="port down, switch and port by name, to the school",
        causes=(Cause.PORT_DOWN,),
        actors=("school",),
        strike=_in_a_room("port closed"),
        school_days=1,
    ),
    "cable_out": Kind(
        about="a board's cable is pulled; the board works on by Wi-Fi",
        should="port down (awake by another path), switch and port by name, to the school",
        causes=(Cause.PORT_DOWN,),
        actors=("school",),
        strike=_in_a_room("cable out"),
        school_days=2,
    ),
    "cable_slow": Kind(
        about="a bad plug: a room's port negotiates 10 Mbit/s",
        should="port below required, switch and port by name, to the school",
        causes=(Cause.PORT_BELOW_REQUIRED,),
        actors=("school",),
        strike=_in_a_room("cable bps", SLOW_PORT),
        school_days=2,
    ),
    "cable_half": Kind(
        about="a room's port falls to half duplex",
        should="port half duplex, switch and port by name, to the school",
        causes=(Cause.PORT_HALF_DUPLEX,),
        actors=("school",),
        strike=_in_a_room("cable half", words=("半双工",)),
        school_days=2,
    ),
    "old_card": Kind(
        about="a board known by MQTT alone has a 10M card",
        should="port below required, to the school",
        causes=(Cause.PORT_BELOW_REQUIRED,),
        actors=("school",),
        strike=_old_card,
        school_days=2,
    ),
    "way_slow": Kind(
        about="an unmanaged switch passes 30 Mbit/s to a room that is tested",
        should="way inside below required, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=_way_slow,
        school_days=4,
    ),
    "board_dead": Kind(
        about="a board breaks and stays dark for eight school days",
        should="device absent (or the digest's list of boards not seen), to school or bureau",
        causes=(Cause.DEVICE_ABSENT,),
        actors=("school", "bureau"),
        strike=_in_a_room("board dead", managed=False),
        school_days=8,
    ),
    "platform_down": Kind(
        about="a platform fails for everybody",
        should="platform unreachable, one incident, to the platform",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("platform",),
        strike=_platform_at("status_unexpected", _all),
        lasts_h=(0.7, 1.5),
    ),
    "platform_by_operator": Kind(
        about="one operator does not route to a platform",
        should="platform unreachable, one incident, to the operator",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("operator",),
        strike=_platform_at("timeout", _of_operator),
        lasts_h=(1.0, 2.0),
    ),
    "platform_unresolved": Kind(
        about="one school's resolver does not know a platform's name",
        should="platform unreachable, to the school (one school alone)",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("school",),
        strike=_platform_at("name_unresolved", _one),
    ),
    "platform_certificate": Kind(
        about="a proxy in one school breaks a platform's certificate",
        should="platform unreachable, to the school (one school alone)",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("school",),
        strike=_platform_at("tls_invalid", _one),
        school_days=1,
    ),
}
