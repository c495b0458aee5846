"""The release that a settings document names: told from any document that came whole, whatever else is in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.bureau import Bureau
from agent.clock import Reading
from agent.inforce import InForce
from agent.session import _box
from agent.upgrading.home import Home
from agent.upgrading.upgrader import Upgrader, Ways, is_quiet
from classready.box import Box
from classready.measuring import Release, version_of
from classready.report import Directives

RELEASE = {"version": "0.2.0-bbbbbbbb", "asked_at": 5.0}


def document(**fields: Any) -> bytes:
    rest = {"settings": {}, "targets": [], "release": None, "discovery": None, **fields}
    return json.dumps({"version": version_of(rest), **rest}).encode()


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="plain"),
        pytest.param({"of_a_later_version": {"a": [1]}}, id="what-nobody-knows-yet"),
        pytest.param({"release": {**RELEASE, "of_a_later_version": 1}}, id="more-of-the-release"),
        pytest.param({"settings": {"of_a_later_version": 1}}, id="settings-that-are-refused"),
        pytest.param({"targets": [{"kind": "of_a_later_version", "name": "x"}]}, id="targets-that-are-refused"),
    ],
)
def test_told_from_any_document(tmp_path: Path, more: dict[str, Any]) -> None:
    """Also from one whose settings this release cannot use: the one that is named may be able to."""
    (tmp_path / "token").write_text("x\n")
    (tmp_path / "token").chmod(0o600)
    link = '{kind: http, url: "http://127.0.0.1:9", token_file: token}'
    (tmp_path / "agent.yml").write_text(f"gateway: gw-1\nlink: {link}\n")
    in_force = InForce(tmp_path / "agent.yml")
    heard: list[Release | None] = []
    in_force.bureau.on_release = heard.append
    in_force.bureau.on_document = in_force.take
    in_force.bureau.hear(document(**{"release": RELEASE, **more}))
    assert heard == [Release(version="0.2.0-bbbbbbbb", asked_at=5.0)]
    is_refused = "settings" in more or "targets" in more
    assert (in_force.bureau.refused is not None) is is_refused
    in_force.bureau.hear(document())
    assert heard[1:] == [None]


def test_what_is_no_document_says_nothing() -> None:
    bureau, heard = Bureau(), list[Release | None]()
    bureau.on_release = heard.append
    bureau.hear(b"<html>")
    bureau.hear(document(release=RELEASE).replace(b"0.2.0", b"0.3.0"))
    assert heard == []


def test_box(tmp_path: Path) -> None:
    """What a report says of it, and that nothing is made up where nothing is known."""

    class Link:
        certificate_expires_at = 5.0

    ways = Ways(base=None, trust=None, timeout_s=1.0, key_file=tmp_path)  # type: ignore[arg-type]
    upgrader = Upgrader(Home(None, tmp_path), ways, tmp_path, lambda: False)
    assert _box(Link(), upgrader) == Box(certificate_expires_at=5.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quiet", "wall_s", "quality", "expected"),
    [
        (((10.0, 20.0),), 15.0, "good", True),
        (((10.0, 20.0),), 20.0, "good", False),
        (((10.0, 20.0),), 25.0, "unknown", True),
        ((), 25.0, "unknown", False),
        (None, 25.0, "good", True),
    ],
)
def test_lessons_have_the_line(quiet: Any, wall_s: float, quality: Any, *, expected: bool) -> None:
    """Where nobody knows the time, or what the bureau wants, the box waits."""
    given = None if quiet is None else Directives(policy_version="1", quiet=quiet)
    assert is_quiet(given, Reading(monotonic_s=1.0, wall_s=wall_s, quality=quality)) is expected
