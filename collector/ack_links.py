"""Links by which the readers of a message say that they are on its incident: no login, the link is the permit."""

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Literal

import structlog

FILE_NAME = "ack.key"
ACK_PATH = "/incidents/{incident}/ack"
KEY_BYTES = 32
"""As long as the digest (RFC 2104, 3)."""
VALID_S = 7 * 86_400
"""Over a weekend or a holiday and still in the chat; what fails longer is told again by the digest, and on the board.
A group's history is read by people who joined it later: a permit must not stand in it for ever."""
UNTIL_MAX_DIGITS = 12

Standing = Literal["good", "forged", "expired"]

_log = structlog.get_logger()


def link(board_url: str, incident: str, told_at: float, key: bytes) -> str:
    """Return the address for ``incident``; the same for the same message, however often that is sent."""
    until = str(int(told_at) + VALID_S)
    path = ACK_PATH.format(incident=incident)
    return f"{board_url.rstrip('/')}{path}?until={until}&key={_signature(incident, until, key)}"


def standing(incident: str, until: str, signature: str, key: bytes, now: float) -> Standing:
    """Say what a link is worth at ``now``. Whatever is not ours is forged, however it looks."""
    given = signature.encode("utf-8", "surrogateescape")
    is_date = until.isascii() and until.isdigit() and len(until) <= UNTIL_MAX_DIGITS
    if not is_date or not hmac.compare_digest(given, _signature(incident, until, key).encode()):
        return "forged"
    return "good" if now < int(until) else "expired"


def _signature(incident: str, until: str, key: bytes) -> str:
    return hmac.new(key, f"acknowledge\n{incident}\n{until}".encode(), sha256).hexdigest()


def keep_key(folder: Path) -> bytes:
    """Return the secret of this collector, made at the first start and kept in ``folder`` for its owner alone.

    One that is damaged is replaced: links of before are forged then. Where none can be kept, it holds until the end.
    """
    file = folder / FILE_NAME
    try:
        known = file.read_bytes()
        if len(known) == KEY_BYTES:
            return known
        _log.warning("ack_key_damaged", file=str(file))
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("ack_key_not_read", file=str(file), error=error.strerror)
        return secrets.token_bytes(KEY_BYTES)
    made = secrets.token_bytes(KEY_BYTES)
    try:
        _write(file, made)
    except OSError as error:
        _log.warning("ack_key_not_kept", file=str(file), error=error.strerror)
    return made


def _write(file: Path, key: bytes) -> None:
    """In one step: a kill leaves the old one, or none, but never a part."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(key)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
