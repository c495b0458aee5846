"""This machine: Python, ICMP, disk, memory, agents that run, secrets. Nothing is sent."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.doctor import judge
from agent.findings import Finding
from agent.loading import files
from agent.probes.icmp import Unanswered, permission
from agent.settings import AgentSettings
from classready import __version__

SYSTEMD_STATE = Path("/var/lib/classready-agent")
_PROC = Path("/proc")


def python() -> list[Finding]:
    return [judge.python(sys.version_info[:3], __version__)]


def icmp() -> list[Finding]:
    try:
        return [judge.icmp(permission(socket.AF_INET))]
    except Unanswered as denied:
        return [judge.icmp(None, denied.detail)]


def state_dir(settings: AgentSettings) -> Path:
    """Where the service keeps its spool: at a terminal nobody sets $STATE_DIRECTORY."""
    folder = Path(settings.state_dir)
    return SYSTEMD_STATE if not folder.exists() and SYSTEMD_STATE.exists() else folder


def disk(folder: Path) -> list[Finding]:
    """Room and a try to write, where the spool is or will be."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    error = None
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        error = fault.strerror or str(fault)
    return [judge.disk(shutil.disk_usage(there).free, error, str(folder))]


def memory(path: Path = _PROC / "meminfo") -> list[Finding]:
    try:
        rows = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        return [judge.memory(int(rows["MemAvailable"].split()[0]) * 1024)]
    except (OSError, KeyError, ValueError, IndexError):
        return [judge.memory(None)]


def running() -> list[Finding]:
    return [judge.running(sorted(agents()))]


def agents(proc: Path = _PROC) -> Iterator[int]:
    """Process ids of agents that run here, by their command lines."""
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_agent([word.decode(errors="replace") for word in words]):
            yield int(folder.name)


def is_agent(words: Sequence[str]) -> bool:
    """``classready-agent run``, by whatever Python, or ``python -m agent run``; not ``sudo`` or an editor before it."""
    by_python = _base(words[0]).startswith("python") if words else False
    for i, word in enumerate(words[:4]):
        named = _base(word) == "classready-agent" or words[max(i - 1, 0) : i + 1] == ["-m", "agent"]
        if named:
            return (by_python or i == 0) and "run" in words[i + 1 :]
    return False


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def secrets(settings: AgentSettings) -> list[Finding]:
    found = []
    for path, file in files(settings, ""):
        if path.endswith(("ca_file", "metrics_file")):
            continue
        try:
            found.append(judge.secret(file, Path(file).stat().st_mode))
        except OSError:
            continue  # told by the settings' own check
    return found
