"""Whether somebody is told: by the days of an observation, the seconds of a hold and the moments of a window."""

import pytest
from msgspec.structs import replace

from collector.core.evidence import GatewayState
from collector.core.mute import is_muted, is_observing, mutes_at, silence_held_until
from collector.core.policy import Policy
from collector.core.roster import Hours, Mute
from collector.core.state import Away, School, SchoolState
from collector.core.subject import Subject
from tests.support.school import GATEWAY, at, school

POLICY = Policy(observation_school_days=2)
TEN = at("2026-11-23 10:00")


def heard(at_: float = TEN) -> GatewayState:
    return GatewayState(first_committed_at=at_, last_committed_at=at_, report_interval_s=60.0, silent=True)


def county(gateway: GatewayState | None = None, **fields: object) -> School:
    gateways = {} if gateway is None else {GATEWAY: gateway}
    return replace(school(), state=SchoolState(gateways=gateways), **fields)


@pytest.mark.parametrize(
    ("clock", "observed"),
    [
        pytest.param("2026-11-23 10:00", True, id="as it is first heard"),
        pytest.param("2026-11-24 23:00", True, id="the next day"),
        pytest.param("2026-11-25 07:59", True, id="the second day, before lessons"),
        pytest.param("2026-11-25 08:00", False, id="as its first lesson begins"),
        pytest.param("2026-11-25 12:00", False, id="over"),
    ],
)
def test_how_long_a_gateway_is_observed(clock: str, observed: bool) -> None:  # noqa: FBT001 - a table
    """School days after the first; one that was never heard is not observed, nor is any where nobody asks for it."""
    assert is_observing(county(heard()), GATEWAY, at(clock), POLICY) is observed
    assert not is_observing(county(), GATEWAY, at(clock), POLICY)
    assert not is_observing(county(heard()), "another", at(clock), POLICY)
    assert not is_observing(county(heard()), GATEWAY, at(clock), Policy(observation_school_days=0))


@pytest.mark.parametrize(
    ("last_heard", "away", "told_after"),
    [
        pytest.param("2026-11-23 10:00", None, "2026-11-23 10:15", id="a quarter of an hour of lessons"),
        pytest.param("2026-11-23 16:50", None, "2026-11-24 08:05", id="the rest of it is of the next day"),
        pytest.param("2026-11-23 20:00", None, "2026-11-24 08:10", id="over night: ten minutes of the next lesson"),
        pytest.param("2026-11-23 17:00", None, "2026-11-24 08:10", id="the end of a lesson is none"),
        pytest.param("2026-11-23 10:00", ("10:05", "10:25"), "2026-11-23 10:35", id="nobody listened for a while"),
        pytest.param("2026-11-23 10:00", ("09:00", "10:05"), "2026-11-23 10:20", id="nor as it fell silent"),
        pytest.param("2026-11-23 10:00", ("08:00", "09:00"), "2026-11-23 10:15", id="long before"),
    ],
)
def test_when_a_silence_is_told(last_heard: str, away: tuple[str, str] | None, told_after: str) -> None:
    """Lesson time counts, without that in which the collector itself could hear nobody."""
    gone = None if away is None else Away(*(at(f"2026-11-23 {clock}") for clock in away))
    told = county(heard(at(last_heard)), away=gone)
    assert silence_held_until(told, told.state.gateways[GATEWAY], POLICY) == pytest.approx(at(told_after))


@pytest.mark.parametrize(
    ("policy", "clock", "told_after"),
    [
        pytest.param(Policy(silence_hold_s=0), "10:00", "10:00", id="at once"),
        pytest.param(Policy(silence_hold_s=0), "20:00", "20:00", id="at once, at night, too"),
        pytest.param(Policy(silence_hold_next_lesson_s=0), "20:00", "20:00", id="at once at night"),
        pytest.param(Policy(silence_hold_next_lesson_s=0), "10:00", "10:15", id="and in lessons as ever"),
        pytest.param(Policy(silence_hold_next_lesson_s=5_000), "10:00", "10:15", id="the shorter of both"),
    ],
)
def test_a_hold_of_nothing_is_none(policy: Policy, clock: str, told_after: str) -> None:
    told = county(heard(at(f"2026-11-23 {clock}")))
    assert silence_held_until(told, told.state.gateways[GATEWAY], policy) == at(f"2026-11-23 {told_after}")


ALL = Mute(TEN, TEN + 100, "maintenance")
ONE = Mute(TEN, TEN + 100, "maintenance", platform="p")
LINE, SWITCH_P = Subject("uplink", GATEWAY), Subject("switch", GATEWAY, "p")


@pytest.mark.parametrize(
    ("mutes", "subject", "muted"),
    [
        pytest.param((), LINE, False, id="none"),
        pytest.param((ALL,), LINE, True, id="everything: a line"),
        pytest.param((ALL,), Subject("platform", GATEWAY, "p"), True, id="everything: a platform"),
        pytest.param((ONE,), Subject("platform", GATEWAY, "p"), True, id="that platform"),
        pytest.param((ONE,), Subject("platform", GATEWAY, "q"), False, id="another one"),
        pytest.param((ONE,), SWITCH_P, False, id="a switch that is called like the platform"),
        pytest.param((ONE, ALL), LINE, True, id="one of two"),
    ],
)
def test_what_a_window_is_about(mutes: tuple[Mute, ...], subject: Subject, muted: bool) -> None:  # noqa: FBT001 - a table
    told = county(hours=Hours(mutes=mutes))
    assert is_muted(told, subject, GATEWAY, TEN, POLICY) is muted


@pytest.mark.parametrize(("after_s", "count"), [(-1, 0), (0, 1), (99, 1), (100, 0)])
def test_when_a_window_holds(after_s: float, count: int) -> None:
    """From its first moment on; at its last it does no longer."""
    assert len([*mutes_at(Hours(mutes=(ALL,)), TEN + after_s)]) == count


def test_a_new_gateway_mutes_what_it_tells_of() -> None:
    """Whatever it is about; another gateway does not."""
    told = county(heard())
    assert is_muted(told, LINE, GATEWAY, TEN, POLICY)
    assert not is_muted(told, LINE, "another", TEN, POLICY)
