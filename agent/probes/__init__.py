"""The one table of probes. Nothing else lists the kinds."""

from collections.abc import Mapping
from typing import Any

from agent.probes import bandwidth, http, ping, switch, whiteboard
from agent.probes.contract import Probe, Unmeasured
from agent.settings import BandwidthTarget, HttpTarget, PingTarget, SwitchTarget, Target, WhiteboardTarget

PROBES: Mapping[type[Target], tuple[Probe[Any], Unmeasured[Any]]] = {
    PingTarget: (ping.probe, ping.unmeasured),
    HttpTarget: (http.probe, http.unmeasured),
    SwitchTarget: (switch.probe, switch.unmeasured),
    WhiteboardTarget: (whiteboard.probe, whiteboard.unmeasured),
    BandwidthTarget: (bandwidth.probe, bandwidth.unmeasured),
}
