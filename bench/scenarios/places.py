"""The office as it is cabled: schools, their lines, switches, ports, boards and who looks after what."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct

from bench.scenarios.draws import draw, one_of
from classready.units import MBIT
from collector.core.roster import Classroom, SchoolRoster
from collector.roster import Roster
from collector.roster.files import GatewayEntry, SchoolEntry

OFFICES: Final = {"511402": "东坡区", "511421": "仁寿县", "511423": "洪雅县"}
OFFICE: Final = "511402"
"""Of all schools but where a part has several offices."""
EXIT: Final = "metro"
PLATFORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "national": ("national-page", "national-files"),
    "sichuan": ("sichuan-page",),
}
PLATFORM_NAMES: Final = {"national": "国家中小学智慧教育平台", "sichuan": "四川智慧教育平台"}
OPERATORS: Final = ("电信", "移动", "联通")
GBIT: Final = 1_000 * MBIT
ROOMS_OF: Final = {"city": 24, "hub": 18, "base": 11, "point": 3}
_NAMES: Final = {"city": "城关小学", "hub": "中心校", "base": "村小", "point": "教学点"}
_MANAGED: Final = {"city": 1.0, "hub": 1.0, "base": 0.6, "point": 0.0}
"""Share of schools whose switches answer SNMP; behind the others only boards, lines and tested ways are seen."""

SchoolKind = Literal["city", "hub", "base", "point"]


class Room(Struct, frozen=True, kw_only=True):
    """``switch`` and ``port``: where its cable ends; None = an unmanaged switch. ``ap``: its access point's segment."""

    id: str
    gateway: str
    access: Literal["wired", "wifi"] = "wired"
    switch: str | None = None
    port: str | None = None
    ap: str | None = None
    board: Literal["snmp", "mqtt"] = "snmp"
    sleeps: bool = False
    """Switched off by its remote control it keeps its link, at 10M; others lose it."""
    is_tested: bool = False
    """A small computer in the room, on day and night, answers tests of the way from the gateway."""
    building: str = ""


class Place(Struct, frozen=True, kw_only=True):
    """A school. ``switches``: name -> gateway, the first of each gateway is the one that all others hang on."""

    id: str
    name: str
    kind: SchoolKind
    operator: str
    hub: str | None
    is_metro: bool
    """Behind the exit of the metropolitan network."""
    gateways: tuple[str, ...]
    switches: Mapping[str, str]
    rooms: tuple[Room, ...]
    line_bps: float
    port_poll_s: float
    has_night_cut: bool
    """A master switch takes the power of the gateway, too, from evening to morning and on most free days."""
    office: str = OFFICE

    def behind(self, switch: str) -> tuple[str, ...]:
        """The switches that are reached through ``switch``."""
        own = [name for name, gateway in self.switches.items() if gateway == self.switches[switch]]
        return tuple(own[1:]) if switch == own[0] else ()

    def is_first(self, switch: str) -> bool:
        return next(name for name, gateway in self.switches.items() if gateway == self.switches[switch]) == switch


def places(seed: int, count: int) -> tuple[Place, ...]:
    """``count`` schools: of 60 there are 8 in town, 6 hubs, 30 bases and 16 teaching points with 679 rooms."""
    kinds = [_kind(number, count) for number in range(count)]
    hubs = [f"51140200{n:02d}" for n, kind in enumerate(kinds) if kind == "hub"]
    return tuple(_place(seed, number, kind, hubs) for number, kind in enumerate(kinds))


def _kind(number: int, count: int) -> SchoolKind:
    share = (number + 0.5) / count
    return "city" if share < 8 / 60 else "hub" if share < 14 / 60 else "base" if share < 44 / 60 else "point"


def _place(seed: int, number: int, kind: SchoolKind, hubs: list[str]) -> Place:
    name = f"51140200{number:02d}"
    gateways = tuple(f"gw-{number:02d}-{n}" for n in range(2 if kind == "city" and number % 2 else 1))
    is_managed = draw(seed, "managed", name) < _MANAGED[kind]
    count = ROOMS_OF[kind] + (number == 8)
    switch_count = max(1, round(count / len(gateways) / 9)) if is_managed else 0
    switches = {f"sw{g + 1}{n + 1}": gateway for g, gateway in enumerate(gateways) for n in range(switch_count)}
    rooms = tuple(_room(seed, name, n, gateways[n * len(gateways) // count], switches) for n in range(count))
    band = draw(seed, "line", name)
    return Place(
        id=name,
        name=f"{_NAMES[kind]}{number:02d}",
        kind=kind,
        operator=one_of(OPERATORS, seed, "operator", name),
        hub=one_of(hubs, seed, "hub", name) if kind == "point" and hubs else None,
        is_metro=draw(seed, "metro", name) < 0.3,
        gateways=gateways,
        switches=switches,
        rooms=rooms,
        # one in ten has just what is required: a line of 97M is as good as any other
        line_bps=97.0 * MBIT if band < 0.1 else (500.0 if kind in {"city", "hub"} else 200.0) * MBIT,
        port_poll_s=900.0 if draw(seed, "poll", name) < 0.4 else 300.0,
        has_night_cut=kind in {"base", "point"} and draw(seed, "night", name) < 0.4,
    )


def _room(seed: int, school: str, number: int, gateway: str, switches: Mapping[str, str]) -> Room:
    name = f"b{number // 9 + 1}-{number % 9 + 101}"
    key = (school, name)
    own = [switch for switch, owner in switches.items() if owner == gateway]
    is_wifi = draw(seed, "wifi", *key) < 0.1
    wired_to = one_of(own, seed, "switch", *key) if own and not is_wifi else None
    return Room(
        id=name,
        gateway=gateway,
        access="wifi" if is_wifi else "wired",
        switch=wired_to,
        port=f"GigabitEthernet0/0/{number + 1}" if wired_to else None,
        ap=f"ap-{number + 1}" if is_wifi else None,
        board="mqtt" if draw(seed, "board", *key) < 0.3 else "snmp",
        sleeps=draw(seed, "sleeps", *key) < 0.5,
        is_tested=not own and not is_wifi and draw(seed, "tested", *key) < 0.5,
        building=name.partition("-")[0],
    )


# --- what the collector is told of it ---------------------------------------------------------------------------------


def roster(found: tuple[Place, ...]) -> Roster:
    return Roster(
        offices={place.office: OFFICES[place.office] for place in found},
        schools={place.id: _listed(place) for place in found},
        entries={place.id: SchoolEntry(id=place.id, name=place.name, operator=place.operator) for place in found},
        gateways={entry.id: entry for place in found for entry in _gateways(place)},
    )


def _listed(place: Place) -> SchoolRoster:
    return SchoolRoster(
        office=place.office,
        school=place.id,
        name=place.name,
        kind=place.kind,
        operator=place.operator,
        hub=place.hub,
        classrooms={room.id: Classroom(id=room.id, access=room.access, device="whiteboard") for room in place.rooms},
        gateways=place.gateways,
        platforms=PLATFORMS,
    )


def _gateways(place: Place) -> Iterator[GatewayEntry]:
    for name in place.gateways:
        yield GatewayEntry(id=name, token_sha256="0" * 64, schools=(place.id,))
