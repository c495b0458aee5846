"""Ages asked for once instead of for each piece of evidence: the inverses of ``school_hours_between``."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from collector.core.age import fresh_from, fresh_until, seconds_since
from collector.core.hours import (
    after_school_hours,
    before_school_hours,
    next_boundary,
    school_hours_between,
)
from collector.core.state import Away
from tests.support.school import at, weekdays

HOURS = weekdays(count=40)
MOMENTS = st.integers(int(at("2026-10-05 00:00")), int(at("2026-11-06 00:00"))).map(float)
LIMITS = st.sampled_from([0.5, 8.0, 9.0, 16.0, 45.0])


@given(MOMENTS, MOMENTS, LIMITS)
def test_before(one, other, limit_h):
    """Young enough is exactly what is not older than that moment."""
    seen, now = sorted((one, other))
    young = school_hours_between(HOURS, seen, now) <= limit_h
    assert young is (seen >= before_school_hours(HOURS, now, limit_h))


@given(MOMENTS, LIMITS, st.sampled_from([0.0, 0.002, 60.0, 90_000.0]))
def test_after(seen, limit_h, beyond_s):
    """Good until that moment, and not for a moment longer."""
    until = after_school_hours(HOURS, seen, limit_h)
    if until != inf:
        assert school_hours_between(HOURS, seen, until) <= limit_h + 1e-9
        if beyond_s:
            assert school_hours_between(HOURS, seen, until + beyond_s) > limit_h


@given(MOMENTS)
def test_boundary(now):
    """Nothing begins or ends in between: no lesson, no school day."""
    until = next_boundary(HOURS, now)
    assert until > now
    edges = [edge for day in HOURS.days for lesson in day.lessons for edge in lesson]
    edges += [at(f"{day.date} 00:00") for day in HOURS.days]
    assert not [edge for edge in edges if now < edge < until]


@given(
    st.integers(-500, 500).map(float), st.integers(0, 500).map(float), st.integers(0, 300).map(float),
    st.tuples(st.integers(-400, 400), st.integers(0, 300)).map(lambda a: Away(a[0], a[0] + a[1])) | st.none(),
)  # fmt: skip
def test_fresh_from_and_until(at_s, now, window_s, away):
    """Three ways to ask the same: how many seconds, not before when, and until when."""
    if at_s > now or (away and away.end > now):
        return
    fresh = seconds_since(at_s, now, away) <= window_s
    assert fresh is (at_s >= fresh_from(window_s, now, away))
    if fresh:
        assert fresh_until(at_s, window_s, away) >= now
    elif away is None or at_s >= away.end or now >= away.end:
        assert fresh_until(at_s, window_s, away) < now
