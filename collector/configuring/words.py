"""Templates and confirmed devices, as the document of a gateway is made of them."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from classready.devices import Strict
from classready.ids import GatewayId, OfficeId, SchoolId
from collector.core.timetable import SchoolKind


class Audience(Strict, frozen=True, kw_only=True):
    """Which gateways a template is for: all that is given must hold; nothing given = all gateways.

    A gateway of several schools is meant if one of them is.
    """

    offices: tuple[OfficeId, ...] = ()
    """Gateways of schools of these offices."""
    kinds: tuple[SchoolKind, ...] = ()
    """Gateways of schools of these kinds: city, hub, base, point."""
    schools: tuple[SchoolId, ...] = ()
    """Gateways of these schools."""
    gateways: tuple[GatewayId, ...] = ()
    """These gateways."""


class Template(Struct, frozen=True, kw_only=True):
    """One file of templates, as it travels: only what it gives. ``name``: of the file."""

    name: str
    audience: Audience = Audience()
    settings: Mapping[str, Any] = {}
    targets: Mapping[str, Mapping[str, Any]] = {}
    """By name."""
    discovery: Mapping[str, Any] | None = None


class Device(Struct, frozen=True, kw_only=True):
    """What somebody confirmed that ``gateway`` measures. ``target``: as in agent.yml, with ``name`` as its name."""

    gateway: str
    name: str
    target: Mapping[str, Any]
    confirmed_by: str
    confirmed_at: float
