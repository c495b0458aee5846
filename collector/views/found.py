"""What gateways found and nobody assigned, as it is shown: each with its proposal and why."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from classready.observation import FoundPort, Reason
from collector.configuring.words import Device
from collector.core.placing import Placed, Room, Why
from collector.core.proposals import Assigned, DeviceProposal, PortProposal, Proposals, Sight, SwitchProposal, Target
from collector.text import Language, say


class FoundPortView(Struct, frozen=True, kw_only=True):
    """``classroom``: the proposal, as the gateway names it; ``text``: by what it is proposed, or why nothing is."""

    name: str
    label: str
    up: bool | None
    trunk: bool | None
    classroom: str | None
    why: Why
    text: str
    hosts: tuple[str, ...]


class FoundSwitchView(Struct, frozen=True, kw_only=True):
    """``is_proposed``: whether one click confirms it; ``problem``: why its ports could not be read."""

    host: str
    name: str
    description: str
    mac: str | None
    observed_at: float
    is_gone: bool
    is_proposed: bool
    problem: str | None
    ports_left_out_count: int
    ports: tuple[FoundPortView, ...]


class FoundDeviceView(Struct, frozen=True, kw_only=True):
    """``switch`` and ``if_name``: where it hangs, as far as it is known."""

    what: Literal["switch", "device", "printer", "sweep"]
    host: str
    name: str
    description: str
    mac: str | None
    switch: str | None
    if_name: str | None
    speaks_snmp: bool
    observed_at: float
    is_gone: bool
    classroom: str | None
    why: Why
    text: str


class AssignedView(Struct, frozen=True, kw_only=True):
    """``confirmed_by``: null where a template says so, which is changed there."""

    target: str
    kind: str
    host: str
    name: str
    classrooms: tuple[str, ...]
    confirmed_by: str | None
    confirmed_at: float | None


class FoundGatewayView(Struct, frozen=True, kw_only=True):
    """``searched_at``: when it last looked around; ``asked_at``: when somebody asked it to, if it did not since."""

    gateway: str
    schools: tuple[str, ...]
    is_allowed: bool
    searched_at: float | None
    search_text: str
    search_detail: str
    asked_at: float | None
    open_count: int
    switches: tuple[FoundSwitchView, ...]
    devices: tuple[FoundDeviceView, ...]
    others: tuple[FoundDeviceView, ...]
    ignored: tuple[FoundDeviceView, ...]
    assigned: tuple[AssignedView, ...]


async def _nothing_found(_gateways: Collection[str]) -> Mapping[str, list[Sight]]:
    return {}


async def _nobody_acts(*_about: object) -> None:
    raise NotImplementedError


@dataclass(frozen=True)
class Finds:
    """Where it comes from, and what people may do about it; each act has returned when it is durable.

    ``revision`` and ``version``: other ones whenever a gateway found something else, or is told something else;
    ``targets``: all that a gateway is told to measure; ``devices``: those of them that somebody confirmed;
    ``communities``: that its searches are given; None = it may not search.
    """

    of: Callable[[Collection[str]], Awaitable[Mapping[str, list[Sight]]]] = _nothing_found
    revision: Callable[[str], int] = lambda _gateway: 0
    version: Callable[[str], str | None] = lambda _gateway: None
    targets: Callable[[str], Sequence[Target]] = lambda _gateway: ()
    devices: Callable[[str], Sequence[Device]] = lambda _gateway: ()
    communities: Callable[[str], Sequence[str] | None] = lambda _gateway: None
    asked_at: Callable[[str], float | None] = lambda _gateway: None
    put: Callable[[Sequence[Device], float], Awaitable[None]] = _nobody_acts
    remove: Callable[[str, Collection[str], float, str], Awaitable[None]] = _nobody_acts
    ignore: Callable[[Mapping[str, Collection[str]], str, float], Awaitable[None]] = _nobody_acts
    heed: Callable[[Mapping[str, Collection[str]], str, float], Awaitable[None]] = _nobody_acts
    ask_again: Callable[[Collection[str], str, float], Awaitable[None]] = _nobody_acts


def shown_found(
    proposals: Proposals, schools: Sequence[str], finds: Finds, rooms: Sequence[Room], language: Language
) -> FoundGatewayView:
    """One gateway, which serves ``schools`` with ``rooms``."""
    gateway, sweep = proposals.gateway, proposals.sweep
    asked_at, searched_at = finds.asked_at(gateway), sweep.observed_at if sweep else None
    names = {room.ref: room.name for room in rooms}
    confirmed = {device.name: device for device in finds.devices(gateway)}
    return FoundGatewayView(
        gateway=gateway,
        schools=tuple(schools),
        is_allowed=finds.communities(gateway) is not None,
        searched_at=searched_at,
        search_text=_search_text(sweep, language),
        search_detail=sweep.seen.detail or "" if sweep else "",
        asked_at=asked_at if asked_at is not None and asked_at > (searched_at or 0.0) else None,
        open_count=proposals.open_count,
        switches=tuple(_switch(each, searched_at, names, language) for each in proposals.switches),
        devices=tuple(_device(each, searched_at, names, language) for each in proposals.devices),
        others=tuple(_device(each, searched_at, names, language) for each in proposals.others),
        ignored=tuple(_ignored(each, searched_at, language) for each in proposals.ignored),
        assigned=tuple(_assigned(proposals.assigned, confirmed)),
    )


def _search_text(sweep: Sight | None, language: Language) -> str:
    if sweep is None:
        return say("found.not_yet", language)
    seen = sweep.seen
    text = say(
        "found.searched",
        language,
        networks=", ".join(seen.networks or ()) or "-",
        addresses=seen.address_count or 0,
        answers=seen.answer_count or 0,
    )
    return f"{text} {say('found.no_ping', language)}" if seen.reason is Reason.PERMISSION else text


def _switch(
    each: SwitchProposal, searched_at: float | None, names: Mapping[str, str], language: Language
) -> FoundSwitchView:
    seen = each.sight.seen
    return FoundSwitchView(
        host=each.sight.host,
        name=seen.name or "",
        description=seen.description or "",
        mac=seen.mac,
        observed_at=each.sight.observed_at,
        is_gone=_is_gone(each.sight, searched_at),
        is_proposed=each.is_proposed,
        problem=seen.detail,
        ports_left_out_count=seen.ports_left_out_count or 0,
        ports=tuple(_port(port.port, port, names, language) for port in each.ports),
    )


def _port(port: FoundPort, each: PortProposal, names: Mapping[str, str], language: Language) -> FoundPortView:
    return FoundPortView(
        name=port.name,
        label=port.label or "",
        up=port.up,
        trunk=port.trunk,
        classroom=each.placed.room,
        why=each.placed.why,
        text=why_text(each.placed, names, language),
        hosts=each.hosts,
    )


def _device(
    each: DeviceProposal, searched_at: float | None, names: Mapping[str, str], language: Language
) -> FoundDeviceView:
    seen = each.sight.seen
    return FoundDeviceView(
        what=seen.what,
        host=each.sight.host,
        name=seen.name or "",
        description=seen.description or "",
        mac=seen.mac,
        switch=seen.switch,
        if_name=seen.if_name,
        speaks_snmp=seen.community_digest is not None,
        observed_at=each.sight.observed_at,
        is_gone=_is_gone(each.sight, searched_at),
        classroom=each.placed.room,
        why=each.placed.why,
        text=why_text(each.placed, names, language),
    )


def _ignored(sight: Sight, searched_at: float | None, language: Language) -> FoundDeviceView:
    return _device(DeviceProposal(sight=sight, placed=Placed(None, "none")), searched_at, {}, language)


def _assigned(found: Sequence[Assigned], confirmed: Mapping[str, Device]) -> Iterator[AssignedView]:
    for each in found:
        target = each.target
        by = confirmed.get(str(target.get("name")))
        rooms = target.get("ports", {}).values() if target.get("kind") == "switch" else [target.get("classroom", "")]
        yield AssignedView(
            target=str(target.get("name")),
            kind=str(target.get("kind")),
            host=str(target.get("host")),
            name=(each.sight.seen.name if each.sight else None) or "",
            classrooms=tuple(str(room) for room in rooms),
            confirmed_by=by.confirmed_by if by else None,
            confirmed_at=by.confirmed_at if by else None,
        )


def why_text(placed: Placed, names: Mapping[str, str], language: Language) -> str:
    """Say by what the room is proposed, with its name in front; or why none is."""
    rooms = say("record.separator", language).join(_named(room, names) for room in placed.candidates)
    text = say(f"found.why.{placed.why}", language, rooms=rooms)
    name = names.get(placed.room or "")
    return f"{name} · {text}" if name else text


def _named(room: str, names: Mapping[str, str]) -> str:
    name = names.get(room)
    return f"{room} {name}" if name and name != room else room


def _is_gone(sight: Sight, searched_at: float | None) -> bool:
    return searched_at is not None and sight.observed_at < searched_at
