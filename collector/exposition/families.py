"""The names, labels and help texts of what Prometheus sees of schools. Meaning and label values: docs/metrics.md."""

from collections.abc import Mapping

from msgspec import Struct

PREFIX = "classready_"


class Family(Struct, frozen=True):
    """One metric; all are gauges."""

    name: str
    help: str
    labels: tuple[str, ...]
    decimals: int | None = None
    """None = as many as the number has."""


_SCHOOL = ("office", "school")
_ROOM = (*_SCHOOL, "classroom")
_PLATFORM = (*_SCHOOL, "platform")
_GATEWAY = (*_SCHOOL, "gateway")

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
        (*_SCHOOL, "verdict", "state"),
    ),
    Family(
        "classready_school_info",
        "What the school is; always 1.",
        (*_SCHOOL, "name", "kind", "operator", "hub", "rural_weak"),
    ),
    Family("classready_classroom_info", "Name of the classroom; always 1.", (*_ROOM, "name")),
    Family("classready_platform_info", "Name of the platform; always 1.", (*_PLATFORM, "name")),
    Family(
        "classready_classroom_evidence_timestamp_seconds",
        "When the newest evidence for this part of the classroom's verdict was measured.",
        (*_ROOM, "part"),
        decimals=3,
    ),
    Family("classready_school_in_lesson", "1 in a lesson, else 0.", _SCHOOL),
    Family(
        "classready_school_uplink_bytes_per_second",
        "Measured capacity of a gateway's uplink.",
        (*_GATEWAY, "direction", "bound"),
    ),
    Family(
        "classready_school_uplink_contention_ratio",
        "What all judged classrooms need at once over the uplink: the largest over the gateways.",
        _SCHOOL,
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
    Family("classready_gateway_info", "Version of the gateway's agent; always 1.", (*_GATEWAY, "version")),
)
"""Everything of a school, in the order of the output. All are gauges."""

OFFICE_CLASSROOMS = Family(
    "classready_office_classrooms", "Classrooms of the office by state of each verdict.", ("office", "verdict", "state")
)
OFFICE_INFO = Family("classready_office_info", "Name of the office; always 1.", ("office", "name"))
REQUIRED = Family(
    "classready_required_bytes_per_second", "What the policy requires of every classroom's link.", ("direction",)
)
INCIDENTS = Family(
    "classready_incidents",
    "Open incidents by what they are about, who acts, and how far they are.",
    ("office", "cause", "actor", "state"),
)
ROLL_UP = (OFFICE_CLASSROOMS, OFFICE_INFO, REQUIRED, INCIDENTS)
"""What is told of offices and of the policy beside the collector's own metrics."""

COLUMN_OF: Mapping[str, int] = {family.name.removeprefix(PREFIX): n for n, family in enumerate(FAMILIES)}


def header(family: Family) -> bytes:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode()
