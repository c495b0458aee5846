"""Check sums over what SQLite has none for: its log has them, the pages of its database have not.

They are made so that an agent of before reads and writes the same file: a rollback must lose no record.
"""

import re
import zlib

import msgspec

from classready.codec import UNDECODABLE
from classready.report import Record

_MARK_BYTES = len(',"crc32":"00000000"}')
SEQUENCE_MAX = 2**53
_SPOOL_ID = re.compile(r"[0-9a-f]{32}\Z")


def mark(sequence: int, body: bytes) -> bytes:
    """Add its check sum to a record, as a last field, which receivers know to ignore."""
    return body[:-1] + b',"crc32":"%08x"}' % zlib.crc32(body, sequence & 0xFFFFFFFF)


def unmark(sequence: int, marked: bytes | None) -> bytes | None:
    """Return the record as it was made; None where it is damaged."""
    if marked is None:
        return None
    body = marked[:-_MARK_BYTES] + b"}"
    if mark(sequence, body) == marked:
        return body
    return marked if _is_as_made(sequence, marked) else None


def _is_as_made(sequence: int, body: bytes) -> bool:
    """Say whether this is one of an agent of before: it ends with its observation, and a damaged mark does not."""
    try:
        record = msgspec.json.decode(body, type=Record)
    except UNDECODABLE:
        return False
    return record.sequence == sequence and body.endswith(b"}}")


def head(spool_id: str, last_sequence: int) -> list[tuple[int, str]]:
    """Return what stands beside the last sequence, in SQLite's own table of them: it is written with it anyway."""
    return [(last_sequence, "sealed"), (zlib.crc32(f"{spool_id}:{last_sequence}".encode()), "seal")]


def is_head_sound(spool_id: str, sequences: dict[str, int], newest: int) -> bool:
    """Say whether identity and last sequence are what was written: with another one a number would be used twice."""
    last, sealed = sequences.get("record", 0), sequences.get("sealed", 0)
    # An agent of before counts on without sealing.
    if not _SPOOL_ID.match(spool_id) or not max(sealed, newest) <= last < SEQUENCE_MAX:
        return False
    return "seal" not in sequences or (sequences["seal"], "seal") in head(spool_id, sealed)
