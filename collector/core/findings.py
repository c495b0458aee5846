"""What is bad? Decided here and nowhere else: a room's causes, its verdicts and the alerts all read findings.

A finding is about one subject and cause: ``yes``, ``no``, or ``unknown`` where the evidence is missing, too old or in
doubt. Unknown neither raises nor clears anything. Where there is no evidence at all there is no finding.
"""

from collections.abc import Mapping

from msgspec import Struct

from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause, Direction, LinkState, VerdictValue

PORT_CAUSES = (Cause.PORT_BELOW_REQUIRED, Cause.PORT_HALF_DUPLEX)
LINK_CAUSES = (
    Cause.UPLINK_BELOW_REQUIRED,
    Cause.EXIT_BELOW_REQUIRED,
    Cause.SEGMENT_BELOW_REQUIRED,
    *PORT_CAUSES,
)
"""A room that has one of these has not what is required."""

BAD: Mapping[LinkState, VerdictValue] = {"short": "yes", "enough": "no", "unknown": "unknown"}
"""What the state of a capacity is as a finding."""


class Finding(Struct, frozen=True, kw_only=True):
    """``bad`` of ``cause`` at ``subject``. Rates are bit/s; None = not known, or none.

    ``evidence_at`` is when the newest evidence that decides was observed: streaks move only when it moves. ``gateway``
    is whose observation period counts.
    """

    subject: Subject
    cause: Cause
    bad: VerdictValue
    gateway: str
    evidence_at: float | None = None
    since: float | None = None
    """When the evidence first was bad, where the subject itself remembers it."""
    late: bool = False
    classrooms: tuple[str, ...] = ()
    measured: float | None = None
    limit: float | None = None
    direction: Direction | None = None
    place: str | None = None
    """The port that it is about, for whoever goes there; see ``AlertChange``."""
    half_duplex: bool = False
    in_doubt: bool = False
    """It holds, and it is too early to tell: by tests that lie close together, or a silence that may be a night's."""
    explained: bool = False
    """It holds, and another finding about the same subject already tells it: it is shown, and no alert of its own."""


def required_bps(policy: Policy, direction: Direction) -> float:
    """What a finding about a capacity is measured against."""
    bps = policy.required_down_bps if direction == "down" else policy.required_up_bps
    return float(bps or 0)
