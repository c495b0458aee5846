"""Gateways that no file lists and that enrolled: they stand beside those of the files, which win where both speak."""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256

from msgspec.structs import replace

from collector.roster.files import GatewayEntry
from collector.roster.loading import Roster


def with_enrolled(roster: Roster, enrolled: Iterable[tuple[str, str]]) -> Roster:
    """Add each (gateway, school) whose school is listed and whose gateway is not."""
    new = {
        gateway: GatewayEntry(id=gateway, schools=(school,))
        for gateway, school in enrolled
        if gateway not in roster.gateways and school in roster.schools
    }
    if not new:
        return roster
    schools = dict(roster.schools)
    for entry in new.values():
        listed = schools[entry.schools[0]]
        schools[listed.school] = replace(listed, gateways=(*listed.gateways, entry.id))
    return replace(roster, schools=schools, gateways={**roster.gateways, **new})


def gateways_of(roster: Roster, schools: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return school -> the gateways that it has, or the name of the one that it gets when it enrols."""
    alike = Counter(school.lower() for school in roster.schools)
    return {school: roster.schools[school].gateways or (_new_name(roster, alike, school),) for school in schools}


def may_speak_for(roster: Roster, gateway: str, school: str) -> bool:
    """Whether a token that was given for ``school`` is one of ``gateway``: a file may have given the name away."""
    listed = roster.gateways.get(gateway)
    return school in roster.schools if listed is None else school in listed.schools


def _new_name(roster: Roster, alike: Mapping[str, int], school: str) -> str:
    """By the school, and where another one has that name, or could get it, by a digest of the school, too.

    ``alike``: how many schools have an id in small letters: ids may differ by capitals, which gateways do not have.
    """
    plain = f"gw-{school.lower()}"
    if alike[school.lower()] == 1 and plain not in roster.gateways:
        return plain
    digest = sha256(school.encode()).hexdigest()
    # A gateway's name has 40 characters at most, and a school's 32.
    names = (f"{plain}-{digest[start : start + 4]}" for start in range(0, len(digest), 4))
    return next(name for name in names if name not in roster.gateways and not alike.get(name.removeprefix("gw-")))
