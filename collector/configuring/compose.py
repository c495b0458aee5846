"""The settings document of one gateway, from templates and confirmed devices. Pure.

Templates are laid over each other, the more specific later: for all gateways, for kinds of schools, for offices, for
schools, for gateways; among equals by the name of their file. A later one replaces settings and targets of the same
name as a whole, and of `discovery` what it gives. Confirmed devices come last.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from classready.measuring import Discovery, Document, Release, document_of
from collector.configuring.words import Audience, Device, Template
from collector.core.roster import SchoolRoster

RESPONDER_KEY = "{responder_key}"


def document(  # noqa: PLR0913 - all that a document is made of
    gateway: str,
    schools: Sequence[SchoolRoster],
    templates: Iterable[Template],
    devices: Iterable[Device],
    release: Release | None = None,
    *,
    again_at: float | None = None,
) -> Document:
    """Put together what ``gateway``, which serves ``schools``, is told.

    ``again_at``: when somebody asked it to look around again.
    """
    settings: dict[str, Any] = {}
    targets: dict[str, Mapping[str, Any]] = {}
    discovery: dict[str, Any] | None = None
    for template in layers(gateway, schools, templates):
        settings |= template.settings
        targets |= template.targets
        if template.discovery is not None:
            discovery = {**(discovery or {}), **template.discovery}
    targets |= {device.name: device.target for device in devices}
    places = {"{gateway}": gateway, "{school}": schools[0].school if schools else ""}
    looking = None if discovery is None else msgspec.convert({**discovery, "again_at": again_at}, Discovery)
    return document_of(
        _filled(settings, places), [_filled(target, places) for target in targets.values()], release, looking
    )


def layers(gateway: str, schools: Sequence[SchoolRoster], templates: Iterable[Template]) -> list[Template]:
    """Return those that are for ``gateway``, in the order in which they are laid over each other."""
    meant = (template for template in templates if is_for(template.audience, gateway, schools))
    return sorted(meant, key=lambda template: (_weight(template.audience), template.name))


def with_responder_key(templates: Iterable[Template], key: str | None) -> list[Template]:
    """Put the collector's own key where templates leave room for it; None = its responder asks for none."""
    return [
        msgspec.structs.replace(
            template, targets={name: _with_key(target, key) for name, target in template.targets.items()}
        )
        for template in templates
    ]


def _with_key(target: Mapping[str, Any], key: str | None) -> Mapping[str, Any]:
    if target.get("key") != RESPONDER_KEY:
        return target
    rest = {name: value for name, value in target.items() if name != "key"}
    return rest if key is None else {**rest, "key": key}


def is_for(audience: Audience, gateway: str, schools: Sequence[SchoolRoster]) -> bool:
    """Say whether one school of ``gateway`` is all that ``audience`` asks for."""
    if audience.gateways and gateway not in audience.gateways:
        return False
    if not (audience.offices or audience.kinds or audience.schools):
        return True
    return any(
        (not audience.offices or school.office in audience.offices)
        and (not audience.kinds or school.kind in audience.kinds)
        and (not audience.schools or school.school in audience.schools)
        for school in schools
    )


def _weight(audience: Audience) -> tuple[bool, bool, bool, bool]:
    return bool(audience.gateways), bool(audience.schools), bool(audience.offices), bool(audience.kinds)


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    """Put the gateway's own names in the places that are kept for them."""
    if isinstance(value, str):
        for place, name in places.items():
            value = value.replace(place, name)
        return value
    if isinstance(value, Mapping):
        return {name: _filled(each, places) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, places) for each in value]
    return value
