"""What the running agent knows of itself, gathered when somebody asks: nothing is done for the page in between."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from agent import findings, sheets
from agent.bureau import Bureau
from agent.clock import FLOOR_S, Clock
from agent.courier import Courier
from agent.findings import Finding
from agent.metrics import Metrics
from agent.progress import Sight
from agent.runner import Runner
from agent.settings import AgentSettings
from agent.spool import Spool, Statistics
from classready import __version__
from classready.observation import Reason

PROBLEMS_MAX_COUNT = 20


class Running(Struct, frozen=True, kw_only=True):
    """The parts of one session that the page looks at."""

    path: Path
    settings: AgentSettings
    runner: Runner
    courier: Courier
    spool: Spool
    clock: Clock
    numbers: Metrics
    bureau: Bureau


class Health(Struct, frozen=True, kw_only=True):
    """``/healthz``. Times are Unix seconds of this gateway's clock, ``now_at`` too; None = not since the start."""

    version: str
    started_at: float | None
    now_at: float
    last_ack_at: float | None
    spool_records: int
    spool_degraded: bool


class Look(Struct, frozen=True, kw_only=True):
    """Everything that the page shows. ``now_s`` is on the boot clock, as ``sights`` are."""

    health: Health
    held: Statistics
    now_s: float
    read_at: float | None
    sights: Sequence[Sight]
    problems: Sequence[Finding]
    sheet: str | None
    """Number of the last acceptance sheet."""


async def health(running: Running) -> Health:
    return _health(running, await running.spool.statistics())


async def look(running: Running) -> Look:
    held = await running.spool.statistics()
    return Look(
        health=_health(running, held),
        held=held,
        now_s=running.clock.now_s(),
        read_at=running.numbers.get("classready_agent_config_last_reload_success_timestamp_seconds"),
        sights=running.runner.sights(),
        problems=_problems(running, held),
        sheet=await asyncio.to_thread(_sheet, running.settings),
    )


def _sheet(settings: AgentSettings) -> str | None:
    found = sheets.kept(Path(settings.state_dir), settings.gateway, ".html")
    return found[-1].stem if found else None


def _health(running: Running, held: Statistics) -> Health:
    return Health(
        version=__version__,
        started_at=running.numbers.get("classready_agent_start_time_seconds"),
        now_at=time.time(),
        last_ack_at=running.numbers.get("classready_agent_last_app_ack_timestamp_seconds"),
        spool_records=held.held_count,
        spool_degraded=held.degraded,
    )


def _problems(running: Running, held: Statistics) -> list[Finding]:
    """What costs nothing to find out: ``doctor`` asks and measures."""
    reading, courier, numbers = running.clock.read(), running.courier, running.numbers
    acknowledged = numbers.get("classready_agent_last_app_ack_timestamp_seconds") is not None
    found = [
        findings.clock(reading.wall_s, FLOOR_S, good=reading.quality == "good"),
        findings.link(courier.trouble.why if courier.trouble else None, courier.detail, acknowledged=acknowledged),
        findings.spool(held.held_count, held.held_bytes, held.limit_bytes, degraded=held.degraded),
    ]
    if numbers.get("classready_agent_config_last_reload_successful") == 0:
        found.append(Finding(check="settings", result="failed", code="reload_refused"))
    if (refused := running.bureau.refused) is not None:
        values = {"problem": refused.problems[0] if refused.problems else ""}
        found.append(Finding(check="settings", result="failed", code="bureau_refused", values=values))
    found += [lack for sight in running.runner.sights() if (lack := _lack(sight)) is not None]
    return [finding for finding in found if finding.result in {"warning", "failed"}][:PROBLEMS_MAX_COUNT]


def _lack(sight: Sight) -> Finding | None:
    """What the gateway itself lacks; what is wrong with a target stands beside the target."""
    denied = next((o for o in sight.observations if o.reason is Reason.PERMISSION), None)
    if denied is None:
        return None
    values = {"target": sight.target.name, "detail": denied.detail or ""}
    return Finding(check="permission", result="failed", code="permission", subject=sight.target.name, values=values)
