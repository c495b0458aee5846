"""One report into a draft: what is new of it, whose it is, when it was, what the schools make of it, and the answer."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

import msgspec
from msgspec import Struct

from classready.codec import DecodedReport, ranges
from classready.observation import Bandwidth, Found, Observation
from classready.report import Ack, Record, Rejected, Report
from collector.core.events import Event, Heard, Observed
from collector.engine import metrics
from collector.engine.claims import taken, with_claims
from collector.engine.dating import Dated, date_records
from collector.engine.draft import Draft
from collector.engine.identity import RefusedError, Router
from collector.store.found import Sighting
from collector.store.history import BandwidthResult
from collector.store.ledgers import Ledger, Spool, common, contains, union, with_gaps_closed

_COUNT_MAX = 2**53


def apply_report(draft: Draft, decoded: DecodedReport, schools: tuple[str, ...], received_at: float) -> Ack:
    """Apply what is new in a report of a gateway with ``schools``; the ack is true once ``draft`` is committed."""
    report = decoded.report
    spool = spool_of(decoded)
    known = (draft.ledgers[spool][1] if spool in draft.ledgers else None) or Ledger()
    refused = draft.refused_before.setdefault(spool, {})
    sent = sorted(set(sequences(decoded)))
    foreign = taken(decoded.records, known, draft.prints.of(spool)) if sent and sent[0] <= _last(known) else set()
    new = _what_is_new(decoded, sent, known, refused)
    applied: set[int] = set()
    refusals: list[Rejected] = []
    if new.records or new.unknown_kinds or new.malformed or _is_empty(decoded):
        applied, refusals = _apply_records(draft, report, new.records, schools, received_at)
    applied |= new.unknown_kinds
    refusals += new.malformed
    _enter(draft, report, known, applied, refusals, records=new.records)
    _count(draft, decoded, applied, new, refusals, foreign_count=len(foreign))
    own = [n for n in sent if n not in foreign] if foreign else sent
    ack = _answer(spool, own, draft.ledgers[spool][1], refused, known.closed_through)
    return msgspec.structs.replace(ack, renumber=True) if foreign else ack


class _New(NamedTuple):
    """What the ledger does not hold yet; a sequence is in one group at most, whatever the sender wrote."""

    records: Sequence[Record]
    unknown_kinds: set[int]
    malformed: list[Rejected]
    closed_count: int
    """Sequences of gaps that were closed: refused, and nothing more is kept of them."""


def _what_is_new(decoded: DecodedReport, sent: Sequence[int], known: Ledger, refused: Mapping[int, str]) -> _New:
    if sent and sent[0] > _last(known) and not refused and len(sent) == _count_of(decoded):
        return _New(decoded.records, set(decoded.unknown_kinds), list(decoded.rejected), closed_count=0)
    taken: set[int] = set()

    def is_new(n: int) -> bool:
        if n in taken or n in refused or n <= known.closed_through or contains(known.ranges, n):
            return False
        taken.add(n)
        return True

    return _New(
        records=[r for r in decoded.records if is_new(r.sequence)],
        unknown_kinds={n for n in decoded.unknown_kinds if is_new(n)},
        malformed=[r for r in decoded.rejected if is_new(r.sequence)],
        closed_count=len({n for n in sent if n <= known.closed_through and n not in refused}),
    )


def _last(known: Ledger) -> int:
    """The last sequence that is settled; 0 = none is."""
    return known.ranges[-1][1] if known.ranges else 0


def _heard(report: Report, received_at: float) -> Heard:
    return Heard(
        gateway=report.gateway,
        report_interval_s=report.report_interval_s,
        clock_skew_s=None if report.sent_at is None else report.sent_at - received_at,
        spool_records=report.spool_records,
        agent_version=report.agent_version,
        dropped_records=min(sum(report.dropped.values()), _COUNT_MAX),
        box=report.box,
    )


class _Routed(Struct, frozen=True, gc=False):
    record: Record
    dated: Dated | None
    schools: tuple[str, ...]
    event: Observed | None
    """None = no clock can date it: it enters the ledger and judges nothing."""


def _apply_records(
    draft: Draft, report: Report, records: Sequence[Record], schools: tuple[str, ...], received_at: float
) -> tuple[set[int], list[Rejected]]:
    """Feed records in the order in which they were observed; return the sequences applied, and those refused."""
    routed, refusals = _route_all(draft, report, records, schools, received_at)
    heard = _heard(report, received_at)
    events: dict[str, list[Event]] = {school: [heard] for school in schools}
    for each in routed:
        if each.event is not None:
            for school in each.schools:
                events[school].append(each.event)
    applied = routed
    if not draft.feed(events):
        draft.tally[metrics.STEP_BUGS] += not draft.feed({school: [heard] for school in schools})
        applied = [each for each in routed if _feed_alone(draft, each)]
        failed = {r.record.sequence for r in routed} - {r.record.sequence for r in applied}
        draft.tally[metrics.STEP_BUGS] += len(failed)
        refusals += [Rejected(sequence=n, reason="internal") for n in sorted(failed)]
    _keep(draft, report, applied)
    return {each.record.sequence for each in applied}, refusals


def _route_all(
    draft: Draft, report: Report, records: Sequence[Record], schools: tuple[str, ...], received_at: float
) -> tuple[list[_Routed], list[Rejected]]:
    late_before = received_at - draft.policy.late_after(report.report_interval_s)
    dates = date_records(report, records, received_at)
    router = Router(report.gateway, {school: draft.school(school) for school in schools}, draft.policy)
    routed: list[_Routed] = []
    refusals: list[Rejected] = []
    for record in _in_order(records, dates):
        dated, observation = dates[record.sequence], record.observation
        try:
            route = router.route(observation)
        except RefusedError as refusal:
            refusals.append(Rejected(sequence=record.sequence, reason=refusal.reason))
            if refusal.beyond is not None:
                draft.given_up.append((report.gateway, refusal.beyond, 1))
            continue
        event = None
        if dated is not None:
            event = Observed(
                gateway=report.gateway,
                observation=observation if observation.detail is None else _to_judge(observation),
                classroom=route.classroom,
                observed_at=dated.observed_at,
                late=dated.observed_at < late_before,
            )
        routed.append(_Routed(record, dated, route.schools, event))
    return routed, refusals


def _to_judge(observation: Observation) -> Observation:
    """A detail is the sender's 200 characters for whoever reads the report; no verdict and no page needs it kept."""
    return msgspec.structs.replace(observation, detail=None)


def _feed_alone(draft: Draft, each: _Routed) -> bool:
    """A bug on one record must not harm the others of its report."""
    return each.event is None or draft.feed({school: [each.event] for school in each.schools})


def _keep(draft: Draft, report: Report, applied: Sequence[_Routed]) -> None:
    """Count what was applied, and keep what of it is history."""
    undatable = estimated = late = 0
    for each in applied:
        dated, event = each.dated, each.event
        if dated is None or event is None:
            undatable += 1
            continue
        late += event.late
        if dated.quality == "good":
            draft.delays_s.append(max(0.0, draft.now - dated.observed_at))
        elif dated.quality == "estimated":
            estimated += 1
        seen = each.record.observation
        if isinstance(seen, Bandwidth):
            draft.bandwidth_results.append(_result(report, each.record, seen, dated.observed_at))
        elif isinstance(seen, Found) and (seen.what == "sweep" or seen.host):
            draft.found.append(Sighting(gateway=report.gateway, seen=seen, observed_at=dated.observed_at))
    draft.tally[metrics.RECORDS_UNDATABLE] += undatable
    draft.tally[metrics.RECORDS_ESTIMATED] += estimated
    draft.tally[metrics.RECORDS_LATE] += late


def _result(report: Report, record: Record, seen: Bandwidth, observed_at: float) -> BandwidthResult:
    return BandwidthResult(
        gateway=report.gateway,
        spool_id=report.spool_id,
        sequence=record.sequence,
        observed_at=observed_at,
        observation=seen,
    )


def _enter(  # noqa: PLR0913 - what is in a report
    draft: Draft,
    report: Report,
    known: Ledger,
    applied: set[int],
    refusals: list[Rejected],
    *,
    records: Sequence[Record],
) -> None:
    """``records``: those that were new, applied or refused."""
    spool = (report.gateway, report.spool_id)
    draft.prints.keep(spool, records)
    stored = draft.ledgers[spool][0] if spool in draft.ledgers else None
    drops = _drops(report.dropped)
    after = Ledger(
        ranges=union(known.ranges, ranges([*applied, *(r.sequence for r in refusals)])),
        applied_records=known.applied_records + len(applied),
        rejected_records=known.rejected_records + len(refusals),
        closed_through=known.closed_through,
        closed_records=known.closed_records,
        declared_drops={
            r: max(drops.get(r, 0), known.declared_drops.get(r, 0)) for r in {*drops, *known.declared_drops}
        },
        boots=with_claims(known.boots, records),
    )
    after = with_gaps_closed(after, draft.policy.ranges_per_spool_max)
    draft.ledgers[spool] = (stored, after)
    draft.refused_before[spool].update({r.sequence: r.reason for r in refusals})
    draft.refusals += [(spool, refusal) for refusal in refusals]
    if after.closed_records > known.closed_records:
        draft.tally[metrics.LEDGER_GAPS_CLOSED] += 1
        draft.given_up.append((report.gateway, "gaps", 1))
    for reason, count in after.declared_drops.items():
        draft.tally[metrics.RECORDS_DECLARED_DROPPED.labels(reason)] += count - known.declared_drops.get(reason, 0)


def _count(  # noqa: PLR0913 - what is in a report
    draft: Draft, decoded: DecodedReport, applied: set[int], new: _New, refusals: list[Rejected], *, foreign_count: int
) -> None:
    sent = _count_of(decoded)
    entered = len(applied) + len(refusals)
    draft.tally[metrics.MESSAGES_ACCEPTED] += 1
    draft.tally[metrics.MESSAGES_DUPLICATE] += sent > foreign_count and entered == 0
    draft.tally[metrics.RECORDS_ACCEPTED] += len(applied)
    draft.tally[metrics.RECORDS_UNKNOWN_KIND] += len(new.unknown_kinds)
    draft.tally[metrics.RECORDS_DUPLICATE] += sent - entered - new.closed_count - foreign_count
    if foreign_count:
        draft.tally[metrics.NUMBERS_TAKEN] += foreign_count
        draft.given_up.append((decoded.report.gateway, "numbers", foreign_count))
    if decoded.nameless_count:
        draft.tally[metrics.RECORDS_REJECTED.labels("nameless")] += decoded.nameless_count
    if new.closed_count:
        draft.tally[metrics.RECORDS_REJECTED.labels("inventory")] += new.closed_count
        draft.given_up.append((decoded.report.gateway, "late_gaps", new.closed_count))
    for refusal in refusals:
        draft.tally[metrics.RECORDS_REJECTED.labels(refusal.reason)] += 1


def _answer(spool: Spool, sent: Sequence[int], ledger: Ledger, refused: Mapping[int, str], closed_through: int) -> Ack:
    """Name what is durable and what was refused; of what lies below a gap closed before nobody knows which it was.

    An agent still holds such a record only if it was never answered, so to call it refused, and counted, is no lie.
    """
    reasons: dict[int, str] = {}
    if refused or (sent and sent[0] <= closed_through):
        reasons = {n: refused.get(n, "inventory") for n in sent if n <= closed_through or n in refused}
    return Ack(
        spool_id=spool[1],
        committed=common(ranges([n for n in sent if n not in reasons]), ledger.ranges),
        rejected=tuple(Rejected(sequence=n, reason=reason) for n, reason in reasons.items()),
    )


def spool_of(decoded: DecodedReport) -> Spool:
    return decoded.report.gateway, decoded.report.spool_id


def sequences(decoded: DecodedReport) -> list[int]:
    """All that the report names."""
    named = [r.sequence for r in decoded.records] + [r.sequence for r in decoded.rejected]
    return [*named, *decoded.unknown_kinds]


def _count_of(decoded: DecodedReport) -> int:
    return len(decoded.records) + len(decoded.unknown_kinds) + len(decoded.rejected)


def _is_empty(decoded: DecodedReport) -> bool:
    return not (_count_of(decoded) or decoded.nameless_count)


def _in_order(records: Sequence[Record], dates: Mapping[int, Dated | None]) -> Sequence[Record]:
    """By date, then by sequence; what nobody can date comes last."""
    keyed = [(dated.observed_at if (dated := dates[r.sequence]) else inf, r.sequence, r) for r in records]
    return [record for _, _, record in sorted(keyed)]


def _drops(dropped: Mapping[str, int]) -> dict[str, int]:
    """Declared drops by the reasons of our closed list, everything else under ``other``."""
    sums: dict[str, int] = {}
    for reason, count in dropped.items():
        known = reason if reason in metrics.DROP_REASONS else "other"
        sums[known] = min(sums.get(known, 0) + count, _COUNT_MAX)
    return sums
