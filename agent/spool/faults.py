"""Whose fault an error of the spool's file is: its own, or that of the disk it lies on."""

import sqlite3


class NotASpoolError(sqlite3.DatabaseError):
    """A healthy database of somebody else, or of a later version."""


class SpoolInUseError(OSError):
    """Another process holds this state directory."""


FAULTS = (sqlite3.Error, OSError, TypeError, ValueError)
"""What a file that goes bad underneath can raise; a row may hold something else than what was written."""

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""The disk, or who else holds the file, is at fault: the same file may be well again. (www.sqlite.org/rescode.html)"""

_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})
"""Errors of the disk, but of what lies there already: another file lies elsewhere."""

_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
"""The second comes of a quota, and of any other error than ENOSPC. (SQLite's os_unix.c)"""


def is_broken(error: Exception) -> bool:
    """Say whether the file itself is at fault, so that only looking into it, or another one, can help."""
    if (code := getattr(error, "sqlite_errorcode", None)) is None:
        return not isinstance(error, OSError)
    return code in _UNREADABLE or code & 0xFF not in _PASSING  # the lower byte is the kind, the rest says more of it


def is_without_room(error: sqlite3.Error) -> bool:
    """Say whether the disk gave no room for what was to be written."""
    return error.sqlite_errorcode in _NO_ROOM
