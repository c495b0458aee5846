"""Bytes <-> envelopes. Whatever arrives, decoding returns a value or raises ``MalformedReport``."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from classready import forms
from classready.measuring import DOCUMENT_MAX_BYTES, Document, version_of
from classready.observation import KINDS, Observation
from classready.report import (
    ACK_MAX_BYTES,
    MAX_DEPTH,
    REPORT_MAX_BYTES,
    Ack,
    Envelope,
    Presence,
    Record,
    Refusal,
    Rejected,
    Report,
)
from classready.report import Sequence as RecordSequence

T = TypeVar("T")

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, or an unfinished one up to the end: possessive, so that no input makes it go back."""
_BRACKET = re.compile(rb"[\[\]{}]")
_ALIKE = bytes.maketrans(b"[]", b"{}")
_FOUR_STRINGS = b'"' * 8
"""Most quotes go so, in a third less time than in pairs alone; their number in a row stays even or odd."""
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"\\'))

encode = msgspec.json.Encoder().encode

_report = msgspec.json.Decoder(Report)
_record = msgspec.json.Decoder(Record)
_ack = msgspec.json.Decoder(Ack)
_refusal = msgspec.json.Decoder(Refusal)
_presence = msgspec.json.Decoder(Presence)
_document = msgspec.json.Decoder(Document)


class MalformedReport(ValueError):  # noqa: N818 - named for what it is, like the rest of the vocabulary
    """The sender's fault. ``reason`` is from a closed list: size, depth, json, schema."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class _WholeReport(Envelope, frozen=True, kw_only=True):
    """A report of good records only, which is nearly every report. Its size bounds their number: 700 fill it."""

    records: tuple[Record, ...] = ()


class _Name(Struct):
    """What can be learnt of a record that does not decode: enough to refuse it by name."""

    sequence: RecordSequence
    observation: Raw = Raw(b"null")


class _Tag(Struct):
    kind: str


_whole = msgspec.json.Decoder(_WholeReport)
_name = msgspec.json.Decoder(_Name)
_tag = msgspec.json.Decoder(_Tag)
_object = msgspec.json.Decoder(dict[str, Any])
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes of others: no JSON, no UTF-8, nested too deeply."""


class DecodedReport(Struct, frozen=True, kw_only=True):
    """A report with its records sorted by what became of each; the three groups are disjoint.

    ``report`` is the envelope: its records stand beside it, and nowhere else.
    ``unknown_kinds`` are committed and counted but their content is not stored. ``nameless_count`` records had no
    usable sequence, or one that this report had used before, and so cannot even be refused by name.
    """

    report: Report
    records: tuple[Record, ...]
    unknown_kinds: tuple[int, ...]
    rejected: tuple[Rejected, ...]
    nameless_count: int
    size_bytes: int
    """As it came. In memory it takes up to twelve times that (measured: trunks that list many switches)."""


def decode_report(body: bytes) -> DecodedReport:
    """Decode a report, in one pass where it is good as a whole, else each of its records on its own.

    Raises:
        MalformedReport: the envelope itself cannot be used.
    """
    _check_bounds(body)
    try:
        whole = _whole.decode(body)
        _check_texts(whole.records)
    except UNDECODABLE:
        return decode_one_by_one(body)
    records = _first_of_each_sequence(whole.records)
    return DecodedReport(
        report=Report(**{field: getattr(whole, field) for field in Envelope.__struct_fields__}),
        records=records,
        unknown_kinds=(),
        rejected=(),
        nameless_count=len(whole.records) - len(records),
        size_bytes=len(body),
    )


def _first_of_each_sequence(records: tuple[Record, ...]) -> tuple[Record, ...]:
    first: dict[int, Record] = {}
    for record in records:
        first.setdefault(record.sequence, record)
    return tuple(first.values())


def decode_one_by_one(body: bytes) -> DecodedReport:
    """Do what ``decode_report`` does, for any report, at three times the cost: a strange record harms no other.

    Raises:
        MalformedReport: the envelope itself cannot be used.
    """
    _check_bounds(body)
    report = _decode(_report, body)
    records: list[Record] = []
    unknown: list[int] = []
    rejected: list[Rejected] = []
    seen: set[int] = set()
    for raw in report.records:
        match _decode_record(raw):
            case None:
                continue
            case Record(sequence=n) | Rejected(sequence=n) | int(n) if n in seen:
                continue
            case Record(sequence=n) as record:
                records.append(record)
            case Rejected(sequence=n) as refusal:
                rejected.append(refusal)
            case int(n):
                unknown.append(n)
        seen.add(n)
    return DecodedReport(
        report=msgspec.structs.replace(report, records=()),
        records=tuple(records),
        unknown_kinds=tuple(unknown),
        rejected=tuple(rejected),
        nameless_count=len(report.records) - len(seen),
        size_bytes=len(body),
    )


def _decode_record(raw: Raw) -> Record | Rejected | int | None:
    """Return the record, its refusal, the sequence of an unknown kind, or None when it has no name."""
    try:
        return _decode_good_record(raw)
    except UNDECODABLE:
        raw = Raw(_last_of_each_key(raw))
    try:
        return _decode_good_record(raw)
    except UNDECODABLE:
        pass
    try:
        name = _name.decode(raw)
    except UNDECODABLE:
        return None
    if _is_unknown_kind(name.observation):
        return name.sequence
    return Rejected(sequence=name.sequence, reason="schema")


def _decode_good_record(raw: Raw) -> Record:
    record = _record.decode(raw)
    _check_texts((record,))
    return record


def _check_texts(records: tuple[Record, ...]) -> None:
    """Match what the decoder did not, of all records together: most of their texts are the same."""
    by_kind: defaultdict[type[Observation], list[Observation]] = defaultdict(list)
    for record in records:
        by_kind[type(record.observation)].append(record.observation)
    forms.check(Record, records)
    for kind, observations in by_kind.items():
        forms.check(kind, observations)


def _is_unknown_kind(observation: Raw) -> bool:
    try:
        return _tag.decode(observation).kind not in KINDS
    except UNDECODABLE:
        return False


def encode_report(report: Report, records: Iterable[bytes]) -> bytes:
    """Encode ``report`` with already encoded ``records``, as they stand in the spool."""
    return encode(msgspec.structs.replace(report, records=tuple(Raw(r) for r in records)))


def encode_ack(ack: Ack, max_bytes: int = ACK_MAX_BYTES) -> bytes:
    """Encode as much of ``ack`` as fits; what it does not name is named when the record comes again.

    A refusal takes more bytes than the smallest record that can be refused, so an ack may outgrow its report. Durable
    records come first, then refusals, then what may wait for the next ack: retests, and at last all directives.
    """
    body = encode(ack)
    if len(body) <= max_bytes:
        return body
    directives = ack.directives and msgspec.structs.replace(ack.directives, retest=())
    kept = msgspec.structs.replace(ack, committed=(), rejected=(), directives=directives)
    if len(encode(kept)) > max_bytes // 2:
        kept = msgspec.structs.replace(kept, directives=None)
    kept = msgspec.structs.replace(kept, committed=_fitting(ack.committed, max_bytes - len(encode(kept))))
    kept = msgspec.structs.replace(kept, rejected=_fitting(ack.rejected, max_bytes - len(encode(kept))))
    return encode(kept)


def _fitting(items: tuple[T, ...], room_bytes: int) -> tuple[T, ...]:
    """As many of ``items`` from the first as a JSON list has room for."""
    ends_bytes = accumulate(len(encode(item)) + 1 for item in items)
    return items[: sum(end <= room_bytes for end in ends_bytes)]


def decode_ack(body: bytes) -> Ack:
    _check_bounds(body)
    return _decode(_ack, body)


def decode_answer(body: bytes) -> Ack | Refusal:
    """Decode what stands on a gateway's topic of acks; an agent that knows no refusals finds no ack in one.

    Raises:
        MalformedReport: it is neither.
    """
    try:
        return decode_ack(body)
    except MalformedReport:
        with suppress(MalformedReport):
            return _decode(_refusal, body)
        raise


def decode_presence(body: bytes) -> Presence:
    _check_bounds(body)
    return _decode(_presence, body)


def decode_document(body: bytes) -> Document:
    """Decode a settings document, whose version must be that of what it says.

    Raises:
        MalformedReport: it is none, or not whole.
    """
    _check_bounds(body, DOCUMENT_MAX_BYTES)
    document = _decode(_document, body)
    # Once more, with what no field of ours is: there may stand what a typed decoder passes over unread.
    if document.version != version_of(_decode(_object, body)):
        raise MalformedReport("schema", "its version is not that of its content")
    return document


def _check_bounds(body: bytes, max_bytes: int = REPORT_MAX_BYTES) -> None:
    """Refuse what is too large or too deep, before any parser sees it."""
    if len(body) > max_bytes:
        raise MalformedReport("size", f"{len(body)} bytes, at most {max_bytes}")
    if _is_too_deep(_brackets(body)):
        raise MalformedReport("depth", f"nested deeper than {MAX_DEPTH}")


def _decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        refusal = MalformedReport("schema", str(error))
    except UNDECODABLE as error:
        raise MalformedReport("json", str(error)) from None
    try:
        return decoder.decode(_last_of_each_key(body))
    except UNDECODABLE:
        raise refusal from None


def _last_of_each_key(body: bytes | Raw) -> bytes | Raw:
    """Return the JSON ``body`` with only the last of equal keys; as it is where that cannot be told.

    A typed decoder takes the last one, too, but refuses an earlier one of the wrong form, and takes the first tag.
    """
    try:
        return encode(msgspec.json.decode(body))
    except (*UNDECODABLE, ValueError, OverflowError):
        return body


def _is_too_deep(brackets: bytes) -> bool:
    """Take away the innermost pairs as often as they may be nested: of what is well formed nothing is left then."""
    left = brackets.translate(_ALIKE)
    for _ in range(MAX_DEPTH):
        left = left.replace(b"{}", b"")
    return bool(left) and _depth(brackets) > MAX_DEPTH


def _depth(brackets: bytes) -> int:
    """Deepest nesting, whether or not each bracket has its other half."""
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _brackets(body: bytes) -> bytes:
    """The brackets outside strings, before any parser recurses into them.

    Nearly every string is without bracket and backslash: then no pattern is needed.
    """
    structure = body.translate(None, _NOT_STRUCTURE).replace(_FOUR_STRINGS, b"").replace(b'""', b"")
    if b'"' in structure or b"\\" in structure:
        return b"".join(_BRACKET.findall(_STRING.sub(b"", body)))
    return structure


def ranges(sequences: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Closed ranges that cover exactly ``sequences`` (any order, duplicates allowed)."""
    ordered = sorted(set(sequences))
    if ordered and ordered[-1] - ordered[0] == len(ordered) - 1:  # as nearly every report is numbered
        return ((ordered[0], ordered[-1]),)
    found: list[tuple[int, int]] = []
    for n in ordered:
        if found and n == found[-1][1] + 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return tuple(found)
