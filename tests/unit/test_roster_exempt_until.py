"""Until when a room is exempt, in a list of rooms: what is read, what is refused with its remedy, and the way back."""

import datetime as dt
import io
import zipfile

import pytest
from openpyxl import Workbook

from classready.settings import SettingsError, load
from collector.roster import load_roster
from collector.roster.files import OfficeFile
from collector.roster.spreadsheet.template import write_template
from tests.support.collecting import write_roster
from tests.support.spreadsheets import ROOMS, ROSTER, Bureau, rewritten, workbook

HEAD = ["office", "school", "classroom", "免考核原因", "免考核截止日期"]
OR_NONE = ", or 无 for an exemption without an end"
AGAIN = "format the column as text or as a date, and type the day again"
AS_DAY = f"write the day as 2026-12-31{OR_NONE}"


@pytest.fixture
def bureau(tmp_path):
    return Bureau(tmp_path)


def listed(**last) -> list[list[object]]:
    """Every room; for some of them a reason and a day."""
    return [HEAD, *(["511402", school, room, *last.get(room, (None, None))] for school, room in ROOMS)]


def csv(**last: tuple[str, str]) -> str:
    return "".join(",".join(str(cell or "") for cell in row) + "\n" for row in listed(**last))


def until(bureau: Bureau, room: str = "r1") -> tuple[str | None, str | None]:
    (found,) = [r for r in bureau.school("3251140201").classrooms if r.id == room]
    return found.exempt, found.exempt_until


# --- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2026-12-31", "2026/12/31", "2026.12.31", "20261231", "2026年12月31日", "2026年12月31号", "2026 年 12 月 31 日",
        "２０２６－１２－３１", "２０２６年１２月３１日", "二〇二六年十二月三十一日", "二○二六年十二月三十一号",
        "至2026-12-31", "截至2026年12月31日",
        "2026年12月31日止", "2026-12-31 00:00:00", "2026/12/31 0:00", "'2026-12-31",
    ],
)  # fmt: skip
def test_a_day_as_people_write_it(bureau, written):
    bureau.take("rooms.csv", csv(r1=("改造", written)))
    assert until(bureau) == ("改造", "2026-12-31")


@pytest.mark.parametrize(("written", "day"), [
    ("2026-9-1", "2026-09-01"), ("二〇二六年十月二十日", "2026-10-20"), ("二零二七年一月十日", "2027-01-10"),
    ("二〇二七年二月九日", "2027-02-09"), ("2028-2-29", "2028-02-29"),
])  # fmt: skip
def test_other_days(bureau, written, day):
    bureau.take("rooms.csv", csv(r1=("改造", written)))
    assert until(bureau)[1] == day


@pytest.mark.parametrize("written", ["无", "-", "长期", "永久", "不限"])
def test_without_an_end(bureau, written):
    """A day that is there is taken away; the reason stays."""
    bureau.take("rooms.csv", csv(r1=("维修", "2026-12-31")))
    bureau.take("rooms.csv", csv(r1=("维修", written)))
    assert until(bureau) == ("维修", None)


def test_an_empty_cell_keeps_the_day_while_the_reason_stays(bureau):
    bureau.take("rooms.csv", csv(r1=("维修", "2026-12-31")))
    kept = bureau.take("rooms.csv", csv(r1=("维修", "")))
    assert "1 empty cells in '免考核截止日期' keep what the roster has (无 would clear it)" in kept.notes
    assert not kept.is_change
    done = bureau.take("rooms.csv", csv(r1=("改造", "")))
    assert until(bureau) == ("改造", None)
    assert done.changes.edits == (
        "3251140201/r1: exempt '维修' -> '改造'",
        "3251140201/r1: exempt_until '2026-12-31' -> nothing",
    )
    assert not [note for note in done.notes if "截止" in note and "keep" in note]


def test_no_reason_any_more_takes_the_day_along(bureau):
    bureau.take("rooms.csv", csv(r1=("维修", "2026-12-31")))
    bureau.take("rooms.csv", csv(r1=("无", "")))
    assert until(bureau) == (None, None)


def test_a_list_without_the_column_changes_no_day(bureau):
    bureau.take("rooms.csv", csv(r1=("维修", "2026-12-31")))
    text = "".join(",".join(line.split(",")[:4]) + "\n" for line in csv(r1=("维修", "")).splitlines())
    assert not bureau.take("rooms.csv", text).is_change
    assert until(bureau) == ("维修", "2026-12-31")


# --- cells of a workbook --------------------------------------------------------------------------------------------


def formatted(value: object, number_format: str) -> bytes:
    def mark(book: Workbook) -> None:
        book.worksheets[0]["E2"].number_format = number_format

    return workbook(listed(r1=("改造", value)), more=mark)


def by_number(value: float, number: int) -> bytes:
    """A cell whose format is known by number alone, as a Chinese Excel saves it."""
    body = formatted(value, "yyyy-mm-dd")
    with zipfile.ZipFile(io.BytesIO(body)) as read:
        styles = read.read("xl/styles.xml").decode()
    whole = styles[styles.index("<cellXfs") : styles.index("</cellXfs>")]
    return rewritten(body, "xl/styles.xml", whole, whole.replace('numFmtId="164"', f'numFmtId="{number}"'))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(formatted(dt.date(2026, 12, 31), "yyyy-mm-dd"), id="a date"),
        pytest.param(formatted(dt.date(2026, 12, 31), 'yyyy"年"m"月"d"日"'), id="a date in Chinese"),
        pytest.param(formatted("2026-12-31", "@"), id="a text"),
        pytest.param(formatted(20261231, "General"), id="a number of eight digits"),
        pytest.param(by_number(46387, 31), id="a date that only a Chinese Excel takes for one"),
        pytest.param(by_number(46387, 58), id="the same without its year"),
        pytest.param(by_number(46387, 14), id="the short date"),
    ],
)
def test_cells_of_a_workbook(bureau, body):
    bureau.take("rooms.xlsx", body)
    assert until(bureau) == ("改造", "2026-12-31")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (formatted(dt.date(2026, 12, 1), "mmm-yy"), f"'2026-12' names no day; {AS_DAY}"),
        (by_number(46357, 57), f"'2026-12' names no day; {AS_DAY}"),
        (formatted(46387, "General"), f"'46387' is the spreadsheet's count of days; {AGAIN}{OR_NONE}"),
        (formatted(dt.time(12, 30), "hh:mm"), f"'12:30:00' is no day; {AS_DAY}"),
        (formatted("=1/0", "General"), "is a formula without a stored result"),
    ],
)  # fmt: skip
def test_cells_that_are_no_day(bureau, body, told):
    (problem,) = bureau.problems("rooms.xlsx", body)
    assert problem.startswith("rooms.xlsx:2: Sheet!E2 免考核截止日期: ")
    assert told in problem


def test_an_id_that_a_chinese_excel_made_a_date_of(bureau):
    """3-1 becomes 3月1日, whose format is number 58: no room is called 46082."""
    body = workbook([["office", "school", "classroom"], ["511402", "3251140201", 46082]])
    with zipfile.ZipFile(io.BytesIO(body)) as read:
        styles = read.read("xl/styles.xml").decode()
    whole = styles[styles.index("<cellXfs") : styles.index("</cellXfs>")]
    (problem,) = bureau.problems(
        "rooms.xlsx", rewritten(body, "xl/styles.xml", whole, whole.replace('numFmtId="0"', 'numFmtId="58"'))
    )
    assert problem.startswith("rooms.xlsx:2: Sheet!C2 classroom: '2026-03-01' is a date: the spreadsheet has made one")


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2026-02-30", f"'2026-02-30' is a day that no calendar has; {AS_DAY}"),
        ("2026-13-01", f"'2026-13-01' is a day that no calendar has; {AS_DAY}"),
        ("二〇二六年十三月一日", f"'二〇二六年十三月一日' is a day that no calendar has; {AS_DAY}"),
        ("2026年12月", f"'2026年12月' names no day; {AS_DAY}"),
        ("2026-12", f"'2026-12' names no day; {AS_DAY}"),
        ("2026", f"'2026' names no day; {AS_DAY}"),
        ("12月31日", f"'12月31日' has no year; {AS_DAY}"),
        ("12-31", f"'12-31' has no year; {AS_DAY}"),
        ("1/2/2027", f"'1/2/2027' may be more than one day (day or month first, which century); {AS_DAY}"),
        ("26/12/31", f"'26/12/31' may be more than one day (day or month first, which century); {AS_DAY}"),
        ("学期末", f"'学期末' is no day; {AS_DAY}"),
        ("31-Dec-26", f"'31-Dec-26' is no day; {AS_DAY}"),
        ("2026/12-31", f"'2026/12-31' is no day; {AS_DAY}"),
        ("是", f"'是' is no day; {AS_DAY}"),
        ("9999-12-31", "9999-12-31 is later than can be reckoned with: leave it out for an exemption without an end"),
        ("################", f"'################' is no day; {AS_DAY}"),
        ("9" * 100_000, "is no day"),
    ],
)  # fmt: skip
def test_what_is_no_day(bureau, written, told):
    """With file, row, column, what stands there and what to write."""
    (problem,) = bureau.problems("rooms.csv", csv(r1=("改造", written)))
    assert problem.startswith("rooms.csv:2: 免考核截止日期: ")
    assert told in problem


@pytest.mark.parametrize("reason", ["", "无", "否"])
def test_a_day_without_a_reason(bureau, reason):
    """By the row and column of the list, like what the YAML file is told."""
    (problem,) = bureau.problems("rooms.csv", csv(r2=(reason, "2026-12-31")))
    assert problem.startswith(
        "rooms.csv:3: 免考核截止日期: until 2026-12-31, and why not at all: write the reason into "
    )


def test_two_columns_for_one_day(bureau):
    text = (
        csv(r1=("改造", "2026-12-31")).replace("免考核截止日期", "免考核截止日期,免考核截止日期").replace("-31", "-31,")
    )
    assert "stands twice" in bureau.problems("rooms.csv", text)[0]


def test_a_day_beyond_all_plans_in_a_roster_file(tmp_path):
    """The midnight after it cannot be reckoned with: told with its line, where it ended the program before."""
    folder = write_roster(tmp_path, ROSTER.replace("exempt: 维修", "exempt: 维修, exempt_until: '9999-12-31'"))
    with pytest.raises(SettingsError, match=r"511402\.yml:12: .*exempt_until: 9999-12-31 is later than can be"):
        load_roster(folder, {})


# --- there and back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rooms.xlsx", "rooms.csv"])
def test_what_a_template_holds_is_read_back(bureau, name):
    """The day stands in the filled template, and changing nothing changes nothing."""
    bureau.take("first.csv", csv(r1=("维修", "2026年12月31日"), r2=("未建成", "长期")))
    path = bureau.base / name
    write_template(path, load(bureau.file, OfficeFile))
    assert not bureau.take(name, path.read_bytes()).is_change
    assert [until(bureau, room) for room in ("r1", "r2")] == [("维修", "2026-12-31"), ("未建成", None)]
