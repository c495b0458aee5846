"""What a probe is: one target, made ready, that observes it again and again.

A kind of probe is a function from a target and the session's tools to a ``Probe``, with its line in ``PROBES``. What it
remembers from one observation to the next lives behind that function and ends with the session. Everything that the
runner needs to know of a probe stands in ``Probe``: it asks no probe what kind it is.

A target that does not answer is an observation (NO_ANSWER). What could not be measured (no permission, a missing tool,
outside its hours) is UNMEASURED with a reason. A probe raises only for a bug of its own; the runner turns that into
UNMEASURED(probe_bug) by way of ``unmeasured``.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from msgspec import Struct

from agent.probes.tools import Tools
from agent.settings import AgentSettings
from classready.observation import Observation
from classready.report import Directives
from classready.targets import Target, deadline_s

TargetT = TypeVar("TargetT", bound=Target)
TargetT_contra = TypeVar("TargetT_contra", bound=Target, contravariant=True)

Span = tuple[float, float]
"""From and to, in wall time."""


def silent(_line: str) -> None:
    """The default ``explain``: nobody is watching."""


def patience_s(target: Target) -> float:
    """How long a probe waits for answers: less than its deadline, so that silence is NO_ANSWER, never a cut."""
    return 0.8 * deadline_s(target)


class Context(Struct, frozen=True, kw_only=True):
    """What holds at the moment of one observation.

    ``explain`` takes one line for a person watching ``probe TARGET --explain``; a line that starts with a carriage
    return is progress, and the next one takes its place. ``clock_good``: whether wall time is known to be right.
    ``directives`` are the collector's last ones, None when it never answered. ``on_demand``: a person asks,
    who waits for no hours; with ``keeps_hours`` loads stay off the line outside theirs all the same.
    """

    settings: AgentSettings
    directives: Directives | None
    clock_good: bool
    on_demand: bool = False
    keeps_hours: bool = False
    explain: Callable[[str], None] = silent


async def settled() -> None:
    """The default ``settle``: the probe asks, so there is nothing to wait for."""


def never(_context: Context, _now: float) -> Span | None:
    """The default ``next_opening``: the probe runs at any hour, so there is none to wait for."""


class Probe(Struct, frozen=True, kw_only=True):
    """A target and how to observe it; the caller owns the deadline and cancels what exceeds it.

    ``unmeasured(reason, detail)`` is what is reported when ``observe`` itself could not finish: every subject of it.
    """

    target: Target
    observe: Callable[[Context], Awaitable[Sequence[Observation]]]
    unmeasured: Callable[[str, str], Sequence[Observation]]
    deadline_s: float
    """When the runner cancels an observation."""
    loads_line: bool = False
    """It would spoil another probe that loads the line, and the other one this: only one of them runs at a time."""
    urgent: bool = False
    """What it finds is reported at once: somebody waits for it, or it was dear."""
    needs_directives: bool = False
    """Without the collector's directives it can find nothing out: it runs again as soon as there are the first."""
    trap_host: str | None = None
    """An SNMP trap from this address makes it run at once."""
    next_opening: Callable[[Context, float], Span | None] = never
    """When it may next do what it put off with OUTSIDE_HOURS, seen from a moment of wall time; None = nobody knows."""
    settle: Callable[[], Awaitable[None]] = settled
    """Wait, not for long, until a probe that only listens could have heard something: before a single observation."""


def forgetful(
    target: TargetT,
    observe: Callable[[TargetT, Context], Awaitable[Sequence[Observation]]],
    unmeasured: Callable[[TargetT, str, str], Sequence[Observation]],
) -> Probe:
    """A probe that keeps nothing from one observation to the next: two functions of its target."""
    return Probe(
        target=target,
        observe=partial(observe, target),
        unmeasured=partial(unmeasured, target),
        deadline_s=deadline_s(target),
    )


class Make(Protocol[TargetT_contra]):
    def __call__(self, target: TargetT_contra, tools: Tools, /) -> Probe:
        """Make the probe of ``target``. Nothing is opened, sent or waited for yet."""
        ...
