"""Another roster, or other hours, for a school."""

from msgspec.structs import replace

from collector.core import alerts
from collector.core.events import RosterChanged
from collector.core.folded import Folded


def relist(folded: Folded, event: RosterChanged) -> None:
    """Take over the new roster; what it no longer lists is forgotten, what it now lists is no longer unlisted.

    A school that moved to another office takes along what is open: the old one is told so, the new one anew.
    """
    school, roster = folded.school, event.roster
    # what is open stays open, untold: the new office hears of it with the next judgement, the old one is rid of it
    if school.roster.office != roster.office:
        school, folded.taken_back = alerts.taken_back(school, folded.now, "moved")
    state = school.state
    state = replace(
        state,
        gateways={k: v for k, v in state.gateways.items() if k in roster.gateways},
        uplinks={k: v for k, v in state.uplinks.items() if v.gateway in roster.gateways},
        paths={
            k: v for k, v in state.paths.items() if v.gateway in roster.gateways and v.classroom in roster.classrooms
        },
        switches={k: v for k, v in state.switches.items() if v.gateway in roster.gateways},
        segments={k: v for k, v in state.segments.items() if v.gateway in roster.gateways},
        platforms={k: v for k, v in state.platforms.items() if v.gateway in roster.gateways},
        classrooms={k: v for k, v in state.classrooms.items() if k in roster.classrooms},
        meanwhile={k: v for k, v in state.meanwhile.items() if k in roster.gateways},
        unlisted={k: v for k, v in state.unlisted.items() if k not in roster.classrooms},
    )
    folded.become(replace(school, roster=roster, hours=event.hours, state=state))
    folded.everybody = True
