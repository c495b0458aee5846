"""agent.yml as structs. Loading, and the checks across entries, are in ``agent.app``; nothing here does I/O."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import ClassroomRef, GatewayId, TargetName
from classready.observation import InterfaceName

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
PortNumber = Annotated[int, Meta(ge=1, le=65_535)]
Host = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:%-]+\Z")]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z|^24:00\Z")]
HourSpan = tuple[ClockTime, ClockTime]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class HttpLink(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """Reports over ``POST /api/v1/reports``. ``http://`` is refused off loopback."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/@]+(/[^\s]*)?\Z")]
    token_file: str
    ca_file: str | None = None
    timeout_s: Seconds = 15.0


class MqttLink(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """Reports over MQTT 5. The user name and client id are the gateway's id."""

    host: Host
    port: PortNumber = 8883
    password_file: str
    ca_file: str | None = None
    tls: bool = True
    timeout_s: Seconds = 15.0


class SpoolSettings(_Strict, frozen=True, kw_only=True):
    """Bounds of the spool; what exceeds them is dropped oldest first, and counted."""

    max_bytes: Annotated[int, Meta(ge=262_144, le=2**33)] = 64 * 2**20
    max_age_days: Annotated[float, Meta(gt=0, le=366)] = 30.0


class Snmp(_Strict, frozen=True, kw_only=True):
    """How to speak SNMP to one device. v3 uses authPriv with SHA-256 and AES-128."""

    version: Literal["1", "2c", "3"] = "2c"
    port: PortNumber = 161
    community: Annotated[str, Meta(min_length=1, max_length=64)] = "public"
    community_file: str | None = None
    user: str | None = None
    auth_key_file: str | None = None
    priv_key_file: str | None = None
    timeout_s: Seconds = 2.0
    retry_count: Annotated[int, Meta(ge=0, le=5)] = 1
    max_rows: Annotated[int, Meta(ge=1, le=20_000)] = 2_000


class Target(_Strict, frozen=True, kw_only=True, tag_field="kind"):
    name: TargetName
    interval_s: Seconds = 60.0
    deadline_s: Seconds | None = None
    """Defaults to the interval, at most 30 s."""


class PingTarget(Target, frozen=True, kw_only=True, tag="ping"):
    host: Host
    count: Annotated[int, Meta(ge=1, le=100)] = 5
    packet_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.2
    timeout_s: Seconds = 2.0


class HttpTarget(Target, frozen=True, kw_only=True, tag="http"):
    """One GET. ``accept_statuses`` empty = any status below 500 means alive (a platform that asks for a login is alive)."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/@]+(/[^\s]*)?\Z")]
    ca_file: str | None = None
    accept_statuses: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = ()
    max_body_bytes: Annotated[int, Meta(ge=0, le=2**20)] = 65_536


class SwitchTarget(Target, frozen=True, kw_only=True, tag="switch"):
    """``ports`` binds ifName or ifAlias to the classroom behind it; ``trunks`` are ports on the way to classrooms."""

    host: Host
    snmp: Snmp = Snmp()
    ports: dict[InterfaceName, ClassroomRef]
    trunks: tuple[InterfaceName, ...] = ()


class WhiteboardTarget(Target, frozen=True, kw_only=True, tag="whiteboard"):
    """``snmp: null`` and ``icmp: true`` = presence by ping only."""

    host: Host
    classroom: ClassroomRef
    snmp: Snmp | None = Snmp()
    icmp: bool = True


class BandwidthTarget(Target, frozen=True, kw_only=True, tag="bandwidth"):
    """A responder of the collector. ``allowed_hours`` are local times in which a load may be put on the line."""

    host: Host
    port: PortNumber = 9713
    key_file: str | None = None
    """Secret shared with a responder that asks for one."""
    direction: Literal["down"] = "down"
    interval_s: Seconds = 7_200.0
    interface: InterfaceName | None = None
    """The gateway's WAN interface, to credit other traffic; None = the one with the route to ``host``."""
    allowed_hours: tuple[HourSpan, ...] = (("12:00", "13:30"), ("17:00", "18:30"))
    max_bytes: Annotated[int, Meta(ge=1_000_000, le=100_000_000)] = 20_000_000


TargetSettings = PingTarget | HttpTarget | SwitchTarget | WhiteboardTarget | BandwidthTarget


class AgentSettings(_Strict, frozen=True, kw_only=True):
    gateway: GatewayId
    link: HttpLink | MqttLink
    targets: tuple[TargetSettings, ...]
    state_dir: str = "state"
    """Holds the spool and the last directives; under systemd, $STATE_DIRECTORY wins."""
    report_interval_s: Seconds = 60.0
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    timezone: str = "Asia/Shanghai"
    spool: SpoolSettings = SpoolSettings()
    metrics_file: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
