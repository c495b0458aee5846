"""Receives SNMP traps and informs (v1, v2c), which only make the sender's targets be probed sooner.

Anybody can send one in anybody's name, so what it says is never evidence.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import ntfrcv

from agent.probes.contract import Probe
from agent.snmp.pysnmp_driver import Udp
from classready.devices import Traps

UDP_DOMAIN = (1, 3, 6, 1, 6, 1, 1)
"""snmpUDPDomain of RFC 3417."""
COMPLAIN_EVERY_S = 60.0

_log = structlog.get_logger()


class Receiver:
    """``hurry`` is called with the name of each target whose ``trap_host`` has sent something."""

    def __init__(self, settings: Traps, probes: Sequence[Probe], hurry: Callable[[str], None]) -> None:
        self._settings, self._hurry = settings, hurry
        self._targets: dict[str, list[str]] = {}
        for probe in probes:
            if probe.trap_host is not None:
                self._targets.setdefault(probe.trap_host, []).append(probe.target.name)
        self._complained_s = float("-inf")

    async def run(self) -> None:
        """Receive until cancelled. A port that cannot be had is told, and costs only the traps."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.bind((self._settings.host, self._settings.port))
        except OSError as error:
            opened.close()
            where = f"{self._settings.host}:{self._settings.port}"
            _log.error("traps_not_received", address=where, error=str(error), remedy="CAP_NET_BIND_SERVICE below 1024")
            return
        engine = SnmpEngine()
        config.add_transport(engine, UDP_DOMAIN, Udp().open_server_mode(sock=opened))
        config.add_v1_system(engine, "school", self._settings.community)
        engine.observer.register_observer(self._received, "rfc3412.receiveMessage:request")
        # It answers informs (RFC 3413, 3.4); an observer below sees who sent them, which it does not tell.
        ntfrcv.NotificationReceiver(engine, lambda *_: None)
        try:
            await asyncio.Event().wait()
        finally:
            engine.close_dispatcher()

    def _received(self, _engine: Any, _point: str, variables: dict[str, Any], _context: Any) -> None:
        """Called for a message with the right community, before it is answered."""
        # The datagram's: agent-addr stands in v1 traps only (RFC 1157, 4.1.6), and need not be where it came from.
        sender = str(ipaddress.ip_address(str(variables["transportAddress"][0])))
        for name in self._targets.get(sender, ()):
            self._hurry(name)
        if sender not in self._targets and time.monotonic() - self._complained_s > COMPLAIN_EVERY_S:
            self._complained_s = time.monotonic()
            _log.info("trap_of_unknown_sender", sender=sender)
