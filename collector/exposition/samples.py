"""From the core's structs to samples: the only part of the exposition that knows what a school is made of.

A value that is not known has no sample; it is never 0. Samples come in groups that change together, and a group says
what it is made from: while that stays the same, nothing of it is rendered again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from classready.units import bps_to_bytes_per_s
from collector.core.age import is_fresh
from collector.core.bureau.words import Bureau, Incident
from collector.core.compliance import compliant
from collector.core.evidence import HttpReading, Leg, PlatformReading, Reading
from collector.core.figures import contention_ratio, counts, segment_contention_ratio, segments_of
from collector.core.hours import in_lesson
from collector.core.link import (
    decisive_test,
    gateway_uplink,
    line_legs,
    link_bps,
    link_ratio,
    segment_interval,
)
from collector.core.platforms import platform_over_gateways
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School
from collector.core.wiring import gateway_of
from collector.core.words import Direction

Found = Iterator[tuple[str, tuple[str, ...], float | None]]
"""Metric without its prefix, labels after office and school, value (None = no sample)."""
Counts = Mapping[tuple[str, str], int]
"""Keyed (verdict, state), zeros included."""


class Setting(Struct, frozen=True, kw_only=True):
    """What samples depend on beside their school."""

    policy: Policy
    platform_names: Mapping[str, str] = {}


_EVIDENCE = "classroom_evidence_timestamp_seconds"
_UNHEARD = ClassroomState()


class Group(NamedTuple):
    """``made_from`` returns what the samples follow from, to be compared; None = they may change at any time."""

    metrics: tuple[str, ...]
    made_from: Callable[[School, float, Setting], Any]
    samples: Callable[[School, float, Setting], Found]


def _always(_school: School, _now: float, _setting: Setting) -> None:
    """Made from dates and figures that are other ones with every report."""


# --- what the roster says -------------------------------------------------------------------------------------------


def _names(school: School, _now: float, setting: Setting) -> Found:
    roster = school.roster
    rural_weak = "true" if roster.rural_weak else "false"
    labels = (roster.name or roster.school, roster.kind, roster.operator or "", roster.hub or "", rural_weak)
    yield "school_info", labels, 1.0
    for room in roster.classrooms.values():
        yield "classroom_info", (room.id, room.name or room.id), 1.0
    for platform in roster.platforms:
        yield "platform_info", (platform, setting.platform_names.get(platform) or platform), 1.0


# --- what is judged -------------------------------------------------------------------------------------------------


def _verdicts(school: School) -> tuple[Any, ...]:
    rooms = school.state.classrooms
    return tuple((room.verdict, room.latch.value) for name in school.roster.classrooms if (room := rooms.get(name)))


def _judged(school: School, _now: float, setting: Setting) -> Found:
    return chain(_classrooms(school, setting.policy), _classroom_counts(school))


def _classrooms(school: School, policy: Policy) -> Found:
    for room in school.roster.classrooms.values():
        state = school.state.classrooms.get(room.id, _UNHEARD)
        verdict = state.verdict
        link = {basis: link_bps(interval) for basis, interval in verdict.link.items()}
        if room.exempt is None:
            yield "classroom_compliant", (room.id,), _as_bit(compliant(room, state))
            yield "classroom_ready", (room.id,), _as_bit(verdict.ready)
            yield from (("classroom_cause", (room.id, cause), 1.0) for cause in verdict.causes)
        for basis, rate_bps in link.items():
            yield "classroom_link_bytes_per_second", (room.id, basis), _bytes_per_s(rate_bps)
        yield "classroom_link_ratio", (room.id,), link_ratio(verdict, policy)
        yield "classroom_device_up", (room.id,), None if verdict.device_up is None else float(verdict.device_up)


def _classroom_counts(school: School) -> Found:
    for key, count in classroom_counts(school).items():
        yield "school_classrooms", key, float(count)


def classroom_counts(school: School) -> Counts:
    return {(verdict, state): n for verdict, states in counts(school).items() for state, n in states.items()}


# --- what is measured -----------------------------------------------------------------------------------------------


def _audible(school: School) -> School:
    """The school without what a silent gateway measured, and with a failing platform as it was measured."""
    state = school.state
    silent = {name for name, gateway in state.gateways.items() if gateway.silent}
    if not silent and not state.platform_faults:
        return school
    return replace(
        school,
        state=replace(
            state,
            uplinks={key: uplink for key, uplink in state.uplinks.items() if uplink.gateway not in silent},
            segments={key: segment for key, segment in state.segments.items() if segment.gateway not in silent},
            platforms={key: reading for key, reading in state.platforms.items() if reading.gateway not in silent},
            platform_faults=(),
        ),
    )


def _evidence(school: School, _now: float, _setting: Setting) -> Found:
    """When each part of the evidence was measured that a verdict can rest on now: of a silent gateway, none can."""
    heard = {name for name, gateway in school.state.gateways.items() if not gateway.silent}
    lines = {name: _tested_at(line_legs(school, name, "down")) for name in school.roster.gateways if name in heard}
    paths = _paths_tested_at(school)
    for room in school.roster.classrooms.values():
        gateway = gateway_of(school, room.id)
        if room.exempt is not None or gateway is None or gateway not in lines:
            continue
        state = school.state.classrooms.get(room.id, _UNHEARD)
        yield _EVIDENCE, (room.id, "port"), _port_at(state)
        yield _EVIDENCE, (room.id, "uplink"), lines[gateway]
        yield _EVIDENCE, (room.id, "path"), paths.get((room.id, gateway))
        yield _EVIDENCE, (room.id, "device"), state.device.observed_at if state.device else None


def _port_at(state: ClassroomState) -> float | None:
    """The device's own card is evidence of the port, too."""
    port_at = state.port.observed_at if state.port else None
    if state.nic_speed_bps is None or state.last_awake_at is None:
        return port_at
    return state.last_awake_at if port_at is None else max(port_at, state.last_awake_at)


def _paths_tested_at(school: School) -> dict[tuple[str, str], float | None]:
    """By classroom and gateway."""
    legs: dict[tuple[str, str], list[Leg]] = defaultdict(list)
    for leg in school.state.paths.values():
        if leg.direction == "down":
            legs[leg.classroom, leg.gateway].append(leg)
    return {key: _tested_at(found) for key, found in legs.items()}


def _tested_at(legs: Iterable[Leg]) -> float | None:
    return max((test.observed_at for leg in legs if (test := decisive_test(leg))), default=None)


def _capacities_from(school: School, now: float, setting: Setting) -> tuple[Any, ...]:
    """Readings of trunks are compared without their counters, and rooms by the gateway and switch they hang on."""
    audible, policy = _audible(school), setting.policy
    trunks = tuple(
        (segment.gateway, segment.switches, segment.seen.name, segment.seen.speed_bps, segment.seen.full_duplex)
        for gateway in school.roster.gateways
        for segment in segments_of(audible, gateway, now, policy)
    )
    rooms = [school.state.classrooms.get(name, _UNHEARD) for name in school.roster.classrooms]
    gateways = tuple([room.gateway for room in rooms])
    switches = tuple([room.last_port.seen.switch if room.last_port else None for room in rooms])
    return school.roster, policy, audible.state.uplinks, trunks, gateways, switches


def _capacities(school: School, now: float, setting: Setting) -> Found:
    audible, policy = _audible(school), setting.policy
    return chain(_lines(audible, policy), _segments(audible, now, policy))


def _lines(school: School, policy: Policy) -> Found:
    directions: tuple[Direction, ...] = ("down", "up")
    for gateway in school.roster.gateways:
        for direction in directions:
            interval = gateway_uplink(school, gateway, direction)
            for bound, rate_bps in (("estimate", interval.estimate_bps), ("at_least", interval.at_least_bps)):
                yield "school_uplink_bytes_per_second", (gateway, direction, bound), _bytes_per_s(rate_bps)
    yield "school_uplink_contention_ratio", (), contention_ratio(school, policy)


def _segments(school: School, now: float, policy: Policy) -> Found:
    for gateway in school.roster.gateways:
        for segment in segments_of(school, gateway, now, policy):
            labels, rate_bps = (gateway, segment.seen.name), link_bps(segment_interval(segment))
            yield "school_segment_bytes_per_second", labels, _bytes_per_s(rate_bps)
            yield "school_segment_contention_ratio", labels, segment_contention_ratio(school, segment, policy)


def _platforms_from(school: School, now: float, setting: Setting) -> tuple[Any, ...]:
    """Readings are compared by whether they count and what they say, without how long an answer took."""
    audible, policy = _audible(school), setting.policy
    readings = [
        (r.gateway, r.target, r.http and (r.http.up, _fresh(audible, r.http, now, policy), _expires_at(r.http)))
        for r in audible.state.platforms.values()
    ]
    return school.roster, readings


def _platforms(school: School, now: float, setting: Setting) -> Found:
    school, policy = _audible(school), setting.policy
    for platform in school.roster.platforms:
        fetched = (r.http for r in _readings(school, platform) if r.http and _fresh(school, r.http, now, policy))
        expiries = (at for http in fetched if (at := _expires_at(http)) is not None)
        yield "platform_up", (platform,), _as_bit(platform_over_gateways(school, platform, now, policy))
        yield "platform_tls_certificate_expiry_timestamp_seconds", (platform,), min(expiries, default=None)


def _durations(school: School, now: float, setting: Setting) -> Found:
    """Of the first target that was fetched, and of the first that was pinged: other ones with every report."""
    school, policy = _audible(school), setting.policy
    for platform in school.roster.platforms:
        readings = _readings(school, platform)
        fetched = next((r.http for r in readings if r.http and _fresh(school, r.http, now, policy)), None)
        pinged = next((r.ping for r in readings if r.ping and _fresh(school, r.ping, now, policy)), None)
        phases = fetched and fetched.seen.phases_s
        for phase in phases.__struct_fields__ if phases else ():
            yield "platform_http_duration_seconds", (platform, phase), getattr(phases, phase)
        if pinged:
            yield "platform_ping_rtt_seconds", (platform,), pinged.rtt_s
            yield "platform_ping_loss_ratio", (platform,), pinged.loss_ratio


def _readings(school: School, platform: str) -> list[PlatformReading]:
    """What the school's gateways told of the platform's targets, in the order of the targets."""
    roster, told = school.roster, school.state.platforms.values()
    targets = roster.platforms[platform]
    readings = [r for r in told if r.target in targets and r.gateway in roster.gateways]
    return sorted(readings, key=lambda r: targets.index(r.target)) if len(readings) > 1 else readings


def _expires_at(http: HttpReading) -> float | None:
    return http.seen.certificate_expires_at


def _fresh(school: School, reading: Reading, now: float, policy: Policy) -> bool:
    return is_fresh(school, reading.observed_at, reading.gateway, now, policy)


def _gateways(school: School, _now: float, _setting: Setting) -> Found:
    for name in school.roster.gateways:
        gateway = school.state.gateways.get(name)
        yield "gateway_up", (name,), float(gateway is not None and not gateway.silent)
        if gateway is not None and gateway.agent_version:
            yield "gateway_info", (name, gateway.agent_version), 1.0


def _reporting(school: School, _now: float, _setting: Setting) -> Found:
    """Clocks and counters: other ones with every report."""
    for name in school.roster.gateways:
        gateway = school.state.gateways.get(name)
        if gateway is None:
            continue
        yield "gateway_last_report_timestamp_seconds", (name,), gateway.last_committed_at
        if not gateway.silent:
            yield "gateway_clock_skew_seconds", (name,), gateway.clock_skew_s
            yield "gateway_spool_records", (name,), gateway.spool_records


# --- what the clock says --------------------------------------------------------------------------------------------


def lessons_at(now: float) -> Callable[[School], bool]:
    """Whether a school is in a lesson, worked out once for all that share their hours."""
    known: dict[int, bool] = {}

    def is_in_lesson(school: School) -> bool:
        key = id(school.hours)
        if key not in known:
            known[key] = in_lesson(school.hours, now)
        return known[key]

    return is_in_lesson


def _lesson(school: School, now: float, _setting: Setting) -> Found:
    yield "school_in_lesson", (), float(in_lesson(school.hours, now))


GROUPS = (
    Group(
        ("school_info", "classroom_info", "platform_info"),
        lambda school, _now, setting: (school.roster, setting.platform_names),
        _names,
    ),
    Group(
        (
            "classroom_compliant",
            "classroom_ready",
            "classroom_cause",
            "classroom_link_bytes_per_second",
            "classroom_link_ratio",
            "classroom_device_up",
            "school_classrooms",
        ),
        lambda school, _now, setting: (school.roster, _verdicts(school), setting.policy),
        _judged,
    ),
    Group((_EVIDENCE,), _always, _evidence),
    Group(
        (
            "school_uplink_bytes_per_second",
            "school_uplink_contention_ratio",
            "school_segment_bytes_per_second",
            "school_segment_contention_ratio",
        ),
        _capacities_from,
        _capacities,
    ),
    Group(
        ("platform_up", "platform_tls_certificate_expiry_timestamp_seconds"),
        _platforms_from,
        _platforms,
    ),
    Group(
        ("platform_ping_rtt_seconds", "platform_ping_loss_ratio", "platform_http_duration_seconds"),
        _always,
        _durations,
    ),
    Group(
        ("gateway_up", "gateway_info"),
        lambda school, _now, _setting: (
            school.roster.gateways,
            [(name, gateway.silent, gateway.agent_version) for name, gateway in school.state.gateways.items()],
        ),
        _gateways,
    ),
    Group(
        ("gateway_last_report_timestamp_seconds", "gateway_clock_skew_seconds", "gateway_spool_records"),
        _always,
        _reporting,
    ),
    Group(("school_in_lesson",), lambda school, now, _setting: in_lesson(school.hours, now), _lesson),
)


# --- what is told beside the collector's own metrics ----------------------------------------------------------------


def required(policy: Policy) -> Iterator[tuple[tuple[str, ...], float]]:
    for direction, rate_bps in (("down", policy.required_down_bps), ("up", policy.required_up_bps)):
        if rate_bps is not None:
            yield (direction,), bps_to_bytes_per_s(rate_bps)


def incidents(bureau: Bureau) -> Iterator[tuple[tuple[str, ...], float]]:
    """Who acts is not decided yet: an empty label is an absent one. What only waits to be told as over is not open."""
    found = Counter(
        (office, incident.cause, "", _stage(incident))
        for office, desk in bureau.desks.items()
        for incident in desk.incidents.values()
        if incident.tally.open_count
    )
    return ((labels, float(count)) for labels, count in found.items())


def _stage(incident: Incident) -> str:
    """Whether anybody was told of it yet."""
    return "pending" if incident.notified_at is None else "firing"


def _as_bit(value: str) -> float | None:
    return {"yes": 1.0, "no": 0.0}.get(value)


def _bytes_per_s(rate_bps: float | None) -> float | None:
    return None if rate_bps is None else bps_to_bytes_per_s(rate_bps)
