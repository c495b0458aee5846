"""Small valid records for tests of what carries them."""

from classready.observation import Outcome, Ping
from classready.report import Record


def ping_record(*, monotonic_s=0.0, wall_s=None, target="p1", detail=None):
    """Return a record as the runner makes it: not yet numbered. A given ``wall_s`` is good."""
    return Record(
        sequence=1,
        boot_id="0" * 32,
        monotonic_s=monotonic_s,
        wall_s=wall_s,
        clock_quality="unknown" if wall_s is None else "good",
        observation=Ping(target=target, outcome=Outcome.ANSWERED, sent_count=1, received_count=1, detail=detail),
    )
