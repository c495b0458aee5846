"""install.sh, in a throw-away root: it installs, repeats itself without a change, and leaves nothing behind."""

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.bundle import make_bundle

ROOT = Path(__file__).parents[2]
SECRET = "canary-7f3a"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an operator carries to a gateway: install.sh with its files, and a wheel."""
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A box before classready: the folders that every Debian has."""
    for folder in ("opt", "etc/systemd/system", "var/lib"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def _install(bundle: Path, root: Path, *options: str, token: str = "") -> subprocess.CompletedProcess[str]:
    (wheel,) = bundle.glob("*.whl")
    command = [bundle / "install.sh", "--root", root, "--python", bundle / "python", "--wheel", wheel, *options]
    plain = {"PATH": os.environ["PATH"], "LANG": "C", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(command, input=token, capture_output=True, text=True, timeout=120, check=False, env=plain)


def _tree(root: Path) -> Mapping[str, tuple[int, int, str]]:
    """Path -> mode, time of change, content."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.lstat().st_mtime_ns, _content(path))
        for path in root.rglob("*")
    }


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_life_of_an_installation(bundle: Path, root: Path) -> None:
    """Install, install again, change a setting, uninstall but keep data, install, uninstall: nothing is left."""
    before = set(_tree(root))
    done = _install(bundle, root, "--token-file", "-", token=f"{SECRET}\n")
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    settings, token = root / "etc/classready/agent.yml", root / "etc/classready/secrets/token"
    assert (token.read_text(), _mode(token), _mode(token.parent), _mode(settings)) == (
        f"{SECRET}\n",
        0o600,
        0o700,
        0o644,
    )
    command = root / "opt/classready/venv/bin/classready-agent"
    helped = subprocess.run([command, "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert "Usage" in helped.stdout
    assert _mode(command) & 0o005 == 0o005, "the service's own user must be able to run it"

    settings.write_text("gateway: gw-mine\n")
    installed = _tree(root)
    done = _install(bundle, root)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "everything is in place already")
    assert _tree(root) == installed

    done = _install(bundle, root, "--uninstall", "--keep-data")
    assert done.returncode == 0, done.stderr
    assert set(_tree(root)) - before == {
        "etc/classready",
        "etc/classready/agent.yml",
        "etc/classready/secrets",
        "etc/classready/secrets/token",
    }
    assert settings.read_text() == "gateway: gw-mine\n"

    state = root / "var/lib/classready-agent"
    state.mkdir()
    (state / "spool.db").touch()
    assert _install(bundle, root, "--uninstall").returncode == 0
    assert set(_tree(root)) == before


def test_interrupted_build_is_done_again(bundle: Path, root: Path) -> None:
    """A run that was killed half way leaves no half environment in use; the next one completes it."""
    broken = bundle / "broken-python"
    broken.write_text(f'#!/bin/sh\n[ "$1 $2" != "-m venv" ] || exit 9\nexec "{sys.executable}" "$@"\n')
    broken.chmod(0o755)
    failed = _install(bundle, root, "--python", str(broken))
    assert failed.returncode == 1
    assert "run it again" in failed.stderr
    assert not (root / "opt/classready/venv").exists()
    (half,) = [root / "opt/classready/releases/0000000000000000"]
    half.mkdir(parents=True)
    assert _install(bundle, root).returncode == 0
    assert [p.name for p in (root / "opt/classready/releases").iterdir()] != [half.name]
    assert not half.exists()


def test_collector_on_the_same_machine_keeps_its_secrets(bundle: Path, root: Path) -> None:
    """Removing the agent takes nothing from a collector that shares /etc/classready."""
    secret = root / "etc/classready/secrets/wecom"
    secret.parent.mkdir(parents=True)
    secret.touch()
    (root / "etc/classready/collector.yml").touch()
    assert _install(bundle, root, "--uninstall").returncode == 0
    assert secret.exists()


def test_dry_run_changes_nothing(bundle: Path, root: Path) -> None:
    """--dry-run says every step and takes none."""
    before = _tree(root)
    done = _install(bundle, root, "--dry-run")
    assert done.returncode == 0
    assert "would run: install -D -m 644" in done.stdout
    assert _tree(root) == before


def test_two_at_once(bundle: Path, root: Path) -> None:
    """The second of two runs says so and goes away."""
    holder = subprocess.Popen(
        ["flock", root, "sh", "-c", "echo held; read -r _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        done = _install(bundle, root)
        holder.stdin.close()
    assert (done.returncode, "another install.sh" in done.stderr) == (4, True)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        pytest.param(["--colour"], 2, "unknown option --colour", id="unknown"),
        pytest.param(["--token-file"], 2, "--token-file needs a value", id="no-value"),
        pytest.param(["--keep-data"], 2, "--keep-data goes with --uninstall", id="keep-data"),
        pytest.param(["--root", "/nonexistent"], 2, "no such directory", id="root"),
        pytest.param(["--token-file", "/nonexistent"], 2, "empty or missing", id="token-file"),
        pytest.param(["--wheels", "/nonexistent"], 2, "no such directory", id="wheels"),
        pytest.param(["--wheel", "/nonexistent"], 2, "no such file", id="wheel"),
        pytest.param(["--python", "/bin/false"], 3, "is not Python 3.11", id="python"),
    ],
)
def test_refusals(bundle: Path, root: Path, options: list[str], code: int, text: str) -> None:
    """Wrong usage and a machine that lacks something are told apart, and change nothing."""
    done = _install(bundle, root, *options)
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr
    assert not (root / "opt/classready").exists()


def test_help_teaches(bundle: Path, root: Path) -> None:
    """--help names every option and every place that is written to."""
    told = _install(bundle, root, "--help").stdout
    for word in ("--token-file", "--wheels", "--uninstall", "--dry-run", "/etc/classready/agent.yml", "Exit:"):
        assert word in told


@pytest.mark.servers("shellcheck")
def test_shell_scripts_are_clean() -> None:
    """shellcheck has nothing to say about any script."""
    scripts = [ROOT / "install.sh", *(p for p in (ROOT / ".ci").iterdir() if p.is_file())]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
