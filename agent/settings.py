"""agent.yml as structs: what is the box's own. ``classready.measuring`` has what may also come from the bureau.

``loading`` reads them, ``checks`` compares their entries. No I/O.
"""

from typing import Annotated

from msgspec import Meta

from classready.devices import PortNumber, Seconds, Strict
from classready.ids import GatewayId, Host
from classready.measuring import Measuring
from classready.targets import HttpUrl

LIVE_INTERVALS = 3
"""Evidence younger than this many report intervals is what the collector values most: so long it may speak of now."""


class HttpLink(Strict, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """Reports over ``POST /api/v1/reports``. ``http://`` is refused off loopback."""

    url: HttpUrl
    """The collector's address, without a path; reports go to `/api/v1/reports` below it."""
    token_file: str
    """File with this gateway's bearer token, one line, not readable by everybody."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""
    cert_file: str | None = None
    """PEM file of a certificate of this gateway's own, where one is asked for; null = none."""
    key_file: str | None = None
    """PEM file of its private key, not readable by everybody."""
    timeout_s: Seconds = 15.0
    """How long one report may take."""


class MqttLink(Strict, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """Reports over MQTT 5. The user name and client id are the gateway's id."""

    host: Host
    """The broker."""
    port: PortNumber = 8883
    """1883 without TLS."""
    password_file: str
    """File with this gateway's password, one line, not readable by everybody."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""
    tls: bool = True
    """`false` is refused off loopback."""
    cert_file: str | None = None
    """PEM file of a certificate of this gateway's own, where one is asked for; null = none."""
    key_file: str | None = None
    """PEM file of its private key, not readable by everybody."""
    timeout_s: Seconds = 15.0
    """How long connecting, or publishing one report, may take."""


class SpoolSettings(Strict, frozen=True, kw_only=True):
    """Bounds of the spool; what exceeds them is dropped oldest first, and counted."""

    max_bytes: Annotated[int, Meta(ge=262_144, le=2**33)] = 64 * 2**20
    """Most that the spool may take of the disk, its log included. Where the disk gives less, that is the bound."""
    max_age_days: Annotated[float, Meta(gt=0, le=366)] = 30.0
    """Records older than this are dropped."""


class LocalPage(Strict, frozen=True, kw_only=True):
    """What this gateway measures and what is wrong with it, for the person beside it. It only shows."""

    host: Host = "127.0.0.1"
    """An address of this gateway in the school's network shows it there, too; it is always served on 127.0.0.1."""
    port: PortNumber = 9712
    """TCP."""
    names: Annotated[tuple[Host, ...], Meta(max_length=8)] = ()
    """Names under which browsers ask for it; without one, by its address. A name that is not here is refused."""


class Upgrades(Strict, frozen=True, kw_only=True):
    """Another release of this program, as the bureau wants it: fetched outside lessons, installed by root."""

    rate_bps: Annotated[int, Meta(ge=100_000, le=1_000_000_000)] = 2_000_000
    """How fast it may be fetched."""


class BoxSettings(Measuring, frozen=True, kw_only=True):
    """Settings for this box alone: what a file of `agent.d` may say."""

    page: LocalPage | None = LocalPage()
    """Where this gateway shows itself; null = nowhere, and `install.sh` cannot see whether an upgrade works."""
    spool: SpoolSettings = SpoolSettings()
    """Bounds of the records that wait to be acknowledged."""
    metrics_file: str | None = None
    """Where to write the agent's own metrics for a node exporter's textfile collector; null = nowhere."""
    upgrades: Upgrades | None = Upgrades()
    """Whether the bureau may have this program upgraded; null = it is upgraded by hand."""


class AgentSettings(BoxSettings, frozen=True, kw_only=True):
    gateway: GatewayId
    """Who this is, as listed in the roster; also the MQTT user name and client id."""
    link: HttpLink | MqttLink
    """How reports travel."""
    state_dir: str = "state"
    """Holds the spool, the last directives and the bureau's settings; under systemd, $STATE_DIRECTORY wins."""
