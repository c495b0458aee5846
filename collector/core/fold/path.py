"""What lies on the way inside a school: switches that answer or do not, and trunks."""

from typing import Final

from msgspec.structs import replace

from classready.observation import Outcome, Port, Segment
from collector.core.events import Observed
from collector.core.evidence import SegmentReading, SwitchReading
from collector.core.folded import Folded

_ANSWERED: Final = Outcome.ANSWERED
_NO_ANSWER: Final = Outcome.NO_ANSWER


def switch(folded: Folded, event: Observed, seen: Port) -> None:
    """All ports of one poll carry the same time: the first of them tells whether the switch answered."""
    # one that was not asked (no credentials, no time) is neither reachable nor silent
    reachable = seen.outcome is _ANSWERED
    if seen.switch is None or not (reachable or seen.outcome is _NO_ANSWER):
        return
    key = f"{event.gateway}/{seen.switch}"
    before = folded.state.switches.get(key)
    if before is not None and not folded.is_newer(event.observed_at, before.observed_at):
        return
    after = SwitchReading(
        observed_at=event.observed_at,
        gateway=event.gateway,
        late=event.late,
        switch=seen.switch,
        reachable=reachable,
    )
    was_reachable = before is None or before.reachable
    if reachable is not was_reachable:
        folded.everybody = True
    elif not reachable:
        # what hangs on a switch is excused only while its silence is fresh
        folded.everybody |= before is None or not folded.is_fresh(before.observed_at, event.gateway)
    folded.put("switches", key, after)


def segment(folded: Folded, event: Observed, seen: Segment) -> None:
    """A name with a colon is of the switch before it (docs/wire.md)."""
    key = f"{event.gateway}/{seen.name}"
    before = folded.state.segments.get(key)
    if seen.outcome is not _ANSWERED:
        return
    if not folded.is_newer(event.observed_at, before.observed_at if before else None):
        return
    # an access point has no switch in its name: all rooms of the gateway may be on it
    owner, colon, _ = seen.name.partition(":")
    after = SegmentReading(
        observed_at=event.observed_at,
        gateway=event.gateway,
        late=event.late,
        seen=seen if seen.switches is None else replace(seen, switches=None),
        switches=tuple(dict.fromkeys((owner, *(seen.switches or ())))) if colon else None,
    )
    same = before is not None and _facts(before) == _facts(after)
    folded.everybody |= not (same and folded.is_port_valid(before.observed_at if before else None))
    folded.put("segments", key, after)


def _facts(reading: SegmentReading) -> tuple[object, ...]:
    return reading.switches, reading.seen.speed_bps, reading.seen.full_duplex, reading.seen.if_name
