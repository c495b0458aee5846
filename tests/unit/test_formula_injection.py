"""No table that the product writes runs anything in Excel or WPS, whatever schools, gateways and switches call things.

CWE-1236. Each table is written with hostile text in every field that anybody can fill, and read again as a spreadsheet
would. A module that writes tables and is not here fails the first test.
"""

import csv
import io
import re
import tempfile
from pathlib import Path

import openpyxl
import pytest

from collector import fleet_api, found_csv
from collector.app.enrolling import sheet
from collector.roster.files import OfficeFile, SchoolEntry
from collector.roster.spreadsheet.template import write_template
from collector.views.fleet import GatewayRow, TroubleView
from collector.views.found import FoundDeviceView, FoundGatewayView, FoundPortView, FoundSwitchView

PROJECT = Path(__file__).parents[2]
HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠A1",
    "'=1",
    "＇=1",
    '=HYPERLINK("x")',
)
AS_TYPED = re.compile(r'="[A-Za-z0-9 ./:_-]{1,64}"')
"""A text that a spreadsheet leaves as it is (3-1 is no date): it holds nothing that could run."""


def fleet(text):
    trouble = TroubleView(trouble="silent", text=text)
    row = GatewayRow(
        gateway=text, office=text, office_name=text, schools=(text,), school_names=(text,), troubles=(trouble,),
        enrolment="enrolled", enrolment_text=text, agent_version=text, release=text, upgrade=None,
        settings_applied=text, settings_wanted=text, settings_refused=(text,), last_heard_at=0.0, silent_since=None,
        report_interval_s=60.0, clock_skew_s=-90.0, spool_records=3, dropped_records=0, certificate_expires_at=None,
        found_count=1,
    )  # fmt: skip
    return fleet_api.table([row], 0.0, "zh")


def found(text):
    port = FoundPortView(
        name=text, label=text, up=True, trunk=False, classroom=text, why="label", text=text, hosts=(text,)
    )
    switch = FoundSwitchView(
        host=text, name=text, description=text, mac=text, observed_at=0.0, is_gone=False, is_proposed=True,
        problem=text, ports_left_out_count=0, ports=(port,),
    )  # fmt: skip
    device = FoundDeviceView(
        what="device", host=text, name=text, description=text, mac=text, switch=text, if_name=text, speaks_snmp=False,
        observed_at=0.0, is_gone=False, classroom=text, why="label", text=text,
    )  # fmt: skip
    gateway = FoundGatewayView(
        gateway=text, schools=("s1",), is_allowed=True, searched_at=0.0, search_text=text, search_detail=text,
        asked_at=None, open_count=1, switches=(switch,), devices=(device,), others=(device,), ignored=(), assigned=(),
    )  # fmt: skip
    return found_csv.table([gateway], {"s1": text}, "zh")


def slips(text):
    names = ("school", "school_name", "office_name", "gateway", "code", "line")
    return sheet([{**dict.fromkeys(names, text), "expires_at": 0.0}], ".csv", "zh")


def office_of(text):
    school = SchoolEntry(id="s1", name=text, operator=text, classrooms=())
    return OfficeFile(office="511402", name=text, schools=(school,), gateways=())


def rooms(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rooms.csv"
        write_template(path, office_of(text))
        return path.read_bytes().decode("utf-8-sig")


WRITERS = {
    "collector/fleet_api.py": fleet,
    "collector/found_csv.py": found,
    "collector/app/enrolling.py": slips,
    "collector/roster/spreadsheet/template.py": rooms,
}
ELSEWHERE = {"collector/views/rectification_csv.py"}
"""tests/unit/test_rectification_csv.py"""


def test_every_module_that_writes_tables_is_tried():
    """With csv or as a workbook."""
    writers = set()
    for module in [*(PROJECT / "collector").rglob("*.py"), *(PROJECT / "agent").rglob("*.py")]:
        if re.search(r"csv\.(writer|DictWriter)|Workbook\(|xlsxwriter", module.read_text("utf-8")):
            writers.add(str(module.relative_to(PROJECT)))
    assert writers == {*WRITERS, *ELSEWHERE}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_begins_as_a_formula_does(writer, text):
    """Numbers stay numbers: an apostrophe is put before text alone."""
    rows = list(csv.reader(io.StringIO(writer(text).removeprefix("\ufeff"), newline="")))
    assert len(rows) > 1
    running = [cell for row in rows[1:] for cell in row if cell[:1] in tuple("=+-@\t\r\n＝＋－＠")]
    assert [cell for cell in running if not AS_TYPED.fullmatch(cell)] == []
    assert any(f"'{text}" in cell for row in rows[1:] for cell in row)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_workbook_is_a_formula(text, tmp_path):
    """Read again, each is a text."""
    write_template(tmp_path / "rooms.xlsx", office_of(text))
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "rooms.xlsx").worksheets[0] for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not [cell for cell in cells if cell.data_type == "n" and cell.value is not None]
