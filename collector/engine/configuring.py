"""What each gateway is told to measure, and what it said of it."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import structlog

from classready.codec import encode
from classready.measuring import DOCUMENT_MAX_BYTES, Document, Release
from classready.report import SettingsReport
from collector.configuring.compose import document
from collector.configuring.words import Template
from collector.engine.devices import Devices
from collector.roster import Roster

_log = structlog.get_logger()


class Said(NamedTuple):
    """What a gateway last said of its settings, and when that came."""

    report: SettingsReport
    at: float


class Configuring:
    """Documents are made when they are asked for; only their versions are kept, for each ack names one.

    ``release`` and ``again_at`` say of a gateway which release it should run, and when it was last asked to look around
    again; None = nothing.
    """

    def __init__(self, roster: Callable[[], Roster], devices: Devices) -> None:
        self._roster, self._devices = roster, devices
        self.templates: Sequence[Template] = ()
        self.release: Callable[[str], Release | None] = _nothing
        self.again_at: Callable[[str], float | None] = _nothing
        self._versions: dict[str, tuple[object, str | None]] = {}
        self._said: dict[str, Said] = {}

    def of(self, gateway: str) -> Document | None:
        """Return the document of ``gateway``; None = it is not in the roster."""
        roster = self._roster()
        entry = roster.gateways.get(gateway)
        if entry is None:
            return None
        schools = [roster.schools[school] for school in entry.schools]
        return document(
            gateway,
            schools,
            self.templates,
            self._devices.of(gateway),
            self.release(gateway),
            again_at=self.again_at(gateway),
        )

    def version(self, gateway: str) -> str | None:
        """Return the version of the document of ``gateway``; None = there is none that it could take."""
        roster = self._roster()
        entry = roster.gateways.get(gateway)
        if entry is None:
            return None
        made_of = (
            self.templates,
            *(roster.schools[school] for school in entry.schools),
            self._devices.of(gateway),
            self.release(gateway),
            self.again_at(gateway),
        )
        known = self._versions.get(gateway)
        if known is None or known[0] != made_of:
            known = made_of, self._version(gateway)
            self._versions[gateway] = known
        return known[1]

    def _version(self, gateway: str) -> str | None:
        found = self.of(gateway)
        if found is None:
            return None
        if (size := len(encode(found))) > DOCUMENT_MAX_BYTES:
            _log.error("settings_too_large", gateway=gateway, size_bytes=size, max_bytes=DOCUMENT_MAX_BYTES)
            return None
        return found.version

    def note(self, gateway: str, report: SettingsReport | None, now: float) -> None:
        """Take note of what ``gateway`` said with its last report."""
        if report is None:
            self._said.pop(gateway, None)
        else:
            self._said[gateway] = Said(report, now)

    def said(self, gateway: str) -> Said | None:
        """What ``gateway`` last said since this collector started; None = nothing, or it is of an older release."""
        return self._said.get(gateway)

    def forget_others(self, gateways: Collection[str]) -> None:
        """Keep nothing of gateways that left the roster."""
        self._versions = {name: known for name, known in self._versions.items() if name in gateways}
        self._said = {name: said for name, said in self._said.items() if name in gateways}


def _nothing(_gateway: str) -> None:
    return None
