"""Trunks of a school and ports of its rooms."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from classready.observation import Port, Segment
from collector.core.evidence import PortReading, SegmentReading
from collector.core.figures import segment_contention_ratio
from collector.core.link import segment_interval
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import School
from collector.core.wiring import rooms_behind, sharing_port
from collector.text import Language, ago, rate, say
from collector.views.bandwidth import Capacity, capacity_view


class SegmentView(Struct, frozen=True, kw_only=True):
    gateway: str
    segment: str
    if_name: str | None
    capacity: Capacity
    classrooms: int
    """Judged rooms whose traffic passes it."""
    contention_ratio: float | None
    observed_at: float
    age_text: str
    text: str


def segment_view(
    school: School, segment: SegmentReading, policy: Policy, now: float, language: Language
) -> SegmentView:
    return SegmentView(
        gateway=segment.gateway,
        segment=segment.seen.name,
        if_name=segment.seen.if_name,
        capacity=capacity_view(segment_interval(segment), language),
        classrooms=len(rooms_behind(school, segment)),
        contention_ratio=segment_contention_ratio(school, segment, policy),
        observed_at=segment.observed_at,
        age_text=ago(segment.observed_at, now, language),
        text=segment_text(school, segment, policy, language),
    )


def segment_text(school: School, segment: SegmentReading, policy: Policy, language: Language) -> str:
    if_name = segment.seen.if_name or ""
    where = {"switch": segment.seen.name.removesuffix(f":{if_name}"), "port": if_name}
    parts = [
        _negotiated_text(segment.seen, where, language),
        say("evidence.segment_shared", language, count=len(rooms_behind(school, segment))),
    ]
    if (ratio := segment_contention_ratio(school, segment, policy) or 0) > 1:
        parts.append(say("board.contention", language, ratio=f"{ratio:.1f}"))
    return " · ".join(parts)


def port_facts(school: School, room: Classroom, port: PortReading, language: Language) -> Iterator[str]:
    yield _port_text(port, language)
    state = school.state.classrooms.get(room.id)
    newest = state.last_port if state else None
    if newest and newest.bad_frame_count:
        yield say("evidence.bad_frames", language, count=newest.bad_frame_count)
    if others := sharing_port(school, room.id):
        named = (school.roster.classrooms[other].name or other for other in others)
        yield say("evidence.shared_port", language, rooms=say("list.separator", language).join(named))


def _port_text(port: PortReading, language: Language) -> str:
    where = {"switch": port.seen.switch or "", "port": port.seen.if_name or ""}
    if port.seen.oper_up is False:
        return say("evidence.port_down", language, **where).strip()
    return _negotiated_text(port.seen, where, language)


def _negotiated_text(seen: Port | Segment, where: Mapping[str, str], language: Language) -> str:
    duplex = {True: "full_duplex", False: "half_duplex", None: "duplex_unknown"}[seen.full_duplex]
    speed = rate(seen.speed_bps, language) if seen.speed_bps else say("evidence.speed_unknown", language)
    return say("evidence.port", language, **where, speed=speed, duplex=say(f"evidence.{duplex}", language)).strip()
