"""The one table of probes. Nothing else lists the kinds."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.probes import bandwidth, http, ping, switch, whiteboard
from agent.probes.contract import Make, Probe
from agent.probes.tools import Tools
from classready.targets import BandwidthTarget, HttpTarget, PingTarget, SwitchTarget, Target, WhiteboardTarget

Table = Mapping[type[Any], Make[Any]]

PROBES: Mapping[type[Target], Make[Any]] = {
    PingTarget: ping.make,
    HttpTarget: http.make,
    SwitchTarget: switch.make,
    WhiteboardTarget: whiteboard.make,
    BandwidthTarget: bandwidth.make,
}


def make_all(table: Table, targets: Sequence[Target], tools: Tools) -> list[Probe]:
    """Make the probes of ``targets``, in their order."""
    return [table[type(target)](target, tools) for target in targets]
