"""Machines for a test (root): each has its own network, processes, ``/etc``, ``/opt``, ``/var`` and ``/usr/local``.

Changes are laid over what this machine has and are gone in the end, and so is every process.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.namespaces import Namespace, join, namespaces

SYSTEMCTL = Path(__file__).parent / "systemctl.py"
_OWN = ("etc", "opt", "var", "usr/local")

_SETUP = """
mount -t tmpfs scratch "$scratch"
for folder in {own}; do
  layer=$scratch/$folder
  mkdir -p "$layer/upper" "$layer/work"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$layer/upper,workdir=$layer/work" "/$folder"
done
mount -t tmpfs run /run
mkdir -p /run/systemd/system
printf '#!/bin/sh\\nexec "%s" "%s" "$@"\\n' "$python" "$systemctl" > /usr/local/bin/systemctl
chmod 755 /usr/local/bin/systemctl
"""


class Inside:
    """Commands in the namespaces of a process; ``folder`` is where they begin, and is shared with the test."""

    def __init__(self, folder: Path, holder: "subprocess.Popen[bytes]", pid: int) -> None:
        self.folder = folder
        self._holder = holder
        self._pid = pid

    def bash(self, script: str, typed: str = "", **environment: str) -> str:
        """Run ``script`` until its first failing command, with ``typed`` at its input; return what it prints.

        Raises:
            AssertionError: it failed; with all that was printed.
        """
        inside = ["nsenter", "--target", str(self._pid), "--mount", "--net", "--pid"]
        names = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            [*inside, "bash", "-euo", "pipefail", "-c", f"cd '{self.folder}'\n{script}"],
            input=typed,
            env=names | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait(timeout=10)


class Machine(Inside):
    """One on which a stand-in for ``systemctl`` starts what units name."""

    python = sys.executable
    """For which bundles are made here."""

    def __init__(self, namespace: Namespace, folder: Path, scratch: Path) -> None:
        command = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        holder = subprocess.Popen(namespace.command(*command, "sleep", "infinity"))
        super().__init__(folder, holder, child_of(holder.pid, "sleep"))
        scratch.mkdir()
        names = {"scratch": str(scratch), "python": sys.executable, "systemctl": str(SYSTEMCTL)}
        self.bash(_SETUP.replace("{own}", " ".join(_OWN)), **names)

    def log(self) -> str:
        """What all services logged."""
        return self.bash("cat /run/stand-in/*.log")


def child_of(pid: int, program: str) -> int:
    """Wait until ``pid`` has a child that runs ``program``."""
    until_s = time.monotonic() + 20
    path = Path(f"/proc/{pid}/task/{pid}/children")
    while not (children := path.read_text().split()) or _program(children[0]) != program:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return int(children[0])


def _program(pid: str) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


@contextmanager
def machines(folder: Path, **addresses: str) -> Iterator[list[Machine]]:
    """Two machines on one line, by name and address; each knows nobody else. Their folders lie in ``folder``."""
    (one, one_address), (other, other_address) = addresses.items()
    with namespaces(one[:3], other[:3]) as (first, second):
        join(first, f"{one_address}/24", second, f"{other_address}/24")
        made: list[Machine] = []
        try:
            for name, namespace in ((one, first), (other, second)):
                (folder / name).mkdir(exist_ok=True)
                made.append(Machine(namespace, folder / name, folder / f"scratch-{name}-{os.getpid()}"))
            yield made
        finally:
            for machine in made:
                machine.close()
