"""Python's collector of garbage looks for circles; a province's evidence has none, and must not be looked through."""

import gc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from classready.codec import decode_report, encode, encode_report
from classready.observation import Device, Http, Observation, Phases, Ping, Rtt
from classready.report import Ack, Directives, Record, Report
from collector.core.roster import Hours, SchoolRoster
from collector.core.state import SchoolState
from collector.roster.files import OfficeFile

SPOOL = "0" * 32


def _structs(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """Every struct that a value of ``annotation`` can hold, however deep."""
    todo, seen = [msgspec.inspect.type_info(annotation)], set()
    while todo:
        kind = todo.pop()
        if isinstance(kind, msgspec.inspect.StructType) and kind.cls not in seen:
            seen.add(kind.cls)
            yield kind.cls
            todo += [field.type for field in kind.fields]
        elif not isinstance(kind, msgspec.inspect.StructType):
            inner = [getattr(kind, name, ()) for name in ("types", "item_types")]
            todo += [each for group in inner for each in group]
            one = [getattr(kind, name, None) for name in ("type", "item_type", "key_type", "value_type")]
            todo += [each for each in one if isinstance(each, msgspec.inspect.Type)]


@pytest.mark.parametrize(
    "root",
    [Record, Report, Ack, Directives, SchoolState, SchoolRoster, Hours, OfficeFile],
    ids=lambda root: root.__name__,
)
def test_what_is_kept_by_the_million_is_not_looked_through(root: type[msgspec.Struct]) -> None:
    """Each struct of a report, an answer, a state or a roster is left alone, and cannot be changed into a circle."""
    found = list(_structs(root))
    assert root in found
    assert [s.__name__ for s in found if s.__struct_config__.gc or not s.__struct_config__.frozen] == []


def test_the_search_finds_nested_structs() -> None:
    """The list above goes through unions, mappings and tuples."""
    assert {Ping, Rtt, Phases, Device} <= set(_structs(Record))
    assert len(list(_structs(SchoolState))) > 20


@pytest.mark.parametrize(
    "observation",
    [
        Ping(target="page", rtt_s=Rtt(min=0.1, median=0.2, max=0.3)),
        Http(target="page", phases_s=Phases(resolve=0.1)),
        Device(classroom="r01", facts={"model": "大屏"}),
    ],
    ids=lambda observation: observation.KIND,
)
def test_a_decoded_record_is_not_looked_through(observation: Observation) -> None:
    """The decoder's objects are left alone, too: with nested structs and mappings."""
    record = Record(sequence=1, boot_id="b00b", monotonic_s=1.0, observation=observation)
    report = Report(gateway="gw-01", spool_id=SPOOL, report_interval_s=60.0, sent_monotonic_s=1.0)
    decoded = decode_report(encode_report(report, [encode(record)])).records[0]
    assert decoded == record
    assert not gc.is_tracked(decoded)
    assert not gc.is_tracked(decoded.observation)
