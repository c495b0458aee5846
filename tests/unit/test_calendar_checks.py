"""What `check` refuses of a calendar, and what it only notes: with file, line, both values and the remedy."""

from datetime import date
from pathlib import Path

import pytest

from classready.settings import SettingsError
from collector.app.loading import advice, guesses, load_configuration
from collector.core.hours import Calendar
from collector.core.timetable import TimetableEntry
from collector.roster import load_roster
from collector.roster.importing import import_office
from tests.support.collecting import ROSTER, write_roster

TODAY = date(2026, 9, 1)

TERMS = 'terms:\n    - {first: "2026-09-01", last: "2027-01-22"}\n'
PRIMARY = "timetables:\n    - name: a\n      stages: [primary]\n      periods: [{begins: '08:00', ends: '08:40'}]\n"

REFUSED = [
    pytest.param(
        TERMS + '    - {first: "2027-01-22", last: "2027-07-02"}',
        "4: calendar.terms[1].first: terms must not overlap: 2027-01-22..2027-07-02, and 2026-09-01..2027-01-22 in "
        "line 3: let one begin after the other has ended",
        id="two terms share a day",
    ),
    pytest.param(
        TERMS + '    - {first: "2026-10-01", last: "2026-11-01"}',
        "4: calendar.terms[1].first: terms must not overlap: 2026-10-01..2026-11-01, and 2026-09-01..2027-01-22 in "
        "line 3: let one begin after the other has ended",
        id="one term within another",
    ),
    pytest.param(
        TERMS + '    - {first: "2026-02-20", last: "2026-09-10"}',
        "3: calendar.terms[0].first: terms must not overlap: 2026-09-01..2027-01-22, and 2026-02-20..2026-09-10 in "
        "line 4: let one begin after the other has ended",
        id="terms out of order",
    ),
    pytest.param(
        'terms: [{first: "2026-09-01", last: "2026-01-22"}]',
        "2: calendar.terms[0].last: a term must end after it begins: 2026-09-01..2026-01-22: are they the wrong way "
        "round?",
        id="a term that ends before it begins",
    ),
    pytest.param(
        'days_off: ["2026-10-10"]\n  make_up_days: [{date: "2026-10-10", follows: wed}]',
        "2: calendar.days_off[0]: 2026-10-10 is a day off here and a make-up day in line 3: leave one of them out",
        id="off and worked",
    ),
    pytest.param(
        'make_up_days:\n    - {date: "2026-10-10", follows: wed}\n    - {date: "2026-10-10", follows: fri}',
        "4: calendar.make_up_days[1].date: 2026-10-10 is a make-up day here and a make-up day in line 3: leave one of "
        "them out",
        id="two weekdays followed",
    ),
    pytest.param(
        'exam_days: ["2027-06-07", "2027-06-08", "2027-06-07"]',
        "2: calendar.exam_days[2]: 2027-06-07 is an examination day here and an examination day in line 2: leave one "
        "of them out",
        id="examined twice",
    ),
    pytest.param('exam_days: ["2026-11-31"]', "2: calendar.exam_days[0]: no such day: 2026-11-31", id="no such day"),
    pytest.param(
        PRIMARY + "    - name: b\n      stages: [primary]\n      days: [fri, sat]\n      periods: []\n",
        "7: calendar.timetables[1].stages: two timetables for 'primary' on fri: 'b' here and 'a' in line 4: give each "
        "day to one of them (days)",
        id="two timetables for a stage's Friday",
    ),
    pytest.param(
        PRIMARY + "    - name: a\n      periods: []\n",
        "6: calendar.timetables[1].name: two timetables for 'a' on mon, tue, wed, thu, fri: 'a' here and 'a' in line "
        "3: give each day to one of them (days)",
        id="one name twice",
    ),
    pytest.param(
        "timetables:\n    - {name: a, kinds: [point, hub], periods: []}\n    - {name: b, kinds: [hub], periods: []}\n",
        "4: calendar.timetables[1].kinds: two timetables for 'hub' on mon, tue, wed, thu, fri: 'b' here and 'a' in "
        "line 3: give each day to one of them (days)",
        id="two timetables for a kind",
    ),
    pytest.param(
        "timetables:\n    - name: a\n      periods:\n        - {begins: '08:00', ends: '08:40'}\n"
        "        - {begins: '08:30', ends: '08:50', kind: break}\n",
        "6: calendar.timetables[0].periods[1]: periods must be in order and must not overlap: 08:00-08:40, "
        "08:30-08:50 (break)",
        id="a break within a lesson",
    ),
    pytest.param(
        "timetables:\n    - name: a\n      periods:\n        - {begins: '08:00', ends: '08:40'}\n"
        "        - {begins: '08:20', ends: '09:00'}\n",
        "6: calendar.timetables[0].periods[1]: lessons must be in order and must not overlap: 08:00-08:40, 08:20-09:00",
        id="lessons that overlap",
    ),
    pytest.param(
        "timetables:\n    - name: a\n      periods: [{begins: '19:00', ends: '07:00', kind: evening_study}]\n",
        "4: calendar.timetables[0].periods[0]: an evening study must end after it begins: 19:00-07:00",
        id="a period over midnight",
    ),
    pytest.param(
        "timetables: [{name: a, days: [mon, mon], periods: []}]",
        "2: calendar.timetables[0].days: a weekday is given twice: mon, mon",
        id="a weekday twice",
    ),
]


def problems(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_configuration(path)
    return [str(problem).replace(f"{path.parent}/", "") for problem in raised.value.problems]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_a_calendar_that_contradicts_itself(tmp_path, text, expected):
    """In collector.yml."""
    write_roster(tmp_path)
    path = tmp_path / "collector.yml"
    path.write_text(f"calendar:\n  {text}\n", encoding="utf-8")
    assert problems(path) == [f"collector.yml:{expected}"]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_and_so_an_offices(tmp_path, text, expected):
    """In a file of the roster: one line further down stand the same words."""
    (tmp_path / "roster").mkdir()
    (tmp_path / "roster" / "o.yml").write_text(f"calendar:\n  {text}\noffice: o\nname: O\n", encoding="utf-8")
    path = tmp_path / "collector.yml"
    path.write_text("{}\n")
    assert problems(path) == [f"roster/o.yml:{expected}"]


def test_adjoining_terms_and_periods_are_good(tmp_path):
    """A term may begin on the day after another, a period when another ends; weekdays may be shared out."""
    write_roster(tmp_path)
    path = tmp_path / "collector.yml"
    path.write_text(
        f'calendar:\n  {TERMS}    - {{first: "2027-01-23", last: "2027-07-02"}}\n  {PRIMARY}'
        "    - {name: a, stages: [primary], days: [sat], periods: []}\n"
    )
    assert load_configuration(path).settings.calendar.timetables[1].days == ("sat",)


def office(folder: Path, text: str) -> Path:
    write_roster(folder, ROSTER.replace("    timetable: always\n", text, 1))
    path = folder / "collector.yml"
    path.write_text(f"calendar:\n  {PRIMARY}\n")
    return path


def test_a_timetable_that_nobody_wrote(tmp_path):
    """A school or room that follows one must find it."""
    path = office(tmp_path, "    follows: b\n")
    (told,) = problems(path)
    assert told.endswith("schools[0].follows: no timetable 'b' in calendar.timetables (there is: a)")
    assert told.startswith("roster/511402.yml:6: ")
    assert load_configuration(office(tmp_path, "    follows: a\n")).roster.entries["s1"].follows == "a"


def test_two_timetables_for_one_school(tmp_path):
    """One of its own and one that it follows: nobody knows which is meant."""
    (told,) = problems(office(tmp_path, "    timetable: never\n    follows: a\n"))
    assert told == "roster/511402.yml:7: schools[0].follows: two timetables: 'a' and its own: leave out one of them"


def notes(path: Path, today: date = TODAY) -> list[str]:
    roster = load_configuration(path).roster
    found = [*advice(path, roster, today), *guesses(path, roster, today)]
    return [str(note).replace(f"{path.parent}/", "") for note in found]


UNSAID = "is a school day (调休), and nothing says whose timetable it follows"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{}", ["1: calendar: 2026-09-20 (Sun)", "1: calendar: 2026-10-10 (Sat)"], id="none is listed"),
        pytest.param(
            'make_up_days:\n    - {date: "2026-09-20", follows: fri}\n    - {date: "2026-10-10"}',
            ["4: calendar.make_up_days[1]: 2026-10-10 (Sat)"],
            id="one without a weekday",
        ),
        pytest.param(
            'days_off: ["2026-09-20"]\n  terms: [{first: "2026-08-31", last: "2026-10-01"}]', [], id="off, and no term"
        ),
        pytest.param('exam_days: ["2026-09-20", "2026-10-10"]', [], id="examinations"),
    ],
)
def test_a_saturday_of_which_nobody_said_whose_timetable(tmp_path, text, expected):
    """Told as long as it is to come, with the line that could say it."""
    write_roster(tmp_path)
    path = tmp_path / "collector.yml"
    path.write_text(f"calendar: {text}\n" if text == "{}" else f"calendar:\n  {text}\n", encoding="utf-8")
    assert [note for note in notes(path) if UNSAID in note] == [
        note for note in notes(path) for line in expected if note.startswith(f"collector.yml:{line}")
    ]
    assert len([note for note in notes(path) if UNSAID in note]) == len(expected)
    assert not [note for note in notes(path, date(2026, 10, 11)) if UNSAID in note]


def test_an_offices_own_make_up_day(tmp_path):
    """With the line of the office's file."""
    (tmp_path / "roster").mkdir()
    (tmp_path / "roster" / "o.yml").write_text(
        'office: o\nname: O\ncalendar:\n  make_up_days: [{date: "2026-11-21"}]\n', encoding="utf-8"
    )
    path = tmp_path / "collector.yml"
    path.write_text("{}\n")
    (told,) = [note for note in notes(path) if "2026-11-21" in note]
    assert told.startswith(f"roster/o.yml:4: calendar.make_up_days[0]: 2026-11-21 (Sat) {UNSAID}")


def test_a_year_that_is_not_announced(tmp_path):
    """It says what stands for it, as soon as a term reaches into it."""
    write_roster(tmp_path)
    path = tmp_path / "collector.yml"
    path.write_text('\ncalendar:\n  terms: [{first: "2030-09-01", last: "2031-01-22"}]\n')
    told = [note for note in notes(path, date(2030, 9, 1)) if "public holidays" in note]
    assert [note[:60] for note in told] == [
        "collector.yml:2: calendar: the public holidays of 2030 are n",
        "collector.yml:2: calendar: the public holidays of 2031 are n",
    ]
    assert "1 January, 1-2 May and 1-3 October" in told[0]


def test_an_import_keeps_what_a_list_cannot_say(tmp_path):
    """The office's calendar and what schools follow stay, and the timetable must be there."""
    write_roster(tmp_path, ROSTER.replace("    timetable: always\n", "    follows: a\n", 1))
    file = tmp_path / "roster" / "511402.yml"
    file.write_text(file.read_text() + 'calendar: {days_off: ["2026-11-21"]}\n')
    rows = tmp_path / "rooms.csv"
    rows.write_text("office,school,classroom\n511402,s1,r9\n511402,s2,r2\n511402,s3,r1\n")
    with pytest.raises(SettingsError, match=r"no timetable 'a' in calendar\.timetables"):
        import_office(rows, tmp_path / "roster", {})
    calendar = Calendar(timetables=(TimetableEntry(name="a", periods=()),))
    import_office(rows, tmp_path / "roster", {}, calendar=calendar)
    roster = load_roster(tmp_path / "roster", {}, calendar=calendar)
    assert [room.id for room in roster.entries["s1"].classrooms] == ["r9"]
    assert roster.entries["s1"].follows == "a"
    assert roster.calendars["511402"].days_off == ("2026-11-21",)
