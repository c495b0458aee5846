"""Every target, probed once as ``probe`` does; loads are put on the line only where somebody asks for it."""

from collections.abc import Sequence

from agent.doctor import judge
from agent.findings import Finding
from agent.once import Ask
from agent.probes.icmp import Unanswered, echo
from classready.observation import Observation, Outcome, Reason
from classready.targets import SwitchTarget, TargetSettings

ECHO_S = 1.0


def kind(target: TargetSettings) -> str:
    return str(type(target).__struct_config__.tag)


async def check(target: TargetSettings, ask: Ask) -> list[Finding]:
    observations = await ask()
    if isinstance(target, SwitchTarget):
        pings = await _pings(target.host) if _silent(observations) else None
        return [judge.switch(target.name, observations, pings=pings)]
    return [judge.target(kind(target), target.name, observations)]


def _silent(observations: Sequence[Observation]) -> bool:
    return any(o.outcome is Outcome.NO_ANSWER and o.reason is Reason.TIMEOUT for o in observations)


async def _pings(host: str) -> bool | None:
    """A switch that answers an echo and no SNMP is there: its community or its list of allowed addresses is wrong."""
    try:
        return bool((await echo(host, count=2, interval_s=0.2, timeout_s=ECHO_S)).rtts_s)
    except Unanswered:
        return None
