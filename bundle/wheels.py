"""Gathers the wheels of a bundle: those a lock file names, and the project's own."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ROLES = {"agent": "agent", "collector": "collector"}
"""Extra of pyproject.toml by role. The responder alone is a command of the collector."""
PLATFORMS = ("x86_64", "aarch64")
PYTHONS = ("3.11", "3.12", "3.13")
GLIBC_TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")
"""Up to glibc 2.28: Debian 10, openEuler 20.03, Kylin V10 and UOS 20 have at least that."""


def lock_of(role: str) -> str:
    """Return the part of requirements.lock that ``role`` needs, with its hashes.

    pip's own resolver is not asked: it would need an index to say what the lock file says already.
    """
    text = (ROOT / "requirements.lock").read_text("utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    needed = _closure("classready", ROLES[role]) - {"classready"}
    kept = [block for block in blocks if canonicalize_name(re.split(r"==|\s", block, maxsplit=1)[0]) in needed]
    return "".join(line for block in kept for line in block.splitlines(keepends=True) if "#" not in line)


def _closure(name: str, *extras: str) -> set[str]:
    """Names of ``name`` and of all that it requires with ``extras``, as far as it is installed here."""
    found: set[str] = set()
    waiting = [(name, tuple(extras))]
    while waiting:
        current, with_extras = waiting.pop()
        found.add(canonicalize_name(current))
        for text in metadata.requires(current) or ():
            needed = Requirement(text)
            wanted = needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in ("", *with_extras))
            if wanted and (canonicalize_name(needed.name) not in found or needed.extras):
                waiting.append((needed.name, tuple(needed.extras)))
    return found


def download(lock: Path, folder: Path, platform: str, python: str) -> None:
    """Fetch what ``lock`` names for one kind of box; pip checks every hash.

    Raises:
        subprocess.CalledProcessError: there is no such wheel, or no index.
    """
    tags = [word for tag in GLIBC_TAGS for word in ("--platform", f"{tag}_{platform}")]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    _pip("download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", lock, "--dest", folder,
         "--implementation", "cp", "--python-version", python, *tags, *abis)  # fmt: skip


def build_own(folder: Path) -> None:
    """Make the wheel of this checkout; twice the same where SOURCE_DATE_EPOCH is."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this Python's own pip
