"""The vocabulary of observations."""

from typing import get_args

import msgspec
import pytest

from classready.observation import KINDS, Observation, Outcome, Reason, clean_text, error_text

SUBJECTS = {"ping": "target", "http": "target", "port": "classroom", "segment": "name"} | {
    "device": "classroom",
    "bandwidth": "target",
    "found": "what",
}


def test_kinds_are_the_union() -> None:
    """The table of kinds and the type of an observation name the same structs."""
    assert set(KINDS.values()) == set(get_args(Observation))
    assert all(kind == cls.KIND == cls.__struct_config__.tag for kind, cls in KINDS.items())


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_subject_is_required(kind: str) -> None:
    """Every field but the first of a kind may be unknown, and unknown is None, never 0."""
    fields = msgspec.structs.fields(KINDS[kind])
    assert [f.name for f in fields if f.required] == [SUBJECTS[kind]]
    assert {f.default for f in fields if not f.required} == {None}


def test_codes_are_lower_case_words() -> None:
    """Outcomes and reasons are what metrics and messages use as codes."""
    for code in (*Outcome, *Reason):
        assert code.value == code.name.lower()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("教室 一体机", "教室 一体机"),
        (" two\nlines\t", "two lines"),
        ("a\0b\x1b[31mc", "a b [31mc"),
        ("abc\u202edef\u2066", "abc def"),
        ("\ud800", ""),
        ("x" * 300, "x" * 200),
        ("a\u3000b", "a b"),
    ],
)
def test_clean_text(text: str, cleaned: str) -> None:
    """Any text becomes one line without control characters, cut at 200 characters."""
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionResetError(), "ConnectionResetError"),
        (TimeoutError(" "), "TimeoutError"),
        (ConnectionResetError(104, "Connection reset by peer"), "[Errno 104] Connection reset by peer"),
        (ValueError("no host"), "no host"),
    ],
)
def test_an_error_without_words_is_named(error: Exception, told: str) -> None:
    """Exceptions of asyncio and of libraries may have no text."""
    assert error_text(error) == told
