"""Putting events into a school: one file a family of evidence."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from classready.observation import Bandwidth, Device, Http, Observation, Ping, Port, Segment
from collector.core.events import Observed
from collector.core.fold import device, link, path, platform
from collector.core.folded import Folded

_OF_A_ROOM: Final = (Port, Device)


def observe(folded: Folded, event: Observed) -> None:
    """Put one record in; a room that the roster does not list is remembered, and nothing else of the record."""
    seen, room_id = event.observation, event.classroom
    if room_id not in folded.listed and (room_id is not None or isinstance(seen, _OF_A_ROOM)):
        folded.put("unlisted", room_id or "", event.observed_at)
    else:
        _INTO[type(seen)](folded, event, seen)


def _port(folded: Folded, event: Observed, seen: Port) -> None:
    """A switch that tells of its port has answered."""
    path.switch(folded, event, seen)
    device.port(folded, event, seen, event.classroom or "")


def _device(folded: Folded, event: Observed, seen: Device) -> None:
    device.device(folded, event, seen, event.classroom or "")


_INTO: Mapping[type[Observation], Callable[[Folded, Observed, Any], None]] = {
    Port: _port,
    Device: _device,
    Bandwidth: link.test,
    Http: platform.http,
    Ping: platform.ping,
    Segment: path.segment,
}
