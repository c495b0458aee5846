"""One-time codes and gateways' tokens, as digests: a stolen backup enrols and reports nothing."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.store.tables import enrolment_code, gateway_token

Ended = Literal["revoked", "replaced"]

_code = enrolment_code.c
_token = gateway_token.c


class Code(Struct, frozen=True, kw_only=True):
    """``used_from``: the address that it came from. ``attempt_sha256``: of the secret by which its user comes again."""

    code_sha256: str
    school: str
    gateway: str
    made_at: float
    made_by: str
    expires_at: float
    used_at: float | None = None
    used_from: str | None = None
    attempt_sha256: str | None = None
    revoked_at: float | None = None

    def is_open(self, now: float) -> bool:
        return self.used_at is None and self.revoked_at is None and now < self.expires_at


class Token(Struct, frozen=True, kw_only=True):
    """``school``: the one whose code it was given for. ``used_at``: when its gateway first came with it.

    ``mqtt_verifier``: what the broker knows it by; None = it was made by a release that had no such thing.
    """

    token_sha256: str
    gateway: str
    school: str
    made_at: float
    used_at: float | None = None
    ended_at: float | None = None
    ended_by: Ended | None = None
    mqtt_verifier: str | None = None


async def codes(connection: AsyncConnection) -> list[Code]:
    rows = await connection.execute(select(enrolment_code).order_by(_code.made_at, _code.gateway))
    return [Code(**row._asdict()) for row in rows]


async def tokens(connection: AsyncConnection) -> list[Token]:
    rows = await connection.execute(select(gateway_token).order_by(_token.made_at))
    return [Token(**row._asdict()) for row in rows]


async def add_codes(connection: AsyncConnection, new: Sequence[Code]) -> None:
    if new:
        await connection.execute(insert(enrolment_code), [_row(code) for code in new])


async def use_code(connection: AsyncConnection, digest: str, now: float, address: str, attempt: str | None) -> bool:
    """Mark it used; False = it was not open any more. In one statement, so that of many at once one wins."""
    mine = update(enrolment_code).where(
        _code.code_sha256 == digest, _code.used_at.is_(None), _code.revoked_at.is_(None), _code.expires_at > now
    )
    done = await connection.execute(mine.values(used_at=now, used_from=address, attempt_sha256=attempt))
    return bool(done.rowcount == 1)


async def revoke_codes(connection: AsyncConnection, digests: Iterable[str], now: float) -> None:
    for digest in digests:
        mine = update(enrolment_code).where(_code.code_sha256 == digest)
        await connection.execute(mine.values(revoked_at=now))


async def add_token(connection: AsyncConnection, new: Token) -> None:
    await connection.execute(insert(gateway_token).values(_row(new)))


async def note_use(connection: AsyncConnection, digest: str, now: float) -> None:
    await connection.execute(update(gateway_token).where(_token.token_sha256 == digest).values(used_at=now))


async def end_tokens(connection: AsyncConnection, digests: Iterable[str], by: Ended, now: float) -> None:
    for digest in digests:
        mine = update(gateway_token).where(_token.token_sha256 == digest)
        await connection.execute(mine.values(ended_at=now, ended_by=by))


def matters(code: Code, kept_from: float) -> bool:
    """Whether somebody could use it after then."""
    return min(code.used_at or code.expires_at, code.revoked_at or code.expires_at, code.expires_at) >= kept_from


async def prune(connection: AsyncConnection, kept_from: float) -> None:
    """Forget codes that nobody could use after then, and tokens that ended before."""
    over = or_(_code.used_at < kept_from, _code.revoked_at < kept_from, _code.expires_at < kept_from)
    await connection.execute(delete(enrolment_code).where(over))
    await connection.execute(delete(gateway_token).where(_token.ended_at < kept_from))


def _row(entry: Code | Token) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}
