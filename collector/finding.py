"""What was found in the networks of some schools, put together and acted upon: for the page, the table and the API."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct

from classready.observation import community_digest
from collector.configuring.words import Device
from collector.core.confirming import Choice, Problem, confirm
from collector.core.placing import Room
from collector.core.proposals import Proposals, Target, propose, rooms_of
from collector.core.roster import SchoolRoster
from collector.core.state import School
from collector.engine import CommitFailedError
from collector.text import Language, say
from collector.views import Bureau
from collector.views.found import Finds, FoundGatewayView, shown_found

COUNTED_AT_ONCE = 100
PAUSE_S = 0.1
COUNT_EVERY_S = 15.0

Schools = Callable[[], Mapping[str, School]]


class Refused(Exception):  # noqa: N818 - what a person said, not an error of ours
    """Nothing was changed, for each of these reasons."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Found(Struct, frozen=True):
    """Of some gateways, by their names."""

    proposals: Mapping[str, Proposals]
    rooms: Mapping[str, Sequence[Room]]
    schools: Mapping[str, Sequence[SchoolRoster]]


def gateways_of(known: Mapping[str, School], schools: Iterable[str]) -> list[str]:
    """The gateways that serve ``schools``, of those that are ``known``."""
    served = (known[school].roster.gateways for school in schools if school in known)
    return sorted({gateway for gateways in served for gateway in gateways})


async def look(finds: Finds, schools: Mapping[str, School], gateways: Collection[str]) -> Found:
    """What was found by ``gateways``, with proposals. Raises what the store raises."""
    sights = await finds.of(gateways)
    served = _served(schools, gateways)
    targets = {gateway: finds.targets(gateway) for gateway in served}

    def proposed() -> dict[str, Proposals]:
        return {
            gateway: propose(gateway, own, sights.get(gateway, ()), targets[gateway]) for gateway, own in served.items()
        }

    # a gateway may have named 30,000 ports: nobody else waits for them to be read
    proposals = await asyncio.to_thread(proposed)
    return Found(proposals, {gateway: rooms_of(own) for gateway, own in served.items()}, served)


def _served(schools: Mapping[str, School], gateways: Collection[str]) -> dict[str, list[SchoolRoster]]:
    """Gateway -> the schools that it serves."""
    served: dict[str, list[SchoolRoster]] = {gateway: [] for gateway in gateways}
    for school in schools.values():
        for gateway in school.roster.gateways:
            if gateway in served:
                served[gateway].append(school.roster)
    return served


def shown(bureau: Bureau, found: Found, language: Language) -> list[FoundGatewayView]:
    return [
        shown_found(
            proposals,
            [school.school for school in found.schools[gateway]],
            bureau.finds,
            found.rooms[gateway],
            language,
        )
        for gateway, proposals in sorted(found.proposals.items())
    ]


# --- acts -----------------------------------------------------------------------------------------------------------


async def confirm_all(bureau: Bureau, choices: Sequence[Choice], by: str, language: Language) -> int:
    """Have gateways measure what ``choices`` say; all of it, or nothing. Return how many.

    Raises:
        Refused: somebody's mistakes.
        CommitFailedError, StoreAwayError: nothing was changed.
    """
    gateways = {choice.gateway for choice in choices}
    found = await look(bureau.finds, bureau.schools(), gateways)
    listed = {gateway: each for gateway, each in found.proposals.items() if found.schools[gateway]}
    made = confirm(choices, listed, found.rooms, _communities(bureau, gateways))
    if made.problems:
        raise Refused([problem_text(problem, language) for problem in made.problems])
    now = bureau.clock()
    devices = [_device(gateway, target, by, now) for gateway, target in made.targets]
    try:
        await bureau.finds.put(devices, now)
    except ValueError as error:  # the engine's own look at what it is given
        raise Refused([say("found.fault.refused", language, what=error)]) from None
    return len(devices)


def _device(gateway: str, target: Target, by: str, now: float) -> Device:
    return Device(gateway=gateway, name=str(target["name"]), target=target, confirmed_by=by, confirmed_at=now)


def _communities(bureau: Bureau, gateways: Iterable[str]) -> dict[str, str]:
    given = {each for gateway in gateways for each in bureau.finds.communities(gateway) or ()}
    return {community_digest(community): community for community in given}


def problem_text(problem: Problem, language: Language) -> str:
    return say(f"found.fault.{problem.fault}", language, host=problem.choice.host, what=problem.what)


async def release(bureau: Bureau, names: Mapping[str, Collection[str]], by: str) -> int:
    """Have gateways measure these confirmed targets no more. Return how many.

    Raises:
        CommitFailedError: not all were released; those that were stay so.
    """
    count = 0
    for gateway, given in names.items():
        own = [device.name for device in bureau.finds.devices(gateway) if device.name in given]
        if own:
            await bureau.finds.remove(gateway, own, bureau.clock(), by)
            count += len(own)
    return count


# --- counts ---------------------------------------------------------------------------------------------------------


class _Counted(NamedTuple):
    revision: int
    version: str | None
    schools: Sequence[SchoolRoster]
    open_count: int


class OpenCounts:
    """How many of each gateway wait to be assigned; only what changed since is counted again."""

    def __init__(self, finds: Finds, schools: Schools) -> None:
        self._finds, self._schools = finds, schools
        self._known: dict[str, _Counted] = {}

    def known(self, gateway: str) -> int | None:
        """As it was counted last; None = not yet."""
        counted = self._known.get(gateway)
        return counted.open_count if counted else None

    async def of(self, gateways: Collection[str]) -> dict[str, int]:
        """Gateway -> count. Raises what the store raises."""
        served = _served(self._schools(), gateways)
        fresh = {g: (self._finds.revision(g), self._finds.version(g), served[g]) for g in gateways}
        stale = [g for g in gateways if g not in self._known or self._known[g][:3] != fresh[g]]
        if stale:
            found = await look(self._finds, self._schools(), stale)
            self._known |= {g: _Counted(*fresh[g], found.proposals[g].open_count) for g in stale}
        return {gateway: self._known[gateway].open_count for gateway in gateways}

    async def of_schools(self, schools: Iterable[str]) -> dict[str, int]:
        """School -> how many wait at the gateways that serve it."""
        own = {school: gateways_of(self._schools(), [school]) for school in schools}
        counts = await self.of({gateway for gateways in own.values() for gateway in gateways})
        return {school: sum(counts[gateway] for gateway in gateways) for school, gateways in own.items()}

    async def run(self) -> None:
        """Count what changed, some gateways at a time, until cancelled: the fleet shows what is known."""
        while True:
            gateways = sorted({gateway for each in self._schools().values() for gateway in each.roster.gateways})
            self._known = {gateway: counted for gateway, counted in self._known.items() if gateway in set(gateways)}
            for some in range(0, len(gateways), COUNTED_AT_ONCE):
                with suppress(CommitFailedError):
                    await self.of(gateways[some : some + COUNTED_AT_ONCE])
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(COUNT_EVERY_S)
