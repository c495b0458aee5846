"""Whatever a spool brings late, in whatever order: it opens no alert, and each of it is told once at most."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.core.events import AlertChange, Meanwhile, Observed
from collector.core.policy import Policy
from collector.core.step import step
from tests.support.school import GATEWAY, Story, Tick, at, bandwidth, http, school
from tests.unit.core.test_meanwhile import no_switch

POLICY = Policy(observation_school_days=0, device_proof_school_days=0, blame_spacing_s=0, silence_hold_s=0)
KINDS: dict[str, tuple[Any, str | None]] = {
    "line": (bandwidth(passed=False), None),
    "line is well": (bandwidth(passed=True), None),
    "platform": (http(up=False), None),
    "platform is well": (http(up=True), None),
    "switch": (no_switch(), "r1"),
}
AGES_S = st.sampled_from([200, 400, 1_000, 3_700, 7_000, 20_000, 80_000])
LATE = st.tuples(st.sampled_from(sorted(KINDS)), AGES_S)
WAITS_S = st.sampled_from([1, 61, 300, 700, 4_000, 40_000])
HISTORIES = st.lists(st.tuples(WAITS_S, st.booleans(), st.lists(LATE, max_size=6)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(HISTORIES)
def test_what_is_late_is_told_once_and_opens_nothing(history: list[Any]) -> None:
    """Live reports say that all is well, or nothing comes at all."""
    story, fed = Story(school(), at("2026-11-23 09:00"), POLICY).all_well(), Counter[tuple[str, float]]()
    for wait_s, is_heard, spool in history:
        story.later(wait_s)
        events: list[Any] = []
        for kind, age_s in spool:
            seen, room = KINDS[kind]
            key = (kind, story.now - age_s)
            if key not in fed:
                fed[key] += 1
                observed = Observed(gateway=GATEWAY, observation=seen, classroom=room, observed_at=key[1], late=True)
                events.append(observed)
        story.school, effects, _ = step(story.school, events, story.now, POLICY)
        story.effects += effects
        if is_heard:
            story.all_well()
    for _ in range(3):
        story.later(700).all_well()
        story.event(Tick())
    opened = [e for e in story.told(AlertChange) if e.change == "opened" and e.cause != "gateway_silent"]
    assert opened == []
    counts = Counter[str]()
    for told in story.told(Meanwhile):
        for episode in told.episodes:
            counts[episode.subject.kind] += episode.count
    fed_of = Counter[str]()
    for kind, _ in fed:
        fed_of[{"line": "uplink"}.get(kind, kind)] += 1
    assert all(count <= fed_of[kind] for kind, count in counts.items())
