"""The two ends of a bandwidth test as programs, to be started inside network namespaces.

``serve HOST`` prints its port when ready. ``probe STATE_DIR`` tests once for each line on standard input, a target as
JSON, and prints the observation as JSON. What it learns about the line is kept in the directory.
"""

import asyncio
import sys

import msgspec
from msgspec.structs import replace

from agent.probes.bandwidth import observe
from agent.probes.contract import Context
from agent.settings import AgentSettings, HttpLink
from classready.codec import encode
from classready.report import Directives, Thetas
from classready.targets import BandwidthTarget
from classready.units import MBIT

DIRECTIVES = Directives(policy_version="1", theta=Thetas(down=(95 * MBIT, 100 * MBIT), up=(95 * MBIT, 100 * MBIT)))
SETTINGS = AgentSettings(gateway="gw-test", link=HttpLink(url="http://127.0.0.1:9711", token_file="token"), targets=())


async def _serve(host: str) -> None:
    from collector.responder import serve
    from collector.settings import Responder

    await serve(Responder(host=host), None, on_ready=lambda port: print(port, flush=True))


async def _probe(state_dir: str) -> None:
    settings = replace(SETTINGS, state_dir=state_dir)
    context = Context(settings=settings, directives=DIRECTIVES, clock_good=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        target = msgspec.json.decode(line, type=BandwidthTarget)
        print(encode((await observe(target, (), context))[0]).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run((_serve if sys.argv[1] == "serve" else _probe)(sys.argv[2]))
