"""What the rules about one classroom look at, and what all classrooms of a school have in common."""

from collections.abc import Mapping

from msgspec import Struct

from collector.core.age import is_fresh, ports_valid_from
from collector.core.evidence import GatewayState, PortReading, SegmentReading
from collector.core.hours import in_lesson
from collector.core.link import Line, judged_directions, line_of
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, School
from collector.core.wiring import gateway_of, judged_rooms, switch_of


class Shared(Struct, frozen=True, kw_only=True):
    """Looked at once a judgement, for all rooms. Mappings are by gateway."""

    school: School
    now: float
    policy: Policy
    in_lesson: bool
    lines: Mapping[str, tuple[Line, ...]]
    """One a judged direction, download first."""
    ports_valid_from: float
    judged: Mapping[str, tuple[str, ...]]
    """Rooms that are judged."""
    segments: tuple[SegmentReading, ...]
    """Those with a valid date."""


def shared(school: School, now: float, policy: Policy) -> Shared:
    gateways = school.roster.gateways
    directions = tuple(judged_directions(policy))
    valid_from = ports_valid_from(school, now, policy)
    return Shared(
        school=school,
        ports_valid_from=valid_from,
        now=now,
        policy=policy,
        in_lesson=in_lesson(school.hours, now),
        lines={g: tuple(line_of(school, g, *direction) for direction in directions) for g in gateways},
        judged={g: judged_rooms(school, g) for g in gateways},
        segments=tuple(s for s in school.state.segments.values() if s.observed_at >= valid_from),
    )


class Case(Struct, frozen=True, kw_only=True):
    """One classroom before its judge."""

    shared: Shared
    room: Classroom
    state: ClassroomState
    gateway: str
    heard: GatewayState
    device_up: bool | None
    """Awake, by evidence that is fresh; None = not known."""

    @property
    def school(self) -> School:
        return self.shared.school

    @property
    def now(self) -> float:
        return self.shared.now

    @property
    def policy(self) -> Policy:
        return self.shared.policy

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.shared.lines[self.gateway]

    def is_fresh(self, at: float | None) -> bool:
        return is_fresh(self.school, at, self.gateway, self.now, self.policy)

    def valid_port(self) -> PortReading | None:
        """The accepted reading of the port, while it is young enough."""
        port = self.state.port
        return port if port and port.observed_at >= self.shared.ports_valid_from else None

    def valid_nic_bps(self) -> int | None:
        """What the device's own card said, awake, while that is young enough."""
        awake_at = self.state.last_awake_at
        if awake_at is None or self.state.nic_speed_bps is None:
            return None
        return self.state.nic_speed_bps if awake_at >= self.shared.ports_valid_from else None

    def segments(self) -> tuple[SegmentReading, ...]:
        """Trunks that the room's traffic passes."""
        switch = switch_of(self.school, self.room.id)
        return tuple(s for s in self.shared.segments if s.gateway == self.gateway and s.serves(switch))


def case_of(common: Shared, room: Classroom) -> Case | None:
    """The room's case; None where no gateway that was ever heard tells of it."""
    school = common.school
    gateway = gateway_of(school, room.id)
    heard = school.state.gateways.get(gateway) if gateway else None
    if gateway is None or heard is None:
        return None
    state = school.state.classrooms.get(room.id, ClassroomState())
    device = state.device
    seen = device is not None and is_fresh(school, device.observed_at, gateway, common.now, common.policy)
    up = device.state == "awake" if device is not None and seen else None
    return Case(shared=common, room=room, state=state, gateway=gateway, heard=heard, device_up=up)
