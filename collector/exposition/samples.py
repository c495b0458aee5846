"""What of a school stays the same from report to report: names, verdicts, capacities, and who answers.

A value that is not known has no sample; it is never 0. Samples come in groups that change together, and a group says
what it is made from: while that stays the same, nothing of it is rendered again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from classready.units import bps_to_bytes_per_s
from collector.core.bureau.words import Bureau, Incident
from collector.core.compliance import compliant
from collector.core.evidence import HttpReading
from collector.core.figures import contention_ratio, counts, segment_contention_ratio, segments_of
from collector.core.hours import in_lesson
from collector.core.link import gateway_uplink, link_bps, link_ratio, segment_interval
from collector.core.platforms import platform_over_gateways
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.words import Direction
from collector.exposition.look import Look, is_current, readings_of

Found = Iterator[tuple[str, tuple[str, ...], float | None]]
"""Metric without its prefix, labels after office and school, value (None = no sample)."""
Counts = Mapping[tuple[str, str], int]
"""Keyed (verdict, state), zeros included."""


class Group(NamedTuple):
    """``made_from`` returns what the samples follow from, to be kept and compared: it should be small."""

    metrics: tuple[str, ...]
    made_from: Callable[[Look], Any]
    samples: Callable[[Look], Found]


# --- what the roster says -------------------------------------------------------------------------------------------


def _names(look: Look) -> Found:
    roster = look.school.roster
    rural_weak = "true" if roster.rural_weak else "false"
    labels = (roster.name or roster.school, roster.kind, roster.operator or "", roster.hub or "", rural_weak)
    yield "school_info", labels, 1.0
    for room in roster.classrooms.values():
        yield "classroom_info", (room.id, room.name or room.id), 1.0
    for platform in roster.platforms:
        yield "platform_info", (platform, look.platform_names.get(platform) or platform), 1.0


# --- what is judged -------------------------------------------------------------------------------------------------


def _judged_from(look: Look) -> tuple[Any, ...]:
    verdicts = tuple([room.verdict for room in look.rooms])
    latched = tuple([room.latch.value for room in look.rooms])
    return look.school.roster, look.policy, verdicts, latched


def _judged(look: Look) -> Found:
    return chain(_classrooms(look), _classroom_counts(look.school))


def _classrooms(look: Look) -> Found:
    for room, state in zip(look.school.roster.classrooms.values(), look.rooms, strict=True):
        verdict = state.verdict
        link = {basis: link_bps(interval) for basis, interval in verdict.link.items()}
        if room.exempt is None:
            yield "classroom_compliant", (room.id,), _as_bit(compliant(room, state))
            yield "classroom_ready", (room.id,), _as_bit(verdict.ready)
            yield from (("classroom_cause", (room.id, cause), 1.0) for cause in verdict.causes)
        for basis, rate_bps in link.items():
            yield "classroom_link_bytes_per_second", (room.id, basis), _bytes_per_s(rate_bps)
        yield "classroom_link_ratio", (room.id,), link_ratio(verdict, look.policy)
        yield "classroom_device_up", (room.id,), None if verdict.device_up is None else float(verdict.device_up)


def _classroom_counts(school: School) -> Found:
    for key, count in classroom_counts(school).items():
        yield "school_classrooms", key, float(count)


def classroom_counts(school: School) -> Counts:
    return {(verdict, state): n for verdict, states in counts(school).items() for state, n in states.items()}


# --- what is measured -----------------------------------------------------------------------------------------------


def _capacities_from(look: Look) -> tuple[Any, ...]:
    """Readings of trunks are compared without their counters, and rooms by the gateway and switch they hang on."""
    audible, policy = look.audible, look.policy
    trunks = tuple(
        (segment.gateway, segment.switches, segment.seen.name, segment.seen.speed_bps, segment.seen.full_duplex)
        for gateway in audible.roster.gateways
        for segment in segments_of(audible, gateway, look.now, policy)
    )
    gateways = tuple([room.gateway for room in look.rooms])
    switches = tuple([room.last_port.seen.switch if room.last_port else None for room in look.rooms])
    return audible.roster, policy, audible.state.uplinks, trunks, gateways, switches


def _capacities(look: Look) -> Found:
    return chain(_lines(look.audible, look.policy), _segments(look.audible, look.now, look.policy))


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


def _platforms_from(look: Look) -> tuple[Any, ...]:
    """Readings are compared by whether they count and what they say, without how long an answer took."""
    readings = [
        (r.gateway, r.target, r.http and (r.http.up, is_current(look, r.http), _expires_at(r.http)))
        for r in look.audible.state.platforms.values()
    ]
    return look.school.roster, readings


def _platforms(look: Look) -> Found:
    for platform in look.school.roster.platforms:
        fetched = (r.http for r in readings_of(look, platform) if r.http and is_current(look, r.http))
        expiries = (at for http in fetched if (at := _expires_at(http)) is not None)
        is_up = platform_over_gateways(look.audible, platform, look.now, look.policy)
        yield "platform_up", (platform,), _as_bit(is_up)
        yield "platform_tls_certificate_expiry_timestamp_seconds", (platform,), min(expiries, default=None)


def _expires_at(http: HttpReading) -> float | None:
    return http.seen.certificate_expires_at


def _gateways_from(look: Look) -> tuple[Any, ...]:
    heard = look.school.state.gateways.items()
    return look.school.roster.gateways, [(name, gateway.silent, gateway.agent_version) for name, gateway in heard]


def _gateways(look: Look) -> Found:
    for name in look.school.roster.gateways:
        gateway = look.school.state.gateways.get(name)
        yield "gateway_up", (name,), float(gateway is not None and not gateway.silent)
        if gateway is not None and gateway.agent_version:
            yield "gateway_info", (name, gateway.agent_version), 1.0


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


def _is_in_lesson(look: Look) -> bool:
    return in_lesson(look.school.hours, look.now)


def _lesson(look: Look) -> Found:
    yield "school_in_lesson", (), float(_is_in_lesson(look))


GROUPS = (
    Group(
        ("school_info", "classroom_info", "platform_info"),
        lambda look: (look.school.roster, look.platform_names),
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
        _judged_from,
        _judged,
    ),
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
    Group(("platform_up", "platform_tls_certificate_expiry_timestamp_seconds"), _platforms_from, _platforms),
    Group(("gateway_up", "gateway_info"), _gateways_from, _gateways),
    Group(("school_in_lesson",), _is_in_lesson, _lesson),
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
    """Whether anybody was told of it yet, and whether somebody is on it."""
    if incident.notified_at is None:
        return "pending"
    return "firing" if incident.acknowledgement is None else "acknowledged"


def _as_bit(value: str) -> float | None:
    return {"yes": 1.0, "no": 0.0}.get(value)


def _bytes_per_s(rate_bps: float | None) -> float | None:
    return None if rate_bps is None else bps_to_bytes_per_s(rate_bps)
