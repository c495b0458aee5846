"""Bandwidth tests: of the school's line, of an exit beyond it, or of the way to a room."""

from collections.abc import Sequence
from itertools import takewhile
from math import inf
from typing import TypeVar

from msgspec.structs import replace

from classready.observation import Bandwidth, Outcome
from collector.core.age import newest_at, tests_valid_from
from collector.core.events import Observed
from collector.core.evidence import BandwidthTest, Leg, PathState, UplinkState
from collector.core.folded import Folded
from collector.core.link import NEARLY
from collector.core.policy import Policy

KEPT_TESTS = 3
"""The majority is of these."""

_Leg = TypeVar("_Leg", bound=Leg)


def test(folded: Folded, event: Observed, seen: Bandwidth) -> None:
    """With a classroom the way inside the school was tested, else the line."""
    source = "" if event.source == "gateway" else f"/{event.source}"
    key = f"{event.gateway}/{seen.target}/{seen.direction or 'down'}{source}"
    if event.classroom is None:
        _line(folded, event, seen, key)
    else:
        _path(folded, event, seen, key, event.classroom)


def _line(folded: Folded, event: Observed, seen: Bandwidth, key: str) -> None:
    """A test of the school's own line, or of that and an exit."""
    fresh = UplinkState(
        gateway=event.gateway,
        target=seen.target,
        direction=seen.direction or "down",
        source=event.source,
        beyond=seen.beyond,
    )
    before = folded.state.uplinks.get(key)
    after = _tested(folded, before, fresh, event, seen)
    if after is not before:
        folded.everybody |= not (_only_told(before, after) or _still_waits(folded, before, after))
        folded.put("uplinks", key, after)


def _path(folded: Folded, event: Observed, seen: Bandwidth, key: str, room_id: str) -> None:
    fresh = PathState(
        gateway=event.gateway,
        target=seen.target,
        direction=seen.direction or "down",
        source=event.source,
        classroom=room_id,
    )
    before = folded.state.paths.get(key)
    after = _tested(folded, before, fresh, event, seen)
    if after is before:
        return
    folded.put("paths", key, after)
    if _only_told(before, after):
        return
    folded.rooms.add(room_id)
    # what came too late to be evidence is dropped at once, as it would have been in its time
    folded.everybody |= event.observed_at < tests_valid_from(folded.school, folded.now, folded.policy)
    # what was open about the room that it tested before is about nothing any more
    folded.everybody |= before is not None and before.classroom != room_id
    room = folded.room(room_id)
    if after.tests and room.gateway is None:
        folded.put("classrooms", room_id, replace(room, gateway=event.gateway))
        folded.everybody = True


def _tested(folded: Folded, before: _Leg | None, fresh: _Leg, event: Observed, seen: Bandwidth) -> _Leg:
    """Return the leg with what was seen; the same one where that is nothing new.

    A target that now tests another way starts anew.
    """
    if before is not None and _is_other(before, fresh):
        # a backlog may still tell of the way that was tested before: that is not taken for the new one
        if event.observed_at <= newest_at(before):
            return before
        before = None
    leg = replace(before or fresh, told_at=max(event.observed_at, before.told_at if before else -inf))
    if seen.outcome not in (Outcome.PASS, Outcome.FAIL):
        if not folded.is_newer(event.observed_at, leg.last_unmeasured_at):
            return before or leg
        reason = seen.reason.value if seen.reason else None
        return replace(leg, last_unmeasured_at=event.observed_at, last_unmeasured_reason=reason)
    if not _counts(leg, event.observed_at, folded.now, folded.policy):
        return leg if before is None or leg.told_at > before.told_at else before
    result = BandwidthTest(observed_at=event.observed_at, seen=_with_thetas(seen, folded.policy), late=event.late)
    kept = tuple(test for test in leg.tests if test.observed_at <= folded.now)
    return replace(leg, tests=(*kept, result)[-KEPT_TESTS:], failing_since=_failing_since(leg, kept, result))


def _with_thetas(seen: Bandwidth, policy: Policy) -> Bandwidth:
    """A test that does not say what it was measured against was measured against what the policy asks."""
    thetas = policy.theta_up_bps if seen.direction == "up" else policy.theta_down_bps
    if thetas is None or seen.theta0_bps is not None:
        return seen
    return replace(seen, theta0_bps=thetas[0], theta1_bps=thetas[1])


def _failing_since(leg: Leg, kept: Sequence[BandwidthTest], result: BandwidthTest) -> float | None:
    if result.passed:
        return None
    if leg.failing_since is not None and leg.failing_since <= result.observed_at:
        return leg.failing_since
    # what an earlier release stored does not say since when; a date in the future was none
    failing = takewhile(lambda test: not test.passed, reversed(kept))
    return min((test.observed_at for test in failing), default=result.observed_at)


def _only_told(before: Leg | None, after: Leg) -> bool:
    """Too close to the last test to count: all that is new is that the target is still asked."""
    return before is not None and replace(before, told_at=after.told_at) == after


def _still_waits(folded: Folded, before: Leg | None, after: Leg) -> bool:
    """Outside lessons every attempt is in vain, each for the same reason: the next step stays what it was.

    ``next_step`` tells what the newest attempt waits for, so the one before must have been the newest, too.
    """
    if before is None or before.last_unmeasured_at is None:
        return False
    again = replace(before, told_at=after.told_at, last_unmeasured_at=after.last_unmeasured_at)
    if not before.waits or after != again:
        return False
    others = (leg for leg in folded.state.uplinks.values() if leg is not before)
    return all((leg.last_unmeasured_at or -inf) < before.last_unmeasured_at for leg in others)


def _is_other(before: Leg, fresh: Leg) -> bool:
    bare = replace(
        before, told_at=0.0, tests=(), failing_since=None, last_unmeasured_at=None, last_unmeasured_reason=None
    )
    return bare != fresh


def _counts(leg: Leg, observed_at: float, now: float, policy: Policy) -> bool:
    """Only a newer test counts, and only one that is apart enough from the last to be a second opinion."""
    # a test that a wrong clock dated into the future must not keep out all that come until then
    if not leg.tests or leg.tests[-1].observed_at > now:
        return True
    return observed_at - leg.tests[-1].observed_at >= policy.confirm_spacing_s * NEARLY
