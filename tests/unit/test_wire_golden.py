"""Files of each wire version are decoded for ever: tests/data/wire/v1/ is never edited, only added to."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.layers import measuring
from classready.codec import (
    MalformedReport,
    decode_ack,
    decode_answer,
    decode_document,
    decode_presence,
    decode_report,
    encode,
)
from classready.measuring import Document
from classready.observation import KINDS
from classready.report import Ack, Presence, Record, Refusal, Report

GOLDEN = Path(__file__).parents[1] / "data" / "wire" / "v1"
TYPES: dict[str, type[Any]] = {
    "record": Record,
    "report": Report,
    "ack": Ack,
    "presence": Presence,
    "refusal": Refusal,
    "document": Document,
}
RECORDS = [*KINDS, *(f"{kind}-minimal" for kind in KINDS), "http-not-the-platform", "http-unproven"]
HEAD = {"gateway": "gw-01", "spool_id": "0" * 32, "report_interval_s": 60, "sent_monotonic_s": 0}


def _json(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))


def _holds(decoded: Any, written: Any) -> bool:
    """Say whether every value that was written is found again in what was decoded, which may hold more."""
    if isinstance(written, dict):
        return all(_holds(decoded[key], value) for key, value in written.items())
    if isinstance(written, list):
        return len(decoded) == len(written) and all(_holds(d, w) for d, w in zip(decoded, written, strict=True))
    return bool(decoded == written)


@pytest.mark.parametrize("name", RECORDS)
def test_record(name: str) -> None:
    """Every kind of observation, with all its fields and with few, keeps its meaning; so do late words."""
    kind = name.partition("-")[0]
    written = _json(f"record-{name}")
    decoded = decode_report(json.dumps({**HEAD, "records": [written]}).encode())
    (record,) = decoded.records
    assert isinstance(record.observation, KINDS[kind])
    assert _holds(msgspec.to_builtins(record), written)
    assert _holds(json.loads(encode(record)), written)


@pytest.mark.parametrize("kind", KINDS)
def test_full_record_leaves_nothing_out(kind: str) -> None:
    """The full file of a kind gives a value to every field of version 1."""
    observation = msgspec.convert(_json(f"record-{kind}"), Record).observation
    assert None not in msgspec.structs.asdict(observation).values()


def test_report() -> None:
    """A report keeps its head, and each of its records its own fate."""
    decoded = decode_report((GOLDEN / "report.json").read_bytes())
    written = _json("report")
    written.pop("records")
    assert _holds(msgspec.to_builtins(msgspec.structs.replace(decoded.report, records=())), written)
    assert [r.sequence for r in decoded.records] == [13]
    assert decoded.unknown_kinds == (14,)
    assert [(r.sequence, r.reason) for r in decoded.rejected] == [(15, "schema")]


@pytest.mark.parametrize(
    ("name", "decode"),
    [
        ("ack", decode_ack),
        ("ack-minimal", decode_ack),
        ("ack-no-load", decode_ack),
        ("ack-settings", decode_ack),
        ("document-minimal", decode_document),
        ("ack", decode_answer),
        ("refusal", decode_answer),
        ("refusal-minimal", decode_answer),
        ("presence-online", decode_presence),
        ("presence-offline", decode_presence),
    ],
)
def test_answers(name: str, decode: Any) -> None:
    """Acks and presences keep every value."""
    written = _json(name)
    assert _holds(msgspec.to_builtins(decode((GOLDEN / f"{name}.json").read_bytes())), written)


def test_ack_of_a_later_version() -> None:
    """Keys that this version does not know are ignored."""
    ack = decode_ack((GOLDEN / "ack-of-a-later-version.json").read_bytes())
    assert ack.committed == ((1, 1),)
    assert ack.directives is not None
    assert ack.directives.theta.down is None


@pytest.mark.parametrize("name", ["refusal", "refusal-minimal"])
def test_who_knows_no_refusals_ignores_them(name: str) -> None:
    """An agent from before there were any reads acks there, and finds none."""
    with pytest.raises(MalformedReport, match="spool_id"):
        decode_ack((GOLDEN / f"{name}.json").read_bytes())


def test_shortest_report() -> None:
    """What may be left out of a report may be left out together."""
    report = decode_report((GOLDEN / "report-minimal.json").read_bytes()).report
    assert (report.schema_version, report.records, report.dropped, report.boot_id) == (1, (), {}, None)


def test_box() -> None:
    """What a gateway says of its box is kept; what a later one says of it as well harms nothing."""
    written = _json("report-box")["box"]
    written.pop("of_a_later_version")
    report = decode_report((GOLDEN / "report-box.json").read_bytes()).report
    assert _holds(msgspec.to_builtins(report.box), written)


def test_settings_in_a_report() -> None:
    """Which settings a gateway has, and which it refused, keep their meaning."""
    written = _json("report-settings")["settings"]
    written.pop("of_a_later_version")
    report = decode_report((GOLDEN / "report-settings.json").read_bytes()).report
    assert _holds(msgspec.to_builtins(report.settings), written)


def test_document() -> None:
    """Settings from the bureau: the version is that of all of it, a later release's words included."""
    written = _json("document")
    written.pop("of_a_later_version")
    decoded = decode_document((GOLDEN / "document.json").read_bytes())
    assert _holds(msgspec.to_builtins(decoded), written)
    assert [target.name for target in measuring(decoded).targets] == ["smartedu", "sw1"]


def test_recorded_of_the_first_release() -> None:
    """What an agent of 0.1.0 sent, byte by byte, is a report with a record, and says nothing of its box."""
    decoded = decode_report((GOLDEN / "report-recorded-of-0.1.0.json").read_bytes())
    assert (decoded.report.agent_version, decoded.report.box) == ("0.1.0", None)
    assert [record.sequence for record in decoded.records] == [1]


def test_every_golden_file_is_used() -> None:
    """No file lies there untested: its name begins with a type, and records name a kind."""
    for path in GOLDEN.glob("*.json"):
        head, _, rest = path.stem.partition("-")
        assert head in TYPES, path
        assert head != "record" or rest in RECORDS, path
