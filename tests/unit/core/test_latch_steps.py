"""达标, one judgement at a time: what becomes of a latch by a shortfall, by enough, and by age; dates and days, too."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.case import Case, case_of, shared
from collector.core.compliance import aged, compliant, latched
from collector.core.evidence import GatewayState
from collector.core.findings import Finding
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, Latch, School, SchoolState
from collector.core.subject import Subject
from collector.core.verdict import Link
from collector.core.words import Cause, LinkState
from tests.support.school import GATEWAY, POLICY, at, school

THU, FRI, SAT, MON, TUE = ("2026-11-19", "2026-11-20", "2026-11-21", "2026-11-23", "2026-11-24")
NOW = at(f"{TUE} 10:00")
BEFORE = at(f"{MON} 10:00")
PORT, UPLINK = Cause.PORT_BELOW_REQUIRED, Cause.UPLINK_BELOW_REQUIRED


def known(**fields: Any) -> School:
    heard = GatewayState(first_committed_at=0.0, last_committed_at=NOW, report_interval_s=60.0)
    room = ClassroomState(gateway=GATEWAY, **fields)
    return replace(school(), state=SchoolState(gateways={GATEWAY: heard}, classrooms={"r1": room}))


def case(now: float = NOW, awake_at: float | None = None) -> Case:
    told = known(last_awake_at=awake_at)
    found = case_of(shared(told, now, POLICY), told.roster.classrooms["r1"])
    assert found is not None
    return found


def link(state: LinkState = "unknown", evidence_at: float = NOW) -> Link:
    return Link(bases={}, state=state, uplink_known=True, grade=None, evidence_at=evidence_at)


def bad(cause: Cause = UPLINK, evidence_at: float | None = NOW, **fields: Any) -> Finding:
    subject = Subject("classroom", name="r1")
    return Finding(subject=subject, cause=cause, bad="yes", gateway=GATEWAY, evidence_at=evidence_at, **fields)


YES = Latch(value="yes", since=1.0, evidence_at=BEFORE)
NO = Latch(value="no", since=1.0, evidence_at=BEFORE, short_days=(FRI, MON))


def short(prior: Latch, when: float = NOW) -> Latch:
    return latched(case(), prior, link("short"), [bad(evidence_at=when)])


def enough(prior: Latch, when: float = NOW, awake_at: float | None = None) -> Latch:
    return latched(case(awake_at=when if awake_at is None else awake_at), prior, link("enough", when), [])


@pytest.mark.parametrize(
    ("prior", "when", "expected"),
    [
        pytest.param(YES, NOW, replace(YES, short_days=(TUE,)), id="a first day"),
        pytest.param(
            replace(YES, short_days=(MON,)), NOW,
            Latch(value="no", since=NOW, evidence_at=NOW, short_days=(MON, TUE)), id="a second day",
        ),
        pytest.param(
            replace(YES, short_days=(TUE,)), NOW, replace(YES, short_days=(TUE,)),
            id="the same day again: it keeps no yes young",
        ),
        pytest.param(
            replace(YES, short_days=(FRI,), good_days=(MON,)), NOW, replace(YES, short_days=(TUE,)),
            id="a good day lies between: only the last one counts",
        ),
        pytest.param(
            replace(YES, short_days=(MON,), good_days=(TUE,)), NOW,
            Latch(value="no", since=NOW, evidence_at=NOW, short_days=(MON, TUE)),
            id="good this morning is no good day",
        ),
        pytest.param(
            replace(YES, short_days=(MON,)), at(f"{SAT} 10:00"), replace(YES, short_days=(MON,)),
            id="a Saturday speaks against nobody",
        ),
        pytest.param(
            replace(NO, good_days=(TUE,)), BEFORE + 60, replace(NO, good_days=(TUE,), evidence_at=BEFORE + 60),
            id="more of a day that is known takes no good day away",
        ),
        pytest.param(NO, BEFORE - 60, NO, id="older evidence of it"),
        pytest.param(
            NO, NOW, replace(NO, evidence_at=NOW, short_days=(MON, TUE)), id="a further day: it is no for as long"
        ),
        pytest.param(
            replace(NO, short_days=(THU, FRI), good_days=(MON,)), NOW,
            replace(NO, short_days=(FRI, TUE), evidence_at=NOW), id="the good days begin anew",
        ),
        pytest.param(Latch(), NOW, Latch(short_days=(TUE,)), id="it was never known"),
        pytest.param(
            Latch(short_days=(MON,)), NOW, Latch(value="no", since=NOW, evidence_at=NOW, short_days=(MON, TUE)),
            id="it was never known: a second day",
        ),
    ],
)  # fmt: skip
def test_what_a_shortfall_does(prior: Latch, when: float, expected: Latch) -> None:
    assert short(prior, when) == expected


REGAINED = Latch(
    value="yes", since=at(f"{TUE} 08:30"), evidence_at=at(f"{TUE} 08:30"), short_days=(THU, FRI), good_days=(MON, TUE)
)


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        pytest.param(REGAINED, "no", id="given back this very morning: the second day was no good one"),
        pytest.param(replace(REGAINED, since=BEFORE), "yes", id="given back on a day before"),
        pytest.param(replace(REGAINED, short_days=(FRI,)), "yes", id="it never was taken away"),
        pytest.param(replace(REGAINED, since=None), "yes", id="nobody knows since when"),
    ],
)
def test_a_shortfall_on_the_day_on_which_it_was_given_back(prior: Latch, expected: str) -> None:
    assert short(prior).value == expected


@pytest.mark.parametrize(
    ("prior", "when", "expected"),
    [
        pytest.param(Latch(), NOW, Latch(value="yes", since=NOW, evidence_at=NOW), id="the first proof counts at once"),
        pytest.param(
            Latch(short_days=(MON,)), NOW, Latch(value="yes", since=NOW, evidence_at=NOW), id="after a short day, too"
        ),
        pytest.param(YES, NOW, replace(YES, evidence_at=NOW), id="it stays young"),
        pytest.param(YES, BEFORE - 60, YES, id="by what is newer alone"),
        pytest.param(
            replace(YES, short_days=(FRI,)), NOW, replace(YES, short_days=(FRI,), good_days=(TUE,), evidence_at=NOW),
            id="good days are counted against short ones",
        ),
        pytest.param(
            replace(YES, short_days=(THU,), good_days=(FRI, MON)), NOW,
            replace(YES, short_days=(THU,), good_days=(MON, TUE), evidence_at=NOW), id="so many of them",
        ),
        pytest.param(
            replace(YES, short_days=(TUE,)), NOW, replace(YES, short_days=(TUE,), evidence_at=NOW),
            id="a day that was short is none",
        ),
        pytest.param(
            replace(YES, short_days=(FRI,), good_days=(TUE,)), NOW,
            replace(YES, short_days=(FRI,), good_days=(TUE,), evidence_at=NOW), id="each day once",
        ),
        pytest.param(
            replace(YES, short_days=(FRI,)), at(f"{SAT} 10:00"), replace(YES, short_days=(FRI,)),
            id="a Saturday is no good day",
        ),
        pytest.param(NO, NOW, replace(NO, good_days=(TUE,)), id="a first good day gives nothing back"),
        pytest.param(replace(NO, short_days=(MON, TUE)), NOW, replace(NO, short_days=(MON, TUE)), id="nor a short one"),
        pytest.param(
            replace(NO, short_days=(THU, FRI), good_days=(MON,)), NOW,
            Latch(value="yes", since=NOW, evidence_at=NOW, short_days=(THU, FRI), good_days=(MON, TUE)), id="a second",
        ),
    ],
)  # fmt: skip
def test_what_enough_does(prior: Latch, when: float, expected: Latch) -> None:
    assert enough(prior, when) == expected


@pytest.mark.parametrize(
    ("findings", "link_", "awake_at", "expected"),
    [
        pytest.param([bad()], link(), None, replace(YES, short_days=(TUE,)), id="short"),
        pytest.param([bad(evidence_at=BEFORE), bad()], link(), None, replace(YES, short_days=(TUE,)), id="the newest"),
        pytest.param([bad(), bad(evidence_at=BEFORE)], link(), None, replace(YES, short_days=(TUE,)), id="any order"),
        pytest.param([bad(in_doubt=True)], link(), None, YES, id="it is too early to tell"),
        pytest.param([bad(evidence_at=None)], link(), None, YES, id="nobody knows when"),
        pytest.param([bad(Cause.PLATFORM_UNREACHABLE)], link(), None, YES, id="a platform is no capacity"),
        pytest.param([bad(PORT)], link(), None, replace(YES, short_days=(TUE,)), id="a port, in a lesson"),
        pytest.param([bad(PORT, at(f"{TUE} 07:00"))], link(), None, YES, id="a port before lessons: boards sleep"),
        pytest.param([bad(UPLINK, at(f"{TUE} 07:00"))], link(), None, replace(YES, short_days=(TUE,)), id="a line"),
        pytest.param([bad(Cause.DEVICE_ABSENT, None)], link(), None, replace(YES, short_days=(TUE,)), id="no board"),
        pytest.param([bad(Cause.DEVICE_ABSENT, None)], link("enough"), NOW, replace(YES, short_days=(TUE,)),
                     id="no board, and the line is well"),
        pytest.param([], link("enough"), NOW, replace(YES, evidence_at=NOW), id="enough, and the board was on"),
        pytest.param([], link("enough", BEFORE + 1), BEFORE, replace(YES, evidence_at=BEFORE + 1), id="by the newer"),
        pytest.param([], link("enough", BEFORE), NOW, replace(YES, evidence_at=NOW), id="by the board"),
        pytest.param([], link("enough"), None, YES, id="enough, and the board was never on"),
        pytest.param([], link("enough"), at("2026-10-20 10:00"), YES, id="it was on a term ago"),
        pytest.param([], link("unknown"), NOW, YES, id="nothing is known"),
        pytest.param([], link("short"), NOW, YES, id="short, and nobody can say by what"),
    ],
)  # fmt: skip
def test_what_counts(findings: list[Finding], link_: Link, awake_at: float | None, expected: Latch) -> None:
    """Unknown never changes it, and what may be a night's or a passing thing takes nothing away."""
    assert latched(case(awake_at=awake_at), YES, link_, findings) == expected


LAST = at("2026-10-27 09:00")
"""Twenty school days before the Tuesday."""
OLD = at("2026-10-26 09:00")


@pytest.mark.parametrize(
    ("latch", "awake_at", "is_kept"),
    [
        pytest.param(replace(YES, evidence_at=LAST), NOW, True, id="twenty school days old"),
        pytest.param(replace(YES, evidence_at=OLD), NOW, False, id="a day more"),
        pytest.param(replace(NO, evidence_at=OLD), NOW, False, id="a no, too"),
        pytest.param(YES, OLD, False, id="the line is tested, and the board was last on a term ago"),
        pytest.param(YES, LAST, True, id="it was on within twenty school days"),
        pytest.param(NO, OLD, True, id="a no needs no board"),
        pytest.param(YES, None, True, id="nobody knows when the board was on"),
        pytest.param(Latch(evidence_at=OLD, short_days=(MON,)), NOW, True, id="what is not known does not age"),
        pytest.param(Latch(value="yes", short_days=(MON,)), OLD, True, id="nor what has no date"),
    ],
)
def test_what_age_does(latch: Latch, awake_at: float | None, is_kept: bool) -> None:  # noqa: FBT001 - a table
    told = known(last_awake_at=awake_at, latch=latch)
    kept = aged(told, told.state.classrooms["r1"], NOW, POLICY)
    assert kept == (latch if is_kept else Latch(since=NOW))


def test_an_exempt_room_is_shown_as_that() -> None:
    """Whatever is known of it."""
    state = ClassroomState(latch=NO)
    assert compliant(Classroom(id="r1"), state) == "no"
    assert compliant(Classroom(id="r1", exempt="改造"), state) == "exempt"
