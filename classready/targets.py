"""What can be observed, a struct a kind: what agent.yml and the bureau's templates say of a target. No I/O."""

from typing import Annotated, Literal

from msgspec import Meta, field

from classready.devices import Mqtt, PortNumber, Seconds, Snmp, Strict
from classready.ids import ClassroomRef, ClockTime, DeviceAddress, Host, TargetName
from classready.observation import ONE_LINE, FactName, InterfaceName

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
LONGEST_S = 30.0
"""No probe takes longer, unless its target sets ``deadline_s``."""
HourSpan = tuple[ClockTime, ClockTime]
ObjectId = Annotated[
    str,
    Meta(
        pattern=r"^[0-2](\.[0-9]{1,10}){2,127}\Z",
        examples=["1.3.6.1.2.1.1.6.0"],
        description="numbers with dots, without a leading one; the whole object, mostly with .0 at its end",
    ),
]


class Target(Strict, frozen=True, kw_only=True, tag_field="kind"):
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
    ports: dict[InterfaceName, ClassroomRef] = field(default_factory=dict)
    """Port (ifName or ifAlias) → the classroom behind it."""
    devices: dict[DeviceAddress, ClassroomRef] = field(default_factory=dict)
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
    oids: Annotated[dict[FactName, ObjectId], Meta(max_length=12)] = field(default_factory=dict)
    """Objects of its vendor that are shown as facts: name → OID, e.g. `lamp_hours`. Never part of a verdict."""


class UplinkPort(Strict, frozen=True, kw_only=True):
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
    key: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    """Takes the place of `key_file` where the bureau sends it: `"{responder_key}"` in a template is the collector's."""
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


def deadline_s(target: Target) -> float:
    """When the runner cancels a probe of ``target``."""
    return target.deadline_s or min(target.interval_s, LONGEST_S)


TargetSettings = PingTarget | HttpTarget | SwitchTarget | WhiteboardTarget | BandwidthTarget
