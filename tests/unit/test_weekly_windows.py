"""A window in each week is a rule, not a list: ten years of it take no more memory or time than one week."""

import time
from datetime import date, timedelta

from collector.core.hours import Calendar
from collector.core.maintenance import WINDOWS_MAX
from collector.core.policy import Policy
from collector.roster import load_roster
from collector.roster.calendar import FUTURE_DAYS, hours_of_roster
from tests.support.collecting import write_roster
from tests.support.school import at

SCHOOLS = "".join(f"  - {{id: s{n}, name: S{n}, classrooms: [{{id: r1}}]}}\n" for n in range(20))
ROSTER = f"office: '511402'\nname: O\nschools:\n{SCHOOLS}"
WEEKLY = "  - {days: [sat, sun], begins: '00:00', ends: '06:00', why: x}\n"


def laid_out(folder, day: date, weekly: str) -> tuple[int, float]:
    """How many spans all schools of a roster hold on ``day``, and the processor time that it took."""
    roster = load_roster(write_roster(folder, f"{ROSTER}maintenance:\n  weekly:\n{weekly}"), {})
    began = time.process_time()
    hours = hours_of_roster(roster, Calendar(), at(f"{day} 10:00"), Policy())
    return sum(len(own.mutes) for own in hours.values()), time.process_time() - began


def test_ten_years_of_a_weekly_window(tmp_path) -> None:
    """Renewed each half year for ten years, as the collector does each day: never more spans than lie ahead."""
    counts = [laid_out(tmp_path, date(2026, 11, 23) + timedelta(days=182 * n), WEEKLY)[0] for n in range(21)]
    ahead = 2 * (FUTURE_DAYS // 7 + 2)
    assert 0 < max(counts) <= 20 * ahead
    assert max(counts) - min(counts) <= 20 * 2


def test_as_many_windows_as_a_file_may_have(tmp_path) -> None:
    """For each school that they are about: bounded in number, and done in a moment."""
    count, seconds = laid_out(tmp_path, date(2036, 11, 24), WEEKLY * WINDOWS_MAX)
    assert WINDOWS_MAX <= count <= 20 * WINDOWS_MAX * 2 * (FUTURE_DAYS // 7 + 2)
    assert seconds < 10
