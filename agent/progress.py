"""Where each probe stands, for who runs them and who shows them."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from agent.probes.contract import Probe
from classready.observation import Observation
from classready.targets import Target


class Sight(Struct, frozen=True, kw_only=True):
    """What a target showed last. ``observed_s``: when that was asked, on the boot clock; None = not yet."""

    target: Target
    kind: str
    running: bool
    observed_s: float | None
    observations: Sequence[Observation]


class Progress:
    """Where one probe stands. Times are on the boot clock; ``wake`` ends its waiting."""

    def __init__(self, probe: Probe, due_s: float) -> None:
        self.probe, self.due_s = probe, due_s
        self.wake = asyncio.Event()
        self.started_s: float | None = None
        self.finished_s: float | None = None
        self.running = False
        self.ended = False
        """Its target is no more, or another one: what runs may finish, and nothing begins."""
        self.inconclusive = False
        self.silent = False
        """Nobody answered the last time: the next one may take all its time, too."""
        self.waits_for_hours = False
        """What it put off, it may do only at its next opening."""
        self.last: tuple[float | None, Sequence[Observation]] = (None, ())
        """When it was last asked, and what it showed."""

    def sight(self) -> Sight:
        target, (observed_s, observations) = self.probe.target, self.last
        kind = str(type(target).__struct_config__.tag)
        return Sight(target=target, kind=kind, running=self.running, observed_s=observed_s, observations=observations)

    def latest_s(self) -> float:
        """When it will have begun, or have finished, unless something is wrong."""
        if self.running and self.started_s is not None:
            return self.started_s + self.probe.deadline_s
        return self.due_s
