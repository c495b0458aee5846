"""Files that are no list of rooms, or too large for one: refused with the remedy; and the template, which is one."""

import csv

import pytest
from openpyxl import load_workbook

from classready.documents import FILE_MAX_BYTES
from classready.settings import load
from collector.roster.files import OfficeFile
from collector.roster.spreadsheet import archive as bounds
from collector.roster.spreadsheet.template import write_template
from tests.support.spreadsheets import FIRST_SHEET, ROOMS, Bureau, archive, rewritten, workbook

OLE = bytes.fromhex("d0cf11e0a1b11ae1")
ROWS = [["区县代码", "学校代码", "教室"], *(["511402", school, room] for school, room in ROOMS)]
SAVE_AS = "open it in Excel or WPS and save it as .xlsx (另存为 → Excel 工作簿)"

NO_TEXT = "no text in UTF-8, GB 18030 or UTF-16; save it as .xlsx or CSV UTF-8"


@pytest.fixture
def bureau(tmp_path):
    return Bureau(tmp_path)


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        pytest.param("a.xls", OLE + b"Workbook", f"is an old workbook (.xls or .et): {SAVE_AS}", id="xls"),
        pytest.param("a.et", OLE, f"is an old workbook (.xls or .et): {SAVE_AS}", id="et"),
        pytest.param(
            "a.xlsx",
            OLE + "EncryptedPackage".encode("utf-16-le"),
            "is protected by a password: save it without one",
            id="password",
        ),
        pytest.param(
            "a.ods",
            archive(**{"mimetype": "x", "content.xml": "<x/>"}),
            "is an OpenDocument file (.ods); save it as .xlsx (另存为 → Excel 工作簿)",
            id="ods",
        ),
        pytest.param(
            "a.xlsx",
            archive(**{"xl/workbook.bin": "x", "[Content_Types].xml": "<x/>"}),
            "is a binary workbook (.xlsb); save it as .xlsx (另存为 → Excel 工作簿)",
            id="xlsb",
        ),
        pytest.param("a.zip", archive(a="x"), "is an archive, no workbook; unpack it first", id="zip"),
        pytest.param("a.xls", b"<html><table><tr>", f"is a web page, whatever its name says: {SAVE_AS}", id="web-page"),
        pytest.param("a.xls", b"\xef\xbb\xbf <?xml ?><Work>", f"is XML, whatever its name says: {SAVE_AS}", id="xml"),
        pytest.param("a.csv", b"%PDF-1.7", f"is a PDF: {SAVE_AS}", id="pdf"),
        pytest.param("a.csv", b"\x1f\x8b\x08", f"is compressed (.gz): {SAVE_AS}", id="gz"),
        pytest.param("a.csv", b"\0" * 9, NO_TEXT, id="zeros"),
        pytest.param("a.csv", b"x" * (FILE_MAX_BYTES + 1), "larger than 16,777,216 bytes", id="large"),
        pytest.param(
            "a.xlsx",
            archive(**{"[Content_Types].xml": b"\0" * (bounds.UNPACKED_MAX_BYTES + 1)}),
            "larger than 67,108,864 bytes when unpacked; leave pictures and other sheets out",
            id="bomb",
        ),
        pytest.param(
            "a.xlsx",
            archive(**{f"p{i}": "" for i in range(bounds.PARTS_MAX + 1)}),
            "holds more than 1,000 parts: no list of rooms",
            id="parts",
        ),
        pytest.param(
            "a.xlsx",
            archive(**{"[Content_Types].xml": b"<a/>" * (bounds.TAGS_MAX + 1)}),
            "holds more than 8,000,000 XML tags: no list of rooms",
            id="tags",
        ),
    ],
)  # fmt: skip
def test_other_files(bureau, name, body, expected):
    """What a file really is decides, and the message says what to do with it."""
    assert bureau.problems(name, body) == [f"{name}:1: {expected}"]


def test_damaged_workbooks(bureau):
    """A workbook that is cut short, or whose XML is broken, is refused in one line."""
    good = workbook(ROWS)
    sheet = FIRST_SHEET
    for body in (
        good[:-30],
        good[: len(good) // 2],
        archive(**{"[Content_Types].xml": "<x"}),
        rewritten(good, sheet, "</row>", ""),
    ):
        (told,) = bureau.problems("a.xlsx", body)
        assert told.startswith("a.xlsx:1: ")
        assert told.endswith(("save it again", "save it as .xlsx again"))


@pytest.mark.parametrize(
    ("part", "old", "new", "expected"),
    [
        pytest.param(
            "xl/workbook.xml",
            "<workbook",
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook',
            "a.xlsx:1: holds an XML entity declaration in xl/workbook.xml",
            id="entities",
        ),
        pytest.param(FIRST_SHEET, '<row r="5"', '<row r="99999999999"', "a row number above 1,048,576", id="number"),
        pytest.param(FIRST_SHEET, '<c r="C5"', '<c r="ZZ5"', "in column ZZ, beyond the 200", id="column"),
        pytest.param(FIRST_SHEET, '<row r="5">', f'<row r="5">{"<c/>" * 70_000}', "elements in a row", id="endless"),
        pytest.param(FIRST_SHEET, '<c r="C5"', f'<c r="{"A" * 100_000}5"', "beyond the 200", id="letters"),
        pytest.param(FIRST_SHEET, '<row r="5"', '<row r="2"', "row 2 stands below row 4", id="rows out of order"),
        pytest.param(FIRST_SHEET, '<row r="5"', '<row r="x"', "cannot be read as a workbook", id="no number"),
    ],
)  # fmt: skip
def test_hostile_workbooks(bureau, part, old, new, expected):
    """What would grow, or never end, is refused before it is read."""
    (told,) = bureau.problems("a.xlsx", rewritten(workbook(ROWS), part, old, new))
    assert expected in told


def test_sheets_without_anything(bureau):
    """Empty sheets, and a variant of the format in which no sheet is found, are told as such."""
    assert bureau.problems("a.xlsx", workbook([])) == ["a.xlsx:1: its visible sheets are empty"]
    schemas, strict = "http://schemas.openxmlformats.org", "http://purl.oclc.org/ooxml"
    relations, main = "/officeDocument/2006/relationships", "/spreadsheetml/2006/main"
    for part, name in (("xl/workbook.xml", relations), (FIRST_SHEET, main)):
        body = rewritten(workbook(ROWS), part, schemas + name, strict + name)
        (told,) = bureau.problems("a.xlsx", body)
        assert told.endswith("save it again as Excel 工作簿 (.xlsx), not as Strict Open XML")


def test_gaps_and_wrong_sizes(bureau):
    """A row far below, styled cells to the right, and a size that is wrong: the rooms are read all the same."""
    body = workbook(ROWS)
    sheet = FIRST_SHEET
    body = rewritten(body, sheet, "</sheetData>", '<row r="1048576"><c r="XFD1048576" s="0"/></row></sheetData>')
    body = rewritten(body, sheet, '<dimension ref="A1:C5"', '<dimension ref="A1"')
    assert not bureau.take("a.xlsx", body).is_change


def test_a_huge_merged_area_costs_nothing(bureau):
    """Merged areas are filled as far as there are rows."""
    merged = "".join(f'<mergeCell ref="{c}1:{c}1048576"/>' for c in ("D", "E", "F"))
    body = rewritten(workbook(ROWS), FIRST_SHEET, "</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>")
    assert not bureau.take("a.xlsx", body).is_change


# --- template -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rooms.xlsx", "rooms.csv"])
def test_a_filled_template_changes_nothing(bureau, name):
    """What the template holds of an office, read back, is that office."""
    path = bureau.base / name
    write_template(path, load(bureau.file, OfficeFile))
    assert not bureau.take(name, path.read_bytes()).is_change


def test_template_cells_are_text(bureau):
    """In an empty workbook every column is text from the first key on, and closed words are a list to choose from."""
    path = bureau.base / "rooms.xlsx"
    write_template(path, None)
    sheet = load_workbook(path).worksheets[0]
    assert [cell.value for cell in sheet[1]][:3] == ["区县代码 office", "区县名称 office_name", "学校代码 school"]
    assert {sheet.column_dimensions[letter].number_format for letter in "ABCDEFGHIJKLM"} == {"@"}
    assert '"有线,无线,移动网络"' in [choice.formula1 for choice in sheet.data_validations.dataValidation]
    with pytest.raises(FileExistsError):
        write_template(path, None)


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@x", "＝1+1", "'x", "a,b", 'a"b', "2026-03-01", "无", "0012", " x"]
)
@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_no_cell_becomes_a_formula(bureau, name, suffix):
    """A name that looks like a formula is text in the file, and the same name when it is read back."""
    text = bureau.file.read_text("utf-8").replace("一年级1班", f"'{name.replace(chr(39), chr(39) * 2)}'")
    bureau.file.write_text(text, "utf-8")
    path = bureau.base / f"rooms.{suffix}"
    write_template(path, load(bureau.file, OfficeFile))
    if suffix == "xlsx":
        assert {cell.data_type for row in load_workbook(path).worksheets[0] for cell in row} <= {"s", "n"}
    else:
        cells = [cell for row in csv.reader(path.read_text("utf-8-sig").splitlines()) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "＝"))]
    assert not bureau.take(path.name, path.read_bytes()).is_change
