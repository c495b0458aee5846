"""What an operator carries to a gateway, for tests of install.sh.

The wheel is built from this checkout. Its dependencies are lent to the new environment as bare packages, because the
real ones take minutes and a package index.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("install.sh", "configs/agent.example.yml", "systemd/classready-agent.service")
BORROWED_NOT = ("pip", "setuptools", "agent", "collector", "classready", "_classready")


def make_bundle(folder: Path) -> Path:
    """install.sh with its files, a wheel, and a ``python`` whose new environments see this one's packages."""
    for part in PARTS:
        (folder / part).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / part, folder / part)
    (folder / "requirements-agent.lock").write_text("# lent by the test\n")
    wheel = ("-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    subprocess.run([sys.executable, *wheel], check=True, timeout=120)
    _lend_dependencies(folder)
    return folder


def _lend_dependencies(folder: Path) -> None:
    """Without their metadata."""
    lent = folder / "lent"
    lent.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.suffix not in {".dist-info", ".pth"} and not entry.name.startswith(BORROWED_NOT):
            (lent / entry.name).symlink_to(entry)
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\n"{sys.executable}" "$@" || exit\n'
        f'if [ "$1 $2" = "-m venv" ]; then echo "{lent}" >"$(echo "$3"/lib/python3*/site-packages)/lent.pth"; fi\n'
    )
    python.chmod(0o755)
