"""Where devices were last seen, on any switch of the session."""

import structlog

from agent.probes.switch.place import Sighting
from classready.ids import canonical_mac

_log = structlog.get_logger()


class Sightings:
    """By device, in any notation."""

    def __init__(self) -> None:
        self._last: dict[str, Sighting] = {}

    def last(self, ref: str) -> Sighting | None:
        """Where the device that the settings call ``ref`` was last seen."""
        return self._last.get(key(ref))

    def note(self, ref: str, now: Sighting) -> None:
        last = self.last(ref)
        if last is not None and (last.switch, last.port) != (now.switch, now.port):
            _log.info("device_moved", device=ref, was=f"{last.switch}:{last.port}", now=f"{now.switch}:{now.port}")
        self._last[key(ref)] = now


def key(ref: str) -> str:
    """The same device in any notation."""
    return canonical_mac(ref) or ref
