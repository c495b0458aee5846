"""agent.yml as structs. ``loading`` reads them, ``checks`` compares its entries. No I/O."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import ClassroomRef, ClockTime, DeviceAddress, GatewayId, Host, TargetName
from classready.observation import ONE_LINE, FactName, InterfaceName

LIVE_INTERVALS = 3
"""Evidence younger than this many report intervals is what the collector values most: so long it may speak of now."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
PortNumber = Annotated[int, Meta(ge=1, le=65_535)]
HttpUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/@]+(/[^\s]*)?\Z",
        examples=["https://host.example/path"],
        description="http or https, without user name and white space",
    ),
]
PageText = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=200,
        pattern=ONE_LINE,
        examples=["国家中小学智慧教育平台"],
        description="one line of text without control characters, 2 to 200",
    ),
]
HourSpan = tuple[ClockTime, ClockTime]
ObjectId = Annotated[
    str,
    Meta(
        pattern=r"^[0-2](\.[0-9]{1,10}){2,127}\Z",
        examples=["1.3.6.1.2.1.1.6.0"],
        description="numbers with dots, without a leading one; the whole object, mostly with .0 at its end",
    ),
]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class HttpLink(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """Reports over ``POST /api/v1/reports``. ``http://`` is refused off loopback."""

    url: HttpUrl
    """The collector's address, without a path; reports go to `/api/v1/reports` below it."""
    token_file: str
    """File with this gateway's bearer token, one line, not readable by everybody."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""
    timeout_s: Seconds = 15.0
    """How long one report may take."""


class MqttLink(_Strict, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
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
    timeout_s: Seconds = 15.0
    """How long connecting, or publishing one report, may take."""


class SpoolSettings(_Strict, frozen=True, kw_only=True):
    """Bounds of the spool; what exceeds them is dropped oldest first, and counted."""

    max_bytes: Annotated[int, Meta(ge=262_144, le=2**33)] = 64 * 2**20
    """Most that the spool may take of the disk, its log included. Where the disk gives less, that is the bound."""
    max_age_days: Annotated[float, Meta(gt=0, le=366)] = 30.0
    """Records older than this are dropped."""


class Snmp(_Strict, frozen=True, kw_only=True):
    """How to speak SNMP to one device. v3 uses authPriv with SHA-256 and AES-128."""

    version: Literal["1", "2c", "3"] = "2c"
    """`"3"` needs `user`, `auth_key_file` and `priv_key_file`."""
    port: PortNumber = 161
    """UDP port of the device."""
    community: Annotated[str, Meta(min_length=1, max_length=64)] = "public"
    """For versions 1 and 2c."""
    community_file: str | None = None
    """Takes the place of `community`, which everybody may read in this file."""
    user: str | None = None
    """Security name of version 3."""
    auth_key_file: str | None = None
    """File with the authentication passphrase of version 3."""
    priv_key_file: str | None = None
    """File with the privacy passphrase of version 3."""
    timeout_s: Seconds = 2.0
    """How long one request may stay unanswered."""
    retry_count: Annotated[int, Meta(ge=0, le=5)] = 1
    """How often an unanswered request is sent again."""
    max_rows: Annotated[int, Meta(ge=1, le=20_000)] = 2_000
    """A table longer than this is given up: the device answers without end."""


class Broker(_Strict, frozen=True, kw_only=True):
    """The school's own MQTT broker, which whiteboards report to. It is only listened to, but for `request`."""

    host: Host
    """The broker."""
    port: PortNumber = 1883
    """8883 with TLS."""
    user: str | None = None
    """User name; null = none."""
    password_file: str | None = None
    """File with its password, one line, not readable by everybody."""
    tls: bool = False
    """Brokers inside a school mostly have none."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""


Topic = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[^+#\x00]*\Z",
        examples=["panel/{id}/state"],
        description="an MQTT topic without wildcards; {id} stands for the device",
    ),
]


class Source(_Strict, frozen=True, kw_only=True):
    """Where a value stands: the topic, and the path inside its JSON."""

    topic: Topic
    """`{id}` stands for the device."""
    path: Annotated[str, Meta(max_length=128)] = ""
    """`power.state`, `inputs[0].name`; empty = the whole message."""


class Switching(Source, frozen=True, kw_only=True):
    """A value that is on or off; anything else is not known. Upper and lower case are alike."""

    on: tuple[str, ...] = ("on", "online", "true", "1")
    """What means on."""
    off: tuple[str, ...] = ("off", "offline", "false", "0", "standby")
    """What means off."""


class Request(_Strict, frozen=True, kw_only=True):
    """What is published once an interval to devices that speak only when they are asked."""

    topic: Topic
    """`{id}` stands for the device."""
    payload: Annotated[str, Meta(max_length=1_024)] = ""
    """`{id}` stands for the device."""


class Profile(_Strict, frozen=True, kw_only=True):
    """What a kind of device says over MQTT, and where."""

    availability: Switching | None = None
    """Its last will: on while it is connected, off as soon as the broker misses it."""
    power: Switching | None = None
    """Whether its screen is on; connected and off is asleep. Without it, connected is awake."""
    nic_speed_mbps: Source | None = None
    """The negotiated speed of its network card."""
    facts: Annotated[dict[FactName, Source], Meta(max_length=12)] = {}
    """Shown as facts: input, temperature_c, wifi, firmware."""
    request: Request | None = None
    """For devices that speak only when they are asked."""


class Mqtt(_Strict, frozen=True, kw_only=True):
    """Who the device is on the school's broker."""

    profile: Annotated[str, Meta(min_length=1, max_length=64)] = "homeassistant"
    """A name in `profiles`; `homeassistant` = it announces itself in the way of Home Assistant's MQTT discovery."""
    id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            pattern=r"^[^/+#\x00]*\Z",
            examples=["panel-301"],
            description="what stands for {id} in topics, without / + #",
        ),
    ]
    """What stands for `{id}` in topics; for `homeassistant` an identifier, MAC, name, node id or object id of the
    device."""


class Traps(_Strict, frozen=True, kw_only=True):
    """Traps and informs (v1, v2c, IPv4) of targets whose `host` is an address. They only make a probe come sooner."""

    host: Host = "0.0.0.0"  # noqa: S104 - devices send to the gateway's address in their own network
    """The address to receive on."""
    port: PortNumber = 162
    """Below 1024 the service needs CAP_NET_BIND_SERVICE."""
    community: Annotated[str, Meta(min_length=1, max_length=64)] = "public"
    """What comes with another one is dropped."""


class LocalPage(_Strict, frozen=True, kw_only=True):
    """What this gateway measures and what is wrong with it, for the person beside it. It only shows."""

    host: Host = "127.0.0.1"
    """An address of this gateway in the school's network shows it there, too; it is always served on 127.0.0.1."""
    port: PortNumber = 9712
    """TCP."""
    names: Annotated[tuple[Host, ...], Meta(max_length=8)] = ()
    """Names under which browsers ask for it; without one, by its address. A name that is not here is refused."""


class Target(_Strict, frozen=True, kw_only=True, tag_field="kind"):
    name: TargetName
    """What the collector knows it by; unique in this file."""
    interval_s: Seconds = 60.0
    """From start to start; each gateway has its own offset in it."""
    deadline_s: Seconds | None = None
    """Defaults to the interval, at most 30 s."""


class PingTarget(Target, frozen=True, kw_only=True, tag="ping"):
    host: Host
    """Whom to send echo requests."""
    count: Annotated[int, Meta(ge=1, le=100)] = 5
    """Requests in one observation."""
    packet_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.2
    """Between two requests."""
    timeout_s: Seconds = 2.0
    """How long to wait for the last answer."""


class HttpTarget(Target, frozen=True, kw_only=True, tag="http"):
    """One GET. ``accept_statuses`` empty = any status below 500 means alive (one that asks for a login is alive).

    Portals and proxies are not the platform: over ``https`` the certificate tells them apart, over ``http`` ``expect``.
    """

    url: HttpUrl
    """The page to get. A redirect on its own host is an answer; it is followed only over `http` or with `expect`, three
    times at most."""
    ca_file: str | None = None
    """PEM file of the certificate authority to trust; null = those of the system."""
    accept_statuses: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = ()
    """Statuses that mean alive; empty = all below 500."""
    expect: PageText | None = None
    """What shows that the platform itself answered: a text of its page (as in the source, upper and lower case alike)
    or a header like `X-Platform: smartedu`. Choose what no portal repeats: neither the address nor the host. null =
    nothing is looked for; then an answer over plain `http` counts neither for nor against the platform."""
    reject: Annotated[tuple[PageText, ...], Meta(max_length=32)] = ()
    """Texts or headers of portals that are known here: an answer with one of them is not the platform's."""
    accept_redirects_to: Annotated[tuple[Host, ...], Meta(max_length=32)] = ()
    """Other hosts (and all below them) to which the platform may redirect, e.g. `smartedu.cn`. A redirect to any other
    is not the platform's. Its own host, with or without `www.`, and hosts below it need not be named."""
    max_body_bytes: Annotated[int, Meta(ge=0, le=2**20)] = 65_536
    """Reading stops here: no video is pulled."""


class SwitchTarget(Target, frozen=True, kw_only=True, tag="switch"):
    """``ports`` binds ifName or ifAlias to the classroom behind it; with ``devices`` the switch says which it is."""

    host: Host
    """The switch."""
    snmp: Snmp = Snmp()
    """How to speak to it."""
    ports: dict[InterfaceName, ClassroomRef] = {}
    """Port (ifName or ifAlias) → the classroom behind it."""
    devices: dict[DeviceAddress, ClassroomRef] = {}
    """MAC or IPv4 address of a room's device → the classroom; its port is looked up in the switch's address table.
    Where several switches may have it, name it at each of them."""
    trunks: tuple[InterfaceName, ...] | None = None
    """Ports on the way to classrooms, each reported as a segment; null = the one towards the gateway, where the switch
    shows which one that is."""


class WhiteboardTarget(Target, frozen=True, kw_only=True, tag="whiteboard"):
    """``snmp: null`` and ``icmp: true`` = presence by ping only."""

    host: Host
    """The device."""
    classroom: ClassroomRef
    """The room it stands in."""
    snmp: Snmp | None = Snmp()
    """How to ask it; null = it speaks no SNMP."""
    icmp: bool = True
    """Whether an answer to a ping counts as a sign of life."""
    arp: bool = False
    """Whether an answer to ARP counts, too, as the last resort: for devices in the gateway's own network whose firewall
    drops pings. Network cards of some sleeping PCs answer, so it is off."""
    mqtt: Mqtt | None = None
    """What it says on the school's broker; asked first."""
    oids: Annotated[dict[FactName, ObjectId], Meta(max_length=12)] = {}
    """Objects of its vendor that are shown as facts: name → OID, e.g. `lamp_hours`. Never part of a verdict."""


class UplinkPort(_Strict, frozen=True, kw_only=True):
    """The switch port towards the provider: its counters are free evidence where the gateway does not see all traffic.

    What the switch receives there is the school's download.
    """

    host: Host
    """The switch."""
    port: InterfaceName
    """ifName, ifAlias or ifDescr of the port."""
    snmp: Snmp = Snmp()
    """How to speak to it."""


class BandwidthTarget(Target, frozen=True, kw_only=True, tag="bandwidth"):
    """A responder of the collector. ``allowed_hours`` are local times in which a load may be put on the line."""

    host: Host
    """The responder (`mode: iperf3`: the iperf3 server)."""
    classroom: ClassroomRef | None = None
    """The responder stands in this room: the way there is tested, not the school's line."""
    beyond: TargetName | None = None
    """The responder stands beyond this exit of the metropolitan network: a failure may be the exit's."""
    group: TargetName | None = None
    """Schools that share an uplink or OLT: the responder tests one of them at a time."""
    port: PortNumber = 9713
    """UDP and TCP."""
    key_file: str | None = None
    """Secret shared with a responder that asks for one."""
    direction: Literal["down", "up"] = "down"
    """Seen from the school; one target tests one direction."""
    mode: Literal["auto", "drain", "passive", "tcp", "iperf3"] = "auto"
    """`auto`: counters, then a quick or a drain test, TCP where UDP gets lost; `drain`: never a quick one; `passive`:
    counters only; `tcp`, `iperf3`: four streams, to a responder or to an iperf3 server (name its port, mostly 5201)."""
    interval_s: Seconds = 7_200.0
    interface: InterfaceName | None = None
    """The gateway's WAN interface. Named here, its counters are evidence without a load. None = the one with the route
    to ``host``, and other traffic is only credited."""
    allowed_hours: tuple[HourSpan, ...] = (("12:00", "13:30"), ("17:00", "18:30"))
    """Local times, `[from, to]`; `[["00:00", "24:00"]]` = always."""
    max_bytes: Annotated[int, Meta(ge=1_000_000, le=100_000_000)] = 20_000_000
    """Most that one test may send over the line."""
    max_day_bytes: Annotated[int, Meta(ge=1_000_000)] | None = None
    """Most that all tests of this target may send in a local day, for metered lines; null = no limit."""
    uplink_port: UplinkPort | None = None
    """Whose counters show the use of the line; null = those of `interface`."""
    extra_frame_bytes: Annotated[int, Meta(ge=0, le=100)] = 0
    """What each packet occupies on the line beyond plain Ethernet: 4 for each VLAN tag, 8 for PPPoE."""


TargetSettings = PingTarget | HttpTarget | SwitchTarget | WhiteboardTarget | BandwidthTarget


class AgentSettings(_Strict, frozen=True, kw_only=True):
    gateway: GatewayId
    """Who this is, as listed in the roster; also the MQTT user name and client id."""
    link: HttpLink | MqttLink
    """How reports travel."""
    targets: tuple[TargetSettings, ...]
    """What is observed."""
    broker: Broker | None = None
    """The school's own MQTT broker, for whiteboards with `mqtt`."""
    profiles: dict[FactName, Profile] = {}
    """What kinds of whiteboards say over MQTT."""
    traps: Traps | None = None
    """Where to receive traps; null = nowhere."""
    page: LocalPage | None = LocalPage()
    """Where this gateway shows itself; null = nowhere, and `install.sh` cannot see whether an upgrade works."""
    state_dir: str = "state"
    """Holds the spool and the last directives; under systemd, $STATE_DIRECTORY wins."""
    report_interval_s: Seconds = 60.0
    """From report to report; the collector calls the gateway silent after three of them."""
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    """Probes at one time, and as many again of targets that were silent the last time; never more than one bandwidth
    test."""
    timezone: str = "Asia/Shanghai"
    """IANA name, for `allowed_hours`."""
    spool: SpoolSettings = SpoolSettings()
    """Bounds of the records that wait to be acknowledged."""
    metrics_file: str | None = None
    """Where to write the agent's own metrics for a node exporter's textfile collector; null = nowhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe events that are logged."""
