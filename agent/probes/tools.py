"""What the probes of one agent share, without anybody but themselves knowing what that is."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, NamedTuple, TypeVar

from agent import snmp
from agent.metrics import Metrics
from agent.settings import AgentSettings

T = TypeVar("T")
Needs = Callable[[AgentSettings], object]
Service = Callable[[], Coroutine[Any, Any, None]]


class _Shared(NamedTuple):
    """``needed``: what of the settings it was made of. ``services``: what it has running."""

    value: Any
    needs: Needs
    needed: object
    services: dict[str, Service]


def nothing(_settings: AgentSettings) -> object:
    """The default ``needs``."""
    return None


class Tools:
    """A probe takes from it what it needs. ``now_s`` is the boot clock.

    Adding a kind of probe adds nothing here: what it shares with its like, it makes by ``share``.
    """

    def __init__(self, settings: AgentSettings, now_s: Callable[[], float], metrics: Metrics) -> None:
        self.settings, self.now_s, self.metrics = settings, now_s, metrics
        self.snmp = snmp.Session(snmp.installed)
        self._shared: dict[Callable[[Tools], Any], _Shared] = {}
        self._taken: set[Callable[[Tools], Any]] = set()
        self.services: dict[str, Service] = {}
        """What runs beside the probes, by name."""

    def share(self, make: "Callable[[Tools], T]", needs: Needs = nothing) -> T:
        """What ``make`` makes: once, for the first probe that asks.

        It is made anew, and with it every probe that took it, when what it ``needs`` of the settings is another.
        """
        self._taken.add(make)
        if make not in self._shared:
            before = set(self.services)
            value = make(self)
            services = {name: run for name, run in self.services.items() if name not in before}
            self._shared[make] = _Shared(value, needs, needs(self.settings), services)
        made: T = self._shared[make].value
        return made

    def taken(self) -> Collection[Any]:
        """What was asked for by ``share`` since this was last called."""
        taken, self._taken = self._taken, set()
        return taken

    def follow(self, settings: AgentSettings) -> Collection[Any]:
        """Go by other ``settings``; return what is shared no more, because it would be another now."""
        self.settings = settings
        over = [make for make, shared in self._shared.items() if shared.needs(settings) != shared.needed]
        for make in over:
            for name in self._shared.pop(make).services:
                self.services.pop(name, None)
        return over

    def close(self) -> None:
        """Give back what is open, when no probe runs any more."""
        self.snmp.close()
