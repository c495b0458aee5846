"""Where acceptance sheets lie: ``acceptance`` writes them, the agent's page shows the last one."""

import re
from pathlib import Path

FOLDER = "acceptance"
"""In the state directory."""


def kept(state_dir: Path, gateway: str, suffix: str) -> list[Path]:
    """Files of this gateway's sheets, oldest first by the date in the name: a copied file keeps it."""
    ours = re.compile(rf"{re.escape(gateway)}-\d{{8}}-\d{{6}}(-\d+)?{re.escape(suffix)}")
    try:
        found = [path for path in (state_dir / FOLDER).iterdir() if ours.fullmatch(path.name) and path.is_file()]
    except OSError:
        return []
    return sorted(found, key=lambda path: path.stem)
