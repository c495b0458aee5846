"""A machine with a real systemd as its first process, in namespaces of a test (root): units run in their whole sandbox.

Changes are laid over what this machine has and are gone in the end, and so is every process. Nothing that this machine
starts at boot is started in it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.support.machines import Inside, child_of
from tests.support.namespaces import Namespace, join, namespaces

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
"""Where version 2 is mounted: alone, or beside version 1."""
BOOT_S = 60.0
_MAGIC_CGROUP2 = "cgroup2fs"

_MASKED = (
    "systemd-sysctl",  # would set the kernel of this machine
    "systemd-modules-load",
    "systemd-remount-fs",
    "systemd-tmpfiles-setup",  # empties /tmp, in which the shared folder lies
    "systemd-tmpfiles-setup-dev",
    "systemd-random-seed",
    "systemd-journal-flush",
)
_BOOT = """
set -eu
mount --make-rprivate /
mount -t tmpfs scratch "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p ".$shared" run/systemd/system var/lib/private
mount --bind "$shared" ".$shared"
for unit in $masked; do ln -sf /dev/null etc/systemd/system/$unit.service; done
rm -rf var/log/journal
printf '%s\\n' '[Unit]' DefaultDependencies=no Requires=systemd-journald.service > run/systemd/system/box.target
if [ "$python" != none ]; then
  mkdir usr/local/python
  mount --bind "$python" usr/local/python
  ln -sf /usr/local/python/bin/$python_name usr/local/bin/$python_name
fi
mkdir run/before
pivot_root . run/before
cd /
umount -l /run/before
rmdir /run/before
mount --make-rshared /  # credentials are mounted in a namespace of systemd's own, and must be seen here
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$systemd" --system --unit=box.target --log-target=journal
"""


def why_not() -> str | None:
    """Say why no systemd can be booted here; None = it can."""
    if not SYSTEMD.exists():
        return "systemd is not installed"
    group = _cgroup2()
    if group is None:
        return "no cgroup of version 2 is mounted here"
    trial = group / f"cr{os.getpid()}trial"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        return f"no cgroup can be made here: {error.strerror}"
    return None


class Booted(Inside):
    """``folder`` is where commands begin, and is shared with the test."""

    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    """For which bundles are made here."""

    def __init__(self, namespace: Namespace, folder: Path, scratch: Path) -> None:
        group = _cgroup2()
        assert group is not None, why_not()
        self._group = group / f"cr{os.getpid()}{namespace.name[-4:]}"
        self._group.mkdir()
        scratch.mkdir()
        names = {
            "scratch": str(scratch),
            "shared": str(folder),
            "masked": " ".join(_MASKED),
            "systemd": str(SYSTEMD),
            "python_name": self.python,
        }
        own = Path("/usr/bin") / self.python
        names["python"] = "none" if own.exists() else sys.base_prefix
        apart = ["--mount", "--pid", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private"]
        boot = namespace.command("unshare", *apart, "bash", "-c", _BOOT)
        joined = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(self._group), *boot]
        holder = subprocess.Popen(joined, env=os.environ | names, stdin=subprocess.DEVNULL)
        super().__init__(folder, holder, child_of(holder.pid, SYSTEMD.name))
        self._wait()

    def _wait(self) -> None:
        until_s = time.monotonic() + BOOT_S
        while self.bash("systemctl is-system-running 2>/dev/null || true").strip() not in {"running", "degraded"}:
            assert time.monotonic() < until_s, self.bash("systemctl list-jobs; journalctl --no-pager -b | tail -n 50")
            time.sleep(0.1)

    def journal(self, unit: str) -> str:
        """What it logged."""
        return self.bash(f"journalctl --no-pager --output cat --unit {unit}")

    def log(self) -> str:
        """What all services logged."""
        return self.bash("journalctl --no-pager --output cat --unit 'classready-*'")

    def shown(self, unit: str, name: str) -> str:
        """One property, as systemd has it."""
        return self.bash(f"systemctl show --property {name} --value {unit}").strip()

    def close(self) -> None:
        super().close()
        until_s = time.monotonic() + 20
        while self._group.exists() and time.monotonic() < until_s:
            for each in sorted(self._group.rglob("*/"), reverse=True):
                with suppress(OSError):  # its last process is on its way out
                    each.rmdir()
            with suppress(OSError):
                self._group.rmdir()
            time.sleep(0.05)


@contextmanager
def machines(folder: Path, **addresses: str) -> Iterator[list[Booted]]:
    """Two machines on one line, by name and address; each knows nobody else. Their folders lie in ``folder``."""
    (one, one_address), (other, other_address) = addresses.items()
    with namespaces(one[:3], other[:3]) as (first, second), ExitStack() as stack:
        join(first, f"{one_address}/24", second, f"{other_address}/24")
        made = []
        for name, namespace in ((one, first), (other, second)):
            (folder / name).mkdir(exist_ok=True)
            made.append(Booted(namespace, folder / name, folder / f"scratch-{name}"))
            stack.callback(made[-1].close)
        yield made


def _cgroup2() -> Path | None:
    for mounted in CGROUPS:
        kind = subprocess.run(["stat", "-f", "-c", "%T", mounted], capture_output=True, text=True, check=False)
        if kind.stdout.strip() == _MAGIC_CGROUP2:
            return mounted
    return None
