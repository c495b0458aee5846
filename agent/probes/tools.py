"""What the probes of one session share, without anybody but themselves knowing what that is."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agent import snmp
from agent.metrics import Metrics
from agent.settings import AgentSettings

T = TypeVar("T")


class Tools:
    """Made for a session; a probe takes from it what it needs. ``now_s`` is the boot clock.

    Adding a kind of probe adds nothing here: what it shares with its like, it makes by ``share``.
    """

    def __init__(self, settings: AgentSettings, now_s: Callable[[], float], metrics: Metrics) -> None:
        self.settings, self.now_s, self.metrics = settings, now_s, metrics
        self.snmp = snmp.Session(snmp.installed)
        self._shared: dict[Callable[[Tools], Any], Any] = {}
        self.services: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        """What runs beside the probes as long as the session, by name."""

    def share(self, make: "Callable[[Tools], T]") -> T:
        """What ``make`` makes: once in a session, for the first probe that asks."""
        if make not in self._shared:
            self._shared[make] = make(self)
        made: T = self._shared[make]
        return made

    def close(self) -> None:
        """Give back what is open, when no probe runs any more."""
        self.snmp.close()
