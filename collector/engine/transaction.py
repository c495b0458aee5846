"""What of a draft is written, and how: structs in, rows out. Nothing here changes what is in memory."""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.state import School, SchoolState
from collector.engine import metrics
from collector.engine.draft import Draft
from collector.store import alert_changes, found, history, ledgers, lives, states
from collector.store.ledgers import Ledger


class Stored(Protocol):
    """What is known of a school's row."""

    revision: int
    dirty: bool

    @property
    def save_at(self) -> float:
        """When what only moved on must be stored."""


def to_save(draft: Draft, rows: Mapping[str, Stored], *, everything: bool = False) -> dict[str, SchoolState]:
    """Return the states that this commit stores: what holds news, and what moved on long enough ago (or at all)."""
    return {
        name: school.state
        for name, school in draft.schools.items()
        if (everything and rows[name].dirty) or name in draft.gone or _is_due(draft, name, school, rows[name])
    }


def _is_due(draft: Draft, name: str, school: School, row: Stored) -> bool:
    if not row.revision or name in draft.with_facts:
        return True
    has_moved = row.dirty or school.state is not draft.before[name].state
    return has_moved and draft.now >= row.save_at


async def write(
    connection: AsyncConnection,
    draft: Draft,
    states_due: Mapping[str, SchoolState],
    rows: Mapping[str, Stored],
) -> None:
    """Write everything of ``draft``.

    Raises:
        StaleStateError: somebody else wrote to this store.
    """
    if states_due:
        revisions = {name: (rows[name].revision, state) for name, state in states_due.items()}
        await states.save_schools(connection, revisions, draft.now)
    await _write_ledgers(connection, draft)
    await history.add_transitions(connection, draft.transitions)
    await history.add_bandwidth_results(connection, draft.bandwidth_results)
    await found.keep(connection, draft.found)
    await alert_changes.append(connection, draft.news, draft.now)
    if draft.born is not None:
        await lives.begin(connection, *draft.born)
    if draft.applied is not None:
        roster, is_new_policy = draft.applied
        detail = f"{len(roster.schools)} schools, policy {'changed' if is_new_policy else 'as before'}"
        await history.add_audit(connection, draft.now, "operator", "roster_applied", detail)


async def _write_ledgers(connection: AsyncConnection, draft: Draft) -> None:
    changed = draft.changed_ledgers
    await ledgers.save(connection, changed, draft.now)
    await ledgers.add_rejected(connection, draft.refusals, draft.now)
    policy = draft.policy
    for spool, (before, after) in changed.items():
        if before is None:
            count = await ledgers.forget_spools(connection, spool[0], policy.spools_per_gateway_max)
            if count:
                draft.tally[metrics.SPOOLS_FORGOTTEN] += count
                draft.given_up.append((spool[0], "spools", count))
        if _passed(before, after, policy.rejections_per_spool_max):
            await ledgers.forget_rejected(connection, spool, policy.rejections_per_spool_max)


def _passed(before: Ledger | None, after: Ledger, limit: int) -> bool:
    """Whether a multiple of ``limit`` was passed: so much is forgotten at a time, and nothing is asked in between."""
    return (before.rejected_records if before else 0) // limit != after.rejected_records // limit
