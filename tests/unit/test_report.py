"""Envelopes: their bounds, and that values cannot be changed once made."""

from typing import Any

import msgspec
import pytest

from classready.codec import encode, encode_report
from classready.observation import DETAIL_MAX_CHARACTERS, Port
from classready.report import (
    REPORT_MAX_BYTES,
    SCHEMA_VERSION,
    Ack,
    Directives,
    Presence,
    Record,
    Rejected,
    Report,
    Thetas,
)

STRUCTS = [Record, Report, Ack, Rejected, Thetas, Directives, Presence]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda s: s.__name__)
def test_envelopes_are_frozen_and_tolerant(struct: Any) -> None:
    """Nobody changes a message in passing, and a later version may add fields."""
    config = struct.__struct_config__
    assert (config.frozen, config.forbid_unknown_fields) == (True, False)


def test_schema_version_is_announced() -> None:
    """A report says which version of the wire it speaks."""
    report = Report(gateway="gw-01", spool_id="0" * 32, report_interval_s=60.0, sent_monotonic_s=1.0)
    assert msgspec.json.decode(encode(report))["schema_version"] == SCHEMA_VERSION == 1


def test_the_largest_record_fits_many_times() -> None:
    """Even the longest record of the longest kind leaves room for others in a report."""
    text = "字" * DETAIL_MAX_CHARACTERS
    counters = {f.name: 2**63 - 1 for f in msgspec.structs.fields(Port) if f.name.endswith(("_octets", "_count"))}
    port = Port(classroom="s" * 32 + "/" + "c" * 32, if_name="字" * 64, detail=text, **counters)
    record = encode(Record(sequence=2**53, boot_id="a" * 36, monotonic_s=1.0, observation=port))
    report = Report(gateway="gw-01", spool_id="0" * 32, report_interval_s=60.0, sent_monotonic_s=1.0)
    assert len(encode_report(report, [record] * 25)) < REPORT_MAX_BYTES


def test_no_direction_is_tested_without_thetas() -> None:
    """Thetas say nothing by default: an agent that was told nothing tests nothing."""
    assert Directives(policy_version="a").theta == Thetas(down=None, up=None)
