"""The envelopes: what a gateway sends up, and what comes back down. Normative text: docs/wire.md."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from classready.box import Box
from classready.forms import checked_apart
from classready.ids import BootId, GatewayId, SpoolId, TargetName
from classready.measuring import SettingsVersion
from classready.observation import ONE_LINE, Count, NonNegative, Observation, Text, UnixTime

SCHEMA_VERSION = 1
REPORT_MAX_BYTES = 60_000
ACK_MAX_BYTES = REPORT_MAX_BYTES
"""What an agent reads of an answer; brokers with the shipped limit of 65,536 bytes a packet carry it with its topic."""
MAX_DEPTH = 8
REPORT_INTERVAL_MIN_S = 0.1
"""Silence is three of these: a shorter one would make any gateway silent between two of its reports."""
PROBLEMS_MAX = 8
"""Named of settings that were refused."""

Sequence = Annotated[int, Meta(ge=1, le=2**53)]
ReasonCode = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
Monotonic = Annotated[float, Meta(ge=0, le=2**40)]
"""Seconds since some moment of the boot (CLOCK_BOOTTIME where there is one)."""
Version = Annotated[str, Meta(max_length=40, pattern=ONE_LINE)]


@checked_apart
class Record(Struct, frozen=True, kw_only=True, gc=False):
    """One observation with everything needed to date it. Clocks are read when the probe starts."""

    sequence: Sequence
    boot_id: BootId
    monotonic_s: Monotonic
    wall_s: UnixTime | None = None
    clock_quality: Literal["good", "unknown"] = "unknown"
    observation: Observation


class RefusedSettings(Struct, frozen=True, kw_only=True, gc=False):
    """Settings from the bureau that a gateway did not apply, and why: the first of its problems, each one line."""

    version: SettingsVersion
    problems: Annotated[tuple[Text, ...], Meta(max_length=PROBLEMS_MAX)] = ()


class SettingsReport(Struct, frozen=True, kw_only=True, gc=False):
    """Which settings of the bureau are in force; ``version`` None = none. ``refused``: newer ones that are not."""

    version: SettingsVersion | None = None
    refused: RefusedSettings | None = None


class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """What a report says beside its records.

    ``boot_id`` is the sender's present boot: records of an earlier boot cannot be dated by ``sent_monotonic_s``.
    ``settings``: None = a gateway that knows no settings from the bureau.
    ``box``: None = an agent that does not say.
    """

    schema_version: Annotated[int, Meta(ge=1, le=2**31 - 1)] = SCHEMA_VERSION
    gateway: GatewayId
    agent_version: Version = ""
    spool_id: SpoolId
    boot_id: BootId | None = None
    report_interval_s: Annotated[float, Meta(ge=REPORT_INTERVAL_MIN_S, le=86_400)]
    sent_monotonic_s: Monotonic
    sent_at: UnixTime | None = None
    spool_records: Count | None = None
    dropped: Annotated[dict[ReasonCode, Count], Meta(max_length=32)] = {}
    settings: SettingsReport | None = None
    box: Box | None = None


class Report(Envelope, frozen=True, kw_only=True):
    """Records stay raw: they can be decoded one by one, so that a strange one never poisons the others."""

    records: Annotated[tuple[Raw, ...], Meta(max_length=2_000)] = ()


class Rejected(Struct, frozen=True, kw_only=True, gc=False):
    sequence: Sequence
    reason: ReasonCode


class Thetas(Struct, frozen=True, kw_only=True, gc=False):
    """``[theta0_bps, theta1_bps]`` per direction seen from the school; None = do not test that direction."""

    down: tuple[NonNegative, NonNegative] | None = None
    up: tuple[NonNegative, NonNegative] | None = None


class Directives(Struct, frozen=True, kw_only=True, gc=False):
    """The down channel. ``quiet`` and ``no_load`` hold spans of Unix seconds: lessons, in which only what no lesson can
    feel may be put on the line, and examinations, in which nothing may. ``settings_version``: of the settings document
    that the bureau has for this gateway; who has applied or refused another one fetches it. None = it has none.
    """

    policy_version: Annotated[str, Meta(max_length=64)]
    theta: Thetas = Thetas()
    quiet: tuple[tuple[UnixTime, UnixTime], ...] = ()
    retest: tuple[TargetName, ...] = ()
    no_load: tuple[tuple[UnixTime, UnixTime], ...] = ()
    settings_version: SettingsVersion | None = None


class Ack(Struct, frozen=True, kw_only=True, gc=False):
    """Names exactly what is durable: closed ranges of sequences, and records that will never be accepted.

    ``sent_at`` is the collector's clock: over MQTT the only evidence of the right time that a box without NTP gets.
    ``renumber``: under numbers that were sent other records are settled; what is still held needs another ``spool_id``.
    """

    spool_id: SpoolId
    committed: tuple[tuple[Sequence, Sequence], ...] = ()
    rejected: tuple[Rejected, ...] = ()
    sent_at: UnixTime | None = None
    directives: Directives | None = None
    renumber: bool = False


class Refusal(Struct, frozen=True, kw_only=True, gc=False):
    """A report as a whole that was not taken, and why; only MQTT needs it, for HTTP has a status.

    ``report_sha256`` says which one, in lower-case hexadecimal digits: what cannot be read has no other name.
    """

    report_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    reason: ReasonCode
    detail: Annotated[str, Meta(max_length=200, pattern=ONE_LINE)] = ""


class Presence(Struct, frozen=True, kw_only=True, gc=False):
    online: bool
    agent_version: Version = ""
