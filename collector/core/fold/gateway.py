"""A gateway that reports: it is not silent."""

from collector.core.events import Heard
from collector.core.evidence import GatewayState
from collector.core.folded import Folded


def hear(folded: Folded, event: Heard) -> None:
    """Where it was silent, or announces another interval, all that it told is looked at anew."""
    before = folded.state.gateways.get(event.gateway)
    heard = GatewayState(
        first_committed_at=before.first_committed_at if before else folded.now,
        last_committed_at=folded.now,
        report_interval_s=event.report_interval_s,
        clock_skew_s=event.clock_skew_s,
        spool_records=event.spool_records,
        agent_version=event.agent_version,
        dropped_records=event.dropped_records,
        box=event.box,
    )
    folded.hear(event.gateway, heard)
    # how old its evidence may be is counted in its intervals, so another interval makes evidence stale or fresh again
    same = before is not None and not before.silent and before.report_interval_s == event.report_interval_s
    folded.everybody |= not same
