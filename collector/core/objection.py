"""申诉: a school says that a verdict is wrong ("we have 100M"). It is tested again, and both results are kept.

An objection changes no verdict and no rule: it orders tests, and says what came of them.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from collector.core.evidence import BandwidthTest, Leg
from collector.core.hours import school_days_between
from collector.core.link import judged_directions, legs_interval, majority, part_state, test_interval
from collector.core.policy import Policy
from collector.core.roster import DAY_S
from collector.core.state import ClassroomState, School
from collector.core.wiring import gateway_of, has_port
from collector.core.words import CompliantValue, Direction, LinkState, VerdictValue

Outcome = Literal["upheld", "changed", "unmeasured"]


class Tested(Struct, frozen=True, kw_only=True):
    """What the newest test of one direction of a target showed, or a port (``target`` = ``switch:port``)."""

    target: str
    direction: Direction | None
    observed_at: float
    passed: bool | None = None
    at_least_bps: float | None = None
    at_most_bps: float | None = None
    estimate_bps: float | None = None


class Found(Struct, frozen=True, kw_only=True):
    """How things stood at ``at``. Of a whole school there is no ``ready`` and no ``compliant``."""

    at: float
    link: LinkState
    ready: VerdictValue | None = None
    compliant: CompliantValue | None = None
    tests: tuple[Tested, ...] = ()


class Objection(Struct, frozen=True, kw_only=True):
    """One that is not answered yet. ``classroom`` None = it is about the lines of the whole school."""

    id: int
    school: str
    classroom: str | None
    at: float
    before: Found


class Answer(Struct, frozen=True, kw_only=True):
    """``reason``: why it could not be measured; a reason that an agent gave, or one of our own."""

    outcome: Outcome
    reason: str | None
    after: Found


def legs_of(school: School, classroom: str | None, policy: Policy) -> tuple[Leg, ...]:
    """The tests that can answer: those of the line, and of the way to the room. An exit is nobody's line."""
    judged = {direction for direction, _ in judged_directions(policy)}
    lines: list[Leg] = [
        leg
        for leg in school.state.uplinks.values()
        if leg.beyond is None
        and leg.direction in judged
        and (classroom is None or leg.gateway == gateway_of(school, classroom))
    ]
    ways = [leg for leg in school.state.paths.values() if leg.classroom == classroom and leg.direction in judged]
    return (*lines, *ways)


def found(school: School, classroom: str | None, now: float, policy: Policy) -> Found:
    """Take down how things stand."""
    legs = legs_of(school, classroom, policy)
    tests = tuple(_tested(leg, leg.tests[-1]) for leg in legs if leg.tests)
    if classroom is None:
        return Found(at=now, link=_link_of(legs, policy), tests=tests)
    state = school.state.classrooms.get(classroom, ClassroomState())
    return Found(
        at=now,
        link=state.verdict.link_state,
        ready=state.verdict.ready,
        compliant=state.latch.value,
        tests=(*tests, *_port(state)),
    )


def orders(school: School, objection: Objection, now: float, policy: Policy) -> Iterator[Leg]:
    """What is to be tested for it, never closer together than tests that count as two."""
    for leg in legs_of(school, objection.classroom, policy):
        last_at = leg.tests[-1].observed_at if leg.tests else None
        if not _is_settled(leg, objection.at) and (last_at is None or now >= last_at + policy.confirm_spacing_s):
            yield leg


def answer(school: School, objection: Objection, now: float, policy: Policy) -> Answer | None:
    """What came of it; None = it waits for its tests."""
    room = objection.classroom
    if room is not None and room not in school.roster.classrooms:
        return unmeasured(now, "removed")
    legs, state = legs_of(school, room, policy), school.state.classrooms.get(room or "", ClassroomState())
    port = state.last_port if room is not None and has_port(state) else None
    if not legs and port is None:
        return unmeasured(now, "no_test", found(school, room, now, policy))
    is_over = _is_over(school, objection.at, now, policy)
    port_is_new = port is None or port.observed_at > objection.at
    if not is_over and not (port_is_new and all(_is_settled(leg, objection.at) for leg in legs)):
        return None
    after = found(school, room, now, policy)
    if not any(test.observed_at > objection.at for test in after.tests) or after.link == "unknown":
        return unmeasured(now, _why_not(school, legs, objection.at), after)
    outcome: Outcome = "upheld" if after.link == objection.before.link else "changed"
    return Answer(outcome=outcome, reason=None, after=after)


def unmeasured(now: float, reason: str, after: Found | None = None) -> Answer:
    return Answer(outcome="unmeasured", reason=reason, after=after or Found(at=now, link="unknown"))


def quiet_until(spans: Sequence[tuple[float, float]], now: float) -> float | None:
    """When the lesson or examination ends in which nothing may load the line; None = there is none now."""
    return max((end for start, end in spans if start <= now < end), default=None)


def _is_settled(leg: Leg, since: float) -> bool:
    """Tested again since then, and the last word agrees with the majority: one stray pass or failure is no answer."""
    if not leg.tests or leg.tests[-1].observed_at <= since:
        return False
    return majority(leg.tests) is leg.tests[-1].passed


def _is_over(school: School, since: float, now: float, policy: Policy) -> bool:
    days = policy.objection_school_days
    if not school.hours.midnights:
        return now - since > days * DAY_S
    return school_days_between(school.hours, since, now) > days


def _why_not(school: School, legs: Sequence[Leg], since: float) -> str:
    """The reason that the last attempt gave, else what kept it from being made."""
    tried = [
        (leg.last_unmeasured_at, leg.last_unmeasured_reason)
        for leg in legs
        if leg.last_unmeasured_at is not None and leg.last_unmeasured_at > since and leg.last_unmeasured_reason
    ]
    if tried:
        _, reason = max(tried)
        return reason
    gateways = {leg.gateway for leg in legs}
    silent = [name for name in gateways if (heard := school.state.gateways.get(name)) is None or heard.silent]
    if silent:
        return "silent"
    return "undecided" if any(leg.tests and leg.tests[-1].observed_at > since for leg in legs) else "not_tested"


def _link_of(legs: Sequence[Leg], policy: Policy) -> LinkState:
    states = {
        part_state(legs_interval(leg for leg in legs if leg.direction == direction), thetas)
        for direction, thetas in judged_directions(policy)
        if any(leg.direction == direction for leg in legs)
    }
    if "short" in states:
        return "short"
    return "enough" if states == {"enough"} else "unknown"


def _tested(leg: Leg, test: BandwidthTest) -> Tested:
    interval = test_interval(test)
    return Tested(
        target=leg.target,
        direction=leg.direction,
        observed_at=test.observed_at,
        passed=test.passed,
        at_least_bps=interval.at_least_bps,
        at_most_bps=interval.at_most_bps,
        estimate_bps=interval.estimate_bps,
    )


def _port(state: ClassroomState) -> tuple[Tested, ...]:
    """The newest reading of its port."""
    port = state.last_port
    if port is None or port.seen.switch is None:
        return ()
    place = ":".join(part for part in (port.seen.switch, port.seen.if_name) if part)
    speed_bps = port.seen.speed_bps
    speed = None if speed_bps is None else float(speed_bps)
    return (Tested(target=place, direction=None, observed_at=port.observed_at, at_least_bps=speed, at_most_bps=speed),)
