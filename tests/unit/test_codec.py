"""Bytes to envelopes: hostile bytes are refused with a reason, one bad record harms no other."""

import json
import time
from typing import Any

import pytest

from classready.codec import (
    DecodedReport,
    MalformedReport,
    decode_ack,
    decode_presence,
    decode_report,
    encode,
    encode_ack,
    encode_report,
    ranges,
)
from classready.observation import Ping
from classready.report import (
    ACK_MAX_BYTES,
    REPORT_MAX_BYTES,
    Ack,
    Directives,
    Presence,
    Record,
    Rejected,
    Report,
    Thetas,
)

SPOOL = "0123456789abcdef" * 2
ENVELOPE = {"gateway": "gw-01", "spool_id": SPOOL, "report_interval_s": 60, "sent_monotonic_s": 100.5}
PING = '{"kind":"ping","target":"page"}'


def _record(sequence: str = "1", observation: str = PING, monotonic: str = "1") -> str:
    return f'{{"sequence":{sequence},"boot_id":"a1","monotonic_s":{monotonic},"observation":{observation}}}'


def _body(*records: str | bytes, **changes: Any) -> bytes:
    head = json.dumps({**ENVELOPE, **changes}).encode()[:-1]
    return head + b',"records":[' + b",".join(r if isinstance(r, bytes) else r.encode() for r in records) + b"]}"


def _fates(decoded: DecodedReport) -> tuple[list[int], list[int], list[int], int]:
    return (
        [r.sequence for r in decoded.records],
        list(decoded.unknown_kinds),
        [r.sequence for r in decoded.rejected],
        decoded.nameless_count,
    )


GOOD, UNKNOWN, REFUSED, NAMELESS = ([1], [], [], 0), ([], [1], [], 0), ([], [], [1], 0), ([], [], [], 1)


@pytest.mark.parametrize(
    ("record", "fate"),
    [
        pytest.param(_record(), GOOD, id="good"),
        pytest.param(_record(observation='{"target":"page","new":[1],"kind":"ping"}'), GOOD, id="unknown-field"),
        pytest.param(_record(observation='{"kind":"ping","target":"page","rtt_s":null}'), GOOD, id="null-is-not-known"),
        pytest.param(_record(observation='{"kind":"laser","power":{"mw":[1]}}'), UNKNOWN, id="unknown-kind"),
        pytest.param(_record(observation='{"kind":"ping"}'), REFUSED, id="subject-missing"),
        pytest.param(_record(observation='{"target":"page"}'), REFUSED, id="kind-missing"),
        pytest.param(_record(observation='{"kind":1}'), REFUSED, id="kind-is-a-number"),
        pytest.param(_record(observation='{"kind":null}'), REFUSED, id="kind-is-null"),
        pytest.param(_record(observation="[]"), REFUSED, id="observation-is-a-list"),
        pytest.param(_record(observation='{"kind":"ping","target":"a b"}'), REFUSED, id="target-name"),
        pytest.param(_record(observation='{"kind":"ping","target":"a\\n"}'), REFUSED, id="target-line-end"),
        pytest.param(
            _record(observation='{"kind":"ping","target":"a","outcome":"ANSWERED"}'), REFUSED, id="outcome-case"
        ),
        pytest.param(
            _record(observation='{"kind":"ping","target":"a","sent_count":true}'), REFUSED, id="bool-as-count"
        ),
        pytest.param(_record(observation='{"kind":"ping","target":"a","sent_count":1.5}'), REFUSED, id="broken-count"),
        pytest.param(_record(observation='{"kind":"ping","target":"a","sent_count":-1}'), REFUSED, id="negative-count"),
        pytest.param(
            _record(observation=f'{{"kind":"ping","target":"a","sent_count":{2**63}}}'),
            REFUSED,
            id="count-beyond-64-bit",
        ),
        pytest.param(_record(observation='{"kind":"ping","target":"a","jitter_s":1e999}'), REFUSED, id="overflow"),
        pytest.param(_record(observation='{"kind":"ping","target":"a","jitter_s":-0.1}'), REFUSED, id="negative-time"),
        pytest.param(_record(observation='{"kind":"http","target":"a","status":99}'), REFUSED, id="status-range"),
        pytest.param(
            _record(observation='{"kind":"bandwidth","target":"a","loss_ratio":1.01}'), REFUSED, id="ratio-above-1"
        ),
        pytest.param(
            _record(observation='{"kind":"http","target":"a","certificate_expires_at":1e12}'), REFUSED, id="year-33658"
        ),
        pytest.param(_record(monotonic="1e308"), REFUSED, id="monotonic-range"),
        pytest.param(_record(monotonic="-1"), REFUSED, id="monotonic-negative"),
        pytest.param(_record(monotonic="null"), REFUSED, id="monotonic-missing"),
        pytest.param(_record(sequence="0"), NAMELESS, id="sequence-0"),
        pytest.param(_record(sequence="-1"), NAMELESS, id="sequence-negative"),
        pytest.param(_record(sequence="true"), NAMELESS, id="sequence-bool"),
        pytest.param(_record(sequence="1.0"), NAMELESS, id="sequence-float"),
        pytest.param(_record(sequence='"1"'), NAMELESS, id="sequence-text"),
        pytest.param(_record(sequence=str(2**53 + 1)), NAMELESS, id="sequence-too-large"),
        pytest.param(_record(sequence="9" * 5_000), NAMELESS, id="sequence-5000-digits"),
        pytest.param("null", NAMELESS, id="null"),
        pytest.param("[]", NAMELESS, id="list"),
        pytest.param("{}", NAMELESS, id="empty"),
    ],
)
def test_fate_of_a_record(record: str, fate: tuple[list[int], list[int], list[int], int]) -> None:
    """A record is good, of an unknown kind, refused by name, or has no name; its neighbours never notice."""
    assert _fates(decode_report(_body(record))) == fate
    good, unknown, refused, nameless = _fates(decode_report(_body(_record("7"), record, _record("9"))))
    assert good == sorted([7, *fate[0], 9], key=[7, 1, 9].index)
    assert (unknown, refused, nameless) == fate[1:]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 201, id="too-long"),
        pytest.param("two\nlines", id="line-feed"),
        pytest.param("nul\0", id="nul"),
        pytest.param("\x1b[31m", id="escape"),
        pytest.param("\x9b31m", id="c1"),
        pytest.param("abc\u202edef", id="right-to-left-override"),
        pytest.param("\u2066x", id="isolate"),
        pytest.param("line\u2028separator", id="line-separator"),
        pytest.param("\ufeff", id="byte-order-mark"),
    ],
)
def test_unsafe_text_is_refused(text: str) -> None:
    """Nothing that could move a cursor, turn a line around or break one passes into the collector."""
    for escaped in (True, False):
        ping = json.dumps({"kind": "ping", "target": "a", "detail": text}, ensure_ascii=escaped)
        assert _fates(decode_report(_body(_record(observation=ping)))) == REFUSED


def test_invalid_utf8_in_one_record() -> None:
    """Bytes that are no text spoil their own record, which is still refused by name."""
    bad = _record("5").encode().replace(b"page", b"\xed\xa0\x80")
    assert _fates(decode_report(_body(_record("4"), bad, _record("6")))) == ([4, 6], [], [5], 0)


def test_sequence_used_twice() -> None:
    """Only the first record may have a sequence: the groups of a decoded report are disjoint."""
    decoded = decode_report(_body(_record("3"), _record("3", '{"kind":"laser"}'), _record("3", "{}"), _record("3")))
    assert _fates(decoded) == ([3], [], [], 3)


def test_repeated_key() -> None:
    """The last of two equal keys wins, always: identity is checked on what is then used."""
    body = _body(_record()).replace(b'"gateway": "gw-01"', b'"gateway": "gw-01", "gateway": "gw-02"')
    assert decode_report(body).report.gateway == "gw-02"


KIND = '"kind":"ping","target":"page"'


@pytest.mark.parametrize(
    ("record", "fate"),
    [
        pytest.param(_record(observation=f'{{"kind":"laser",{KIND}}}'), GOOD, id="kind-of-later-release-first"),
        pytest.param(_record(observation=f'{{{KIND},"kind":"laser"}}'), UNKNOWN, id="kind-of-later-release-last"),
        pytest.param(_record(observation=f'{{"kind":"http",{KIND}}}'), GOOD, id="known-kinds"),
        pytest.param(_record(observation=f'{{{KIND},"kind":5}}'), REFUSED, id="kind-is-at-last-a-number"),
        pytest.param(_record(observation=f'{{"target":5,{KIND}}}'), GOOD, id="target-first-a-number"),
        pytest.param(_record(observation=f'{{{KIND},"target":5}}'), REFUSED, id="target-at-last-a-number"),
        pytest.param(_record(observation=f'{{"target":"a b",{KIND}}}'), GOOD, id="target-first-no-name"),
        pytest.param(_record(observation=f'{{{KIND},"target":"a b"}}'), REFUSED, id="target-at-last-no-name"),
        pytest.param(_record(monotonic='1,"boot_id":"XY"'), REFUSED, id="boot-at-last-no-name"),
        pytest.param(_record(observation=f'5,"observation":{PING}'), GOOD, id="observation"),
        pytest.param(_record(sequence='"x","sequence":1'), GOOD, id="sequence-first-text"),
        pytest.param(_record(sequence='1,"sequence":"x"'), NAMELESS, id="sequence-at-last-text"),
        pytest.param(_record(sequence='7,"sequence":1', observation="{}"), REFUSED, id="refused-by-its-last-name"),
    ],
)
def test_repeated_key_in_a_record(record: str, fate: tuple[list[int], list[int], list[int], int]) -> None:
    """The last of two equal keys wins, at any depth and whatever form the earlier one has, the kind included."""
    assert _fates(decode_report(_body(record))) == fate


@pytest.mark.parametrize(
    "earlier", ['"gateway":"../x"', '"gateway":5', '"report_interval_s":-1', '"records":5', '"dropped":{"full":"x"}']
)
def test_repeated_key_in_an_envelope(earlier: str) -> None:
    """An earlier one of equal keys is as if it were not there, also where it would not pass."""
    decoded = decode_report(b"{" + earlier.encode() + b"," + _body(_record(), dropped={"full": 2})[1:])
    assert (decoded.report.gateway, decoded.report.dropped, _fates(decoded)) == ("gw-01", {"full": 2}, GOOD)


def test_repeated_key_in_an_ack() -> None:
    """The gateway reads by the same rule: what an ack names last is what it deletes."""
    head = f'{{"spool_id":"x","spool_id":"{SPOOL}"'
    directives = '"directives":{"policy_version":5,"policy_version":"a","theta":{"up":5,"up":[1,2]}}'
    ack = decode_ack(f'{head},"committed":[[1,9]],{directives},"committed":[[1,2]]}}'.encode())
    assert (ack.spool_id, ack.committed) == (SPOOL, ((1, 2),))
    assert ack.directives == Directives(policy_version="a", theta=Thetas(up=(1.0, 2.0)))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "json", id="empty"),
        pytest.param(b"{", "json", id="cut"),
        pytest.param(b"\xff\xfe", "json", id="binary"),
        pytest.param(b"\xef\xbb\xbf" + _body(), "json", id="byte-order-mark"),
        pytest.param(_body() + b"{}", "json", id="two-documents"),
        pytest.param(_body(_record(monotonic="NaN")), "json", id="nan"),
        pytest.param(_body(_record(monotonic="Infinity")), "json", id="infinity"),
        pytest.param(_body(_record(sequence="01")), "json", id="leading-zero"),
        pytest.param(_body(_record(observation='{"kind":"\\ud800", "x": 1}')), "json", id="lone-surrogate"),
        pytest.param(b"null", "schema", id="null"),
        pytest.param(b"[]", "schema", id="list"),
        pytest.param(b"{}", "schema", id="nothing-in-it"),
        pytest.param(_body(gateway="../x"), "schema", id="gateway-path"),
        pytest.param(_body(gateway="gw-01\n"), "schema", id="gateway-line-end"),
        pytest.param(_body(gateway="GW-01"), "schema", id="gateway-case"),
        pytest.param(_body(spool_id="0"), "schema", id="spool-id"),
        pytest.param(_body(report_interval_s=0), "schema", id="interval-0"),
        pytest.param(_body(report_interval_s=86_401), "schema", id="interval-too-long"),
        pytest.param(_body(report_interval_s=1e-300), "schema", id="interval-of-no-length"),
        pytest.param(_body(report_interval_s=0.09), "schema", id="interval-too-short"),
        pytest.param(_body(report_interval_s=1e300), "schema", id="interval-without-end"),
        pytest.param(_body(report_interval_s=-60), "schema", id="interval-negative"),
        pytest.param(_body().replace(b": 60,", b": 1e999,"), "schema", id="interval-beyond-a-double"),
        pytest.param(_body(sent_monotonic_s=-1), "schema", id="clock-negative"),
        pytest.param(_body(sent_monotonic_s=1e300), "schema", id="clock-without-end"),
        pytest.param(_body(sent_monotonic_s=None), "schema", id="no-clock"),
        pytest.param(_body(sent_at=1e300), "schema", id="sent-at-range"),
        pytest.param(_body(schema_version=0), "schema", id="version-0"),
        pytest.param(_body(agent_version="0.1\x1b[2J"), "schema", id="version-control-character"),
        pytest.param(_body(spool_records=-1), "schema", id="spool-records"),
        pytest.param(_body(dropped={"No Code": 1}), "schema", id="dropped-reason"),
        pytest.param(_body(dropped={f"r{i}": 1 for i in range(33)}), "schema", id="dropped-too-many"),
        pytest.param(_body(dropped={"full": 2**63}), "schema", id="dropped-beyond-64-bit"),
        pytest.param(_body(*["0"] * 2_001), "schema", id="records-too-many"),
        pytest.param(b"[" * REPORT_MAX_BYTES, "depth", id="deep"),
        pytest.param(b'{"a":' * 9, "depth", id="depth-9"),
        pytest.param(b" " * (REPORT_MAX_BYTES + 1), "size", id="one-byte-too-many"),
        pytest.param(b"[" * 10_000_000, "size", id="ten-megabytes"),
    ],
)
def test_malformed_report(body: bytes, reason: str) -> None:
    """An envelope that cannot be used is refused whole, with a reason from a closed list."""
    with pytest.raises(MalformedReport) as caught:
        decode_report(body)
    assert caught.value.reason == reason


def test_depth_counts_only_brackets_outside_strings() -> None:
    """Brackets in text do not nest; escaped quotes do not end a string."""
    deep = json.dumps({"kind": "ping", "target": "a", "detail": '[[[[[[[[[[ \\" {{{{{{{{{{ \\'})
    assert _fates(decode_report(_body(_record(observation=deep)))) == GOOD
    with pytest.raises(MalformedReport, match="depth"):
        decode_report(_body(_record(observation='{"kind":"laser","x":' + "[" * 6 + "]" * 6 + "}")))


@pytest.mark.parametrize(
    "unit", [b'\\"', b'"\\"', b'"', b"[", b"[]", b'{"a":', b"\\", b'"a', b"\xff", b"1", b"{}", b'"\\u0000"', b"]", b"-"]
)
def test_no_stall(unit: bytes) -> None:
    """The worst report of full size takes milliseconds: no pattern makes the depth check go back."""
    body = (unit * REPORT_MAX_BYTES)[:REPORT_MAX_BYTES]
    for candidate in (body, b'"' + body[1:]):
        begun = time.process_time()
        with pytest.raises(MalformedReport):
            decode_report(candidate)
        assert time.process_time() - begun < 0.25


def test_report_around_spooled_bytes() -> None:
    """Records go into a report as the very bytes that lie in the spool."""
    records = [Record(sequence=n, boot_id="b", monotonic_s=1.0, observation=Ping(target="page")) for n in (1, 2)]
    head = Report(gateway="gw-01", spool_id=SPOOL, report_interval_s=60.0, sent_monotonic_s=2.0)
    body = encode_report(head, [encode(r) for r in records])
    assert list(decode_report(body).records) == records


def test_ack_and_presence_come_back() -> None:
    """What the collector says is read as it was meant."""
    directives = Directives(policy_version="a", theta=Thetas(down=(95e6, 100e6)), quiet=((1.0, 2.0),), retest=("bw",))
    ack = Ack(
        spool_id=SPOOL,
        committed=((1, 3),),
        rejected=(Rejected(sequence=4, reason="identity"),),
        directives=directives,
    )
    assert decode_ack(encode(ack)) == ack
    presence = Presence(online=False, agent_version="0.1.0")
    assert decode_presence(encode(presence)) == presence


HOSTILE = tuple(Rejected(sequence=2**53 - 2 * n, reason="schema") for n in range(2_000))


@pytest.mark.parametrize(
    "ack",
    [
        pytest.param(Ack(spool_id=SPOOL, rejected=HOSTILE), id="refusals"),
        pytest.param(Ack(spool_id=SPOOL, committed=tuple((r.sequence, r.sequence) for r in HOSTILE)), id="ranges"),
        pytest.param(Ack(spool_id=SPOOL, committed=((1, 1),) * 1_500, rejected=HOSTILE), id="both"),
    ],
)
def test_an_ack_names_what_fits(ack: Ack) -> None:
    """An ack never outgrows what an agent reads and a broker carries; nothing that is left out takes its place."""
    body = encode_ack(ack)
    assert ACK_MAX_BYTES - 100 < len(body) <= ACK_MAX_BYTES
    fitted = decode_ack(body)
    assert fitted.committed == ack.committed[: len(fitted.committed)]
    assert fitted.rejected == ack.rejected[: len(fitted.rejected)]
    assert not fitted.rejected or fitted.committed == ack.committed


def test_directives_give_way_to_records() -> None:
    """Retests wait for another ack before a record does; so do directives as a whole where they alone fill it."""
    wanted = Directives(policy_version="a", quiet=((1.0, 2.0),), retest=tuple(f"{n:064}" for n in range(500)))
    fitted = decode_ack(
        encode_ack(Ack(spool_id=SPOOL, committed=((1, 2),), rejected=HOSTILE[:1_000], directives=wanted))
    )
    assert (fitted.committed, len(fitted.rejected)) == (((1, 2),), 1_000)
    assert fitted.directives == Directives(policy_version="a", quiet=((1.0, 2.0),))
    endless = Directives(policy_version="a", quiet=((1.0, 2.0),) * 10_000)
    fitted = decode_ack(encode_ack(Ack(spool_id=SPOOL, committed=((1, 2),), directives=endless)))
    assert (fitted.committed, fitted.directives) == (((1, 2),), None)


def test_an_ack_that_fits_is_whole() -> None:
    """Nothing is left out of an ack that is small enough."""
    ack = Ack(spool_id=SPOOL, committed=((1, 3),), directives=Directives(policy_version="a", retest=("bw",)))
    assert encode_ack(ack) == encode(ack)


@pytest.mark.parametrize("decode", [decode_ack, decode_presence])
def test_malformed_answers(decode: Any) -> None:
    """The agent refuses nonsense from the other side in the same way."""
    for body in (b"", b"{}", b"[" * 100, b'{"online":1}', b'{"spool_id":"x"}'):
        with pytest.raises(MalformedReport):
            decode(body)


def test_ack_with_impossible_sequences() -> None:
    """Ranges beyond what a record can have are refused before they reach a database."""
    with pytest.raises(MalformedReport, match="schema"):
        decode_ack(f'{{"spool_id":"{SPOOL}","committed":[[1,{2**64}]]}}'.encode())


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        ([], ()),
        ([5], ((5, 5),)),
        ([1, 2, 3], ((1, 3),)),
        ([3, 1, 2, 2], ((1, 3),)),
        ([1, 3, 4, 9], ((1, 1), (3, 4), (9, 9))),
    ],
)
def test_ranges(sequences: list[int], expected: tuple[tuple[int, int], ...]) -> None:
    """Ranges are closed, sorted and never touch."""
    assert ranges(sequences) == expected
