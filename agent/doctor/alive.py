"""What the agent that runs here says of itself, by its page: whether its reports get through."""

import asyncio

import msgspec
from msgspec import Struct

from agent import http1
from agent.findings import Finding
from agent.settings import AgentSettings
from classready.codec import UNDECODABLE

ASK_S = 3.0
ACK_INTERVALS = 3
"""After so many report intervals the collector calls the gateway silent."""


class Health(Struct, frozen=True):
    """What is read of ``/healthz``; whoever else answers at that port says none of it."""

    now_at: float
    last_ack_at: float | None
    spool_records: int


async def acknowledged(settings: AgentSettings) -> list[Finding]:
    """Empty where no agent answers: that none runs is told elsewhere."""
    health = await _health(settings)
    return [] if health is None else [judged(health, settings.report_interval_s)]


async def credential(settings: AgentSettings) -> Finding:
    """A broker takes one connection of a gateway, and the running agent has it: what it got is the proof."""
    health = await _health(settings)
    if health is not None and judged(health, settings.report_interval_s).result == "ok":
        return Finding(check="credential", result="ok", code="broker_in_use")
    return Finding(check="credential", result="not_checked", code="broker_busy")


def judged(health: Health, report_interval_s: float) -> Finding:
    """By the running agent's own clock, so that a wrong one shifts nothing."""
    last_at = health.last_ack_at
    age_s = 0.0 if last_at is None else max(0.0, health.now_at - last_at)
    values = {"count": health.spool_records, "age_s": round(age_s)}
    if last_at is None:
        return Finding(check="reports", result="failed", code="acks_none", values=values)
    late = age_s > ACK_INTERVALS * report_interval_s
    code = "acks_late" if late else "acks_ok"
    return Finding(check="reports", result="failed" if late else "ok", code=code, values=values)


async def _health(settings: AgentSettings) -> Health | None:
    if settings.page is None:
        return None
    answer = http1.Answer()
    try:
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.page.port)
            try:
                writer.write(http1.request("GET", "127.0.0.1", "/healthz", {}))
                await http1.read_head(reader, answer)
                await http1.read_body(reader, answer, http1.PIECE_BYTES)
            finally:
                writer.transport.abort()
        return msgspec.json.decode(bytes(answer.body), type=Health)
    except (OSError, TimeoutError, http1.NotHttp, *UNDECODABLE):
        return None
