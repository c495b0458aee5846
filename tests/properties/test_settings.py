"""For any file: the loader returns a value or names problems, and reads a value as its setting's type."""

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.settings import AgentSettings
from classready.settings import SettingsError, load
from collector.roster.files import OfficeFile
from collector.settings import CollectorSettings

TYPES: list[Any] = [AgentSettings, CollectorSettings, OfficeFile]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
keys = st.sampled_from(["gateway", "link", "targets", "kind", "name", "policy", "schools", "office", "listen", "id"])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _load(body: bytes, type_: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yml"
        path.write_bytes(body)
        return load(path, type_)


def _is_loaded_or_explained(body: bytes, type_: Any) -> None:
    try:
        loaded = _load(body, type_)
    except SettingsError as error:
        problems = error.problems
    else:
        assert isinstance(loaded, type_)
        return
    assert problems
    assert all(1 <= p.line <= len(body) + 1 for p in problems)
    assert all(p.problem and "\n" not in str(p) for p in problems)


@given(st.binary(max_size=120), st.sampled_from(TYPES))
@settings(max_examples=150)
def test_any_bytes(body: bytes, type_: Any) -> None:
    """No bytes whatever make the loader raise anything but SettingsError with lines of that file."""
    _is_loaded_or_explained(body, type_)


@given(trees, st.sampled_from(TYPES))
@settings(max_examples=150)
def test_any_yaml(tree: Any, type_: Any) -> None:
    """Well-formed YAML of any shape is loaded or explained."""
    _is_loaded_or_explained(yaml.safe_dump(tree, allow_unicode=True).encode(), type_)


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=150)
def test_quoted_text_is_kept(text: str) -> None:
    """A quoted setting of type text comes back character by character, or is explained."""
    body = yaml.safe_dump({"store": text}, default_style='"', allow_unicode=True).encode()
    try:
        assert _load(body, CollectorSettings).store == text
    except SettingsError as error:
        assert [p.path for p in error.problems] in (["store"], [""])  # noqa: PT017 - the only other outcome


@given(st.floats(0.05, 60, allow_nan=False).map(lambda n: round(n, 6)))
@settings(max_examples=50)
def test_numbers_are_kept(number: float) -> None:
    """A number is what Python makes of the same digits."""
    assert _load(f"tick_s: {number:f}".encode(), CollectorSettings).tick_s == number
