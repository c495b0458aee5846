"""A gateway may name so much, and no more; what is known stays known."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Http, Outcome, Ping
from collector.core.policy import Policy
from collector.engine.identity import RefusedError, Router
from tests.support.school import GATEWAY, Story, bandwidth, device, exit_test, http, path_test, port, trunk

POLICY = Policy(
    switches_per_gateway_max=2, segments_per_gateway_max=2, targets_per_gateway_max=2, tests_per_gateway_max=3,
    exits_per_gateway_max=2, switches_behind_trunks_max=4, facts_per_device_max_bytes=20,
)  # fmt: skip


def ping(target: str) -> Ping:
    return Ping(target=target, outcome=Outcome.ANSWERED, sent_count=1, received_count=1)


FULL: dict[str, tuple[list[Any], Any, list[Any]]] = {
    "switches": ([port("r1", switch=f"sw{n}") for n in (1, 2)], port("r1", switch="sw3"), [port("r1", switch="sw2")]),
    "no switch named": ([port("r1", switch=f"sw{n}") for n in (1, 2)], None, [port("r1", switch=None)]),
    "trunks": ([trunk(name=f"sw{n}:up") for n in (1, 2)], trunk(name="sw3:up"), [trunk(name="sw1:up")]),
    "behind trunks": (
        [trunk(name="sw1:up", switches=("a", "b", "c")), trunk(name="sw2:up", switches=("a",))],
        trunk(name="sw2:up", switches=("a", "b")),
        [trunk(name="sw1:up", switches=("d", "e", "f")), trunk(name="sw1:up", switches=("a",)), trunk(name="sw2:up")],
    ),
    "fetched": ([http(target=f"t{n}") for n in (1, 2)], http(target="t3"), [http(target="t1"), ping("t2")]),
    "pinged": ([ping(f"t{n}") for n in (1, 2)], ping("t3"), [Http(target="t1", outcome=Outcome.ANSWERED)]),
    "tests": (
        [bandwidth(target="a"), bandwidth(target="a", direction="up"), path_test(target="b")],
        bandwidth(target="c"),
        [bandwidth(target="a"), path_test(target="b")],
    ),
    "exits": ([exit_test("x"), exit_test("y")], exit_test("z", target="beyond-x"), [exit_test("x"), bandwidth()]),
    "exits beside the line's own test": (
        [bandwidth(target="own"), exit_test("x"), exit_test("y")],
        exit_test("z", target="beyond-x"),
        [bandwidth(target="own")],
    ),
    "devices": ([], None, [device("r1")]),
}
"""(told before, one too many, still welcome)."""


def router(story: Story, gateway: str = GATEWAY) -> Router:
    return Router(gateway, {"s1": story.school}, POLICY)


def is_refused(story: Story, seen: Any, report: Router | None = None) -> bool:
    try:
        (report or router(story)).route(seen)
    except RefusedError as refusal:
        return refusal.reason == "inventory"
    return False


@pytest.mark.parametrize("kind", FULL)
def test_full(kind: str) -> None:
    """Beyond the cap a new name is refused; a known one, and another gateway's, never."""
    before, more, welcome = FULL[kind]
    story = Story(policy=POLICY).heard()
    for seen in before:
        assert not is_refused(story, seen)
        story.saw(seen, getattr(seen, "classroom", None))
    if more is not None:
        assert is_refused(story, more)
        assert not is_refused(story, more, router(story, "another"))
    assert not any(is_refused(story, seen) for seen in welcome)


@pytest.mark.parametrize("kind", FULL)
def test_full_within_one_report(kind: str) -> None:
    """What one report names for the first time counts before any state shows it."""
    before, more, welcome = FULL[kind]
    story = Story(policy=POLICY).heard()
    report = router(story)
    refused = [is_refused(story, seen, report) for seen in (*before, *([more] if more else []), *welcome)]
    assert refused == [False] * len(before) + ([True] if more else []) + [False] * len(welcome)


def test_what_one_record_may_hold() -> None:
    """A trunk that lists more than all may; a device that says more of itself than it may, in bytes of UTF-8."""
    story = Story(policy=POLICY).heard()
    assert is_refused(story, trunk(name="sw1:up", switches=tuple("abcde")))
    assert not is_refused(story, trunk(name="sw1:up", switches=tuple("abcd")))
    assert not is_refused(story, trunk(name="ap1", switches=tuple("abcde")))  # of no switch: the list says nothing
    told = device("r1")
    for facts, refused in (
        ({"k" * 10: "v" * 10}, False),
        ({"k" * 10: "v" * 11}, True),
        ({"k": "灯" * 7}, True),
        ({}, False),
    ):
        assert is_refused(story, replace(told, facts=facts)) is refused


def test_a_line_and_a_way_of_one_name() -> None:
    """They are two tests, so they take two places."""
    story = Story(policy=POLICY).heard()
    for seen in (bandwidth(target="a"), path_test(target="a"), bandwidth(target="b")):
        assert not is_refused(story, seen)
        story.saw(seen, seen.classroom)
    assert is_refused(story, path_test(target="b"))
    named = [make(target=name) for name in "xyz" for make in (bandwidth, path_test)]
    fresh = Story(policy=POLICY).heard()
    report = router(fresh)
    assert [is_refused(fresh, seen, report) for seen in named] == [False] * 3 + [True] * 3


def test_a_list_is_kept_once() -> None:
    """What a trunk lists stands in the state once."""
    story = Story(policy=POLICY).heard().saw(trunk(name="sw1:up", switches=("a", "b")))
    (kept,) = story.school.state.segments.values()
    assert (kept.switches, kept.seen.switches) == (("sw1", "a", "b"), None)
