"""Whether a platform is reachable: the one definition. Findings, the rooms' clause, pages and metrics read it."""

from collections.abc import Iterable

from collector.core.age import is_fresh
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.words import VerdictValue


def platform_state(school: School, platform: str, gateway: str, now: float, policy: Policy) -> VerdictValue:
    """Whether a platform is reachable from ``gateway``: every target that is fetched over HTTP must answer.

    A lesson's page whose videos do not come is no lesson. Where the platform itself is at fault (``platform_faults``),
    no school is to blame, and no room is called ready for what others miss.
    """
    if platform in school.state.platform_faults:
        return "unknown"
    return reached(school, platform, gateway, now, policy)


def reached(school: School, platform: str, gateway: str, now: float, policy: Policy) -> VerdictValue:
    """The same by what is seen here alone: whoever reaches it again says so, and so a platform's own fault ends."""
    readings = [school.state.platforms.get(f"{gateway}/{t}") for t in school.roster.platforms.get(platform, ())]
    # a target that is only pinged is no part of the answer: many networks drop echo requests
    fetched = [reading and reading.http for reading in readings if reading is None or reading.http is not None]
    ups = [http.up if http and is_fresh(school, http.observed_at, gateway, now, policy) else None for http in fetched]
    if False in ups:
        return "no"
    return "unknown" if not ups or None in ups else "yes"


def platform_over_gateways(school: School, platform: str, now: float, policy: Policy) -> VerdictValue:
    """The worst over the gateways that look at the platform at all."""
    targets = school.roster.platforms.get(platform, ())
    # a gateway without that probe does not make the platform unknown for the school
    looking = {reading.gateway for reading in school.state.platforms.values() if reading.target in targets}
    states = [platform_state(school, platform, g, now, policy) for g in school.roster.gateways if g in looking]
    return every(states) if states else "unknown"


def every(values: Iterable[VerdictValue]) -> VerdictValue:
    """Any no -> no, else any unknown -> unknown, else yes."""
    found = set(values)
    if "no" in found:
        return "no"
    return "unknown" if "unknown" in found else "yes"
