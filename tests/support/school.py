"""A school to judge: two wired classrooms, a gateway, a platform; lessons Mon-Fri 08:00-17:00 UTC+8."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

from classready.observation import Bandwidth, Device, Http, Outcome, Port, Reason, Segment
from classready.units import MBIT
from collector.core.events import Event, Heard, Observed
from collector.core.policy import Policy
from collector.core.roster import Classroom, Hours, SchoolDay, SchoolRoster
from collector.core.state import School
from collector.core.step import step

TZ = timezone(timedelta(hours=8))
GATEWAY = "dem-gw-01"
POLICY = Policy(
    observation_school_days=0,
    device_proof_school_days=0,
    blame_spacing_s=0,
    silence_hold_s=0,
    group_wait_s=0,
    platform_hold_s=0,
)


def at(text: str) -> float:
    """Unix seconds of a local time such as ``2026-11-23 10:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=TZ).timestamp()


MONDAY = at("2026-11-23 10:00")


def weekdays(first: str = "2026-10-05", count: int = 80) -> Hours:
    days = [date.fromisoformat(first) + timedelta(days=n) for n in range(count)]
    return Hours(
        tuple(
            SchoolDay(day.isoformat(), ((at(f"{day} 08:00"), at(f"{day} 17:00")),)) for day in days if day.weekday() < 5
        )
    )


def roster(**changes: Any) -> SchoolRoster:
    rooms = {
        "r1": Classroom(id="r1", name="一年级1班", device="whiteboard"),
        "r2": Classroom(id="r2", name="一年级2班", device="whiteboard"),
    }
    fields: dict[str, Any] = {
        "office": "511402",
        "school": "s1",
        "name": "示例小学",
        "classrooms": rooms,
        "gateways": (GATEWAY,),
        "platforms": {"national": ("national",)},
    }
    return SchoolRoster(**{**fields, **changes})


def school(**changes: Any) -> School:
    return School(roster=roster(**changes), hours=weekdays())


class Tick:
    """Time passed: the step is called without events."""


class Story:
    """A school and what happened to it, told event by event; the clock moves only when told."""

    def __init__(self, start: School | None = None, now: float = MONDAY, policy: Policy = POLICY) -> None:
        self.school = start or school()
        self.now = now
        self.policy = policy
        self.effects: list[Any] = []
        self.wake_at: float | None = None

    def event(self, event: Event | Tick, now: float | None = None) -> "Story":
        self.now = self.now if now is None else now
        events = [] if isinstance(event, Tick) else [event]
        self.school, effects, self.wake_at = step(self.school, events, self.now, self.policy)
        self.effects += effects
        return self

    def heard(self, gateway: str = GATEWAY, interval_s: float = 60) -> "Story":
        return self.event(Heard(gateway=gateway, report_interval_s=interval_s))

    def saw(self, observation: Any, room: str | None = None, *, ago_s: float = 0, late: bool = False) -> "Story":
        observed = Observed(
            gateway=GATEWAY, observation=observation, classroom=room, observed_at=self.now - ago_s, late=late
        )
        return self.event(observed)

    def uplink(self, *, passed: bool = True, estimate_mbps: float | None = None) -> "Story":
        return self.saw(bandwidth(passed=passed, estimate_mbps=estimate_mbps))

    def room_well(self, room: str = "r1", speed_mbps: int = 1000, *, full: bool = True) -> "Story":
        """A port reading, and the device awake a second later."""
        self.saw(port(room, speed_mbps, full=full), room)
        self.now += 1
        return self.saw(device(room), room)

    def platform(self, *, up: bool = True) -> "Story":
        return self.saw(http(up=up))

    def all_well(self) -> "Story":
        self.heard().uplink(estimate_mbps=120).platform()
        for room in self.school.roster.classrooms:
            self.room_well(room)
        return self

    def later(self, seconds: float) -> "Story":
        self.now += seconds
        return self

    def ready(self, room: str = "r1") -> str:
        return self.school.state.classrooms[room].verdict.ready

    def causes(self, room: str = "r1") -> list[str]:
        return [str(c) for c in self.school.state.classrooms[room].verdict.causes]

    def compliant(self, room: str = "r1") -> str:
        return self.school.state.classrooms[room].latch.value

    def told(self, kind: type) -> list[Any]:
        return [e for e in self.effects if isinstance(e, kind)]


def bandwidth(
    *, passed: bool = True, estimate_mbps: float | None = None, target: str = "uplink", **fields: Any
) -> Bandwidth:
    given = {
        "direction": "down",
        "mode": "drain",
        "outcome": Outcome.PASS if passed else Outcome.FAIL,
        "at_least_bps": 95.0 * MBIT if passed else None,
        "at_most_bps": None if passed else 100.0 * MBIT,
        "estimate_bps": None if estimate_mbps is None else estimate_mbps * MBIT,
    }
    return Bandwidth(target=target, **{**given, **fields})


def path_test(room: str = "r1", *, passed: bool = True, target: str = "pc", **fields: Any) -> Bandwidth:
    """A test of the way from the gateway to a classroom."""
    return bandwidth(passed=passed, target=target, classroom=room, **fields)


def exit_test(exit_name: str = "metro", *, passed: bool = True, **fields: Any) -> Bandwidth:
    """A test of the school's line and of an exit of the metropolitan network."""
    return bandwidth(passed=passed, **{"target": f"beyond-{exit_name}", "beyond": exit_name, **fields})


def port(room: str, speed_mbps: int = 1000, *, full: bool | None = True, **fields: Any) -> Port:
    given = {"admin_up": True, "oper_up": True, "if_name": f"Gi0/{room}", "switch": "sw1", **fields}
    return Port(classroom=room, outcome=Outcome.ANSWERED, speed_bps=speed_mbps * MBIT, full_duplex=full, **given)


def trunk(
    speed_mbps: int | None = 1000, *, full: bool | None = True, name: str = "sw1:uplink", **fields: Any
) -> Segment:
    """The trunk of the switch that ``port`` is on."""
    speed_bps = None if speed_mbps is None else speed_mbps * MBIT
    return Segment(name=name, outcome=Outcome.ANSWERED, speed_bps=speed_bps, full_duplex=full, **fields)


def device(room: str, state: str | None = "awake", *, answered: bool = True) -> Device:
    return Device(
        classroom=room,
        outcome=Outcome.ANSWERED if answered else Outcome.NO_ANSWER,
        state=state if answered else None,
        seen_by="snmp" if answered else None,
    )


def http(*, up: bool = True, target: str = "national") -> Http:
    return Http(
        target=target, outcome=Outcome.ANSWERED if up else Outcome.NO_ANSWER, reason=None if up else Reason.TIMEOUT
    )
