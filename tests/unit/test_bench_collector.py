"""The benchmark of the collector's parts: every part ends, and what it prints is about what it says."""

import json

import pytest

from bench.collector import __main__ as program
from bench.collector.decoding import NOW
from bench.lines import json_line
from bench.province.reports import RECORDS, School
from classready.codec import decode_report


@pytest.mark.parametrize("part", program.PARTS)
def test_a_quick_run_measures_something(part: str) -> None:
    """Each line is JSON with a positive value."""
    lines = [json.loads(json_line(metric)) for metric in program.PARTS[part](True)]
    assert lines
    assert all(line["value"] > 0 and line["bench"] == f"collector.{part}" for line in lines)


def test_the_report_is_whole() -> None:
    """The measured report is one of 34 good records: it is the fast way that is timed."""
    decoded = decode_report(School(1, 1).report("usual", NOW).body)
    assert (len(decoded.records), decoded.nameless_count) == (RECORDS, 0)
    assert not decoded.rejected
