"""Numbers of a school: how many rooms are what, and how crowded its line and trunks are."""

from collections import Counter
from collections.abc import Iterator

from collector.core.age import ports_valid_from
from collector.core.compliance import compliant
from collector.core.evidence import SegmentReading
from collector.core.link import gateway_uplink, link_bps, segment_interval
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School
from collector.core.wiring import gateway_of, judged_rooms, rooms_behind, switch_of


def counts(school: School) -> dict[str, dict[str, int]]:
    """Classrooms by state of each verdict; exempt ones are in ``compliant`` only, unlisted ones in neither."""
    rooms = [
        (room, school.state.classrooms.get(room.id, ClassroomState())) for room in school.roster.classrooms.values()
    ]
    ready = Counter(state.verdict.ready for room, state in rooms if room.exempt is None)
    latched = Counter(compliant(room, state) for room, state in rooms)
    return {
        "ready": {value: ready[value] for value in ("yes", "no", "unknown")},
        "compliant": {value: latched[value] for value in ("yes", "no", "unknown", "exempt")},
    }


def contention_ratio(school: School, policy: Policy) -> float | None:
    """What all classrooms would need at once over what the uplink has: the largest over the school's gateways."""
    ratios = []
    for gateway in school.roster.gateways:
        # download only: lessons are watched, and what a classroom sends is small
        uplink_bps = link_bps(gateway_uplink(school, gateway, "down"))
        if uplink_bps:
            ratios.append(len(judged_rooms(school, gateway)) * policy.required_down_bps / uplink_bps)
    return max(ratios, default=None)


def segment_contention_ratio(school: School, segment: SegmentReading, policy: Policy) -> float | None:
    """What the classrooms behind a trunk would need at once over what it has."""
    rate_bps = link_bps(segment_interval(segment))
    return len(rooms_behind(school, segment)) * policy.required_down_bps / rate_bps if rate_bps else None


def segments_of(school: School, gateway: str, now: float, policy: Policy) -> Iterator[SegmentReading]:
    """What ``gateway`` lately told of trunks."""
    # lessons are no longer than the time they are in: what was told so lately need not be looked up in the timetable
    lately_from = now - policy.port_max_school_hours * 3_600
    for segment in school.state.segments.values():
        if segment.gateway != gateway:
            continue
        if segment.observed_at >= lately_from or segment.observed_at >= ports_valid_from(school, now, policy):
            yield segment


def segments_on_the_way(school: School, room_id: str, now: float, policy: Policy) -> Iterator[SegmentReading]:
    """Those of them that the room's traffic passes."""
    gateway, switch = gateway_of(school, room_id), switch_of(school, room_id)
    return (s for s in segments_of(school, gateway or "", now, policy) if s.serves(switch))
