"""Does the line to the school carry the threshold? Method and limits: docs/bandwidth.md.

``gate`` says whether a load may be put on the line now, ``exchange`` gets a lease from the collector's responder,
``load`` moves the bytes, ``udp`` runs a whole test, ``learned`` remembers what it told of the line. The agent decides;
the responder only sends, or tells what came.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from agent.probes.bandwidth import gate, udp
from agent.probes.bandwidth.exchange import Test, nothing
from agent.probes.contract import Context
from agent.settings import BandwidthTarget
from classready.observation import Bandwidth, Outcome, Reason
from classready.settings import read_secret


async def probe(target: BandwidthTarget, context: Context) -> Sequence[Bandwidth]:
    """Test ``target`` once, unless this is not the time for a load."""
    thetas_bps = getattr(context.directives.theta, target.direction) if context.directives is not None else None
    if thetas_bps is None or not 0 < thetas_bps[0] < thetas_bps[1]:
        return unmeasured(target, Reason.NO_POLICY, "the collector has not said what is required of this direction")
    now_s = time.time()
    if (why_not := gate.not_now(target, context, now_s)) is not None:
        return unmeasured(target, *why_not)
    try:
        key = read_secret(Path(target.key_file)).encode() if target.key_file is not None else b""
    except (OSError, UnicodeDecodeError) as error:
        return unmeasured(target, Reason.PERMISSION, f"key_file: {error}")
    test = Test(
        target=target,
        thetas_bps=thetas_bps,
        key=key,
        cancelled=threading.Event(),
        explain=_from_thread(context.explain),
        state_dir=Path(context.settings.state_dir),
        now_s=now_s if context.clock_good else None,
        may_drain_again=not gate.quiet(context, now_s),
        may_learn=not context.on_demand,
    )
    started = time.monotonic()
    try:
        observation = await asyncio.to_thread(udp.run, test)
    finally:
        test.cancelled.set()
    return [replace(observation, elapsed_s=time.monotonic() - started)]


def unmeasured(target: BandwidthTarget, reason: str, detail: str) -> Sequence[Bandwidth]:
    return [nothing(target, Outcome.UNMEASURED, Reason(reason), detail)]


def _from_thread(explain: Callable[[str], None]) -> Callable[[str], None]:
    loop = asyncio.get_running_loop()

    def hand_over(line: str) -> None:
        loop.call_soon_threadsafe(explain, line)

    return hand_over
