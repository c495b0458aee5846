"""The one table of probes. Nothing else lists the kinds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from agent.probes import bandwidth, http, ping, switch, whiteboard
from agent.probes.contract import Make, Probe
from agent.probes.tools import Tools
from agent.settings import AgentSettings
from classready.targets import BandwidthTarget, HttpTarget, PingTarget, SwitchTarget, Target, WhiteboardTarget

Table = Mapping[type[Any], Make[Any]]

PROBES: Mapping[type[Target], Make[Any]] = {
    PingTarget: ping.make,
    HttpTarget: http.make,
    SwitchTarget: switch.make,
    WhiteboardTarget: whiteboard.make,
    BandwidthTarget: bandwidth.make,
}


class _Made(NamedTuple):
    probe: Probe
    takes: Collection[Any]
    """What it shares with others, as ``Tools`` knows it."""


class Workshop:
    """The probes of the settings in force. Those of a target that stays as it is stay, with all that they remember."""

    def __init__(self, table: Table, tools: Tools) -> None:
        self._table, self._tools = table, tools
        self._made: dict[str, _Made] = {}
        self._make_missing()

    @property
    def probes(self) -> Sequence[Probe]:
        """In the order of their targets."""
        return [self._made[target.name].probe for target in self._tools.settings.targets]

    def follow(self, settings: AgentSettings) -> None:
        """Go by other ``settings``: make what is new or changed, or shares what is no more what it was."""
        over = set(self._tools.follow(settings))
        targets = {target.name: target for target in settings.targets}
        self._made = {
            name: made
            for name, made in self._made.items()
            if made.probe.target == targets.get(name) and over.isdisjoint(made.takes)
        }
        self._make_missing()

    def _make_missing(self) -> None:
        for target in self._tools.settings.targets:
            if target.name not in self._made:
                self._tools.taken()
                probe = self._table[type(target)](target, self._tools)
                self._made[target.name] = _Made(probe, self._tools.taken())


def make_all(table: Table, targets: Sequence[Target], tools: Tools) -> list[Probe]:
    """Make the probes of ``targets``, in their order."""
    return [table[type(target)](target, tools) for target in targets]
