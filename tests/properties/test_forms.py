"""Texts that are checked beside the decoder have the fate that a decoder with their patterns gives them."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Union

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct, inspect

from classready import forms
from classready.codec import DecodedReport, decode_one_by_one, decode_report, encode
from classready.ids import BootId, ClassroomRef, DeviceAddress, Host, TargetName
from classready.observation import (
    FOUND_NETWORKS_MAX,
    FOUND_PORTS_MAX,
    KINDS,
    SWITCHES_MAX,
    Bandwidth,
    CommunityDigest,
    Device,
    FactName,
    Found,
    FoundPort,
    Http,
    InterfaceName,
    NetworkText,
    Ping,
    Port,
    Segment,
    Text,
)
from classready.report import Record, Rejected

HEAD = {"gateway": "gw-01", "spool_id": "0" * 32, "report_interval_s": 60, "sent_monotonic_s": 0}

FORMS: dict[tuple[type[Struct], str], Any] = {
    (Record, "boot_id"): BootId,
    **{(kind, "detail"): Text | None for kind in KINDS.values()},
    (Ping, "target"): TargetName,
    (Http, "target"): TargetName,
    (Port, "classroom"): ClassroomRef,
    (Port, "switch"): TargetName | None,
    (Port, "if_name"): InterfaceName | None,
    (Segment, "name"): InterfaceName,
    (Segment, "if_name"): InterfaceName | None,
    (Segment, "switches"): Annotated[tuple[TargetName, ...], Meta(max_length=SWITCHES_MAX)] | None,
    (Device, "classroom"): ClassroomRef,
    (Device, "facts"): Annotated[dict[FactName, Text], Meta(max_length=16)] | None,
    (Bandwidth, "target"): TargetName,
    (Bandwidth, "classroom"): ClassroomRef | None,
    (Bandwidth, "beyond"): TargetName | None,
    (Found, "host"): Host | None,
    (Found, "name"): Text | None,
    (Found, "description"): Text | None,
    (Found, "mac"): DeviceAddress | None,
    (Found, "community_digest"): CommunityDigest | None,
    (Found, "ports"): Annotated[tuple[FoundPort, ...], Meta(max_length=FOUND_PORTS_MAX)] | None,
    (Found, "switch"): Host | None,
    (Found, "if_name"): InterfaceName | None,
    (Found, "networks"): Annotated[tuple[NetworkText, ...], Meta(max_length=FOUND_NETWORKS_MAX)] | None,
}
"""docs/wire.md: every text of a record, and what it may be."""


def _twin(cls: type[Struct], **others: Any) -> type[Struct]:
    """The same struct for a decoder that matches the patterns itself."""
    types = {field.name: others.get(field.name) or FORMS.get((cls, field.name), field.type) for field in _fields(cls)}
    return msgspec.defstruct(
        cls.__name__,
        [(f.name, types[f.name]) if f.required else (f.name, types[f.name], f.default) for f in _fields(cls)],
        tag_field=cls.__struct_config__.tag_field,
        tag=cls.__struct_config__.tag,
        omit_defaults=cls.__struct_config__.omit_defaults,
        kw_only=True,
    )


def _fields(cls: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(cls)


TWIN: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    _twin(Record, observation=Union[tuple(_twin(kind) for kind in KINDS.values())])  # noqa: UP007 - of a tuple
)

edges = st.sampled_from(
    ["", "a", "A", "-", "a\n", "a\r", "a b", "é", "中", "\x7f", "\x85", "\u202e", "\ufeff", "a/b", "a/b/c", "/a", "a/"]
    + ["a" * n for n in (32, 33, 36, 37, 40, 41, 64, 65, 200, 201)]
    + [f"{'a' * 32}/{'b' * 32}", f"a/{'b' * 33}", "😀" * 200, "😀" * 201]
)
texts = edges | st.text(max_size=12) | st.text("ab0-._/:", max_size=66)
fine = st.sampled_from(["a", "型号"])
facts = st.dictionaries(texts, fine, max_size=3) | st.dictionaries(fine, texts, max_size=3)
facts |= st.integers(15, 18).map(lambda n: {str(i): "a" for i in range(n)})
switches = st.lists(texts, max_size=4) | st.integers(63, 66).map(lambda n: ["a"] * n)
ports = st.lists(st.fixed_dictionaries({"name": texts | fine}, optional={"label": texts}), max_size=3)
networks = st.lists(texts | st.sampled_from(["10.0.0.0/24", "fd00::/120"]), max_size=3)
values = {"facts": facts, "switches": switches, "ports": ports, "networks": networks}
usual = {BootId: "a1", ClassroomRef: "r1", TargetName: "page", InterfaceName: "eth0"}


@st.composite
def written_records(draw: st.DrawFn) -> dict[str, Any]:
    """A record of any kind, one or two of whose texts may be anything."""
    cls, first = draw(st.sampled_from(list(FORMS)))
    kind = draw(st.sampled_from(list(KINDS.values()))) if cls is Record else cls
    second = draw(st.sampled_from([first, *(name for each, name in FORMS if each in (Record, kind))]))
    return _record(kind, {name: draw(values.get(name, texts) | st.none()) for name in {first, second}})


def _record(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    observation = {name: usual[form] for (cls, name), form in FORMS.items() if cls is kind and form in usual}
    if kind is Found:
        observation["what"] = "device"
    observation |= {"kind": kind.KIND, **given}
    boot_id = observation.pop("boot_id", "a1")
    return {"sequence": 1, "boot_id": boot_id, "monotonic_s": 1, "observation": observation}


def _body(*written: dict[str, Any], ascii_only: bool = True) -> bytes:
    return json.dumps({**HEAD, "records": written}, ensure_ascii=ascii_only).encode()


def _is_good(written: dict[str, Any]) -> bool:
    try:
        TWIN.decode(json.dumps(written))
    except msgspec.ValidationError:
        return False
    return True


@given(st.lists(written_records(), min_size=1, max_size=4), st.booleans())
@settings(max_examples=500)
def test_texts_have_the_fate_that_their_patterns_say(written: list[dict[str, Any]], ascii_only: bool) -> None:  # noqa: FBT001
    """A text is good where a decoder that matches its pattern takes it, else its record is refused, alone."""
    numbered = [{**record, "sequence": number} for number, record in enumerate(written, 1)]
    body = _body(*numbered, ascii_only=ascii_only)
    decoded = decode_report(body)
    good = [record["sequence"] for record in numbered if _is_good(record)]
    assert [record.sequence for record in decoded.records] == good
    bad = [record["sequence"] for record in numbered if record["sequence"] not in good]
    assert list(decoded.rejected) == [Rejected(sequence=n, reason="schema") for n in bad]
    assert decoded == decode_one_by_one(body)
    for record in decoded.records:
        assert encode(TWIN.decode(encode(record))) == encode(record)


BAD: dict[str, list[Any]] = {
    "facts": [{"a": "a", "b": "b\n"}, {"a": "a", "b\n": "b"}],
    "switches": [["a", "b\n"], ["b\n", "a"]],
    "ports": [[{"name": "a"}, {"name": "b\n"}], [{"name": "a", "label": "b\n"}]],
    "networks": [["10.0.0.0/24", "b\n"]],
}


@pytest.mark.parametrize(("cls", "name"), FORMS)
def test_each_text_is_looked_at_wherever_it_stands(cls: type[Struct], name: str) -> None:
    """A bad text refuses its record in each field of each kind, in a report of good ones, and is refused again."""
    for kind in KINDS.values() if cls is Record else [cls]:
        for bad in BAD.get(name, ["b\n"]):
            listed = [{**_record(kind, given), "sequence": n} for n, given in enumerate([{}, {name: bad}, {}], 1)]
            for _ in range(2):
                decoded = decode_report(_body(*listed))
                assert [record.sequence for record in decoded.records] == [1, 3]
                assert [refused.sequence for refused in decoded.rejected] == [2]


def test_every_text_of_a_record_is_looked_at() -> None:
    """A new text in a record takes part in these properties: msgspec itself matches none of them."""
    assert set(forms.CHECKS) == {Record, *KINDS.values()}
    assert set(_texts()) == set(FORMS)


def _texts() -> Iterator[tuple[type[Struct], str]]:
    for cls in (Record, *KINDS.values()):
        for field in inspect.type_info(cls).fields:  # type: ignore[attr-defined]
            if "StrType" in repr(field.type) and field.name != "observation":
                yield cls, field.name


def test_a_text_where_nobody_looks_is_no_struct() -> None:
    """What could not be checked is found when the program is loaded, not when a sender finds it."""

    class Odd(Struct):
        rooms: tuple[tuple[TargetName, ...], ...]

    with pytest.raises(TypeError, match="cannot check"):
        forms.checked_apart(Odd)


def _flood(texts: int) -> Iterator[DecodedReport]:
    """Reports with ``texts`` details in all, each another one."""
    for first in range(0, texts, 400):
        listed = [{**_record(Ping, {"detail": f"{first + n}"}), "sequence": n + 1} for n in range(400)]
        yield decode_report(_body(*listed))


def test_what_a_sender_fills_has_a_cap() -> None:
    """However many texts come, so many of a form are kept; none that is refused is kept."""
    (kept,) = (form for form, read in forms.CHECKS[Ping] if list(read([Ping(target="a", detail="b")])) == ["b"])
    for decoded in _flood(3 * forms.KNOWN_MAX):
        assert len(decoded.records) == 400
        assert len(kept.known) <= forms.KNOWN_MAX
    assert decode_report(_body(_record(Ping, {"detail": "bad\n"}))).records == ()
    assert "bad\n" not in kept.known
