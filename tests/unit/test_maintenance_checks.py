"""What `check` refuses of maintenance windows: with file, line, both values and the remedy."""

from datetime import date

import pytest

from collector.app.loading import advice, load_configuration
from tests.support.collecting import write_roster
from tests.unit.test_calendar_checks import problems

OVER_MIDNIGHT = ": over midnight write one until 24:00, and one from 00:00 on for the days after"

REFUSED = [
    pytest.param(
        'once:\n    - {begins: "2026-12-05 20:00", ends: "2026-12-05 06:00", why: x}',
        "3: maintenance.once[0].ends: a window must end after it begins: 2026-12-05 20:00 to 2026-12-05 06:00: are "
        "they the wrong way round?",
        id="ends before it begins",
    ),
    pytest.param(
        'once:\n    - {begins: "2026-12-05 20:00", ends: "2026-12-05 20:00", why: x}',
        "3: maintenance.once[0].ends: a window must end after it begins: 2026-12-05 20:00 to 2026-12-05 20:00: are "
        "they the wrong way round?",
        id="ends when it begins",
    ),
    pytest.param(
        'once:\n    - begins: "2026-12-05 20:00"\n      why: x',
        "3: maintenance.once[0]: missing setting 'ends'",
        id="without an end",
    ),
    pytest.param(
        'once:\n    - {begins: "2026-12-05 20:00", ends: null, why: x}',
        "3: maintenance.once[0].ends: must look like 2026-12-05 20:00 (day and local time); found nothing",
        id="an end that is nothing",
    ),
    pytest.param(
        'once:\n    - begins: "2026-12-05 20:00"\n      ends: "9999-12-31 23:59"\n      why: x',
        "4: maintenance.once[0].ends: a window of 2912104 days (2026-12-05 20:00 to 9999-12-31 23:59) is as good as "
        "one that never ends: at most 31; rooms that are out of use for longer are `exempt`",
        id="ends when nobody lives",
    ),
    pytest.param(
        'once:\n    - {begins: "2026-12-05 20:00", ends: "9999-12-31 24:00", why: x}',
        "3: maintenance.once[0].ends: no such day: 9999-12-31 24:00",
        id="ends after all days",
    ),
    pytest.param(
        'once:\n    - {begins: "2026-12-05 20:00", ends: "2027-01-05 20:01", why: x}',
        "3: maintenance.once[0].ends: a window of 31 days (2026-12-05 20:00 to 2027-01-05 20:01) is as good as one "
        "that never ends: at most 31; rooms that are out of use for longer are `exempt`",
        id="a minute too long",
    ),
    pytest.param(
        'once:\n    - {begins: "2026-11-31 20:00", ends: "2026-12-01 20:00", why: x}',
        "3: maintenance.once[0].begins: no such day: 2026-11-31 20:00",
        id="no such day",
    ),
    pytest.param(
        'weekly:\n    - {days: [sat], begins: "22:00", ends: "06:00", why: x}',
        f"3: maintenance.weekly[0].ends: a window must end after it begins: 22:00-06:00{OVER_MIDNIGHT}",
        id="weekly, over midnight",
    ),
    pytest.param(
        'weekly:\n    - {days: [mon, tue, wed, thu, fri, sat, sun], begins: "00:00", ends: "24:00", why: x}',
        "3: maintenance.weekly[0]: a window that never ends: with line 3 no minute of the week is left, and nobody "
        "would ever be told anything: leave time between, or take rooms that are out of use out with `exempt`",
        id="all week",
    ),
    pytest.param(
        'weekly:\n    - {days: [mon, tue, wed, thu, fri], begins: "00:00", ends: "24:00", why: x}\n'
        '    - {days: [sat, sun], begins: "00:00", ends: "12:30", why: y}\n'
        '    - {days: [sun, sat], begins: "12:00", ends: "24:00", why: z}',
        "5: maintenance.weekly[2]: a window that never ends: with line 3, 4, 5 no minute of the week is left, and "
        "nobody would ever be told anything: leave time between, or take rooms that are out of use out with `exempt`",
        id="all week together",
    ),
    pytest.param(
        'weekly:\n    - {days: [sat], begins: "20:00", ends: "24:00", why: x, schools: [s9]}',
        "3: maintenance.weekly[0].schools[0]: no school 's9' in the roster",
        id="no such school",
    ),
    pytest.param(
        'weekly:\n    - {days: [sat], begins: "20:00", ends: "24:00", why: x, platforms: [p, q]}',
        "3: maintenance.weekly[0].platforms[1]: no platform 'q' in the settings",
        id="no such platform",
    ),
    pytest.param(
        'weekly:\n    - {days: [sat], begins: "20:00", ends: "24:00", why: x, timezone: Asia/Chengdu}',
        "3: maintenance.weekly[0].timezone: unknown time zone 'Asia/Chengdu'",
        id="no such zone",
    ),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_a_window_of_the_bureau(tmp_path, text, expected):
    """In collector.yml."""
    write_roster(tmp_path)
    path = tmp_path / "collector.yml"
    path.write_text(f"maintenance:\n  {text}\nplatforms: [{{id: p, name: P}}]\n", encoding="utf-8")
    assert problems(path) == [f"collector.yml:{expected}"]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_and_so_an_offices(tmp_path, text, expected):
    """In a file of the roster."""
    write_roster(tmp_path)
    (tmp_path / "roster" / "o.yml").write_text(f"maintenance:\n  {text}\noffice: o\nname: O\n", encoding="utf-8")
    path = tmp_path / "collector.yml"
    path.write_text("platforms: [{id: p, name: P}]\n")
    assert problems(path) == [f"roster/o.yml:{expected}"]


def test_an_office_speaks_of_its_own_schools(tmp_path):
    """Not of another's, and of no other office."""
    write_roster(tmp_path)
    window = '{begins: "2026-12-05 20:00", ends: "2026-12-06 06:00", why: x'
    (tmp_path / "roster" / "o.yml").write_text(
        f"office: o\nname: O\nmaintenance: {{once: [{window}, schools: [s1]}}]}}\n", encoding="utf-8"
    )
    path = tmp_path / "collector.yml"
    path.write_text(f'maintenance:\n  once:\n    - {window}, offices: ["9"]}}\n', encoding="utf-8")
    assert problems(path) == ["roster/o.yml:3: maintenance.once[0].schools[0]: no school 's1' in the roster"]
    (tmp_path / "roster" / "o.yml").write_text("office: o\nname: O\n", encoding="utf-8")
    assert problems(path) == ["collector.yml:3: maintenance.once[0].offices[0]: no office '9' in the roster"]


def test_good_windows(tmp_path):
    """A month, over midnight in two, nearly all week; one that is over is noted."""
    write_roster(tmp_path)
    path = tmp_path / "collector.yml"
    path.write_text(
        "maintenance:\n  once:\n"
        '    - {begins: "2026-12-05 20:00", ends: "2027-01-05 20:00", why: 改造, offices: ["511402"], schools: [s1]}\n'
        "  weekly:\n"
        '    - {days: [sat], begins: "22:00", ends: "24:00", why: x}\n'
        '    - {days: [sun], begins: "00:00", ends: "06:00", why: x}\n'
        '    - {days: [mon, tue, wed, thu, fri, sat, sun], begins: "00:01", ends: "24:00", why: x, schools: [s1]}\n',
        encoding="utf-8",
    )
    roster = load_configuration(path).roster
    assert advice(path, roster, date(2027, 1, 5)) == []
    (note,) = advice(path, roster, date(2027, 1, 6))
    assert str(note) == f"{path}:3: maintenance.once[0].ends: over since 2027-01-05 20:00: it may go"
