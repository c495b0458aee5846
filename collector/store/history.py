"""The small, exact history that is kept for years: verdict transitions, bandwidth results, audit."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from classready.observation import Bandwidth, WindowSummary
from collector.core.events import VerdictChanged
from collector.store.tables import audit, bandwidth_result, verdict_transition

_FIELDS = tuple(c.name for c in bandwidth_result.columns if c.name in Bandwidth.__struct_fields__)


class BandwidthResult(Struct, frozen=True, kw_only=True):
    gateway: str
    spool_id: str
    sequence: int
    observed_at: float
    observation: Bandwidth


async def add_transitions(connection: AsyncConnection, transitions: Sequence[VerdictChanged]) -> None:
    rows = [{**msgspec.structs.asdict(t), "causes": msgspec.json.encode(t.causes).decode()} for t in transitions]
    if rows:
        await connection.execute(insert(verdict_transition), rows)


async def add_bandwidth_results(connection: AsyncConnection, results: Sequence[BandwidthResult]) -> None:
    rows = [
        {
            "gateway": result.gateway,
            "spool_id": result.spool_id,
            "sequence": result.sequence,
            "observed_at": result.observed_at,
            **{name: getattr(result.observation, name) for name in _FIELDS},
            "windows": _json(result.observation.windows),
        }
        for result in results
    ]
    if rows:
        # a spool that was forgotten may come back: what it told before is told
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
        await connection.execute(dialect.insert(bandwidth_result).on_conflict_do_nothing(), rows)


def _json(windows: WindowSummary | None) -> str | None:
    return None if windows is None else msgspec.json.encode(windows).decode()


async def has_audit(connection: AsyncConnection, action: str, detail: str, since: float) -> bool:
    """Whether that was noted at ``since`` or later."""
    noted = select(audit.c.id).where(audit.c.action == action, audit.c.detail == detail, audit.c.at >= since).limit(1)
    return (await connection.execute(noted)).first() is not None


async def add_audit(connection: AsyncConnection, at: float, actor: str, action: str, detail: str) -> None:
    await connection.execute(insert(audit).values(at=at, actor=actor, action=action, detail=detail))
