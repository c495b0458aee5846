"""The table for Excel and WPS: its bytes, in both languages, and nothing in it that a spreadsheet would run."""

import csv
import io
from pathlib import Path

import pytest

from collector.views.rectification import shown_records
from collector.views.rectification_csv import table
from tests.support.rectifications import page_of, record
from tests.support.samples import NAMES, NOW

GOLDEN = Path(__file__).parents[1] / "data" / "rectifications"
OFFSET_S = 28_800.0

RECORDS = page_of(
    record(),
    record(id="000011", ending="exempted", fixed_at=None, record_state="withdrawn", reopened_from=None),
    record(
        id="000010", closed_at=None, fixed_at=None, ending=None, record_state="open", acknowledged_at=None,
        acknowledged_by=None, actor="school", root_name=None, reopened_from=None, fix_lesson_s=None,
    ),
)  # fmt: skip
OLD = page_of(
    record(
        id="000002", actor=None, root_name=None, told_at=None, acknowledged_at=None, fixed_at=None, fix_lesson_s=None,
        ending=None, record_state="unknown", reopened_from=None,
    ),
    told=False,
)  # fmt: skip


def written(page, language, **how):
    return table(shown_records(page, NAMES, language), OFFSET_S, language, **how)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_its_bytes(language):
    """Golden: UTF-8 with a mark for Excel, CRLF, one line a school, what is not known said to be that."""
    text = written(RECORDS, language) + written(OLD, language, cut=True).removeprefix("\ufeff")
    assert text.encode() == (GOLDEN / f"{language}.csv").read_bytes()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1+1", "'=1"])
def test_nothing_in_it_is_a_formula(text):
    """Whatever people or gateways call things (CWE-1236): no cell begins as a formula does, none breaks a line."""
    hostile = page_of(record(name=f'{text}",\n', by=text, note=text, root_name=text, rooms='["=r"]'))
    rows = list(csv.reader(io.StringIO(written(hostile, "zh").removeprefix("\ufeff"))))
    assert [len(row) for row in rows] == [23, 23]
    assert not [cell for cell in rows[1] if cell[:1] in tuple("=+-@\t＝")]
    assert f"'{text}" in rows[1]


def test_dates_are_by_the_clock_that_is_given():
    (row,) = list(csv.reader(io.StringIO(written(page_of(record()), "zh"))))[1:]
    assert (row[10], NOW) == ("2025-10-15 09:30", 1_760_500_800.0)
