"""How the devices of a school are spoken to: the part of agent.yml's words that targets share. No I/O."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.ids import Host
from classready.observation import FactName

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
PortNumber = Annotated[int, Meta(ge=1, le=65_535)]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Encoded without its defaults: a gateway of an older release does not meet settings that nobody has set."""


class Snmp(Strict, frozen=True, kw_only=True):
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


class Broker(Strict, frozen=True, kw_only=True):
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


class Source(Strict, frozen=True, kw_only=True):
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


class Request(Strict, frozen=True, kw_only=True):
    """What is published once an interval to devices that speak only when they are asked."""

    topic: Topic
    """`{id}` stands for the device."""
    payload: Annotated[str, Meta(max_length=1_024)] = ""
    """`{id}` stands for the device."""


class Profile(Strict, frozen=True, kw_only=True):
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


HOME_ASSISTANT = "homeassistant"
"""The profile of devices that announce themselves."""


class Mqtt(Strict, frozen=True, kw_only=True):
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


class Traps(Strict, frozen=True, kw_only=True):
    """Traps and informs (v1, v2c, IPv4) of targets whose `host` is an address. They only make a probe come sooner."""

    host: Host = "0.0.0.0"  # noqa: S104 - devices send to the gateway's address in their own network
    """The address to receive on."""
    port: PortNumber = 162
    """Below 1024 the service needs CAP_NET_BIND_SERVICE."""
    community: Annotated[str, Meta(min_length=1, max_length=64)] = "public"
    """What comes with another one is dropped."""
