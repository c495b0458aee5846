"""collector.yml as structs. Loading is in ``collector.app``; nothing here does I/O."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import ClockTime, Host, OfficeId, SchoolId, TargetName
from classready.observation import Text
from collector.core.bureau.routing import Route, Severity
from collector.core.hours import Calendar
from collector.core.maintenance import Maintenance
from collector.core.policy import Policy

PortNumber = Annotated[int, Meta(ge=0, le=65_535)]
"""0 = any free port (tests)."""
BaseUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/@]+\Z",
        examples=["https://qyapi.weixin.qq.com"],
        description="http or https and a host, no path",
    ),
]
ServerUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?\Z",
        examples=["http://127.0.0.1:9093"],
        description="http or https, a host, and a path where there is one",
    ),
]
EmailAddress = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}\Z",
        examples=["admin@edu.example"],
        description="one address, without a name",
    ),
]
Mobile = Annotated[
    str, Meta(pattern=r"^(@all|[0-9]{11})\Z", examples=["13800138000"], description="11 digits, or @all for everybody")
]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Tls(_Strict, frozen=True, kw_only=True):
    cert_file: str
    """PEM file with the certificate and its chain."""
    key_file: str
    """PEM file with the private key."""


class Tokens(_Strict, frozen=True, kw_only=True):
    """Files with the bearer tokens of the readers. The board's is also its password (user name ``board``).

    A file may hold up to four, one a line: each of them is taken. The command `explain` sends the first.
    """

    metrics_file: str | None = None
    """For /metrics..., and /sd/prometheus."""
    api_file: str | None = None
    """For /api/v1, and the command `explain`."""
    board_file: str | None = None
    """For the pages under /."""
    alertmanager_file: str | None = None
    """For /alertmanager; null = it is open on loopback, and closed elsewhere."""


class Listen(_Strict, frozen=True, kw_only=True):
    host: Host = "127.0.0.1"
    """Off loopback TLS (or `behind_proxy`) and all three tokens are required."""
    port: PortNumber = 9711
    """0 = any free one."""
    tls: Tls | None = None
    """null = plain HTTP."""
    behind_proxy: bool = False
    """A reverse proxy on this machine provides TLS."""
    tokens: Tokens = Tokens()
    """Who may read what; null = without a token, on loopback only."""
    public_url: ServerUrl | None = None
    """How people reach the board: messages link to its pages; null = they have no link."""


class Mqtt(_Strict, frozen=True, kw_only=True):
    """The broker to subscribe at, as user ``user`` with read on ``up/#`` and write on ``down/#``."""

    host: Host
    """The broker."""
    port: PortNumber = 8883
    """1883 without TLS."""
    user: str = "collector"
    """The collector's user name at the broker."""
    password_file: str
    """File with its password, one line, not readable by everybody."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""
    tls: bool = True
    """Whether the connection is encrypted."""


class Responder(_Strict, frozen=True, kw_only=True):
    """The far end of the bandwidth test. All leases together stay below ``share_ratio`` of ``link_bps``."""

    host: Host = "127.0.0.1"
    """Address to listen on (UDP and TCP)."""
    port: PortNumber = 9713
    """The same number for UDP and TCP; 0 = any free one."""
    link_bps: Annotated[int, Meta(ge=1_000_000)] = 1_000_000_000
    """Capacity of the bureau's own line."""
    share_ratio: Annotated[float, Meta(gt=0, le=0.8)] = 0.8
    """Part of `link_bps` that all tests together may use."""
    key_file: str | None = None
    """Secret that the agents must share; null = any gateway may test."""


class Backup(_Strict, frozen=True, kw_only=True):
    """A copy of the store a day, of an SQLite file only: for PostgreSQL see docs/postgresql.md."""

    directory: str
    """Folder for the copies; a relative path begins where that of `store` does. Have it copied to another disk."""
    at: ClockTime = "02:30"
    """When, by the clock of this machine. A copy that was missed is made as soon as the collector runs."""
    keep: Annotated[int, Meta(ge=1, le=1_000)] = 14
    """So many are kept; older ones that have the name of a copy are deleted."""


class Heartbeat(_Strict, frozen=True, kw_only=True):
    """A watcher outside (healthchecks.io, Uptime Kuma, or one of your own) that tells people when it hears nothing."""

    url_file: str
    """File with the address to GET, which is a secret: never in the log."""
    every_s: Annotated[int, Meta(ge=10, le=86_400)] = 60
    """Let the watcher wait for two of them."""


class Platform(_Strict, frozen=True, kw_only=True):
    """``targets``: the agents' ping and http targets that make the platform; empty = one of the same name."""

    id: TargetName
    """Stands in metrics; what `targets` default to."""
    name: Text
    """For people."""
    targets: tuple[TargetName, ...] = ()
    """All of them must be reachable; empty = the one target called like `id`."""


class _Receiver(_Strict, frozen=True, kw_only=True, tag_field="kind"):
    """Who is told, and of what. Without ``offices``, ``hubs`` and ``schools``: of everything."""

    name: TargetName
    """For logs and metrics."""
    offices: tuple[OfficeId, ...] = ()
    """Whose messages go there; with no `hubs` and `schools` either: everybody's."""
    hubs: tuple[SchoolId, ...] = ()
    """Hub schools (中心校): it gets what is about them and the schools whose `hub` they are in the roster."""
    schools: tuple[SchoolId, ...] = ()
    """It gets what is about these schools."""
    least: Severity = "info"
    """`urgent` = only what takes lessons now; `normal` = also links below the requirement and boards; `info` = also
    reminders, the rest of the digest and moves."""
    language: Literal["zh", "en"] | None = None
    """Of its messages; null = the collector's."""
    fallback: TargetName | None = None
    """Another receiver, which gets what this one refuses, or has not taken for a quarter of an hour; null = none."""
    standby: bool = False
    """Get only what comes by another's `fallback`, or by /alertmanager/NAME, and nothing of one's own."""
    escalation: bool = False
    """Get only what nobody took: see `policy.escalate_after_lesson_hours`."""


class ConsoleReceiver(_Receiver, frozen=True, kw_only=True, tag="console"):
    """Messages on standard output."""


class WeComReceiver(_Receiver, frozen=True, kw_only=True, tag="wecom"):
    """A WeCom group robot. The key is a secret; ``base_url`` is for a relay of one's own (and for tests)."""

    key_file: str
    """File with the robot's key: whoever has it can write to the group."""
    base_url: BaseUrl = "https://qyapi.weixin.qq.com"
    """Where the robot lives."""
    mentioned_mobiles: tuple[Mobile, ...] = ()
    """Who is mentioned in every alarm."""


class DingTalkReceiver(_Receiver, frozen=True, kw_only=True, tag="dingtalk"):
    """A DingTalk group robot. ``base_url`` is for a relay of one's own (and for tests)."""

    key_file: str
    """File with what follows `access_token=` in the robot's address: whoever has it can write to the group."""
    sign_secret_file: str | None = None
    """File with the secret of 加签 (`SEC...`); null = the robot asks for no signature."""
    base_url: BaseUrl = "https://oapi.dingtalk.com"
    """Where the robot lives."""
    mentioned_mobiles: tuple[Mobile, ...] = ()
    """Who is mentioned in every alarm."""


class FeishuReceiver(_Receiver, frozen=True, kw_only=True, tag="feishu"):
    """A Feishu or Lark group robot. ``base_url`` is `https://open.larksuite.com` for Lark, or a relay of one's own."""

    key_file: str
    """File with the last part of the robot's address, behind `/hook/`: whoever has it can write to the group."""
    sign_secret_file: str | None = None
    """File with the secret of 签名校验; null = the robot asks for no signature."""
    base_url: BaseUrl = "https://open.feishu.cn"
    """Where the robot lives."""


class WebhookReceiver(_Receiver, frozen=True, kw_only=True, tag="webhook"):
    """A program of one's own, or a bridge to another chat: each message is one POST of JSON."""

    url_file: str
    """File with the whole address, which may hold a secret: never in the log."""
    sign_secret_file: str | None = None
    """File with the secret by which time and body are signed; null = no signature."""


class EmailReceiver(_Receiver, frozen=True, kw_only=True, tag="email"):
    """An e-mail address, over a mail server that speaks TLS."""

    host: Host
    """The mail server that sends for the bureau."""
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """null = 465 with `tls: tls`, 587 with `tls: starttls`."""
    tls: Literal["tls", "starttls"] = "tls"
    """Encrypted from the first byte, or by STARTTLS; without it nothing is sent."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""
    user: Text | None = None
    """Name to log in with; null = the server asks for none."""
    password_file: str | None = None
    """File with the password of `user`, at many providers an authorization code of its own (授权码)."""
    sender: EmailAddress
    """Address that it comes from; most servers take only the user's own."""
    to: EmailAddress
    """Who gets it: one address, which may be a list at the mail server."""


class AlertmanagerReceiver(_Receiver, frozen=True, kw_only=True, tag="alertmanager"):
    """Prometheus Alertmanager: gets the alerts themselves, to route, silence and inhibit them."""

    urls: Annotated[tuple[ServerUrl, ...], Meta(min_length=1, max_length=16)]
    """Where it listens, each member of a cluster: alerts go to all of them."""
    user: Text | None = None
    """Name to log in with; null = it asks for none."""
    password_file: str | None = None
    """File with the password of `user`."""
    token_file: str | None = None
    """File with a bearer token, in place of `user`."""
    expires_s: Annotated[int, Meta(ge=300, le=86_400)] = 3_600
    """What is not posted again within this is over for Alertmanager: longer than the collector is ever away."""


Receiver = (
    ConsoleReceiver
    | WeComReceiver
    | DingTalkReceiver
    | FeishuReceiver
    | WebhookReceiver
    | EmailReceiver
    | AlertmanagerReceiver
)


def route_of(receiver: Receiver) -> Route:
    return Route(offices=receiver.offices, hubs=receiver.hubs, schools=receiver.schools, least=receiver.least)


class EnrolmentBroker(_Strict, frozen=True, kw_only=True):
    """The broker as boxes reach it. Who may connect there, `classready-collector broker-sync` tells it."""

    host: Host
    """Its name in the schools' networks."""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8883
    """Always with TLS."""
    ca_file: str | None = None
    """PEM file of the authority that signed its certificate; null = `enrolment.ca_file`, if that is given."""


class Enrolment(_Strict, frozen=True, kw_only=True):
    """What a school's box is installed from by one line, and what it trusts."""

    bundle_dir: str | None = None
    """Folder with the bundle and its SHA256SUMS, for /install; null = a box must have the bundle already."""
    ca_file: str | None = None
    """PEM file of the bureau's own certificate authority, for boxes to trust; null = one that every system knows."""
    broker: EnrolmentBroker | None = None
    """Boxes that enrol report over MQTT to it, which needs `mqtt`; null = over HTTP."""


class CollectorSettings(_Strict, frozen=True, kw_only=True):
    listen: Listen = Listen()
    """The web server: reports, metrics, API, board."""
    store: str = "sqlite+aiosqlite:///collector.db"
    """A SQLAlchemy address. A relative SQLite path is relative to $STATE_DIRECTORY under systemd, else to this file."""
    store_password_file: str | None = None
    """File with the password of the user in `store`, for a PostgreSQL that asks for one."""
    store_check_every_s: Annotated[int, Meta(ge=1, le=86_400)] = 900
    """How often an SQLite file is looked through for damage, beside everything else."""
    backup: Backup | None = None
    """A copy of the store each night; null = none is made by itself."""
    heartbeat: Heartbeat | None = None
    """Whom to tell that reports are committed and messages move; null = nobody outside watches."""
    roster: str = "roster"
    """Folder with one YAML file per office."""
    templates: str | None = None
    """Folder with YAML files that say what gateways measure; null = each gateway's own agent.yml alone says it."""
    responder: Responder | None = Responder()
    """The far end of the agents' bandwidth tests; null = it runs elsewhere."""
    mqtt: Mqtt | None = None
    """A broker to take reports from as well; null = HTTP only."""
    enrolment: Enrolment = Enrolment()
    """How new gateways come in; see `classready-collector enroll`."""
    policy: Policy = Policy()
    """Every threshold."""
    calendar: Calendar = Calendar()
    """Terms and school days, beyond the public holidays."""
    maintenance: Maintenance = Maintenance()
    """When somebody works on something, and nobody wants to be told."""
    platforms: tuple[Platform, ...] = ()
    """What lessons need to reach."""
    receivers: tuple[Receiver, ...] = ()
    """Whom to tell."""
    tick_s: Annotated[float, Meta(ge=0.05, le=60)] = 5.0
    """Time is looked at when something is due, and at least so often: a clock that was set is noticed after that."""
    language: Literal["zh", "en"] = "zh"
    """Of messages and pages."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe events that are logged."""
