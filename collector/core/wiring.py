"""Who hangs on what: which gateway, switch and trunk the traffic of a classroom passes."""

from collector.core.evidence import SegmentReading
from collector.core.state import ClassroomState, School


def gateway_of(school: School, room_id: str) -> str | None:
    """The gateway that reports the room, or the only one the school has."""
    state = school.state.classrooms.get(room_id)
    if state and state.gateway in school.roster.gateways:
        return state.gateway
    # a room that nobody told of yet can only hang on the one that there is
    return school.roster.gateways[0] if len(school.roster.gateways) == 1 else None


def switch_of(school: School, room_id: str) -> str | None:
    """The switch that the room was last seen on."""
    state = school.state.classrooms.get(room_id)
    return state.last_port.seen.switch if state and state.last_port else None


def switches_before(school: School, gateway: str, switch: str) -> tuple[str, ...]:
    """Switches whose own trunk serves ``switch``, as far as trunks tell."""
    trunks = (s.switches for s in school.state.segments.values() if s.gateway == gateway and s.switches)
    # of a trunk its own switch stands first
    return tuple(own for own, *others in trunks if switch in others and own != switch)


def has_port(room: ClassroomState) -> bool:
    """Whether a switch that is read tells of its link; else the board's own answers are all that there is."""
    return room.last_port is not None and room.last_port.seen.switch is not None


def sharing_port(school: School, room_id: str) -> tuple[str, ...]:
    """Other classrooms on the same switch port: an unmanaged switch stands between."""
    states = school.state.classrooms
    own = states.get(room_id, ClassroomState())
    if own.place is None:
        return ()
    return tuple(
        other
        for other in school.roster.classrooms
        if other != room_id
        and (state := states.get(other)) is not None
        and (state.gateway, state.place) == (own.gateway, own.place)
    )


def judged_rooms(school: School, gateway: str | None = None) -> tuple[str, ...]:
    """Rooms that are not exempt, of the whole school or of one gateway."""
    return tuple(
        room.id
        for room in school.roster.classrooms.values()
        if room.exempt is None and (gateway is None or gateway_of(school, room.id) == gateway)
    )


def rooms_behind(school: School, segment: SegmentReading) -> tuple[str, ...]:
    """Judged rooms whose traffic passes ``segment``."""
    rooms = judged_rooms(school, segment.gateway)
    return tuple(room for room in rooms if segment.serves(switch_of(school, room)))
