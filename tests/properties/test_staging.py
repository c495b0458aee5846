"""A staged upgrade, whatever the gateways of a fleet do: its promises hold at every look."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.fleet.staging import Mark, Plan, Seen, Told, decide, is_wanted

OLD, NEW = "0.1.0-aaaaaaaa", "0.2.0-bbbbbbbb"
INTERVAL_S = 60.0
OFFICES = ("a", "b", "c")
DEEDS = ("none", "arrive", "steady", "refuse", "roll_back", "silent", "back", "by_hand")
ROUNDS = st.lists(st.lists(st.sampled_from(DEEDS), min_size=24, max_size=24), max_size=12)


class Fleet:
    """Gateways that do what they are told to do, or something else."""

    def __init__(self, size: int) -> None:
        self.now = 1_000.0
        self.plan = Plan(version=NEW, by="x", asked_at=self.now)
        self.marks: dict[str, Mark] = {}
        self.seen = [
            Seen(
                f"g{n}", OFFICES[n % 3], None if n % 11 == 10 else OLD, self.now, INTERVAL_S, is_silent=False, told=None
            )
            for n in range(size)
        ]

    def look(self) -> None:
        before = self.marks
        decision = decide(self.plan, self.marks, self.seen, self.now)
        self.plan, self.marks = decision.plan, {**before, **decision.marks}

    def act(self, deeds: list[str]) -> None:
        self.now += 200.0
        self.seen = [self._done(one, deed) for one, deed in zip(self.seen, deeds, strict=False)]

    def _done(self, one: Seen, deed: str) -> Seen:
        mark = self.marks.get(one.gateway)
        may = mark is not None and is_wanted(self.plan, mark)
        heard: dict[str, Any] = {"heard_at": self.now, "is_silent": False}
        asked_at = mark.offered_at if mark else None
        match deed:
            case "silent":
                return one._replace(is_silent=True)
            case "arrive" | "steady" if may:
                return one._replace(release=NEW, **heard)
            case "refuse" if may:
                return one._replace(told=Told(NEW, asked_at, "refused", "no_space"), **heard)
            case "roll_back" if may:
                return one._replace(release=OLD, told=Told(NEW, asked_at, "rolled_back", "unhealthy"), **heard)
            case "by_hand" if one.release is not None:
                return one._replace(release=NEW, **heard)
            case _:
                return one._replace(**heard)


@given(st.integers(1, 24), st.sampled_from([None, "a"]), st.integers(0, 100), ROUNDS)
def test_never_more_than_asked_for(size: int, canary: str | None, percent: int, rounds: list[list[str]]) -> None:
    """Of those who are no canaries never more than the percentage was offered it, and none before the gate."""
    fleet = Fleet(size)
    fleet.plan = replace(fleet.plan, canary=canary, percent=percent)
    others = [one.gateway for one in fleet.seen if one.office != canary]
    for deeds in rounds:
        fleet.look()
        offered = [name for name in others if name in fleet.marks]
        assert len(offered) * 100 <= percent * len(others)
        assert canary is None or fleet.plan.gate_at is not None or not offered
        fleet.act(deeds)


@given(ROUNDS, st.integers(0, 12), st.sampled_from(["aborted", "paused"]))
def test_stopped_is_stopped(rounds: list[list[str]], after: int, state: Any) -> None:
    """From the moment on nobody is offered it, and nobody is told to fetch it."""
    fleet = Fleet(24)
    fleet.plan = replace(fleet.plan, canary="a", percent=100)
    for number, deeds in enumerate(rounds):
        if number == after:
            fleet.plan = replace(fleet.plan, state=state)
        known = set(fleet.marks)
        fleet.look()
        if number >= after:
            assert set(fleet.marks) == known
            assert not any(is_wanted(fleet.plan, mark) for mark in fleet.marks.values())
        fleet.act(deeds)


@given(ROUNDS)
def test_nothing_flaps(rounds: list[list[str]]) -> None:
    """A look at what did not change decides nothing new; an offer, the gate and a halt are never taken back."""
    fleet = Fleet(24)
    fleet.plan = replace(fleet.plan, canary="a", percent=70)
    for deeds in rounds:
        gate_at, state, offers = fleet.plan.gate_at, fleet.plan.state, dict(fleet.marks)
        fleet.look()
        settled = fleet.plan, fleet.marks
        fleet.look()
        fleet.look()
        assert fleet.plan == settled[0]
        assert all(fleet.marks[name] == mark for name, mark in settled[1].items())
        assert gate_at is None or fleet.plan.gate_at == gate_at
        assert state in {"running", fleet.plan.state}
        assert all(fleet.marks[name].offered_at == mark.offered_at for name, mark in offers.items())
        fleet.act(deeds)


@given(ROUNDS)
def test_one_that_failed_is_left_alone(rounds: list[list[str]]) -> None:
    """Whoever refused or went back is not told again, as long as nobody asks, whatever the others do."""
    fleet = Fleet(24)
    fleet.plan = replace(fleet.plan, percent=100, forgiven_count=99)
    failed: set[str] = set()
    for deeds in rounds:
        fleet.look()
        failed |= {name for name, mark in fleet.marks.items() if mark.fate == "failed"}
        came = {one.gateway for one in fleet.seen if one.release == NEW}
        assert not any(is_wanted(fleet.plan, fleet.marks[name]) for name in failed - came)
        fleet.act(deeds)
