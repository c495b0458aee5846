"""The envelopes: what a gateway sends up, and what comes back down. Normative text: docs/wire.md."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from classready.ids import BootId, GatewayId, SpoolId, TargetName
from classready.observation import NonNegative, Observation

SCHEMA_VERSION = 1
REPORT_MAX_BYTES = 60_000
MAX_DEPTH = 8

Sequence = Annotated[int, Meta(ge=1, le=2**53)]
ReasonCode = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]


class Record(Struct, frozen=True, kw_only=True):
    """One observation with everything needed to date it. Clocks are read when the probe starts."""

    sequence: Sequence
    boot_id: BootId
    monotonic_s: NonNegative
    wall_s: float | None = None
    clock_quality: Literal["good", "unknown"] = "unknown"
    observation: Observation


class Report(Struct, frozen=True, kw_only=True):
    """Records stay raw: they are decoded one by one, so that a strange one never poisons the others.

    ``boot_id`` is the sender's present boot: records of an earlier boot cannot be dated by ``sent_monotonic_s``.
    """

    schema_version: Annotated[int, Meta(ge=1)] = SCHEMA_VERSION
    gateway: GatewayId
    agent_version: Annotated[str, Meta(max_length=40)] = ""
    spool_id: SpoolId
    boot_id: BootId | None = None
    report_interval_s: Annotated[float, Meta(gt=0, le=86_400)]
    sent_monotonic_s: NonNegative
    sent_at: float | None = None
    spool_records: Annotated[int, Meta(ge=0)] | None = None
    dropped: dict[ReasonCode, Annotated[int, Meta(ge=0)]] = {}
    records: Annotated[tuple[Raw, ...], Meta(max_length=2_000)] = ()


class Rejected(Struct, frozen=True, kw_only=True):
    sequence: int
    reason: str


class Thetas(Struct, frozen=True, kw_only=True):
    """``[theta0_bps, theta1_bps]`` per direction seen from the school; None = do not test that direction."""

    down: tuple[float, float] | None = None
    up: tuple[float, float] | None = None


class Directives(Struct, frozen=True, kw_only=True):
    """The down channel. ``quiet`` holds spans of Unix seconds in which no load may be put on the line."""

    policy_version: str
    theta: Thetas = Thetas()
    quiet: tuple[tuple[float, float], ...] = ()
    retest: tuple[TargetName, ...] = ()


class Ack(Struct, frozen=True, kw_only=True):
    """Names exactly what is durable: closed ranges of sequences, and records that will never be accepted."""

    spool_id: SpoolId
    committed: tuple[tuple[int, int], ...] = ()
    rejected: tuple[Rejected, ...] = ()
    directives: Directives | None = None


class Presence(Struct, frozen=True, kw_only=True):
    online: bool
    agent_version: str = ""
