"""The distribution: its names are its own, its commands start, and nothing of a developer's machine is in it."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

import classready
from collector.store.database import migrations

ROOT = Path(__file__).parents[2]
PACKAGES = {"agent", "collector", "classready"}
COMMANDS = {
    "classready-agent": ("run", "check", "probe", "doctor"),
    "classready-collector": ("run", "check", "explain", "roster", "responder"),
}

PACKAGE_INDEX = re.compile(
    r"(index-url|trusted-host)\s*[=: ]\s*\S*//|//[^\s/]*(pypi|pythonhosted|simple)\b", re.IGNORECASE
)
DEVELOPER_PATH = re.compile(r"(?<![\w.])/(home|Users|work|workspace)/\w+|/root/[.\w]")


def _files() -> list[Path]:
    """Everything that is, or would be, in the repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_migrations_are_one_chain() -> None:
    """Two that follow the same one are a database that no start can bring up to date."""
    chain = ScriptDirectory.from_config(migrations(None))
    assert len(chain.get_heads()) == 1, "let down_revision of the later one name the earlier one"
    assert [script.revision for script in chain.walk_revisions()] == sorted(
        (script.revision for script in chain.walk_revisions()), reverse=True
    )


def test_nobody_else_ships_our_packages() -> None:
    """No dependency brings a top-level agent, collector or classready that could shadow ours."""
    theirs = {
        (distribution.name, top)
        for distribution in metadata.distributions()
        if distribution.name != "classready"
        for file in distribution.files or ()
        if (top := file.parts[0].removesuffix(".py")) in PACKAGES
    }
    assert theirs == set()


def test_packages_are_typed() -> None:
    """Each package says that it carries its own types."""
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").is_file()] == []


@pytest.mark.parametrize(("command", "verbs"), COMMANDS.items())
def test_help(command: str, verbs: tuple[str, ...]) -> None:
    """The installed command starts and names its verbs."""
    script = Path(sys.executable).parent / command
    plain = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=30, check=False, env=plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert [verb for verb in verbs if not re.search(rf"^ +{verb}\b", done.stdout, re.MULTILINE)] == []


@pytest.mark.parametrize(("command", "verbs"), COMMANDS.items())
def test_help_of_each_verb(command: str, verbs: tuple[str, ...]) -> None:
    """Each verb explains itself, too."""
    script = Path(sys.executable).parent / command
    for verb in verbs:
        done = subprocess.run([script, verb, "--help"], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, "Usage" in done.stdout) == (0, True), verb


def test_one_version() -> None:
    """What the wire announces is what is installed."""
    assert classready.__version__ == metadata.version("classready")


def test_make_installs_what_the_tests_need() -> None:
    """Each program that a test is marked with is one that `make test` provides."""
    provided = set(re.findall(r"\b[\w-]+:([\w-]+)", (ROOT / ".ci" / "packages").read_text("utf-8")))
    marks = re.compile(r"mark\.servers\(([^)]*)\)")
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    needed = {name for text in tests for mark in marks.findall(text) for name in re.findall(r'"([\w-]+)"', mark)}
    assert needed - provided == set()


def test_store_and_engine_meet_every_kind_of_store() -> None:
    """Each component test of the store, the engine and the outbox runs in a file and on a real PostgreSQL."""
    tests = ROOT / "tests" / "component"
    files = [file for name in ("store", "engine", "outbox") for file in tests.glob(f"test_{name}*.py")]
    assert [file.name for file in files if "every_store" not in file.read_text("utf-8")] == []
    assert files


def test_no_package_index_in_any_file() -> None:
    """Where packages come from is the machine's own setting."""
    found = [
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in _files()
        if path != Path(__file__)
        for hit in PACKAGE_INDEX.finditer(path.read_text("utf-8", errors="replace"))
    ]
    assert found == []


def test_no_path_of_a_developers_machine() -> None:
    """Nothing points to where somebody happened to work."""
    found = [
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in _files()
        if path != Path(__file__)
        for hit in DEVELOPER_PATH.finditer(path.read_text("utf-8", errors="replace"))
    ]
    assert found == []


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_gateway_gets_what_was_tested() -> None:
    """The agent's lock file names the same versions as the one that the tests ran with."""
    everything, agent = _pins("requirements.lock"), _pins("requirements-agent.lock")
    assert {name: everything.get(name) for name in agent} == agent
    assert {"msgspec", "pysnmp", "aiomqtt"} <= set(agent)
    assert not {"aiohttp", "pytest", "sqlalchemy", "mypy"} & set(agent)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-agent.lock"])
def test_every_pin_has_hashes(name: str) -> None:
    """What is downloaded is what was locked."""
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    assert [e.split()[0] for e in entries if "==" in e.split(" ")[0] and "--hash=sha256:" not in e] == []


def test_environment_is_the_locked_one() -> None:
    """The tests run with the locked versions, not with whatever was newest."""
    differing = {
        name: (version, installed)
        for name, version in _pins("requirements.lock").items()
        if (installed := _installed(name)) not in {None, version}
    }
    assert differing == {}


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
