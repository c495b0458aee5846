"""What is another one with every report: dates of evidence, durations, the gateways' clocks and counters.

Which samples there are hardly ever changes here, and their values always do. So these come as grids: labels that any
school with such rooms shares, and the values in their order.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import astuple

from classready.observation import Phases
from collector.core.evidence import HttpReading, Leg, PingReading
from collector.core.link import decisive_test, line_legs
from collector.core.state import ClassroomState, School
from collector.core.wiring import gateway_of
from collector.exposition.look import Look, is_current, readings_of

_PARTS = ("port", "uplink", "path", "device")
_NO_PART = (None,) * len(_PARTS)
_PHASES = Phases.__struct_fields__
_NO_PHASES = Phases()


class Grid(NamedTuple):
    """All samples of one metric."""

    metric: str
    """Without its prefix."""
    axes: tuple[tuple[str, ...], ...]
    """The labels after office and school are the product of these, the last one changing fastest."""
    values: Sequence[float | None]
    """None = no sample."""


def grids(look: Look) -> Iterator[Grid]:
    """Each metric of this kind once, whether or not anything of it is known: what was shown before must go."""
    yield _evidence(look)
    yield from _durations(look)
    yield from _reporting(look)


def _evidence(look: Look) -> Grid:
    """When each part of the evidence was measured that a verdict can rest on now: of a silent gateway, none can."""
    school = look.school
    heard = {name for name, gateway in school.state.gateways.items() if not gateway.silent}
    lines = {name: _tested_at(line_legs(school, name, "down")) for name in school.roster.gateways if name in heard}
    paths = _paths_tested_at(school)
    rooms: list[str] = []
    dates: list[float | None] = []
    for room, state in zip(school.roster.classrooms.values(), look.rooms, strict=True):
        if room.exempt is not None:
            continue
        rooms.append(room.id)
        gateway = state.gateway if state.gateway in lines else gateway_of(school, room.id)
        if gateway in lines:
            device_at = state.device.observed_at if state.device else None
            path_at = paths.get((room.id, gateway)) if paths else None
            dates += (_port_at(state), lines[gateway], path_at, device_at)
        else:
            dates += _NO_PART
    return Grid("classroom_evidence_timestamp_seconds", (tuple(rooms), _PARTS), dates)


def _port_at(state: ClassroomState) -> float | None:
    """The device's own card is evidence of the port, too."""
    port_at, card_at = state.port.observed_at if state.port else None, state.last_awake_at
    if state.nic_speed_bps is None or card_at is None:
        return port_at
    return card_at if port_at is None or card_at > port_at else port_at


def _paths_tested_at(school: School) -> dict[tuple[str, str | None], float | None]:
    """By classroom and gateway."""
    legs: dict[tuple[str, str | None], list[Leg]] = defaultdict(list)
    for leg in school.state.paths.values():
        if leg.direction == "down":
            legs[leg.classroom, leg.gateway].append(leg)
    return {key: _tested_at(found) for key, found in legs.items()}


def _tested_at(legs: Iterable[Leg]) -> float | None:
    return max((test.observed_at for leg in legs if (test := decisive_test(leg))), default=None)


def _durations(look: Look) -> Iterator[Grid]:
    """Of the first target that was fetched, and of the first that was pinged."""
    platforms = tuple(look.school.roster.platforms)
    phases_s: list[float | None] = []
    rtts_s: list[float | None] = []
    loss_ratios: list[float | None] = []
    for platform in platforms:
        http: HttpReading | None = None
        ping: PingReading | None = None
        for told in readings_of(look, platform):
            if http is None and told.http is not None and is_current(look, told.http):
                http = told.http
            if ping is None and told.ping is not None and is_current(look, told.ping):
                ping = told.ping
        phases_s += astuple((http and http.seen.phases_s) or _NO_PHASES)
        rtts_s.append(None if ping is None else ping.rtt_s)
        loss_ratios.append(None if ping is None else ping.loss_ratio)
    yield Grid("platform_http_duration_seconds", (platforms, _PHASES), phases_s)
    yield Grid("platform_ping_rtt_seconds", (platforms,), rtts_s)
    yield Grid("platform_ping_loss_ratio", (platforms,), loss_ratios)


def _reporting(look: Look) -> Iterator[Grid]:
    names = look.school.roster.gateways
    known = [look.school.state.gateways.get(name) for name in names]
    audible = [None if gateway is None or gateway.silent else gateway for gateway in known]
    committed_at = [None if gateway is None else gateway.last_committed_at for gateway in known]
    skews_s = [None if gateway is None else gateway.clock_skew_s for gateway in audible]
    waiting = [None if g is None or g.spool_records is None else float(g.spool_records) for g in audible]
    yield Grid("gateway_last_report_timestamp_seconds", (names,), committed_at)
    yield Grid("gateway_clock_skew_seconds", (names,), skews_s)
    yield Grid("gateway_spool_records", (names,), waiting)
