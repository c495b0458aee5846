"""For any bytes, and for any report: what the codec promises."""

import json
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classready.codec import (
    DecodedReport,
    MalformedReport,
    decode_ack,
    decode_one_by_one,
    decode_presence,
    decode_report,
    encode,
    ranges,
)
from classready.observation import (
    DETAIL_MAX_CHARACTERS,
    KINDS,
    Bandwidth,
    Device,
    Found,
    FoundPort,
    Http,
    Observation,
    Outcome,
    Phases,
    Ping,
    Port,
    Reason,
    Rtt,
    Segment,
    clean_text,
)
from classready.report import MAX_DEPTH, Record, Report

HEAD = {"gateway": "gw-01", "spool_id": "0" * 32, "report_interval_s": 60, "sent_monotonic_s": 0}

HEAD_TEXTS: dict[str, st.SearchStrategy[str]] = {
    "gateway": st.just('"gw-01"') | st.sampled_from(['"GW"', "null", "1"]),
    "spool_id": st.just(json.dumps("0" * 32)),
    "report_interval_s": st.just("60"),
    "sent_monotonic_s": st.just("0"),
}
PING = '{"kind":"ping","target":"a"}'
STRANGE_RECORDS = [
    f'{{"sequence":{sequence},"boot_id":"a","monotonic_s":1,"observation":{observation}{more}}}'
    for sequence, observation, more in (
        (str(2**53), PING, ""),
        (str(2**53 + 1), PING, ""),
        ("1", PING, ""),
        ("1", PING, ',"sequence":"x"'),
        ("null", PING, ',"sequence":1'),
        ("1", '{"kind":"ping","target":1,"target":"a"}', ""),
        ("1", '{"kind":"laser","kind":"ping","target":"a"}', ""),
        ("1", '{"kind":"ping","kind":"http","target":"a"}', ""),
        ("1", '{"kind":"ping","kind":"laser","target":"a"}', ""),
        ("1", '{"target":"a","kind":"ping","jitter_s":null}', ',"wall_s":null'),
        ("1", '{"kind":"ping","target":"a","x":[[[[[1]]]]]}', ""),
        ("1", '{"kind":"ping","target":"a","x":[[[[[[1]]]]]]}', ""),
        ("1", '{"kind":"ping","target":"a","detail":"\\ud800"}', ""),
        ("1", '{"kind":"bandwidth","target":"a","at_least_bps":12345678901234567890}', ""),
        ("1", '{"kind":"port","classroom":"r1","in_octets":9223372036854775808}', ""),
    )
]
TOKENS = [b"null", b"[", b"]", b'"', b"\\", b",", b"}", b"1e400", b'{"', b"\xff", b"[[[[[[[["]

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
rooms = st.from_regex(r"([A-Za-z0-9-]{1,32}/)?[A-Za-z0-9-]{1,32}", fullmatch=True)
numbers = st.none() | st.floats(0, 1e15)
counts = st.none() | st.integers(0, 2**63 - 1)
flags = st.none() | st.booleans()
common = {
    "outcome": st.none() | st.sampled_from(Outcome),
    "reason": st.none() | st.sampled_from(Reason),
    "detail": st.none() | st.text().map(clean_text),
    "elapsed_s": numbers,
}
interfaces = st.text(min_size=1, max_size=64).map(clean_text).filter(bool)

STRATEGIES: dict[type[Observation], st.SearchStrategy[Observation]] = {
    Ping: st.builds(
        Ping,
        target=names,
        sent_count=counts,
        received_count=counts,
        rtt_s=st.none() | st.builds(Rtt, min=numbers, median=numbers, max=numbers),
        jitter_s=numbers,
        **common,
    ),
    Http: st.builds(
        Http,
        target=names,
        phases_s=st.none() | st.builds(Phases, resolve=numbers, connect=numbers, tls=numbers),
        status=st.none() | st.integers(100, 999),
        certificate_expires_at=st.none() | st.floats(-62_135_596_800, 253_402_300_799),
        **common,
    ),
    Port: st.builds(Port, classroom=rooms, if_name=st.none() | interfaces, oper_up=flags, in_octets=counts, **common),
    Segment: st.builds(
        Segment,
        name=interfaces,
        if_name=st.none() | interfaces,
        switches=st.none() | st.lists(names, max_size=4).map(tuple),
        speed_bps=counts,
        full_duplex=flags,
        **common,
    ),
    Device: st.builds(
        Device,
        classroom=rooms,
        state=st.sampled_from([None, "awake", "asleep", "away"]),
        facts=st.none() | st.dictionaries(interfaces.map(lambda k: k[:40]), st.text().map(clean_text), max_size=16),
        **common,
    ),
    Bandwidth: st.builds(
        Bandwidth,
        target=names,
        direction=st.sampled_from([None, "down", "up"]),
        at_least_bps=numbers,
        loss_ratio=st.none() | st.floats(0, 1),
        **common,
    ),
    Found: st.builds(
        Found,
        what=st.sampled_from(["switch", "device", "printer", "sweep"]),
        host=st.none() | st.ip_addresses().map(str),
        name=st.none() | st.text().map(clean_text),
        mac=st.none() | st.from_regex(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True),
        ports=st.none()
        | st.lists(
            st.builds(
                FoundPort,
                name=interfaces,
                label=st.none() | st.text().map(lambda text: clean_text(text)[:64]),
                up=flags,
                trunk=flags,
            ),
            max_size=4,
        ).map(tuple),
        if_name=st.none() | interfaces,
        networks=st.none() | st.lists(st.ip_addresses(v=4).map(lambda each: f"{each}/24"), max_size=3).map(tuple),
        address_count=counts,
        **common,
    ),
}
observations = st.one_of(*STRATEGIES.values())
records = st.builds(
    Record,
    sequence=st.integers(1, 2**53),
    boot_id=st.from_regex(r"[0-9a-f-]{1,36}", fullmatch=True),
    monotonic_s=st.floats(0, 2**40),
    wall_s=st.none() | st.floats(-62_135_596_800, 253_402_300_799),
    clock_quality=st.sampled_from(["good", "unknown"]),
    observation=observations,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
near_records = st.fixed_dictionaries(
    {},
    optional={
        "sequence": st.integers(1, 9) | json_values,
        "boot_id": st.just("a") | json_values,
        "monotonic_s": st.just(1) | json_values,
        "observation": st.just({"kind": "ping", "target": "a"})
        | st.fixed_dictionaries({"kind": st.sampled_from([*KINDS, "laser"]) | json_values}, optional={"target": names})
        | json_values,
    },
)


def _decode(*records: Any) -> DecodedReport:
    return decode_report(json.dumps({**HEAD, "records": records}, allow_nan=False).encode())


def test_every_kind_has_a_strategy() -> None:
    """A new kind of observation takes part in these properties."""
    assert set(STRATEGIES) == set(KINDS.values())


@given(st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()))
@settings(max_examples=300)
def test_any_bytes_decode_or_are_malformed(body: bytes) -> None:
    """No bytes whatever raise anything but MalformedReport."""
    for decode in (decode_report, decode_ack, decode_presence):
        try:
            decode(body)
        except MalformedReport as error:
            assert error.reason in {"size", "depth", "json", "schema"}  # noqa: PT017 - any outcome but another exception


pairs = st.recursive(
    st.just(""),
    lambda inner: st.builds("{0[0]}{1}{0[1]}".format, st.sampled_from(["[]", "{}"]), st.lists(inner).map("".join)),
)


@given(
    pairs | st.text("[]{}", max_size=40),
    st.integers(0, MAX_DEPTH + 2),
    st.sampled_from(['"]"', '"["', '"{"', "", '"\\\\"', '"\\"["']),
)
@settings(max_examples=500)
def test_depth_is_the_most_that_is_open_at_once(text: str, further: int, string: str) -> None:
    """Whether or not each bracket has its other half, and whatever stands in strings."""
    text = "[" * further + string + text + "]" * further
    outside = "[" * further + text[further + len(string) :]
    deepest = max(accumulate((1 if c in "[{" else -1 for c in outside), initial=0))
    with pytest.raises(MalformedReport) as refused:
        decode_report(text.encode())
    assert (refused.value.reason == "depth") == (deepest > MAX_DEPTH)


@given(st.data())
@settings(max_examples=200)
def test_damaged_report(data: st.DataObject) -> None:
    """A report cut, spliced or with bytes changed decodes or is malformed: nothing else can happen."""
    body = bytearray(json.dumps({**HEAD, "records": [{"sequence": 1, "observation": {"kind": "ping"}}]}).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        decoded = decode_report(bytes(body))
    except MalformedReport:
        return
    assert isinstance(decoded.report, Report)


heads = st.fixed_dictionaries(
    HEAD_TEXTS,
    optional={
        "schema_version": st.sampled_from(["1", "0", "null"]),
        "boot_id": st.sampled_from(["null", '"a1"', "7"]),
        "dropped": st.sampled_from(['{"full":1}', '{"full":1,"full":null}', "{}", "null"]),
        "sent_at": st.sampled_from(["1e300", "null", "1760000000"]),
        "new": st.sampled_from(["[[[[[[[1]]]]]]]", "[[[[[[[[1]]]]]]]]", '"[[[[[[[[["', '"\\"[{"', "1e999"]),
    },
)
written_records = records.map(encode).map(bytes.decode) | near_records.map(json.dumps) | json_values.map(json.dumps)


@st.composite
def reports(draw: st.DrawFn) -> bytes:
    """Reports that are good, or nearly: a key again, at any level, a sequence again, a byte changed, two spliced."""
    listed = draw(st.lists(written_records | st.sampled_from(STRANGE_RECORDS), max_size=4))
    listed += draw(st.lists(st.sampled_from(listed), max_size=2)) if listed else []
    members = [f'"{key}":{value}' for key, value in draw(heads).items()]
    members.append(f'"records":[{",".join(listed)}]')
    again = draw(st.lists(st.sampled_from([*members, '"records":null', '"gateway":1', '"records":[{}]']), max_size=2))
    body = ("{" + ",".join(draw(st.permutations([*again, *members]))) + "}").encode()
    if draw(st.booleans()):
        at, length = draw(st.integers(0, len(body) - 1)), draw(st.integers(0, 3))
        body = body[:at] + draw(st.binary(max_size=3) | st.sampled_from(TOKENS)) + body[at + length :]
    return body


def _outcome(decode: Callable[[bytes], DecodedReport], body: bytes) -> DecodedReport | str:
    try:
        return decode(body)
    except MalformedReport as error:
        return str(error)


@given(reports() | st.binary(max_size=60))
@settings(max_examples=1_000)
def test_one_pass_says_what_one_by_one_says(body: bytes) -> None:
    """However a report is read, the same bytes are the same records, refusals and counts, or the same complaint."""
    assert _outcome(decode_report, body) == _outcome(decode_one_by_one, body)


@given(st.lists(records, min_size=2, max_size=4), st.data())
def test_the_first_of_equal_sequences_counts(sent: list[Record], data: st.DataObject) -> None:
    """A sequence that comes again names nothing: its first record stays, in its place."""
    body = encode({**HEAD, "records": [*sent, *data.draw(st.lists(st.sampled_from(sent), min_size=1))]})
    assert _outcome(decode_report, body) == _outcome(decode_one_by_one, body)


@given(st.lists(records, max_size=4, unique_by=lambda r: r.sequence))
@settings(max_examples=150)
def test_round_trip(sent: list[Record]) -> None:
    """What a conforming agent encodes is what the collector decodes, value by value."""
    decoded = _decode(*[json.loads(encode(r)) for r in sent])
    assert list(decoded.records) == sent
    assert (decoded.unknown_kinds, decoded.rejected, decoded.nameless_count) == ((), (), 0)


@given(st.lists(near_records, max_size=6))
@settings(max_examples=200)
def test_every_record_has_exactly_one_fate(sent: list[Any]) -> None:
    """Records are good, unknown, rejected or nameless; the groups are disjoint and together complete."""
    decoded = _decode(*sent)
    named = [r.sequence for r in decoded.records] + list(decoded.unknown_kinds) + [r.sequence for r in decoded.rejected]
    assert len(named) == len(set(named))
    assert len(named) + decoded.nameless_count == len(sent)


@given(
    near_records, st.lists(st.tuples(st.sampled_from(["sequence", "boot_id", "observation"]), json_values), max_size=3)
)
@settings(max_examples=200)
def test_repeated_keys_are_read_as_the_last_one(record: dict[str, Any], earlier: list[tuple[str, Any]]) -> None:
    """A record with repeated keys has the fate of the same record with only the last of each."""
    members = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in [*earlier, *record.items()]]
    repeated = "{" + ",".join(members) + "}"
    head = json.dumps(HEAD)[:-1]
    last, once = decode_report(f'{head},"records":[{repeated}]}}'.encode()), _decode(json.loads(repeated))
    assert last.records == once.records
    assert (last.unknown_kinds, last.rejected) == (once.unknown_kinds, once.rejected)


@given(records, near_records | json_values, st.booleans())
@settings(max_examples=200)
def test_a_strange_record_never_affects_its_neighbour(good: Record, strange: Any, first: bool) -> None:  # noqa: FBT001
    """A good record is decoded the same, whatever lies beside it."""
    written = json.loads(encode(good))
    if isinstance(strange, dict) and strange.get("sequence") == good.sequence:
        strange.pop("sequence")
    decoded = _decode(*([strange, written] if first else [written, strange]))
    assert good in decoded.records


@given(st.lists(st.integers(1, 40)))
def test_ranges_cover_exactly(sequences: list[int]) -> None:
    """Ranges name every sequence and no other, sorted, and with a gap between each two."""
    found = ranges(sequences)
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(set(sequences))
    assert all(second[0] > first[1] + 1 for first, second in pairwise(found))


@given(st.text() | st.text(st.characters(codec=None)))
def test_clean_text_fits_the_wire(text: str) -> None:
    """Whatever a device says, its cleaned text is accepted by the collector."""
    cleaned = clean_text(text)
    assert len(cleaned) <= DETAIL_MAX_CHARACTERS
    observation = {"kind": "ping", "target": "a", "detail": cleaned}
    assert _decode({"sequence": 1, "boot_id": "a", "monotonic_s": 1, "observation": observation}).records
