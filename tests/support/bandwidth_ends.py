"""The two ends of a bandwidth test as programs, to be started inside network namespaces.

``serve`` prints its port when ready. ``probe HOST`` tests once for each line on standard input and prints the
observation as JSON.
"""

import asyncio
import sys

from agent.probes.bandwidth import probe
from agent.probes.contract import Context
from agent.settings import AgentSettings, BandwidthTarget, HttpLink
from classready.codec import encode
from classready.report import Directives, Thetas
from classready.units import MBIT

DIRECTIVES = Directives(policy_version="1", theta=Thetas(down=(95 * MBIT, 100 * MBIT)))
SETTINGS = AgentSettings(gateway="gw-test", link=HttpLink(url="http://127.0.0.1:9711", token_file="token"), targets=())


async def _serve() -> None:
    from collector.responder import serve
    from collector.settings import Responder

    await serve(Responder(host="0.0.0.0"), None, on_ready=lambda port: print(port, flush=True))


async def _probe(host: str) -> None:
    context = Context(settings=SETTINGS, directives=DIRECTIVES, clock_good=True, on_demand=True)
    target = BandwidthTarget(name="wan", host=host)
    while await asyncio.to_thread(sys.stdin.readline):
        print(encode((await probe(target, context))[0]).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve() if sys.argv[1] == "serve" else _probe(sys.argv[2]))
