"""What Prometheus sees: the state of schools as text in the exposition format 0.0.4.

A value that is not known has no sample; it is never 0. Each school's samples are kept as bytes per family and rendered
again only when the school changes, so that a scrape is a join. Names and labels: docs/metrics.md.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import REGISTRY, generate_latest

from classready.units import bps_to_bytes_per_s
from collector.core.age import is_fresh
from collector.core.compliance import compliant
from collector.core.evidence import Reading
from collector.core.figures import contention_ratio, counts, segment_contention_ratio, segments_of
from collector.core.findings import platform_over_gateways
from collector.core.link import gateway_uplink, link_bps, link_ratio, segment_interval
from collector.core.policy import Policy
from collector.core.state import ClassroomState, School
from collector.core.words import Direction

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(Struct, frozen=True):
    name: str
    help: str
    labels: tuple[str, ...]


_ROOM = ("office", "school", "classroom")
_PLATFORM = ("office", "school", "platform")
_GATEWAY = ("office", "school", "gateway")

FAMILIES: tuple[Family, ...] = (
    Family(
        "classready_classroom_compliant",
        "Device and required link proven: 1 or 0, absent while unknown or exempt.",
        _ROOM,
    ),
    Family("classready_classroom_ready", "Usable for a lesson now: 1 or 0, absent while unknown or exempt.", _ROOM),
    Family("classready_classroom_cause", "1 while this cause keeps the classroom from being ready.", (*_ROOM, "cause")),
    Family(
        "classready_classroom_link_bytes_per_second",
        "Capacity of the access link on each basis: the estimate where there is one, else the proven bound.",
        (*_ROOM, "basis"),
    ),
    Family("classready_classroom_link_ratio", "Capacity on the deciding basis over what is required.", _ROOM),
    Family("classready_classroom_device_up", "Interactive device awake: 1, else 0.", _ROOM),
    Family(
        "classready_school_classrooms",
        "Classrooms of the school by state of each verdict.",
        ("office", "school", "verdict", "state"),
    ),
    Family("classready_school_info", "Name and kind of the school; always 1.", ("office", "school", "name", "kind")),
    Family(
        "classready_school_uplink_bytes_per_second",
        "Measured capacity of a gateway's uplink.",
        (*_GATEWAY, "direction", "bound"),
    ),
    Family(
        "classready_school_uplink_contention_ratio",
        "What all judged classrooms need at once over the uplink: the largest over the gateways.",
        ("office", "school"),
    ),
    Family(
        "classready_school_segment_bytes_per_second",
        "Negotiated capacity of a trunk in the school.",
        (*_GATEWAY, "segment"),
    ),
    Family(
        "classready_school_segment_contention_ratio",
        "What all judged classrooms behind a trunk need at once over its capacity.",
        (*_GATEWAY, "segment"),
    ),
    Family("classready_platform_up", "Every part of the platform answers: 1, else 0.", _PLATFORM),
    Family("classready_platform_ping_rtt_seconds", "Median round-trip time to the platform.", _PLATFORM),
    Family("classready_platform_ping_loss_ratio", "Lost over sent echo requests.", _PLATFORM),
    Family("classready_platform_http_duration_seconds", "Time of one request by phase.", (*_PLATFORM, "phase")),
    Family(
        "classready_platform_tls_certificate_expiry_timestamp_seconds",
        "When the first of the platform's certificates expires.",
        _PLATFORM,
    ),
    Family("classready_gateway_up", "Reports arrive: 1, else 0; stays while the gateway is in the roster.", _GATEWAY),
    Family("classready_gateway_last_report_timestamp_seconds", "When the last report was committed.", _GATEWAY),
    Family("classready_gateway_clock_skew_seconds", "The gateway's clock minus the collector's.", _GATEWAY),
    Family("classready_gateway_spool_records", "Records waiting on the gateway.", _GATEWAY),
)
"""Everything of a school, in the order of the output. All are gauges."""

OFFICE_CLASSROOMS = Family(
    "classready_office_classrooms", "Classrooms of the office by state of each verdict.", ("office", "verdict", "state")
)
OFFICE_INFO = Family("classready_office_info", "Name of the office; always 1.", ("office", "name"))
ROLL_UP = (OFFICE_CLASSROOMS, OFFICE_INFO)
"""What is told of offices beside the collector's own metrics."""

Sample = tuple[tuple[str, ...], float | None]
Blocks = tuple[bytes, ...]
Counts = Mapping[tuple[str, str], int]
"""Keyed (verdict, state), zeros included."""


class Exposition:
    """Schools as exposition text. ``policy`` may be replaced; schools show it at their next ``update``."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._blocks: dict[str, dict[str, Blocks]] = {}
        self._counts: dict[str, dict[str, Counts]] = {}
        self._office_of: dict[str, str] = {}

    def update(self, school: School, now: float) -> None:
        """Render one school as it stands at ``now``."""
        roster = school.roster
        if self._office_of.get(roster.school, roster.office) != roster.office:
            self.remove(roster.school)
        self._office_of[roster.school] = roster.office
        self._blocks.setdefault(roster.office, {})[roster.school] = render(school, now, self.policy)
        self._counts.setdefault(roster.office, {})[roster.school] = _flat_counts(school)

    def remove(self, school_id: str) -> None:
        """Forget a school that left the roster; unknown ones are ignored."""
        office = self._office_of.pop(school_id, None)
        if office is not None:
            del self._blocks[office][school_id], self._counts[office][school_id]

    def office(self, office_id: str) -> bytes:
        """Every series of one office; empty for an office without schools."""
        return _join(self._blocks.get(office_id, {}).values())

    def everything(self) -> bytes:
        """The union of the offices, for people; never to be scraped beside them."""
        return _join(chain.from_iterable(schools.values() for schools in self._blocks.values()))

    def self_metrics(self, office_names: Mapping[str, str] = MappingProxyType({})) -> bytes:
        """The collector's own metrics and the roll-up per office; ``office_names`` by id, as in the roster."""
        rollup = (
            ((office, *key), float(count))
            for office, schools in self._counts.items()
            for key, count in _total(schools.values()).items()
        )
        named = (((office, name or office), 1.0) for office, name in office_names.items())
        told = ((OFFICE_CLASSROOMS, rollup), (OFFICE_INFO, named))
        return generate_latest(REGISTRY) + b"".join(_header(family) + _lines(family, found) for family, found in told)


def render(school: School, now: float, policy: Policy) -> Blocks:
    """Render the samples of one school, one block of lines per entry of ``FAMILIES``."""
    samples = _samples(_audible(school), now, policy)
    return tuple(_lines(family, samples.get(family.name, ())) for family in FAMILIES)


def _join(schools: Iterable[Blocks]) -> bytes:
    """A family's samples must stand together, under one HELP and TYPE."""
    columns = zip(*schools, strict=True)
    return b"".join(
        _header(family) + body for family, column in zip(FAMILIES, columns, strict=False) if (body := b"".join(column))
    )


def _header(family: Family) -> bytes:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode()


def _lines(family: Family, samples: Iterable[Sample]) -> bytes:
    pattern = _PATTERNS[family.name]
    return "".join(
        pattern % (*map(escape, labels), float(value))
        for labels, value in samples
        if value is not None and math.isfinite(value)
    ).encode()


def _pattern(family: Family) -> str:
    labels = ",".join(f'{label}="%s"' for label in family.labels)
    return f"{family.name}{{{labels}}} %r\n"


_PATTERNS: Mapping[str, str] = {family.name: _pattern(family) for family in (*FAMILIES, *ROLL_UP)}


def escape(text: str) -> str:
    """Escape a label value; what UTF-8 cannot carry becomes U+FFFD."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return escaped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]*")


def _audible(school: School) -> School:
    """The school without what a silent gateway measured, and with a failing platform as it was measured."""
    state = school.state
    silent = {name for name, gateway in state.gateways.items() if gateway.silent}
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


def _samples(school: School, now: float, policy: Policy) -> Mapping[str, Iterable[Sample]]:
    base = (school.roster.office, school.roster.school)
    found: dict[str, list[Sample]] = {}
    for name, labels, value in chain(
        _classrooms(school, policy),
        _school(school, policy),
        _segments(school, now, policy),
        _platforms(school, now, policy),
        _gateways(school),
    ):
        found.setdefault(f"classready_{name}", []).append(((*base, *labels), value))
    return found


Found = Iterator[tuple[str, tuple[str, ...], float | None]]
"""Metric without its prefix, labels after office and school, value (None = no sample)."""


def _classrooms(school: School, policy: Policy) -> Found:
    for room in school.roster.classrooms.values():
        state = school.state.classrooms.get(room.id, ClassroomState())
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


def _school(school: School, policy: Policy) -> Found:
    roster = school.roster
    yield "school_info", (roster.name or roster.school, roster.kind), 1.0
    for key, count in _flat_counts(school).items():
        yield "school_classrooms", key, float(count)
    directions: tuple[Direction, ...] = ("down", "up")
    for gateway in roster.gateways:
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


def _platforms(school: School, now: float, policy: Policy) -> Found:
    for platform, targets in school.roster.platforms.items():
        readings = [
            r for r in school.state.platforms.values() if r.target in targets and r.gateway in school.roster.gateways
        ]
        readings.sort(key=lambda r: targets.index(r.target))
        yield "platform_up", (platform,), _as_bit(platform_over_gateways(school, platform, now, policy))
        fetched = [r.http for r in readings if r.http and _fresh(school, r.http, now, policy)]
        pinged = [r.ping for r in readings if r.ping and _fresh(school, r.ping, now, policy)]
        phases = fetched[0].seen.phases_s if fetched else None
        for phase in phases.__struct_fields__ if phases else ():
            yield "platform_http_duration_seconds", (platform, phase), getattr(phases, phase)
        expiries = [at for r in fetched if (at := r.seen.certificate_expires_at) is not None]
        yield "platform_tls_certificate_expiry_timestamp_seconds", (platform,), min(expiries, default=None)
        for reading in pinged[:1]:
            yield "platform_ping_rtt_seconds", (platform,), reading.rtt_s
            yield "platform_ping_loss_ratio", (platform,), reading.loss_ratio


def _fresh(school: School, reading: Reading, now: float, policy: Policy) -> bool:
    return is_fresh(school, reading.observed_at, reading.gateway, now, policy)


def _gateways(school: School) -> Found:
    for name in school.roster.gateways:
        gateway = school.state.gateways.get(name)
        yield "gateway_up", (name,), float(gateway is not None and not gateway.silent)
        if gateway is None:
            continue
        yield "gateway_last_report_timestamp_seconds", (name,), gateway.last_committed_at
        if not gateway.silent:
            yield "gateway_clock_skew_seconds", (name,), gateway.clock_skew_s
            yield "gateway_spool_records", (name,), gateway.spool_records


def _flat_counts(school: School) -> Counts:
    return {(verdict, state): n for verdict, states in counts(school).items() for state, n in states.items()}


def _total(parts: Iterable[Counts]) -> Counts:
    total: Counter[tuple[str, str]] = Counter()
    for part in parts:
        total.update(part)
    return total


def _as_bit(value: str) -> float | None:
    return {"yes": 1.0, "no": 0.0}.get(value)


def _bytes_per_s(rate_bps: float | None) -> float | None:
    return None if rate_bps is None else bps_to_bytes_per_s(rate_bps)
