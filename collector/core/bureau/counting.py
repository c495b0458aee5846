"""When an office's schools are counted, and when what was found is told: once a school day, with the digest."""

from msgspec.structs import replace

from collector.core.bureau.morning import another_day, next_morning
from collector.core.bureau.noteworthy import AGAIN_AFTER_S, noteworthy, said
from collector.core.bureau.words import Morning, Since
from collector.core.census import Census
from collector.core.policy import Policy
from collector.core.roster import Hours


def begun(now: float) -> Morning:
    """The first census is another day's: of what is there when the counting begins nobody knows how new it is."""
    return Morning(census_at=now, digest_at=now)


def due_at(morning: Morning, hours: Hours, now: float, policy: Policy) -> float | None:
    """When to take the next census; None = no school days are known."""
    if not hours.midnights:
        return None
    return next_morning(hours, another_day(hours, morning.census_at), now, policy)


def taken(morning: Morning, census: Census, since: Since, due_at: float, now: float) -> Morning:
    """A census was taken that was due. What was fixed is told with it at the latest a week after the last digest.

    What came and went while a gateway was cut off nobody was told of at all: it is told on the next morning.
    """
    remembered, groups = noteworthy(census, morning.remembered, now)
    is_time = bool(since.fixed) and now - morning.digest_at >= AGAIN_AFTER_S
    # of the morning that it was due, a moment later is the next one's
    wanted_at = due_at if groups or since.meanwhile or is_time else None
    return replace(morning, census_at=now, remembered=remembered, groups=groups, wanted_at=wanted_at)


def told(morning: Morning, now: float) -> Morning:
    remembered = said(morning.remembered, morning.groups, morning.census_at)
    return replace(morning, digest_at=now, remembered=remembered, groups=(), wanted_at=None)


def not_ahead(morning: Morning, now: float) -> Morning:
    """The clock was ahead when this was written: nothing is put off by it for longer than a day."""
    wanted_at = None if morning.wanted_at is None else min(morning.wanted_at, now)
    remembered = {
        kind: replace(each, said_at=None if each.said_at is None else min(each.said_at, now))
        for kind, each in morning.remembered.items()
    }
    return replace(
        morning,
        census_at=min(morning.census_at, now),
        digest_at=min(morning.digest_at, now),
        remembered=remembered,
        wanted_at=wanted_at,
    )
