"""What probe tests share: a context that keeps the explanation, and a check that the wire accepts what came out."""

from collections.abc import Sequence
from typing import Any

import msgspec

from agent.probes import PROBES
from agent.probes.contract import Context
from agent.settings import AgentSettings, HttpLink, TargetSettings
from classready.codec import encode
from classready.observation import Observation

SETTINGS = AgentSettings(gateway="gw-test", link=HttpLink(url="http://127.0.0.1:9711", token_file="token"), targets=())


def context(*, clock_good: bool = True, told: list[str] | None = None) -> Context:
    explain = (lambda _line: None) if told is None else told.append
    return Context(settings=SETTINGS, directives=None, clock_good=clock_good, explain=explain)


async def observe(target: TargetSettings, **options: Any) -> list[Observation]:
    """Probe ``target`` once, and let every observation pass over the wire."""
    probe, _ = PROBES[type(target)]
    return wired(await probe(target, context(**options)))


def wired(observations: Sequence[Observation]) -> list[Observation]:
    """The observations as a collector decodes them; raises where it would refuse one."""
    return [msgspec.json.decode(encode(observation), type=Observation) for observation in observations]
