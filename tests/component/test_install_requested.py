"""What the agent fetched and asked for is installed by root, who believes nothing of it: on a machine of its own."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundle import new_key, small_bundle
from tests.support.machines import Machine
from tests.support.namespaces import namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("unshare", "nsenter")]

HOME = "/opt/classready/agent"
MAILBOX = "/var/lib/classready-agent/upgrade"
NONCE = "0123456789abcdef"
PLACES = "/etc /opt /usr/local"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles by what becomes of their agent, one of another bureau, and one of an earlier day."""
    made = tmp_path_factory.mktemp("requested")
    key = new_key(made)
    box = made / "box"
    box.mkdir()
    for kind in ("well", "well-2", "well-3", "broken"):
        shutil.copytree(small_bundle(made / kind, key, kind), box / kind)
    shutil.copytree(small_bundle(made / "foreign", new_key(made, "other.pem"), "well-4"), box / "foreign")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOURCE_DATE_EPOCH", "1700000000")
        shutil.copytree(small_bundle(made / "old", key, "well-5"), box / "old")
    return made


@pytest.fixture(scope="module")
def installed(folder: Path) -> Iterator[Machine]:
    with namespaces("req") as (namespace,):
        box = Machine(namespace, folder / "box", folder / "scratch")
        try:
            box.bash(f"sh well/install.sh --python {sys.executable} --token-file -", "tok")
            yield box
        finally:
            box.close()


@pytest.fixture
def machine(installed: Machine) -> Iterator[Machine]:
    """As it was: the watcher sleeps until a test has laid out what it wants, and nothing is left of it afterwards."""
    installed.bash("systemctl stop classready-upgrade.path")
    yield installed
    left = installed.bash(f"ls -d {HOME}/requested* {HOME}/pending {MAILBOX}/request 2>/dev/null || true")
    assert left == ""


def version(machine: Machine, kind: str) -> str:
    return (machine.folder / kind / "VERSION").read_text().strip()


def lay(machine: Machine, kind: str, *, asked: str | None = None, then: str = "true") -> None:
    """Do as the agent does; ``then`` is what goes wrong with it."""
    machine.bash(
        f"mkdir -p {MAILBOX}; rm -rf {MAILBOX}/bundle; cp -r {kind} {MAILBOX}/bundle; cd {MAILBOX}; {then}; "
        f"echo '{asked or version(machine, kind)} {NONCE}' > request.new; mv request.new request"
    )


def carry_out(machine: Machine) -> str:
    """Have the unit started until there is a result; return it."""
    machine.bash(f"rm -f {HOME}/upgraded; systemctl start classready-upgrade.path")
    wait = f"for _ in $(seq 600); do test -e {HOME}/upgraded && break; sleep 0.1; done; cat {HOME}/upgraded"
    found = machine.bash(wait).strip()
    machine.bash(f"for _ in $(seq 100); do test -e {HOME}/requested || break; sleep 0.1; done")
    return found


def runs(machine: Machine) -> str:
    ask = "import json, urllib.request as u; print(json.load(u.urlopen('http://127.0.0.1:9712/'))['version'])"
    return machine.bash(f'{sys.executable} -c "{ask}"').strip()


def files(machine: Machine) -> str:
    """Every path, and of files what would show a change; but for the result, which is meant to be another one."""
    each = "-name __pycache__ -prune -o -name upgraded -o -type d -print -o -printf '%p %m %T@ %l\\n'"
    return machine.bash(f"find {PLACES} {each} | sort")


def test_done(machine: Machine) -> None:
    """The next release runs; the result is readable for the agent, who could not have written it."""
    lay(machine, "well-2")
    assert carry_out(machine) == f"{version(machine, 'well-2')} {NONCE} 0"
    assert runs(machine) == "well-2"
    assert machine.bash(f"stat -c '%a %U' {HOME}/upgraded").strip() == "644 root"
    assert machine.bash(f"readlink {HOME}/current").strip().endswith(version(machine, "well-2"))


def test_one_that_does_not_start(machine: Machine) -> None:
    """Rolled back, and said so."""
    before = runs(machine)
    lay(machine, "broken")
    assert carry_out(machine) == f"{version(machine, 'broken')} {NONCE} 14"
    assert runs(machine) == before


@pytest.mark.parametrize(
    ("kind", "asked", "then", "code"),
    [
        pytest.param("foreign", None, "true", 11, id="of-another-bureau"),
        pytest.param("well-3", None, "mv /etc/classready/bundle.pub /kept.pub", 11, id="no-key"),
        pytest.param("old", None, "true", 16, id="older"),
        pytest.param("well-3", "0.9.0-ffffffff", "true", 10, id="another-than-asked-for"),
        pytest.param("well-3", None, "rm bundle/VERSION; ln -s /etc/hostname bundle/VERSION", 10, id="symbolic-link"),
        pytest.param("well-3", None, "mkfifo bundle/docs/fifo", 10, id="fifo"),
        pytest.param("well-3", None, "echo x >> bundle/install.sh", 10, id="tampered"),
        pytest.param("well-3", None, "rm -r bundle; ln -s / bundle", 10, id="not-even-a-folder"),
        pytest.param("well-3", None, "truncate -s 500M bundle/huge", 10, id="huge"),
    ],
)  # fmt: skip
def test_refused(machine: Machine, kind: str, asked: str | None, then: str, code: int) -> None:
    """Nothing is changed, and the agent goes on; what is said names the code."""
    before, as_before = files(machine), runs(machine)
    lay(machine, kind, asked=asked, then=then)
    assert carry_out(machine) == f"{asked or version(machine, kind)} {NONCE} {code}"
    machine.bash("test ! -e /kept.pub || mv /kept.pub /etc/classready/bundle.pub")
    assert files(machine) == before
    assert runs(machine) == as_before


@pytest.mark.parametrize("request_", ["../../etc x", "0.1.0-a", "", "$(touch /pwned) 0123456789abcdef"])
def test_no_request_at_all(machine: Machine, request_: str) -> None:
    """Taken away, told to nobody, and nothing done."""
    machine.bash(f"mkdir -p {MAILBOX}; cat > {MAILBOX}/request", request_)
    said = machine.bash(f"rm -f {HOME}/upgraded; sh {HOME}/current/install.sh --requested 2>&1 || echo rc $?")
    assert said.endswith("rc 2\n")
    assert machine.bash(f"ls /pwned {MAILBOX}/request {HOME}/upgraded 2>/dev/null || true") == ""


def test_a_power_cut(machine: Machine) -> None:
    """Killed after the exchange, before anybody knew whether it is well: taken up again, and rolled back."""
    before = runs(machine)
    lay(machine, "broken")
    killer = "cut/systemctl"
    machine.bash(
        f"mkdir -p cut; printf '#!/bin/sh\\ncase $1 in restart) kill -9 0;; esac\\n' > {killer}; chmod 755 {killer}; "
        f"PATH=$PWD/cut:$PATH setsid --wait sh {HOME}/current/install.sh --requested || true; "
        f"ls {HOME}/requested {HOME}/pending"
    )
    assert Path(machine.bash(f"readlink {HOME}/current").strip()).name == version(machine, "broken")
    assert carry_out(machine) == f"{version(machine, 'broken')} {NONCE} 14"
    assert runs(machine) == before


def test_removed(installed: Machine) -> None:
    """The units go with the agent."""
    installed.bash("systemctl start classready-upgrade.path")
    installed.bash(f"sh {HOME}/current/install.sh --uninstall")
    assert installed.bash("ls /etc/systemd/system/classready-* 2>/dev/null || true") == ""
    assert installed.bash("pgrep -f '[s]ystemctl.py watch' || true") == ""
