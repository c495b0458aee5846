"""Where the programs of test servers are, beyond everybody's PATH."""

import os
import shutil
from pathlib import Path

PATH = ":".join(
    [
        os.environ.get("PATH", ""),
        "/usr/sbin:/sbin",
        # Debian keeps PostgreSQL's programs apart by major version: the newest first
        *(str(folder) for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
)


def found(program: str) -> str | None:
    return shutil.which(program, path=PATH)
