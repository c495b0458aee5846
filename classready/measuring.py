"""What a gateway measures, and the document by which the bureau says so. Normative text: docs/wire.md."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from classready.devices import Broker, Profile, Seconds, Strict, Traps
from classready.observation import FactName, UnixTime
from classready.targets import TargetSettings

DOCUMENT_MAX_BYTES = 60_000
"""Brokers with the shipped limit of 65,536 bytes a packet carry it; 500 whiteboards fit."""

SettingsVersion = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
Network = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/(1[6-9]|2[0-9]|3[0-2])\Z",
        examples=["10.51.2.0/24"],
        description="an IPv4 network in CIDR form, at most 65,536 addresses",
    ),
]
Community = Annotated[str, Meta(min_length=1, max_length=64)]
ReleaseVersion = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}\Z",
        examples=["0.2.0-abcdef12"],
        description="the name of a release, as the bundle's VERSION has it",
    ),
]


class Measuring(Strict, frozen=True, kw_only=True):
    """What a gateway does beside being itself: it may come from the bureau as well as from the box's own files."""

    targets: tuple[TargetSettings, ...] = ()
    """What is observed."""
    broker: Broker | None = None
    """The school's own MQTT broker, for whiteboards with `mqtt`."""
    profiles: dict[FactName, Profile] = field(default_factory=dict)
    """What kinds of whiteboards say over MQTT."""
    traps: Traps | None = None
    """Where to receive traps; null = nowhere."""
    report_interval_s: Seconds = 60.0
    """From report to report; the collector calls the gateway silent after three of them."""
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    """Probes at one time, and as many again of targets that were silent the last time; never more than one bandwidth
    test."""
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "Asia/Shanghai"
    """IANA name, for `allowed_hours`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe events that are logged."""


class Discovery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Looking around in the school's own networks for devices that nobody assigned yet, gently."""

    networks: Annotated[tuple[Network, ...], Meta(max_length=16)] | None = None
    """Which; null = those that the gateway stands in."""
    communities: Annotated[tuple[Community, ...], Meta(max_length=8)] = ("public",)
    """SNMP v2c communities to try."""
    rate_per_s: Annotated[float, Meta(ge=1, le=200)] = 20.0
    """Addresses begun in a second."""
    in_lessons: bool = True
    """A search sends about three small packets to each address, which no lesson feels; false = not in lessons. During
    examinations never."""
    again_at: UnixTime | None = None
    """When somebody at the bureau last asked to look again; not for templates."""


class Release(Struct, frozen=True, kw_only=True):
    """Which release the gateway should run. ``asked_at``: when that was offered to it; another one = try again."""

    version: ReleaseVersion
    asked_at: UnixTime | None = None
    url: str | None = None
    """Folder of the release, for a gateway whose link has no address; null = `/install/release/VERSION` there."""


class Document(Struct, frozen=True, kw_only=True):
    """The settings of one gateway. ``settings`` and ``targets`` have the form of agent.yml, with what is not given left
    out: a gateway of another release reads them, and says itself what it cannot use.
    """

    version: SettingsVersion
    settings: dict[str, Any] = {}
    targets: tuple[dict[str, Any], ...] = ()
    release: Release | None = None
    discovery: Discovery | None = None


def document_of(
    settings: dict[str, Any],
    targets: Sequence[dict[str, Any]],
    release: Release | None = None,
    discovery: Discovery | None = None,
) -> Document:
    """Put a document together, with its version."""
    nameless = Document(
        version="0" * 16, settings=settings, targets=tuple(targets), release=release, discovery=discovery
    )
    return msgspec.structs.replace(nameless, version=version_of(msgspec.to_builtins(nameless)))


def version_of(document: dict[str, Any]) -> str:
    """Return the version of a document as it travels: the digest of all that it says beside its version."""
    rest = {name: value for name, value in document.items() if name != "version"}
    return hashlib.sha256(msgspec.json.encode(rest, order="sorted")).hexdigest()[:16]
