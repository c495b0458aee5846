"""What stands: every open alert that its office was told of, for whoever must be told again and again."""

from collections.abc import Iterator, Mapping

from collector.core.bureau.groups import joined_root
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Bureau, Notice


def standing(bureau: Bureau, scopes: Mapping[str, Scope], now: float) -> Iterator[Notice]:
    """One for each incident, as if it opened with all that is open and was told."""
    for office, desk in bureau.desks.items():
        for incident in desk.incidents.values():
            held = [member for members in incident.schools.values() for member in members if member.is_open]
            told = tuple(member.alert for member in held if member.told is not None)
            if not told:
                continue
            root = joined_root(incident, scopes.get(office, Scope()))
            yield Notice(
                kind="opened",
                incident=incident.id,
                office=incident.office,
                cause=incident.cause,
                at=now,
                since=incident.since,
                members=told,
                actor=root.actor,
                root_name=root.name,
            )
