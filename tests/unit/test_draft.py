"""What one transaction is going to change: whether it holds facts is known step by step."""

from classready.observation import Observation
from collector.core.events import Observed
from collector.engine.draft import Draft
from tests.support.school import GATEWAY, Story, device, port


def fed(*seen: tuple[Observation, str, float]) -> Draft:
    """A draft that was fed with each of ``seen`` (what, of which room, how many seconds later) on its own."""
    story = Story().all_well()
    found = story.school
    draft = Draft({"s1": found}, lambda _: (), story.policy, story.now + 60)
    for observation, room, later_s in seen:
        event = Observed(
            gateway=GATEWAY, observation=observation, classroom=room, observed_at=story.now + later_s, late=False
        )
        assert draft.feed({"s1": [event]})
    return draft


def test_a_date_after_a_fact() -> None:
    """What one report of a transaction made is written with it, whatever the next one of the school confirms."""
    assert fed((port("r1", 100), "r1", 30)).with_facts == {"s1"}
    assert fed((port("r1", 100), "r1", 30), (device("r2"), "r2", 40)).with_facts == {"s1"}


def test_dates_alone() -> None:
    draft = fed((device("r1"), "r1", 30), (device("r2"), "r2", 40))
    assert draft.schools["s1"].state != draft.before["s1"].state
    assert not draft.with_facts


def test_a_fact_that_was_taken_back() -> None:
    """Beside what is in force nothing differs but dates."""
    draft = fed((port("r1", 100), "r1", 30), (port("r1"), "r1", 40))
    assert not draft.with_facts
