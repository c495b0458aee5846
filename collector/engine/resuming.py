"""What the store holds of schools, and how much of the time since then nobody could have been heard."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.events import Resumed
from collector.roster import Roster
from collector.store import ledgers, lives, states
from collector.store.lives import Spans, lived_s
from collector.store.states import Stored


class Remembered(NamedTuple):
    schools: Mapping[str, Stored]
    heard_at: Mapping[str, float]
    """Gateway -> when the store last took records of it."""
    lives: Spans
    """When the collector lived, the last time as far as the store can tell."""
    read_at: float
    were_unlisted: bool
    """The collector lived all along, and let nobody report for these schools since their rows were written."""

    def resumed(self, school: str, roster: Roster) -> Resumed | None:
        """For how long nobody could be heard, as seen from what was stored of ``school``; None = it was never stored.

        Counted from when the first of its gateways that still speak was last heard, over all absences since. Where
        something came after the row was written, that is lost (a crash), and time stood still from the row on.
        """
        stored = self.schools.get(school)
        if stored is None:
            return None
        since = min(
            (g.last_committed_at for g in stored.state.gateways.values() if not g.silent), default=stored.saved_at
        )
        heard_at = max((self.heard_at.get(g, 0.0) for g in roster.schools[school].gateways), default=0.0)
        is_frozen = self.were_unlisted or heard_at > stored.saved_at
        until = stored.saved_at if is_frozen else self.read_at
        away_from = since + lived_s(self.lives, since, until)
        return Resumed(away_from=min(away_from, self.read_at), away_to=self.read_at)

    @property
    def alive_at(self) -> float:
        """When the collector last lived."""
        return self.lives[-1][1]


async def load(connection: AsyncConnection, schools: Collection[str], now: float, *, were_unlisted: bool) -> Remembered:
    """Read what is stored of ``schools``: one statement for all of them."""
    found = await states.load_schools(connection, schools)
    heard_at = await ledgers.load_heard(connection)
    *before, (since, until) = await lives.load(connection) or [(0.0, 0.0)]
    last_sign = max([until, *heard_at.values(), *(stored.saved_at for stored in found.values())])
    return Remembered(found, heard_at, [*before, (since, last_sign)], now, were_unlisted)
