"""Gateways that no file lists and that enrolled: they stand beside those of the files, which win where both speak."""

from collections.abc import Iterable

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


def gateways_of(roster: Roster, school: str) -> tuple[str, ...]:
    """Return the gateways that ``school`` has, or the name of the one that it gets when it enrols."""
    return roster.schools[school].gateways or (_new_name(roster, school),)


def may_speak_for(roster: Roster, gateway: str, school: str) -> bool:
    """Whether a token that was given for ``school`` is one of ``gateway``: a file may have given the name away."""
    listed = roster.gateways.get(gateway)
    return school in roster.schools if listed is None else school in listed.schools


def _new_name(roster: Roster, school: str) -> str:
    """Schools may differ by capitals, which gateways do not have: then the later has a number behind its name."""
    name = f"gw-{school.lower()}"
    alike = sorted(other for other in roster.schools if other.lower() == school.lower())
    number = alike.index(school) + 1
    name = name if number == 1 else f"{name}-{number}"
    while name in roster.gateways:
        name = f"{name}x"
    return name
