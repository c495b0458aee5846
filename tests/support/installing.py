"""Runs install.sh below a throw-away root, and sees what it changed there."""

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def box(root: Path) -> Path:
    """A box before classready: the folders that every Debian has."""
    for folder in ("opt", "etc/systemd/system", "usr/local/bin", "var/lib"):
        (root / folder).mkdir(parents=True)
    return root


def install(
    bundle: Path, root: Path, *options: str | Path, typed: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    plain = {"PATH": os.environ["PATH"], "LANG": "C"} | environment
    command = ["sh", bundle / "install.sh", "--root", root, "--python", sys.executable, *options]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False, env=plain)


def tree(root: Path) -> Mapping[str, tuple[int, int, str]]:
    """Path -> mode, time of change, content; without what Python itself keeps."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.lstat().st_mtime_ns, _content(path))
        for path in root.rglob("*")
        if "__pycache__" not in path.parts and "site-packages" not in path.parts
    }


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def path_with(folder: Path, **scripts: str) -> str:
    """A PATH on which ``scripts`` stand before the programs of their names."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
