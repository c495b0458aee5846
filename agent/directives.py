"""The collector's last directives, kept beside the spool for a start while the collector is away."""

from pathlib import Path

import msgspec
import structlog

from classready.codec import UNDECODABLE, encode
from classready.report import Directives

FILE_NAME = "directives.json"
_MAX_BYTES = 1_000_000

_log = structlog.get_logger()


def load(state_dir: Path) -> Directives | None:
    """Return the directives kept beside the spool; None when there are none that can be read."""
    path = state_dir / FILE_NAME
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=Directives)
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        _log.warning("directives_unreadable", path=str(path), error=str(error))
        return None


def save(state_dir: Path, directives: Directives) -> None:
    """Keep ``directives`` for the next start. Failing is no harm: the first ack brings them again."""
    path = state_dir / FILE_NAME
    new = path.with_suffix(".new")
    try:
        new.write_bytes(encode(directives))
        # In one step (rename(2)): whoever reads meanwhile has the old ones or the new ones, never half of them.
        new.replace(path)
    except OSError as error:
        _log.warning("directives_not_saved", path=str(path), error=str(error))
