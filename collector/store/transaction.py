"""One transaction, and the one error of a store that does not take it now.

A server that stops, restarts, fails over or hangs, a full disk, a locked file: all of them mean keep and come back.
Only what would be refused again as it is (a value that the store cannot hold) comes out as SQLAlchemy's own error.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collector.store.files import is_damage

ASK_AGAIN_S = 1.0

_CONTENT_CLASSES = ("22", "23", "54")
"""SQLSTATE classes that speak of what was written: data exception, integrity constraint, program limit
(postgresql.org/docs/current/errcodes-appendix.html). All others speak of the server, its state or its rights."""
_LATER_THAN_KNOWN = "22023"
"""What ``pg_xact_status`` says to a transaction that is still to come."""

_log = structlog.get_logger()


class StoreAwayError(Exception):
    """The store did not take it, and nothing of it was kept; the same may succeed later."""


class StoreDamagedError(StoreAwayError):
    """SQLite's file is not what was written: nothing succeeds until it is replaced."""


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for the ``with`` block.

    Raises:
        StoreAwayError: come back later.
    """
    try:
        async with engine.connect() as connection:
            try:
                yield connection
            except Exception as error:
                if _is_away(error) and connection.dialect.name == "postgresql":
                    await connection.invalidate()  # after a failover it may be alive and lead to the wrong server
                raise
    except Exception as error:
        if isinstance(error, DBAPIError) and is_damage(error.orig):
            raise StoreDamagedError(plain(error)) from error
        if not _is_away(error):
            raise
        raise StoreAwayError(plain(error)) from error


@asynccontextmanager
async def begin(writer: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction: durable when the ``with`` block has ended without an error.

    A COMMIT whose answer never came may have been done or not, and what is in memory must know: so it is asked for,
    however long the server stays away.

    Raises:
        StoreAwayError: nothing of it was kept; come back later.
    """
    transaction: str | None = None
    try:
        async with reading(writer) as connection, connection.begin():
            yield connection
            transaction = await _id_of(connection)
    except StoreAwayError as error:
        if transaction is None or not await _was_committed(writer, transaction):
            raise
        _log.warning("commit_answer_lost", transaction=transaction, error=str(error))


async def _id_of(connection: AsyncConnection) -> str | None:
    """Return the server's number of a transaction that wrote something. SQLite has none: its COMMIT is a local call."""
    if connection.dialect.name != "postgresql":
        return None
    number: str | None = await connection.scalar(text("SELECT pg_current_xact_id_if_assigned()::text"))
    return number


async def _was_committed(writer: AsyncEngine, transaction: str) -> bool:
    """Ask until there is an answer. A standby that took over before it had heard of the transaction never will."""
    question = text("SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8))")
    while True:
        try:
            async with reading(writer) as connection:
                status = await connection.scalar(question, {"number": transaction})
        except StoreAwayError as error:
            _log.warning("commit_in_doubt", transaction=transaction, error=str(error))
        except DBAPIError as error:
            if _sqlstate(error) == _LATER_THAN_KNOWN:
                return False
            raise
        else:
            if status != "in progress":
                return bool(status == "committed")
        await asyncio.sleep(ASK_AGAIN_S)


def _is_away(error: Exception) -> bool:
    if isinstance(error, OSError | PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if not hasattr(error.orig, "sqlstate"):  # SQLite
        return isinstance(error, OperationalError | InterfaceError)
    if state := _sqlstate(error):
        return not state.startswith(_CONTENT_CLASSES)
    cause = error.orig and error.orig.__cause__
    return not isinstance(cause, ValueError)  # asyncpg's word for a value that does not fit its column


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def plain(error: BaseException) -> str:
    """In one line, without the statement: what an operator can read, and without what was written."""
    text_of = str(error.orig if isinstance(error, DBAPIError) else error)
    return text_of.partition("\n")[0] or type(error).__name__
