"""What a probe is: an async function from a target and its context to observations.

A target that does not answer is an observation (NO_ANSWER). What could not be measured (no permission, a missing tool,
outside its hours) is UNMEASURED with a reason. A probe raises only for a bug of its own; the runner turns that into
UNMEASURED(probe_bug) by way of ``unmeasured``.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

from agent.settings import AgentSettings, Target, WhiteboardTarget
from classready.observation import Observation
from classready.report import Directives

TargetT_contra = TypeVar("TargetT_contra", bound=Target, contravariant=True)


def silent(_line: str) -> None:
    """The default ``explain``: nobody is watching."""


LONGEST_S = 30.0
"""No probe takes longer, unless its target sets ``deadline_s``."""


def deadline_s(target: Target) -> float:
    """When the runner cancels a probe of ``target``."""
    return target.deadline_s or min(target.interval_s, LONGEST_S)


def patience_s(target: Target) -> float:
    """How long a probe waits for answers: less than its deadline, so that silence is NO_ANSWER, never a cut."""
    return 0.8 * deadline_s(target)


class Sample(Struct, frozen=True, kw_only=True):
    """What a port had carried in all, layer-1 bytes, at a moment of the boot clock.

    The counters show the port as it was at most ``stale_s`` before. Samples of different ``port`` are of different
    counters. ``limit_bps`` is its negotiated speed, None where it has none.
    """

    at_s: float
    stale_s: float
    port: str
    limit_bps: float | None
    down_bytes: int
    up_bytes: int


class Heard(Struct, frozen=True, kw_only=True):
    """What a device's own messages on the school's broker prove.

    ``state`` None: nothing, and ``detail`` says why. ``gone``: its last will says that it is not connected.
    """

    state: Literal["awake", "asleep"] | None = None
    gone: bool = False
    nic_speed_bps: int | None = None
    facts: dict[str, str] = {}
    detail: str = ""


def deaf(_target: WhiteboardTarget) -> Heard:
    """The default ``hear``: nobody listens to a broker."""
    return Heard(detail="nobody listens to the school's broker (set broker)")


class Context(Struct, frozen=True, kw_only=True):
    """What a probe may know beside its target.

    ``explain`` takes one line for a person watching ``probe TARGET --explain``; a line that starts with a carriage
    return is progress, and the next one takes its place. ``clock_good``: whether wall time is known to be right.
    ``directives`` are the collector's last ones, None when it never answered. ``samples`` are those of the target's
    port, oldest first: all since its last verdict, and not older than two hours. ``hear``: what a whiteboard has
    said on the school's broker.
    """

    settings: AgentSettings
    directives: Directives | None
    clock_good: bool
    on_demand: bool = False
    samples: Sequence[Sample] = ()
    hear: Callable[[WhiteboardTarget], Heard] = deaf
    explain: Callable[[str], None] = silent


class Probe(Protocol[TargetT_contra]):
    async def __call__(self, target: TargetT_contra, context: Context) -> Sequence[Observation]:
        """Observe ``target`` once. The caller owns the deadline and cancels what exceeds it."""
        ...


class Unmeasured(Protocol[TargetT_contra]):
    def __call__(self, target: TargetT_contra, reason: str, detail: str) -> Sequence[Observation]:
        """What is reported for ``target`` when the probe itself could not finish: every subject it serves."""
        ...
