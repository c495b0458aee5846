"""What the store holds of schools, and since when it may be out of date."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.core.events import Resumed
from collector.roster import Roster
from collector.store import heartbeat, ledgers, states
from collector.store.states import Stored


class Remembered(NamedTuple):
    schools: Mapping[str, Stored]
    heard_at: Mapping[str, float]
    """Gateway -> when the store last took records of it."""
    alive_at: float
    """When the collector last lived, as far as the store can tell."""
    read_at: float

    def resumed(self, school: str, roster: Roster) -> Resumed | None:
        """For how long nobody could be heard, as seen from what was stored of ``school``; None = it was never stored.

        Where something came after the row was written, that is lost (a crash), and time stood still from the row on.
        Where nothing came, the row was true until the collector's end.
        """
        stored = self.schools.get(school)
        if stored is None:
            return None
        heard_at = max((self.heard_at.get(g, 0.0) for g in roster.schools[school].gateways), default=0.0)
        away_from = stored.saved_at if heard_at > stored.saved_at else max(stored.saved_at, self.alive_at)
        return Resumed(away_from=min(away_from, self.read_at), away_to=self.read_at)


async def load(connection: AsyncConnection, schools: Collection[str], now: float) -> Remembered:
    """Read what is stored of ``schools``: one statement for all of them."""
    found = await states.load_schools(connection, schools)
    heard_at = await ledgers.load_heard(connection)
    signs_of_life = [await heartbeat.last_beat(connection), *heard_at.values(), *(s.saved_at for s in found.values())]
    return Remembered(found, heard_at, max(signs_of_life), now)
