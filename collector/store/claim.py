"""A server's store has one collector at a time, as a file has: whoever writes holds an advisory lock of its session.

Two would each know half of what was committed. Whoever is second is refused at its start; one that lost its
connection comes back to it before anybody else, however long the server takes to notice that the old one is gone.
"""

import secrets
from contextlib import closing, suppress
from typing import Any

from sqlalchemy.exc import DBAPIError

from collector.store.files import StoreHeldError

KEEPALIVE_S = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""So a machine that lost its power holds the store for half a minute more, and not for the server's two hours."""
PATIENCE = "3s"
_KEY = 0x636C_6173_7372_6477
_NOT_AVAILABLE = "55P03"
_OWN_GHOSTS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
    AND application_name = current_setting('application_name')
"""


def new_name() -> str:
    """One for all connections of a store that was opened: by it they know each other again."""
    return f"classready-collector {secrets.token_hex(4)}"


def take(connection: Any, _record: object) -> None:
    """Hold the store with this new connection, or end it.

    Raises:
        StoreHeldError: another collector does.
    """
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(_OWN_GHOSTS)
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            cursor.execute(f"SELECT pg_advisory_lock({_KEY})")
        connection.rollback()  # the lock is the session's, and stays
    except BaseException as error:
        with suppress(DBAPIError, OSError):
            connection.close()
        if getattr(error, "sqlstate", None) == _NOT_AVAILABLE:
            raise StoreHeldError("another collector runs on it: stop that one first") from None
        raise
