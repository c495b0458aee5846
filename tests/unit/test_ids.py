"""Identifiers: one pattern each, safe in topics, labels and file names."""

from typing import Any

import msgspec
import pytest

from classready import ids

BAD_EVERYWHERE = ["", " ", "a b", "a/b/c", "../x", "a+", "#", "a\n", "a\0", "教室", 'a"', "a{", "ａ", "x" * 100]


def _accepts(type_: Any, text: str) -> bool:
    try:
        msgspec.convert(text, type_)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        pytest.param(ids.OfficeId, ["511402", "tfxq", "szs", "a"], ["-a", "A", "a/b", "x" * 33], id="office"),
        pytest.param(ids.SchoolId, ["5114021234", "parent-01", "A" * 32], ["a/b", "A" * 33], id="school"),
        pytest.param(ids.ClassroomId, ["b2-301", "301"], ["a/b", "A" * 33], id="classroom"),
        pytest.param(ids.ClassroomRef, ["b2-301", "5114021234/b2-301"], ["/b2", "s/", "a/" + "b" * 33], id="reference"),
        pytest.param(ids.GatewayId, ["gw-01", "a1b", "0" * 40], ["gw", "-gw", "GW-01", "a" * 41, "a/b"], id="gateway"),
        pytest.param(ids.TargetName, ["smartedu.page", "a_b", "x" * 64], [".a", "-a", "x" * 65, "a/b"], id="target"),
        pytest.param(ids.SpoolId, ["0123456789abcdef" * 2], ["0" * 31, "0" * 33, "G" * 32, "A" * 32], id="spool"),
        pytest.param(ids.BootId, ["7d3c1c6e-6a2f-4c56-9f3a-0d6b3c1e2f40", "a"], ["g", "a" * 37], id="boot"),
    ],
)
def test_pattern(type_: Any, good: list[str], bad: list[str]) -> None:
    """Each identifier accepts what the design names and nothing that could leave its place."""
    assert [text for text in good if not _accepts(type_, text)] == []
    assert [text for text in [*bad, *BAD_EVERYWHERE] if _accepts(type_, text)] == []


@pytest.mark.parametrize("text", ["gw-01", "gw", "GW-01", "gw-01\n", "a" * 40, "a" * 41, "-gw", "a+b", "gw-01/report"])
def test_topic_level_and_wire_agree(text: str) -> None:
    """What may stand in a topic is what may stand in a report."""
    assert ids.is_gateway_id(text) == _accepts(ids.GatewayId, text)


@pytest.mark.parametrize(
    ("ref", "parts"), [("b2-301", (None, "b2-301")), ("parent-01/b2-301", ("parent-01", "b2-301"))]
)
def test_split_classroom_ref(ref: str, parts: tuple[str | None, str]) -> None:
    """A reference names its school, or leaves that to the gateway."""
    assert ids.split_classroom_ref(ref) == parts


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("a4:5d:36:00:11:22", "a4:5d:36:00:11:22"),
        ("A4-5D-36-00-11-22", "a4:5d:36:00:11:22"),
        ("a45d-3600-1122", "a4:5d:36:00:11:22"),
        ("A45D.3600.1122", "a4:5d:36:00:11:22"),
        ("58:69:6c:6:82:3c\n", "58:69:6c:06:82:3c"),
        ("a4:5d:36:00:11", None),
        ("a45d36001122", None),
        ("g4:5d:36:00:11:22", None),
        ("10.51.2.31", None),
        ("", None),
    ],
)
def test_canonical_mac(text: str, mac: str | None) -> None:
    """One notation for all that labels and switches use."""
    assert ids.canonical_mac(text) == mac
