"""Two boxes with one identity: found by boots that go on after another was heard, and by nothing that one box does."""

import pytest

from collector.engine.twins import BOOTS_MAX, KNOWN_S, QUIET_S, RETURNS_MIN, Twins

A, B, C, D = "a" * 8, "b" * 8, "c" * 8, "d" * 8


def told(twins: Twins, *reports: tuple[str | None, float], begin: float = 0.0, apart_s: float = 60.0) -> list[bool]:
    """Whether each of (boot, its own clock) is admitted, a minute apart."""
    return [twins.admits("gw", boot, mono, begin + n * apart_s) for n, (boot, mono) in enumerate(reports)]


def turns(count: int, *boots: str) -> list[tuple[str | None, float]]:
    return [(boot, 60.0 * n) for n in range(1, count + 1) for boot in boots]


@pytest.mark.parametrize(
    "reports",
    [
        pytest.param([(A, 1), (A, 2), (A, 3)], id="one box"),
        pytest.param([(A, 1), (B, 1), (C, 1), (D, 1)], id="it restarts again and again"),
        pytest.param([(A, 1), (B, 1), (A, 1), (B, 2), (A, 1), (B, 3), (A, 1)], id="sent again, without ack"),
        pytest.param([(A, 1), (B, 1), (A, 2), (B, 2), (B, 3), (B, 4)], id="held back on its way over a restart"),
        pytest.param([(None, 1), (None, 1), (None, 2)], id="an agent that names no boot"),
        pytest.param([(A, 1), (None, 1), (A, 2), (None, 2), (A, 3), (None, 3)], id="before and after an update"),
    ],
)
def test_one_box_is_never_two(reports) -> None:
    twins = Twins()
    assert all(told(twins, *reports))
    assert twins.of("gw", 1_000.0) == []


def test_two_boxes() -> None:
    """A few reports, then the second is refused and the first never; the page counts it in one line."""
    twins = Twins()
    reports = turns(50, A, B)
    admitted = told(twins, *reports)
    own, others = admitted[::2], admitted[1::2]
    assert all(own)
    assert not any(others[RETURNS_MIN - 1 :])
    (line,) = twins.of("gw", 50 * 120.0)
    assert (line.reason, line.refused_count) == ("twin", others.count(False))


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_whoever_was_first_stays(order) -> None:
    twins = Twins()
    told(twins, *turns(10, *order))
    assert told(twins, (order[0], 10_000), (order[1], 10_000), begin=2_000) == [True, False]


def test_three_boxes() -> None:
    twins = Twins()
    told(twins, *turns(10, A, B, C))
    assert told(twins, *((boot, 10_000.0) for boot in (A, B, C)), begin=2_000) == [True, False, False]


def test_the_first_restarts() -> None:
    """Its new boot is nobody's yet; the other one stays refused."""
    twins = Twins()
    told(twins, *turns(10, A, B))
    again = told(twins, *turns(10, C, B), begin=2_000)
    assert again == [True, False] * 10


def test_the_second_restarts() -> None:
    """It is known that there are two: its new boot gets one report through."""
    twins = Twins()
    told(twins, *turns(10, A, B))
    again = told(twins, *((boot, mono + 10_000) for boot, mono in turns(10, C, A)), begin=2_000)
    assert again[1::2] == [True] * 10
    assert again[::2] == [True] + [False] * 9


def test_the_first_is_gone_for_good() -> None:
    """What is left is taken for the gateway, after an hour; until then nobody knows."""
    twins = Twins()
    told(twins, *turns(10, A, B))
    assert told(twins, (B, 10_000), begin=1_200 + QUIET_S / 2) == [False]
    assert told(twins, (B, 20_000), (B, 20_060), begin=1_200 + 2 * QUIET_S) == [True, True]


def test_it_is_told_until_it_is_over() -> None:
    twins = Twins()
    told(twins, *turns(10, A, B))
    assert twins.of("gw", KNOWN_S)
    assert twins.of("gw", 2 * KNOWN_S) == []
    assert twins.of("another", 0.0) == []


def test_what_is_kept_is_bounded() -> None:
    """A box that restarts every minute for a year; a gateway that leaves the roster."""
    twins = Twins()
    assert all(told(twins, *((f"boot-{n}", 1.0) for n in range(10_000))))
    (kept,) = twins._by_gateway.values()
    assert len(kept.boots) <= BOOTS_MAX
    twins.forget_others(["another"])
    assert not twins._by_gateway
