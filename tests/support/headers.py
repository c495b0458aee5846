"""The commands in the heading comment of an example, run as a person would type them."""

import os
import subprocess
import sys
from pathlib import Path

_INDENT = "#   "
_BIN = Path(sys.executable).parent


def commands(file: Path) -> list[str]:
    """Its indented lines, before the settings begin."""
    head = file.read_text(encoding="utf-8").partition("\n\n")[0]
    return [line.removeprefix(_INDENT) for line in head.splitlines() if line.startswith(_INDENT)]


def until_run(file: Path) -> str:
    """A script of all that comes before the programs are started."""
    return "\n".join(["set -eu", *(line for line in commands(file) if " run " not in line)])


def runs(file: Path) -> list[str]:
    """The commands that start programs, without the sign that sends them to the background."""
    return [line.removesuffix("&").strip() for line in commands(file) if " run " in line]


def bash(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run ``script`` in ``folder``, with this environment's programs and without credentials."""
    environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
    environment["PATH"] = f"{_BIN}:{environment['PATH']}"
    command = ["bash", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
