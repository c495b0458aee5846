"""Blame takes longer than doubt, and between the thetas nobody is to blame."""

import pytest
from msgspec.structs import replace

from classready.units import MBIT
from collector.core.directives import directives
from collector.core.events import AlertChange
from collector.core.link import majority
from collector.core.policy import Policy
from tests.support.school import GATEWAY, POLICY, Story, at, bandwidth, exit_test, path_test

BLAMING = replace(POLICY, blame_spacing_s=1_800)
MAKES = {"line": lambda **f: (bandwidth(**f), None), "exit": lambda **f: (exit_test(**f), None), "way": lambda **f: (
    path_test(**f), "r1")}  # fmt: skip


def after_tests(story: Story, kind: str, results: str) -> Story:
    """``F0 P10 F31``: a test failed at once, one passed ten minutes later, and so on."""
    start = story.now
    for told in results.split():
        story.now = start + 60 * float(told[1:])
        seen, room = MAKES[kind](passed=told[0] == "P", estimate_mbps=30 if told[0] == "F" else 120)
        story.heard().saw(seen, room)
    return story


def of_tests(story: Story) -> list[str]:
    causes = {"uplink_below_required", "exit_below_required", "segment_below_required"}
    return [change.change for change in story.told(AlertChange) if change.cause in causes]


@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize(
    ("results", "told"),
    [
        pytest.param("F1", [], id="one"),
        pytest.param("F1 F2 F3 F4 F5 F6", [], id="five bad minutes"),
        pytest.param("F1 F2 F30", [], id="29 minutes"),
        pytest.param("F1 F2 F31", ["opened"], id="half an hour"),
        pytest.param("F1 F30.9", ["opened"], id="nearly: a clock's slew"),
        pytest.param("F1 F2 P20 F31 F32", [], id="one passed between"),
        pytest.param("F1 F2 P20 F31 F32 F61", ["opened"], id="one passed between, then half an hour"),
        pytest.param("F1 F31 P40 P41", ["opened", "closed"], id="over at once"),
        pytest.param("F1 F31 P40 F41", ["opened"], id="one pass among failures closes nothing"),
    ],
)
def test_who_is_blamed_when(kind: str, results: str, told: list[str]) -> None:
    """Told after two failing tests half an hour apart; the room is not ready as soon as two failed."""
    story = after_tests(Story(policy=BLAMING).all_well(), kind, results)
    assert of_tests(story) == told


def test_doubt_is_shown_at_once() -> None:
    """The verdict follows the majority, and the cause is named, while nobody is blamed."""
    story = after_tests(Story(policy=BLAMING).all_well(), "line", "F1 F2 F3")
    assert (story.ready(), story.causes()) == ("no", ["uplink_below_required"])
    assert of_tests(story) == []


def test_since_when_it_is_told_to_be_bad() -> None:
    """The evidence was bad before anybody was blamed by it."""
    story = Story(policy=BLAMING).all_well()
    start = story.now
    (opened,) = after_tests(story, "line", "F1 F2 F31").told(AlertChange)
    assert (opened.since, opened.at) == (start + 60, start + 31 * 60)


@pytest.mark.parametrize(("minutes", "value"), [((1, 2, 3), "yes"), ((1, 31), "no")])
def test_doubt_takes_no_compliance(minutes: tuple[int, ...], value: str) -> None:
    """Two school days with three failing tests each within minutes are no two days of shortfall."""
    story = Story(policy=BLAMING).all_well()
    for day in ("2026-11-24", "2026-11-25"):
        for minute in minutes:
            story.now = at(f"{day} 12:{minute:02}")
            story.heard().saw(bandwidth(passed=False, estimate_mbps=30))
        # a pass in the evening: each day is judged by itself
        story.now = at(f"{day} 18:00")
        if day == "2026-11-24":
            story.heard().saw(bandwidth(estimate_mbps=120))
    assert story.compliant() == value


def test_a_retest_is_ordered_when_it_can_confirm() -> None:
    """A line that fails is tested again as soon as that test could blame it, and no more once it does."""
    story = after_tests(Story(policy=BLAMING).all_well(), "line", "F1 F3")
    start = story.now - 120

    def ordered(after_s: float) -> tuple[str, ...]:
        return directives([story.school], GATEWAY, BLAMING, start + after_s).retest

    assert (ordered(300), ordered(1_799), ordered(1_800)) == ((), (), ("uplink",))
    story.now = start + 1_801
    story.heard().saw(bandwidth(passed=False, estimate_mbps=30))
    assert ordered(4_000) == ()


@pytest.mark.parametrize(
    ("estimate_mbps", "is_enough"), [(94.9, False), (95.0, True), (97.0, True), (100.0, True), (None, False)]
)
@pytest.mark.parametrize("thetas", [{"theta0_bps": 95.0 * MBIT, "theta1_bps": 100.0 * MBIT}, {}], ids=["told", "not"])
def test_the_band(estimate_mbps: float | None, thetas: dict[str, float], *, is_enough: bool) -> None:
    """A test whose estimate lies between the thetas is no failure, whatever it said; without its own, the policy's."""
    story = Story(policy=BLAMING).all_well()
    for minute in (10, 45):
        story.now = at(f"2026-11-23 12:{minute}")
        story.heard().saw(bandwidth(passed=False, estimate_mbps=estimate_mbps, **thetas))
    (leg,) = story.school.state.uplinks.values()
    assert majority(leg.tests) is is_enough
    assert (story.causes() == ["uplink_below_required"]) is not is_enough
    assert bool(of_tests(story)) is not is_enough


def test_the_band_never_flaps() -> None:
    """A line of 97M passes one test and fails the next: it stays enough, and nobody hears of it."""
    story = Story(policy=replace(Policy(observation_school_days=0), device_proof_school_days=0)).all_well()
    for n in range(40):
        story.later(1_000).heard().saw(
            bandwidth(passed=bool(n % 2), estimate_mbps=97, theta0_bps=95.0 * MBIT, theta1_bps=100.0 * MBIT)
        )
        assert "uplink_below_required" not in story.causes()
    assert of_tests(story) == []
