"""Who gets a new release when: rule by rule."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.fleet.staging import IN_FLIGHT_MAX, LOST_AFTER_S, Mark, Plan, Seen, Told, decide, is_wanted

OLD, NEW = "0.1.0-aaaaaaaa", "0.2.0-bbbbbbbb"
NOW, INTERVAL_S = 1_000_000.0, 60.0
CANARY, REST = "511402", "511421"
PLAN = Plan(version=NEW, canary=CANARY, percent=50, by="王", asked_at=NOW)


def seen(gateway: str, office: str = CANARY, **changes: Any) -> Seen:
    one = Seen(gateway, office, OLD, NOW, INTERVAL_S, is_silent=False, told=None)
    return one._replace(**changes)


def told(state: str, reason: str | None = None, asked_at: float = NOW) -> Told:
    return Told(NEW, asked_at, state, reason)


def mark(gateway: str, **changes: Any) -> Mark:
    return Mark(gateway=gateway, offered_at=NOW, **changes)


def marks(*several: Mark) -> dict[str, Mark]:
    return {each.gateway: each for each in several}


def offered(plan: Plan, *fleet: Seen, known: dict[str, Mark] | None = None, now: float = NOW) -> list[str]:
    decision = decide(plan, known or {}, fleet, now)
    return sorted(name for name in decision.marks if name not in (known or {}))


FLEET = [seen("c1"), seen("c2"), *(seen(f"r{n}", REST) for n in range(10))]


def test_canaries_first() -> None:
    assert offered(PLAN, *FLEET) == ["c1", "c2"]


def test_the_others_after_the_gate() -> None:
    """Half of the ten others, the same five each time; another release begins with others."""
    well = marks(mark("c1", arrived_at=NOW, well_at=NOW), mark("c2", arrived_at=NOW, well_at=NOW))
    done = [one._replace(release=NEW, heard_at=NOW + 400) if one.office == CANARY else one for one in FLEET]
    decision = decide(PLAN, well, done, NOW + 400)
    assert decision.plan.gate_at == NOW + 400
    first = sorted(name for name in decision.marks if name not in well)
    assert len(first) == 5
    assert offered(PLAN, *reversed(done), known=well) == first
    assert {tuple(offered(replace(PLAN, canary=None, version=f"v{n}"), *FLEET)) for n in range(9)} != {tuple(first)}


@pytest.mark.parametrize(("percent", "count"), [(0, 0), (8, 0), (9, 1), (25, 3), (99, 11), (100, 12)])
def test_part_of_all_without_a_canary(percent: int, count: int) -> None:
    """Of twelve; a part of one gateway is none."""
    assert len(offered(replace(PLAN, canary=None, percent=percent), *FLEET)) == count


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(seen("g", release=None), id="too-old-to-follow"),
        pytest.param(seen("g", is_silent=True), id="silent"),
        pytest.param(seen("g", release=NEW), id="has-it"),
    ],
)
def test_who_is_not_offered_it(one: Seen) -> None:
    assert offered(replace(PLAN, canary=None, percent=100), one) == []


def test_whoever_has_it_by_hand_counts_as_part() -> None:
    fleet = [seen(f"r{n}", REST, release=NEW if n < 4 else OLD) for n in range(10)]
    assert len(offered(replace(PLAN, canary=None), *fleet)) == 1


@pytest.mark.parametrize("state", ["paused", "halted", "aborted"])
def test_who_stops_it(state: Any) -> None:
    """Nobody new, and whoever has not switched yet is told nothing any more."""
    plan = replace(PLAN, state=state)
    assert offered(plan, *FLEET) == []
    assert not is_wanted(plan, mark("c1"))


def test_not_more_at_once_than_a_line_carries() -> None:
    """Whoever is through, failed or fell silent makes room."""
    plan = replace(PLAN, canary=None, percent=100)
    fleet = [seen(f"g{n:03}") for n in range(200)]
    first = decide(plan, {}, fleet, NOW)
    assert len(first.marks) == IN_FLIGHT_MAX
    known = dict(first.marks)
    names = sorted(known)
    known[names[0]] = replace(known[names[0]], arrived_at=NOW, well_at=NOW)
    known[names[1]] = replace(known[names[1]], arrived_at=NOW)
    look = {one.gateway: one for one in fleet}
    look[names[0]] = look[names[0]]._replace(release=NEW, heard_at=NOW + 1)
    look[names[1]] = look[names[1]]._replace(release=NEW, heard_at=NOW + 1)
    look[names[2]] = look[names[2]]._replace(is_silent=True)
    assert len(offered(plan, *look.values(), known=known)) == 2


# --- what becomes of one gateway ------------------------------------------------------------------------------------


def after(known: Mark, one: Seen, now: float = NOW + 100) -> Mark:
    return decide(PLAN, marks(known), [one], now).marks.get(known.gateway, known)


def test_arrived_then_well() -> None:
    """Well only when it reported for three of its intervals with the release, however long it had been away."""
    first = after(mark("c1"), seen("c1", release=NEW, heard_at=NOW + 10))
    assert (first.fate, first.arrived_at) == ("arrived", NOW + 10)
    assert after(first, seen("c1", release=NEW, heard_at=NOW + 10 + 179)).fate == "arrived"
    well = after(first, seen("c1", release=NEW, heard_at=NOW + 10 + 180))
    assert well.fate == "well"
    assert after(well, seen("c1", release=NEW, heard_at=NOW + 900, is_silent=True)) == well


def test_heard_before_it_was_offered() -> None:
    """What a state of before the offer says is no arrival."""
    assert after(mark("c1"), seen("c1", release=NEW, heard_at=NOW - 1)) == mark("c1")


@pytest.mark.parametrize(
    ("known", "one", "reason"),
    [
        pytest.param(mark("g"), seen("g", told=told("refused", "unsigned")), "unsigned", id="refused"),
        pytest.param(mark("g"), seen("g", told=told("rolled_back", "unhealthy")), "unhealthy", id="rolled-back"),
        pytest.param(mark("g"), seen("g", told=told("failed")), "failed", id="no-reason"),
        pytest.param(mark("g", arrived_at=NOW, well_at=NOW), seen("g"), "rolled_back", id="another-release-again"),
        pytest.param(
            mark("g"), seen("g", told=told("installing"), is_silent=True, heard_at=NOW - LOST_AFTER_S),
            "lost", id="never-came-back",
        ),
        pytest.param(mark("g"), seen("g", told=told("installing"), is_silent=True), None, id="silent-for-a-while"),
        pytest.param(
            mark("g"), seen("g", told=told("fetching"), is_silent=True, heard_at=0.0), None, id="switched-off"
        ),
        pytest.param(mark("g"), seen("g", told=told("refused", asked_at=NOW - 1)), None, id="of-an-earlier-offer"),
        pytest.param(mark("g"), seen("g", told=Told(OLD, NOW, "refused", None)), None, id="of-another-release"),
        pytest.param(mark("g"), seen("g", told=told("of_a_later_version")), None, id="unknown-word"),
    ],
)  # fmt: skip
def test_failures(known: Mark, one: Seen, reason: str | None) -> None:
    found = after(known, one)
    assert (found.reason, found.fate == "failed") == (reason, reason is not None)
    assert is_wanted(PLAN, found) is (reason is None)


def test_given_up_and_only_late() -> None:
    lost = mark("g", failed_at=NOW + 50, reason="lost")
    assert after(lost, seen("g", release=NEW, heard_at=NOW + 90)).fate == "arrived"


# --- gate and halt --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("well", "waiting", "off", "opens"),
    [(5, 0, 0, True), (4, 1, 0, True), (3, 1, 0, False), (3, 2, 0, False), (0, 0, 5, False), (1, 0, 9, True)],
)
def test_gate(well: int, waiting: int, off: int, *, opens: bool) -> None:
    """Four of five; canaries that are switched off keep nobody waiting, and with all of them off nothing opens."""
    known = marks(*(mark(f"w{n}", arrived_at=NOW, well_at=NOW) for n in range(well)))
    known |= marks(*(mark(f"x{n}") for n in range(waiting)), *(mark(f"o{n}") for n in range(off)))
    fleet = [seen(f"w{n}", release=NEW) for n in range(well)]
    fleet += [*(seen(f"x{n}") for n in range(waiting)), *(seen(f"o{n}", is_silent=True) for n in range(off))]
    assert (decide(PLAN, known, fleet, NOW).plan.gate_at is not None) is opens


def test_gate_stays_open() -> None:
    plan = replace(PLAN, gate_at=NOW)
    assert decide(plan, {}, FLEET, NOW + 1).plan.gate_at == NOW


@pytest.mark.parametrize(
    ("failed", "well", "forgiven", "state"),
    [(1, 0, 0, "halted"), (1, 9, 0, "running"), (2, 9, 0, "halted"), (2, 9, 2, "running"), (0, 0, 0, "running")],
)
def test_halt(failed: int, well: int, forgiven: int, state: str) -> None:
    """One of ten may fail; who went on after failures is stopped by further ones only."""
    known = marks(*(mark(f"f{n}", failed_at=NOW, reason="refused") for n in range(failed)))
    known |= marks(*(mark(f"w{n}", arrived_at=NOW, well_at=NOW) for n in range(well)))
    fleet = [seen(name, release=NEW if name[0] == "w" else OLD) for name in known]
    assert decide(replace(PLAN, forgiven_count=forgiven), known, fleet, NOW).plan.state == state
