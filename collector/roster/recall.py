"""The roster as it was read last, beside the store: what did not change since then is not read from YAML again.

YAML takes ten seconds for 20,000 schools, this half a one. It is a shortcut and no truth: files are known by the digest
of their text, as within a process, and a shortcut that is missing, damaged or of another release leads nowhere.
"""

import json
import os
from hashlib import sha256
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from classready import __version__
from classready.codec import UNDECODABLE
from collector.roster.files import OfficeFile
from collector.roster.reading import Known
from collector.roster.sharing import Shared

FILE_NAME = "roster.cache"

_FORMAT = sha256(json.dumps([__version__, msgspec.json.schema(OfficeFile)]).encode()).hexdigest()
"""Another release may read the same text otherwise."""

_office = msgspec.msgpack.Decoder(OfficeFile)
_log = structlog.get_logger()


class _Remembered(Struct, frozen=True):
    format: str
    files: dict[str, msgspec.Raw]
    """Digest -> an office; decoded one by one, for most of each is dropped again: its equal parts."""


def recall(file: Path) -> Known:
    """Return what was remembered; nothing where that is of no use."""
    shared = Shared()
    try:
        digest, text = _parts(file.read_bytes())
        if digest != sha256(text).digest():  # a bit that turned over in a name would decode all the same
            return {}
        remembered = msgspec.msgpack.decode(text, type=_Remembered)
        if remembered.format != _FORMAT:
            return {}
        return {name: shared.office(_office.decode(office)) for name, office in remembered.files.items()}
    except (OSError, *UNDECODABLE):
        return {}


def _parts(written: bytes) -> tuple[bytes, bytes]:
    size_bytes = sha256().digest_size
    return written[:size_bytes], written[size_bytes:]


def remember(file: Path, known: Known) -> None:
    """Replace what was remembered, in one step; where it cannot be written, the next start takes longer.

    Only its owner may read it, like the store: it holds the digests of the gateways' tokens.
    """
    files = {digest: msgspec.Raw(msgspec.msgpack.encode(office)) for digest, office in known.items()}
    text = msgspec.msgpack.encode(_Remembered(_FORMAT, files))
    fresh = file.with_suffix(".new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(sha256(text).digest() + text)
        fresh.replace(file)
    except OSError as error:
        _log.warning("roster_not_remembered", file=str(file), error=error.strerror)
