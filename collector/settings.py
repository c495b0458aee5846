"""collector.yml as structs. Loading is in ``collector.app``; nothing here does I/O."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import OfficeId, TargetName
from classready.observation import Text
from collector.core.hours import Calendar
from collector.core.policy import Policy

PortNumber = Annotated[int, Meta(ge=0, le=65_535)]
"""0 = any free port (tests)."""
Address = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:%-]+\Z")]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Tls(_Strict, frozen=True, kw_only=True):
    cert_file: str
    key_file: str


class Tokens(_Strict, frozen=True, kw_only=True):
    """Files with the bearer tokens of the readers. The board's is also its password (user name ``board``)."""

    metrics_file: str | None = None
    """For /metrics..., and /sd/prometheus."""
    api_file: str | None = None
    board_file: str | None = None


class Listen(_Strict, frozen=True, kw_only=True):
    host: Address = "127.0.0.1"
    port: PortNumber = 9711
    tls: Tls | None = None
    behind_proxy: bool = False
    tokens: Tokens = Tokens()


class Mqtt(_Strict, frozen=True, kw_only=True):
    """The broker to subscribe at, as user ``user`` with read on ``up/#`` and write on ``down/#``."""

    host: Address
    port: PortNumber = 8883
    user: str = "collector"
    password_file: str
    ca_file: str | None = None
    tls: bool = True


class Responder(_Strict, frozen=True, kw_only=True):
    """The far end of the bandwidth test. All leases together stay below ``share_ratio`` of ``link_bps``."""

    host: Address = "127.0.0.1"
    port: PortNumber = 9713
    link_bps: Annotated[int, Meta(ge=1_000_000)] = 1_000_000_000
    share_ratio: Annotated[float, Meta(gt=0, le=0.8)] = 0.8
    key_file: str | None = None


class Platform(_Strict, frozen=True, kw_only=True):
    """``targets`` are the agents' ping and http targets that together make the platform; empty = one of the same name."""

    id: TargetName
    name: Text
    targets: tuple[TargetName, ...] = ()


class _Receiver(_Strict, frozen=True, kw_only=True, tag_field="kind"):
    """Who is told. ``offices`` empty = all of them."""

    name: TargetName
    offices: tuple[OfficeId, ...] = ()


class ConsoleReceiver(_Receiver, frozen=True, kw_only=True, tag="console"):
    """Messages on standard output."""


class WeComReceiver(_Receiver, frozen=True, kw_only=True, tag="wecom"):
    """A WeCom group robot. The key is a secret; ``base_url`` is for a relay of one's own (and for tests)."""

    key_file: str
    base_url: Annotated[str, Meta(pattern=r"^https?://[^\s/@]+\Z")] = "https://qyapi.weixin.qq.com"
    mentioned_mobiles: tuple[Annotated[str, Meta(pattern=r"^(@all|[0-9]{11})\Z")], ...] = ()


Receiver = ConsoleReceiver | WeComReceiver


class CollectorSettings(_Strict, frozen=True, kw_only=True):
    listen: Listen = Listen()
    store: str = "sqlite+aiosqlite:///collector.db"
    """A SQLAlchemy address. A relative SQLite path is relative to $STATE_DIRECTORY under systemd, else to this file."""
    roster: str = "roster"
    """Folder with one YAML file per office."""
    responder: Responder | None = Responder()
    mqtt: Mqtt | None = None
    policy: Policy = Policy()
    calendar: Calendar = Calendar()
    platforms: tuple[Platform, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    tick_s: Annotated[float, Meta(ge=0.05, le=60)] = 5.0
    language: Literal["zh", "en"] = "zh"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
