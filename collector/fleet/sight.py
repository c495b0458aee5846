"""What the schools' states tell of the gateways themselves."""

from collections.abc import Iterable, Iterator, Mapping

from collector.core.evidence import GatewayState
from collector.core.state import School
from collector.fleet.staging import Seen, Told


def heard(gateway: str, names: Iterable[str], schools: Mapping[str, School]) -> GatewayState | None:
    """Return the newest of what the schools ``names`` have of ``gateway``; None = it never reported."""
    found = [
        state
        for name in names
        if (school := schools.get(name)) and (state := school.state.gateways.get(gateway)) is not None
    ]
    return max(found, key=lambda state: state.last_committed_at, default=None)


def sightings(listed: Iterable[tuple[str, tuple[str, ...]]], schools: Mapping[str, School]) -> Iterator[Seen]:
    """Yield what an upgrade has to know of each gateway; ``listed``: (gateway, its schools)."""
    for gateway, names in listed:
        state = heard(gateway, names, schools)
        box = state.box if state else None
        told = box.upgrade if box else None
        yield Seen(
            gateway=gateway,
            office=office_of(names, schools),
            release=box.release if box else None,
            heard_at=state.last_committed_at if state else None,
            interval_s=state.report_interval_s if state else 0.0,
            is_silent=state is None or state.silent,
            told=Told(told.version, told.asked_at, told.state, told.reason) if told else None,
        )


def office_of(names: Iterable[str], schools: Mapping[str, School]) -> str:
    """The office of the first school; a gateway of several has them in one place."""
    return next((schools[name].roster.office for name in names if name in schools), "")
