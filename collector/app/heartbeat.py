"""A sign of life to a watcher outside (a dead man's switch): it tells people when nothing of ours can any more.

Sent only while reports can be committed and messages move: a process that merely runs is no news. It waits for nobody
and nobody waits for it. The address is a secret, and errors of the HTTP client hold it: neither is ever logged.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client import Counter, Gauge

ANSWER_MAX_S = 10.0
STUCK_S = 900.0
"""So long a message may wait for its receiver: as long as for its fallback (``outbox.HAND_OVER_AGE_S``)."""

SENT = Counter("classready_collector_heartbeats_sent", "Signs of life that the watcher outside took.")
FAILED = Counter("classready_collector_heartbeats_failed", "Signs of life that the watcher outside did not take.")
WITHHELD = Counter(
    "classready_collector_heartbeats_withheld",
    "Signs of life that were not sent: no report can be committed, or messages wait too long.",
)
LAST_SENT = Gauge(
    "classready_collector_heartbeat_last_success_timestamp_seconds",
    "When the watcher outside last took a sign of life.",
)

_log = structlog.get_logger()


def what_is_wrong(*, is_well: bool, waiting_s: Mapping[str, float]) -> str | None:
    """Why the watcher must not be told that all is well; ``waiting_s``: receiver -> age of its oldest message."""
    if not is_well:
        return "reports cannot be committed"
    stuck = sorted(name for name, age_s in waiting_s.items() if age_s > STUCK_S)
    return f"messages wait too long: {', '.join(stuck)}" if stuck else None


async def beat(
    session: ClientSession, url: str, every_s: float, wrong: Callable[[], str | None], now: Callable[[], float]
) -> None:
    """Send one sign of life each ``every_s``, until cancelled."""
    last: str | None = None
    loop = asyncio.get_running_loop()
    while True:
        began_at = loop.time()
        problem = wrong()
        if problem is not None:
            WITHHELD.inc()
        elif (problem := await _send(session, url)) is None:
            SENT.inc()
            LAST_SENT.set(now())
        else:
            FAILED.inc()
        if problem != last:
            _log.warning("heartbeat_missing", reason=problem) if problem else _log.info("heartbeat_sent_again")
        last = problem
        await asyncio.sleep(max(0.0, began_at + every_s - loop.time()))


async def _send(session: ClientSession, url: str) -> str | None:
    """Return why it was not taken, without the address."""
    try:
        # a redirect of a watcher is a portal on the way, or an address of which part is missing
        async with session.get(url, allow_redirects=False, timeout=ClientTimeout(total=ANSWER_MAX_S)) as answer:
            return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"
    except TimeoutError:
        return "no answer in time"
    except (ClientError, OSError, ValueError) as error:
        return type(error).__name__
