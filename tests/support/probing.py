"""What probe tests share: a context that keeps the explanation, and a check that the wire accepts what came out."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from agent.metrics import Metrics
from agent.probes import PROBES
from agent.probes.contract import Context, Probe
from agent.probes.tools import Tools
from agent.settings import AgentSettings, HttpLink
from classready import forms
from classready.codec import encode
from classready.observation import Observation
from classready.targets import TargetSettings
from tests.support import asking

SETTINGS = AgentSettings(gateway="gw-test", link=HttpLink(url="http://127.0.0.1:9711", token_file="token"), targets=())


def context(*, clock_good: bool = True, told: list[str] | None = None) -> Context:
    explain = (lambda _line: None) if told is None else told.append
    return Context(settings=SETTINGS, directives=None, clock_good=clock_good, explain=explain)


class Session:
    """Probes that remember and share, as in a running agent: one for each target, made when it is first asked for."""

    def __init__(self, settings: AgentSettings = SETTINGS) -> None:
        self._tools, self._probes = Tools(settings, time.monotonic, Metrics()), dict[str, Probe]()
        self._tools.snmp = asking.session()

    def probe(self, target: TargetSettings) -> Probe:
        if repr(target) not in self._probes:
            self._probes[repr(target)] = PROBES[type(target)](target, self._tools)
        return self._probes[repr(target)]


def made(target: TargetSettings) -> Probe:
    """A probe of ``target`` alone, which remembers nothing yet."""
    return Session().probe(target)


async def observe(target: TargetSettings, **options: Any) -> list[Observation]:
    """Probe ``target`` once, and let every observation pass over the wire."""
    return wired(await made(target).observe(context(**options)))


def wired(observations: Sequence[Observation]) -> list[Observation]:
    """The observations as a collector decodes them; raises where it would refuse one."""
    received = [msgspec.json.decode(encode(observation), type=Observation) for observation in observations]
    for observation in received:
        forms.check(type(observation), [observation])
    return received
