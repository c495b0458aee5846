"""The upgrade units under a real systemd: the agent's mailbox behind its own user, root's unit in its whole sandbox."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.booted import Booted, why_not
from tests.support.bundle import new_key, small_bundle
from tests.support.namespaces import namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("systemd-analyze", "unshare", "nsenter")]

HOME, STATE = "/opt/classready/agent", "/var/lib/classready-agent"
NONCE = "0123456789abcdef"
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no systemd can be booted here: {reason}")
    folder = tmp_path_factory.mktemp("booted")
    key = new_key(folder)
    (folder / "box").mkdir()
    for kind in ("well", "well-2", "broken"):
        shutil.copytree(small_bundle(folder / kind, key, kind), folder / "box" / kind)
    with namespaces("upg") as (namespace,):
        booted = Booted(namespace, folder / "box", folder / "scratch")
        try:
            booted.bash("sh well/install.sh --token-file -", "tok")
            yield booted
        finally:
            booted.close()


def version(machine: Booted, kind: str) -> str:
    return (machine.folder / kind / "VERSION").read_text().strip()


def lay(machine: Booted, kind: str) -> None:
    """As the agent does: as its own user, who owns the state directory and nothing else."""
    machine.bash(
        f"owner=$(stat -L -c %u:%g {STATE}); test $owner != 0:0; rm -f {HOME}/upgraded; cd {STATE}; mkdir -p upgrade\n"
        f"rm -rf upgrade/bundle; cp -r {machine.folder}/{kind} upgrade/bundle; "
        f"echo '{version(machine, kind)} {NONCE}' > upgrade/request.new; "
        "chown -R $owner upgrade; chmod -R go= upgrade; mv upgrade/request.new upgrade/request"
    )


def result(machine: Booted) -> str:
    until_s = time.monotonic() + PATIENCE_S
    while not (found := machine.bash(f"cat {HOME}/upgraded 2>/dev/null || true")):
        assert time.monotonic() < until_s, machine.bash(f"systemctl status 'classready-*' || true; ls -laR {STATE}/")
        time.sleep(0.2)
    while machine.bash("systemctl is-active classready-upgrade.service || true").strip() == "activating":
        time.sleep(0.1)
    return found.strip()


def test_done_and_rolled_back(machine: Booted) -> None:
    """The path unit sees what lies behind the private folder; the service can do what it must, and leaves nothing."""
    assert machine.shown("classready-upgrade.path", "ActiveState") == "active"
    for kind, code, runs in (("well-2", 0, "well-2"), ("broken", 14, "well-2")):
        lay(machine, kind)
        assert result(machine) == f"{version(machine, kind)} {NONCE} {code}", machine.journal(
            "classready-upgrade.service"
        )
        assert Path(machine.bash(f"readlink {HOME}/current").strip()).name == version(machine, runs)
        assert machine.shown("classready-agent.service", "ActiveState") == "active"
        assert machine.shown("classready-upgrade.service", "Result") == "success"
        assert machine.shown("classready-upgrade.path", "ActiveState") == "active"
        assert machine.bash(f"ls -d {HOME}/requested* {STATE}/upgrade/request 2>/dev/null || true") == ""


def test_writes_nowhere_else(machine: Booted) -> None:
    """What the installer of root's does not have to write it cannot: tried in its own sandbox."""
    unit = "/etc/systemd/system/classready-upgrade.service"

    def can_write(place: str) -> bool:
        touch = f"s|^ExecStart=.*|ExecStart=/bin/touch {place}/was-here|"
        machine.bash(f"sed '{touch}' {unit} > /run/systemd/system/attempt.service; systemctl daemon-reload")
        machine.bash("systemctl start attempt.service || true")
        done = machine.shown("attempt.service", "Result") == "success"
        assert machine.bash(f"ls {place}/was-here 2>/dev/null || true").strip() == (f"{place}/was-here" if done else "")
        return done

    assert [place for place in ("/usr/bin", "/etc", "/var/lib", "/boot", HOME) if can_write(place)] == [HOME]
    machine.bash(f"rm {HOME}/was-here")


def test_goes_with_the_agent(machine: Booted) -> None:
    machine.bash(f"sh {HOME}/current/install.sh --uninstall")
    assert machine.bash("ls /etc/systemd/system/classready-* 2>/dev/null || true") == ""
    assert machine.shown("classready-upgrade.path", "LoadState") == "not-found"
