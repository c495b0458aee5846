"""The breakages that `bench.mutants` makes, and that a test sees them."""

import ast
from pathlib import Path

import pytest

from bench.mutants import tree as trees
from bench.mutants.deliberate import BREAKAGES, Breakage
from bench.mutants.places import mutants_of
from bench.mutants.tree import PROJECT, Tree


@pytest.mark.parametrize("breakage", BREAKAGES, ids=[breakage.name for breakage in BREAKAGES])
def test_a_deliberate_breakage_finds_its_place_and_its_test(breakage: Breakage) -> None:
    """The text to be broken stands there once, and the test has that name; that it notices is `make mutants`."""
    text = (PROJECT / breakage.path).read_text("utf-8")
    assert text.count(breakage.text) == 1
    ast.parse(text.replace(breakage.text, breakage.broken))
    file, _, name = breakage.test.partition("::")
    assert f"def {name}(" in (PROJECT / file).read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = a < b", {"a < b": {"(a <= b)", "(a >= b)"}}),
        ("x = a < b == c", {"a < b == c": {"(a <= b == c)", "(a >= b == c)", "(a < b != c)"}}),
        ("x = a is None", {"a is None": {"(a is not None)"}}),
        ("x = a and b", {"a and b": {"(a or b)"}}),
        ("x = not a", {"not a": {"(a)"}}),
        ("x = a - b", {"a - b": {"(a + b)"}}),
        ("x = 3", {"3": {"4", "2", "6"}}),
        ("x = 0.5", {"0.5": {"1.5", "-0.5", "1.0"}}),
        ("x = min(a)", {"min": {"max"}}),
        ("x = True", {"True": {"False"}}),
        ("def f(): return 'yes'", {"'yes'": {"'no'"}}),
        ("if a: b()", {"a": {"True", "False"}}),
        ("x = [a for a in b if c]", {"c": {"True", "False"}}),
        ("x = 'é', 1", {"1": {"2", "0"}}),
    ],
)
def test_breakages_of_an_expression(text: str, expected: dict[str, set[str]]) -> None:
    """Each kind of place and what is written there; columns count bytes, so other letters before it do no harm."""
    found: dict[str, set[str]] = {}
    for mutant in mutants_of(text).mutants:
        found.setdefault(mutant.before, set()).add(mutant.after)
        ast.parse(mutant.text)
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        '"""1 < 2"""',
        'x: Literal["yes", "no"]',
        "@cache(2)\ndef f(): pass",
        "class A(Struct, frozen=True, gc=False): pass",
        "zip(a, b, strict=True)",
        "raise ValueError(1 + 2)",
        "f'{a + 1}'",
        "from __future__ import annotations",
    ],
)
def test_what_decides_nothing_is_left_alone(text: str) -> None:
    """Docstrings, annotations, texts, decorators and declarations of a type."""
    assert mutants_of(text).mutants == ()


def test_a_breakage_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that cannot be imported fails its tests, the whole one passes, and the project itself is not touched."""
    monkeypatch.setattr(trees, "TESTS", ("tests/unit/core/test_directives.py",))
    path = Path("collector/core/directives.py")
    whole = (trees.PROJECT / path).read_text(encoding="utf-8")
    tree = Tree(tmp_path)
    assert tree.is_tested()
    assert not tree.survives(path, "raise SystemExit")
    assert tree.passes(trees.TESTS)
    assert (trees.PROJECT / path).read_text(encoding="utf-8") == whole


def test_the_tests_that_name_a_module_are_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They notice alone what is broken in it; where they are content the others decide, where none names it, too."""
    tree = Tree(tmp_path)
    asked: list[tuple[str, ...]] = []

    def passes(tests: tuple[str, ...]) -> bool:
        asked.append(tests)
        return "tests/unit/core/test_directives.py" not in tests

    monkeypatch.setattr(tree, "passes", passes)
    assert not tree.survives(Path("collector/core/directives.py"), "")
    assert tree.survives(Path("collector/core/fold/__init__.py"), "")
    assert tree.survives(Path("collector/core/bureau/__init__.py"), "")
    assert all("/core/test_" in test for test in asked[0])
    assert asked[1:] == [trees.TESTS, trees.OF_BUREAU]
