"""install.sh with a service that runs: killed at every step, upgrades, and going back, on a machine of its own."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.bundle import new_key, small_bundle
from tests.support.installing import path_with
from tests.support.machines import Machine
from tests.support.namespaces import namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("unshare", "nsenter")]

RELEASES = "/opt/classready/agent"
PLACES = "/etc /opt /var/lib /usr/local"
STEPS = ("mv", "ln", "rm", "sync", "systemctl")
"""Programs by which install.sh makes something true."""
KILLER = """#!/bin/sh
# Kill everything of this run before a step that no run was killed at.
step="{step} $*"
if ! grep -qxF -e "$step" "{log}"; then
  printf '%s\\n' "$step" >> "{log}"
  kill -9 0
fi
PATH=${{PATH#*:}}
exec {step} "$@"
"""
WAITED_S, KILLED = 60.0, 137


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By what becomes of their agent."""
    folder = tmp_path_factory.mktemp("bundles")
    key = new_key(folder)
    return {
        kind: small_bundle(folder / kind, key, kind)
        for kind in ("well", "well-2", "well-3", "deaf", "broken", "choosy")
    }


@contextmanager
def _machine(folder: Path, bundles: dict[str, Path]) -> Iterator[Machine]:
    (folder / "box").mkdir(parents=True)
    for kind, bundle in bundles.items():
        shutil.copytree(bundle, folder / "box" / kind)
    with namespaces(folder.name[-3:]) as (namespace,):
        box = Machine(namespace, folder / "box", folder / "scratch")
        try:
            yield box
        finally:
            box.close()


@pytest.fixture
def empty(tmp_path: Path, bundles: dict[str, Path]) -> Iterator[Machine]:
    with _machine(tmp_path / "new", bundles) as machine:
        yield machine


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Iterator[Machine]:
    """Installed, and upgraded once; one for all tests that leave it as it was, and for the last, which removes it."""
    with _machine(tmp_path_factory.mktemp("old") / "old", bundles) as machine:
        machine.bash(f"find {PLACES} | sort > before")
        assert _install(machine, "well", "--token-file", "-", typed="tok")[0] == 0
        assert _runs(machine) == "well"
        assert _install(machine, "well-2")[0] == 0
        yield machine


@pytest.fixture
def machine(lived_in: Machine) -> Iterator[Machine]:
    assert _runs(lived_in) == "well-2"
    yield lived_in
    assert _runs(lived_in) == "well-2"
    kept = "\n".join(
        lived_in.bash(f"basename $(readlink {RELEASES}/{each})").strip() for each in ("previous", "current")
    )
    assert kept == "\n".join(_version(lived_in, kind) for kind in ("well", "well-2"))


def _version(machine: Machine, kind: str) -> str:
    return (machine.folder / kind / "VERSION").read_text().strip()


def _install(machine: Machine, kind: str, *options: str, path: str = "", typed: str = "") -> tuple[int, str]:
    """Exit code and what was said; 137 and the like where it was killed."""
    command = f"sh {kind}/install.sh --python {sys.executable} {' '.join(options)}"
    told = machine.bash(f"rc=0; PATH={path}$PATH setsid --wait {command} || rc=$?; echo $rc", typed)
    said, _, code = told.rstrip("\n").rpartition("\n")
    return int(code), said


def _runs(machine: Machine) -> str:
    """Which release answers; asks the process, not the files."""
    ask = "import json, urllib.request as u; print(json.load(u.urlopen('http://127.0.0.1:9712/'))['version'])"
    return machine.bash(f'{sys.executable} -c "{ask}"').strip()


def _current(machine: Machine) -> Path | None:
    told = machine.bash(f"readlink {RELEASES}/current || true").strip()
    return Path(told) if told else None


def _files(machine: Machine, places: str) -> str:
    """Every path with its type, mode, time and target; without what Python itself keeps."""
    return machine.bash(f"find {places} -name __pycache__ -prune -o -printf '%p %y %m %T@ %l\\n' 2>&1 | sort")


def test_killed_before_every_step(empty: Machine) -> None:
    """From nothing, then to the next release: a run is killed at its first step that none was killed at, until none is.

    After each kill `current` names a whole release or none; in the end all is as if nothing had happened.
    """
    log = empty.folder / "steps"
    log.touch()
    (empty.folder / "killer").mkdir()
    for step in STEPS:
        killer = empty.folder / "killer" / step
        killer.write_text(KILLER.format(log=log, step=step))
        killer.chmod(0o755)
    reached = []
    for kind in ("well", "well-2"):
        kills = 0
        while (done := _install(empty, kind, "--token-file", "-", path=f"{empty.folder}/killer:", typed="tok"))[0]:
            assert done[0] == KILLED, done[1]
            kills += 1
            if (current := _current(empty)) is not None:
                empty.bash(f"{current}/bin/classready-agent check && test -s {current}/VERSION")
            assert kills < 60, log.read_text()
        reached.append(kills)
        assert _runs(empty) == kind
    assert (reached[0] >= 15, reached[1] >= 5) == (True, True), log.read_text()
    assert empty.bash("cat /etc/classready/secrets/token") == "tok\n"
    left = set(empty.bash(f"cd {RELEASES}; ls -A . releases").split())
    assert left == {
        ".:",
        "current",
        "previous",
        "releases",
        "releases:",
        *(_version(empty, k) for k in ("well", "well-2")),
    }
    assert empty.bash("find /etc/classready /etc/systemd/system -name '*.new'") == ""


def test_again(machine: Machine) -> None:
    """Nothing is changed and nothing restarted."""
    as_it_is, pid = _files(machine, PLACES), machine.bash("cat /run/stand-in/*.pid")
    code, said = _install(machine, "well-2", "--token-file", "-", typed="tok")
    assert (code, said) == (0, "everything is in place already")
    assert (_files(machine, PLACES), machine.bash("cat /run/stand-in/*.pid")) == (as_it_is, pid)


def test_back_by_hand(machine: Machine) -> None:
    """There and back again."""
    for expected in ("well", "well-2"):
        assert _install(machine, "well-2", "--rollback")[0] == 0
        assert _runs(machine) == expected


def test_back_to_a_release_without_the_months_sheet(machine: Machine) -> None:
    """Units that the release before has not go with the one that brought them, and come with it."""
    older, units = f"{RELEASES}/previous/systemd", "/etc/systemd/system"
    machine.bash(f"mkdir apart; mv {older}/classready-{{acceptance,upgrade}}.* apart")
    assert _install(machine, "well-2", "--rollback")[0] == 0
    assert machine.bash(f"cd {units}; ls -d classready-*").split() == ["classready-agent.service"]
    assert _install(machine, "well-2", "--rollback")[0] == 0
    assert "classready-acceptance.timer" in machine.bash(f"ls {units}").split()
    machine.bash(f"mv apart/* {older}")


@pytest.mark.parametrize(
    ("kind", "says"), [("deaf", "did not get well"), ("broken", "did not get well"), ("choosy", "refuses")]
)
def test_a_release_that_does_not_get_well(machine: Machine, kind: str, says: str) -> None:
    """Within a minute the one before runs again; what is unsent and what was set stay as they were."""
    machine.bash("echo unsent > /var/lib/classready-agent/spool.db")
    kept = _files(machine, "/etc/classready /var/lib/classready-agent")
    begun_s = time.monotonic()
    code, said = _install(machine, kind, "--health-s", "1")
    assert time.monotonic() - begun_s < WAITED_S
    assert (code, says in said) == (14, True), said
    assert _files(machine, "/etc/classready /var/lib/classready-agent") == kept


def test_full_disk(machine: Machine) -> None:
    """Space that ends in the midst, whatever was promised: what runs goes on running, and no half release stays."""
    machine.bash(f"mkdir kept; cp -a {RELEASES}/releases/. kept")
    machine.bash(f"mount -t tmpfs -o size=$(($(du -sk kept | cut -f 1) + 40))k little {RELEASES}/releases")
    machine.bash(f"cp -a kept/. {RELEASES}/releases")
    try:
        code, said = _install(machine, "well-3")
        assert (code, "are needed" in said) == (7, True), said
        lie = f"{path_with(machine.folder / 'lie', df='echo; echo x 1 1 900000 1% /').split(':')[0]}:"
        code, said = _install(machine, "well-3", path=lie)
        assert code in {1, 9}, said
        assert _runs(machine) == "well-2"
    finally:
        machine.bash(f"umount {RELEASES}/releases")


def test_no_systemd(machine: Machine) -> None:
    """Said before anything is changed."""
    machine.bash("rmdir /run/systemd/system")
    before = _files(machine, PLACES)
    code, said = _install(machine, "well-3")
    assert (code, "--no-systemd" in said) == (5, True), said
    assert _files(machine, PLACES) == before
    machine.bash("mkdir /run/systemd/system")


def test_removed(lived_in: Machine) -> None:
    """To the last file; then a first release that does not get well stays, is said to be so, and the next mends it."""
    assert _install(lived_in, "well-3", "--uninstall")[0] == 0
    assert lived_in.bash(f"find {PLACES} | sort | diff before - | grep -v __pycache__ || true") == ""
    assert lived_in.bash("pgrep -f [c]lassready-agent || true") == ""
    code, said = _install(lived_in, "deaf", "--health-s", "1", "--token-file", "-", typed="tok")
    assert (code, "no report was acknowledged" in said) == (15, True), said
    assert _install(lived_in, "well")[0] == 0
    assert _runs(lived_in) == "well"
