"""Documents say what the code does: generated parts are fresh, names exist on both sides, links lead somewhere."""

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from agent.probes import PROBES
from bench.messages import EXAMPLES
from classready.observation import KINDS, Outcome, Phases, Reason, Rtt
from classready.report import Ack, Directives, Record, Rejected, Report, Thetas
from collector.core.bureau.words import NoticeKind
from collector.core.words import Cause
from collector.notify import NOTIFIERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("docs_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = _module(DOCS / "build.py")


@pytest.mark.parametrize("page", sorted({page for page, _ in build.GENERATED}))
def test_generated_parts_are_fresh(page: str) -> None:
    """A setting that changed is in the page, too (run: make docs)."""
    text = (DOCS / page).read_text("utf-8")
    assert build.render(page, text) == text


@pytest.mark.parametrize("file", build.ROOTS)
def test_every_setting_is_described(file: str) -> None:
    """Each field of each struct in a settings file has a text below it in the source."""
    undescribed = [
        f"{cls.__name__}.{field.name}"
        for cls in build.structs_of(build.ROOTS[file])
        for field in msgspec.structs.fields(cls)
        if not build.meanings(cls).get(field.name)
    ]
    assert undescribed == []


def test_each_kind_of_message_has_its_example() -> None:
    """A new kind is one entry of EXAMPLES in bench/messages.py, called by its name."""
    titles = {example.title.partition(":")[0] for example in EXAMPLES}
    assert titles >= {*get_args(NoticeKind), "partial recovery", "test", "configuration error"}


def test_rules_ask_for_metrics_that_there_are() -> None:
    """A metric that is renamed leaves no rule behind that can never fire."""
    rules = (ROOT / "configs/prometheus/classready.rules.yml").read_text("utf-8")
    asked = set(re.findall(r"\bclassready_[a-z_]+(?=[ )=\[{])", rules))
    assert len(asked) >= 10
    assert asked - set(re.findall(r"classready_[a-z_]+", (DOCS / "metrics.md").read_text("utf-8"))) == set()


def _wire_section(heading: str) -> str:
    text = (DOCS / "wire.md").read_text("utf-8")
    _, found, rest = text.partition(heading)
    assert found, heading
    return re.split(r"^(?:#{1,3} |\*\*\w+\*\*:)", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_an_observation_is_on_the_wire_page(kind: str) -> None:
    """The table of a kind names its fields, all of them and no other."""
    rows = re.findall(r"^\| ([a-z0-9_, ]+) \|", _wire_section(f"**{kind}**:"), re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")} - {"field"}
    common = {"outcome", "reason", "detail", "elapsed_s"}
    assert named == {f.name for f in msgspec.structs.fields(KINDS[kind])} - common


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        ("## Report: gateway to collector", Report),
        ("### Record", Record),
        ("## Ack: collector to gateway", Ack),
        ("### Directives", Directives),
    ],
)
def test_every_field_of_an_envelope_is_on_the_wire_page(heading: str, struct: type[Any]) -> None:
    """The tables of the envelopes are complete, and name nothing else."""
    named = set(re.findall(r"^\| (\w+) \|", _wire_section(heading), re.MULTILINE)) - {"field"}
    assert named == {f.name for f in msgspec.structs.fields(struct)}


def test_every_code_is_on_the_wire_page() -> None:
    """Outcomes, reasons and inner fields are named where the wire is described."""
    text = (DOCS / "wire.md").read_text("utf-8")
    inner = [f.name for struct in (Rtt, Phases, Rejected, Thetas) for f in msgspec.structs.fields(struct)]
    assert [code for code in (*Outcome, *Reason, *inner) if not re.search(rf"\b{code}\b", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    """No page points to a file that is not there."""
    links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text("utf-8"))
    relative = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in relative if not (page.parent / link).exists()] == []


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    """Each `make ...` that a page tells to type is a target."""
    text = page.read_text("utf-8")
    named = re.findall(r"(?:^ {4}|`)make ([a-z]+)", text, re.MULTILINE)
    assert set(named) - _make_targets() == set()


def test_files_named_in_the_readme_exist() -> None:
    """What the README calls by its path lies there."""
    for page in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"):
        paths = re.findall(
            r"`((?:agent|collector|classready|configs|dashboards|docs|systemd|tests)/[\w./-]*)`", _text(page)
        )
        assert [path for path in paths if not (ROOT / path).exists()] == [], page


def _text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def test_ci_runs_what_the_readme_says() -> None:
    """CI has no set-up of its own: it calls the README's test command and nothing else."""
    commands = [line for line in _text(".ci/run").splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test </dev/null"]
    assert "make test" in _text("README.md")


def test_make_explains_itself() -> None:
    """`make` alone names every target a person would type, and the two commands of the README first."""
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True, timeout=30)
    described = set(re.findall(r"^([a-z]+):.*## ", _text("Makefile"), re.MULTILINE))
    assert [target for target in described if not re.search(rf"^  {target} ", done.stdout, re.MULTILINE)] == []
    assert done.stdout.index("make demo") < done.stdout.index("make test")


def test_make_calls_what_exists() -> None:
    """Each module that a target runs is there."""
    modules = re.findall(r"-m ([a-z_.]+)", _text("Makefile"))
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_probes_and_notifiers_are_in_the_pages() -> None:
    """Every kind that can be configured stands in the page of settings."""
    page = (DOCS / "configuration.md").read_text("utf-8")
    kinds = [cls.__struct_config__.tag for cls in (*PROBES, *NOTIFIERS)]
    assert [kind for kind in kinds if f"(kind: {kind})" not in page] == []


def test_glossary_has_both_languages() -> None:
    """Each term has a Chinese word and a meaning."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", _text("docs/glossary.md"), re.MULTILINE)[1:]
    assert len(rows) > 40
    assert [term for term, chinese, _ in rows if not re.search(r"[\u4e00-\u9fff]", chinese)] == []
    assert len({term for term, _, _ in rows}) == len(rows)


def test_decisions_are_numbered_and_complete() -> None:
    """Decisions count up without a gap, have the number in their heading, and the parts of the template."""
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(p.name[:4]) for p in pages] == list(range(len(pages)))
    for page in pages[1:]:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        assert all(part in text for part in ("Date: ", "## Context", "## Decision", "## Consequences")), page.name
        assert len(text.splitlines()) <= 60, f"{page.name}: one page"


def test_causes_have_words() -> None:
    """Every cause can be said in both languages."""
    texts = _text("collector/text/verdicts.py")
    keys = [f'"{kind}.{cause}"' for cause in Cause for kind in ("cause", "why")]
    assert [key for key in keys if key not in texts] == []
