"""One report into a draft: what is new of it, whose it is, when it was, what the schools make of it, and the answer."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from classready.codec import DecodedReport, ranges
from classready.observation import Bandwidth
from classready.report import Ack, Record, Rejected, Report
from collector.core.state import Heard, Observed
from collector.engine import metrics
from collector.engine.dating import Dated, date_records
from collector.engine.draft import Draft
from collector.engine.identity import RefusedError, route
from collector.store.history import BandwidthResult
from collector.store.ledgers import Ledger, Ranges

_COUNT_MAX = 2**53


def apply_report(draft: Draft, decoded: DecodedReport, schools: tuple[str, ...], received_at: float) -> Ack:
    """Apply what is new in a report of a gateway with ``schools``; the ack is true once ``draft`` is committed."""
    report = decoded.report
    spool = (report.gateway, report.spool_id)
    before = draft.ledgers[spool][1] if spool in draft.ledgers else None
    known = before or Ledger()
    refused = draft.refused_before.setdefault(spool, {})
    new = _what_is_new(decoded, known.ranges, refused)
    if new.records or new.unknown_kinds or new.malformed or _is_empty(decoded):
        draft.feed(schools, _heard(report, received_at))
    applied, refusals = _apply_records(draft, report, new.records, schools, received_at)
    applied |= new.unknown_kinds
    refusals += new.malformed
    _enter(draft, report, known, applied, refusals)
    _count(draft, decoded, applied, new.unknown_kinds, refusals)
    return _answer(decoded, draft.ledgers[spool][1].ranges, refused)


class _New(NamedTuple):
    """What the ledger does not hold yet; a sequence is in one group at most, whatever the sender wrote."""

    records: list[Record]
    unknown_kinds: set[int]
    malformed: list[Rejected]


def _what_is_new(decoded: DecodedReport, committed: Ranges, refused: Mapping[int, str]) -> _New:
    taken: set[int] = set()

    def is_new(n: int) -> bool:
        if n in taken or n in refused or _contains(committed, n):
            return False
        taken.add(n)
        return True

    return _New(
        records=[r for r in decoded.records if is_new(r.sequence)],
        unknown_kinds={n for n in decoded.unknown_kinds if is_new(n)},
        malformed=[r for r in decoded.rejected if is_new(r.sequence)],
    )


def _heard(report: Report, received_at: float) -> Heard:
    return Heard(
        gateway=report.gateway,
        report_interval_s=report.report_interval_s,
        clock_skew_s=None if report.sent_at is None else report.sent_at - received_at,
        spool_records=report.spool_records,
        agent_version=report.agent_version,
    )


def _apply_records(
    draft: Draft, report: Report, records: list[Record], schools: tuple[str, ...], received_at: float
) -> tuple[set[int], list[Rejected]]:
    """Feed records in the order in which they were observed; return the sequences applied, and those refused."""
    dates = date_records(report, records, received_at)
    applied: set[int] = set()
    refusals: list[Rejected] = []
    for record in sorted(records, key=lambda r: _order(r, dates)):
        try:
            _apply_record(draft, report, record, dates[record.sequence], schools)
        except RefusedError as refusal:
            refusals.append(Rejected(sequence=record.sequence, reason=refusal.reason))
        else:
            applied.add(record.sequence)
    return applied, refusals


def _apply_record(draft: Draft, report: Report, record: Record, dated: Dated | None, schools: tuple[str, ...]) -> None:
    routes = route(record.observation, {s: draft.school(s) for s in schools}, draft.policy)
    if dated is None:
        draft.tally[metrics.RECORDS_UNDATABLE] += 1
        return
    observed = Observed(
        gateway=report.gateway,
        observation=record.observation,
        classroom=routes[0].classroom,
        observed_at=dated.observed_at,
        late=dated.observed_at < draft.now - draft.policy.late_after_s,
    )
    if not draft.feed([r.school for r in routes], observed):
        raise RefusedError("internal")
    if isinstance(record.observation, Bandwidth):
        result = BandwidthResult(
            gateway=report.gateway,
            spool_id=report.spool_id,
            sequence=record.sequence,
            observed_at=dated.observed_at,
            observation=record.observation,
        )
        draft.bandwidth_results.append(result)
    if dated.quality == "good":
        draft.delays_s.append(max(0.0, draft.now - dated.observed_at))
    draft.tally[metrics.RECORDS_ESTIMATED] += dated.quality == "estimated"
    draft.tally[metrics.RECORDS_LATE] += observed.late


def _enter(draft: Draft, report: Report, known: Ledger, applied: set[int], refusals: list[Rejected]) -> None:
    spool = (report.gateway, report.spool_id)
    stored = draft.ledgers[spool][0] if spool in draft.ledgers else None
    drops = _drops(report.dropped)
    after = Ledger(
        ranges=union(known.ranges, ranges(list(applied))),
        applied_records=known.applied_records + len(applied),
        rejected_records=known.rejected_records + len(refusals),
        declared_drops={
            r: max(drops.get(r, 0), known.declared_drops.get(r, 0)) for r in {*drops, *known.declared_drops}
        },
    )
    draft.ledgers[spool] = (stored, after)
    draft.refused_before[spool].update({r.sequence: r.reason for r in refusals})
    draft.refusals += [(spool, refusal) for refusal in refusals]
    for reason, count in after.declared_drops.items():
        draft.tally[metrics.RECORDS_DECLARED_DROPPED.labels(reason)] += count - known.declared_drops.get(reason, 0)


def _count(
    draft: Draft, decoded: DecodedReport, applied: set[int], unknown: set[int], refusals: list[Rejected]
) -> None:
    sent = len(decoded.records) + len(decoded.unknown_kinds) + len(decoded.rejected)
    new = len(applied) + len(refusals)
    draft.tally[metrics.MESSAGES_ACCEPTED] += 1
    draft.tally[metrics.MESSAGES_DUPLICATE] += sent > 0 and new == 0
    draft.tally[metrics.RECORDS_ACCEPTED] += len(applied)
    draft.tally[metrics.RECORDS_UNKNOWN_KIND] += len(unknown)
    draft.tally[metrics.RECORDS_DUPLICATE] += sent - new
    draft.tally[metrics.RECORDS_REJECTED.labels("nameless")] += decoded.nameless_count
    for refusal in refusals:
        draft.tally[metrics.RECORDS_REJECTED.labels(refusal.reason)] += 1


def _answer(decoded: DecodedReport, committed: Ranges, refused: Mapping[int, str]) -> Ack:
    sent = sorted(
        {r.sequence for r in decoded.records} | set(decoded.unknown_kinds) | {r.sequence for r in decoded.rejected}
    )
    return Ack(
        spool_id=decoded.report.spool_id,
        committed=ranges([n for n in sent if _contains(committed, n)]),
        rejected=tuple(Rejected(sequence=n, reason=refused[n]) for n in sent if n in refused),
    )


def _is_empty(decoded: DecodedReport) -> bool:
    return not (decoded.records or decoded.unknown_kinds or decoded.rejected or decoded.nameless_count)


def _order(record: Record, dates: Mapping[int, Dated | None]) -> tuple[float, int]:
    dated = dates[record.sequence]
    return (dated.observed_at if dated else float("inf"), record.sequence)


def _drops(dropped: Mapping[str, int]) -> dict[str, int]:
    """Declared drops by the reasons of our closed list, everything else under ``other``."""
    sums: dict[str, int] = {}
    for reason, count in dropped.items():
        known = reason if reason in metrics.DROP_REASONS else "other"
        sums[known] = min(sums.get(known, 0) + count, _COUNT_MAX)
    return sums


def union(one: Ranges, other: Ranges) -> Ranges:
    """Closed, disjoint, ascending ranges that cover exactly what the two cover."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted((*one, *other)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _contains(within: Ranges, n: int) -> bool:
    index = bisect_right(within, n, key=lambda r: r[0]) - 1
    return index >= 0 and n <= within[index][1]
