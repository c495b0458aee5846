"""What of an upgrade outlives the program: it is replaced in the midst of it."""

from pathlib import Path
from typing import Literal

import msgspec
import structlog
from msgspec import Struct

from classready.codec import UNDECODABLE

FOLDER = "upgrade"
"""In the state directory. The installer's unit waits for ``request`` in it."""
BUNDLE = "bundle"
REQUEST = "request"
STATE = "state.json"
_MAX_BYTES = 10_000

State = Literal["waiting", "fetching", "installing", "done", "refused", "rolled_back", "failed"]
FINAL = frozenset({"done", "refused", "rolled_back", "failed"})

_log = structlog.get_logger()


class Kept(Struct, frozen=True, kw_only=True):
    """``nonce``: names the request, so that its result is not taken for another's."""

    version: str
    asked_at: float | None
    state: State
    reason: str | None = None
    nonce: str | None = None


def load(folder: Path) -> Kept | None:
    try:
        with (folder / STATE).open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        _log.warning("upgrade_state_unreadable", error=str(error))
        return None


def save(folder: Path, kept: Kept) -> None:
    """Keep it, whole or not at all.

    Raises:
        OSError: the disk does not take it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    write(folder / STATE, msgspec.json.encode(kept))


def write(path: Path, content: bytes) -> None:
    """In one step (rename(2)): whoever reads meanwhile has the old one or the new one, never half of it."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)
