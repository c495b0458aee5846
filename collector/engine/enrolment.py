"""Enrolment at work: one-time codes made and used, tokens given, used for the first time and taken back.

All of it is in memory as well, so that neither a report nor a guess costs a look into the store.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from collector.broker.passwords import TOKEN_ITERATIONS, verifier
from collector.engine.errors import EnrolmentRefusedError
from collector.engine.writing import Writer
from collector.roster import Roster
from collector.roster.enrolled import gateways_of, may_speak_for
from collector.store import enrolment, history
from collector.store.enrolment import Code, Token

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: what is easily taken for another letter is left out, and understood (crockford.com/base32)."""
_LOOKALIKES = str.maketrans("OIL", "011", "- \t\r\n")
_CODE_CHARACTERS = 16
"""80 bits. It is read from a slip and typed: 128 would be 26 characters. At the 5 guesses a minute that an address has,
and 10,000 codes open, one is hit in 10^13 years; a fast guesser of digests out of a stolen backup needs 10^12 s for
one at 10^12 digests a second, and it is valid for days."""
_TOKEN_BYTES = 32
KEPT_S = 90 * 86_400.0
"""So long whoever comes with an old code or token is told what became of it."""

LOGGED_MAX = 20

_log = structlog.get_logger()


class Made(NamedTuple):
    """A code in clear: nobody but who asked for it ever sees it."""

    text: str
    code: Code


class Claim(NamedTuple):
    """Who wants to enrol. ``school``: the one that he believes to be; ``attempt``: his own secret, to come again."""

    code: str
    school: str | None
    attempt: str | None
    address: str
    box: str


class Revoked(NamedTuple):
    code_count: int
    token_count: int


class Enrolled(NamedTuple):
    gateway: str
    school: str
    token: str


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.strip().encode(errors="replace")).hexdigest()


def canonical_code(text: str) -> str | None:
    """Return a code as it was made, however it was typed; None = it is none."""
    plain = text.upper().translate(_LOOKALIKES)
    is_one = len(plain) == _CODE_CHARACTERS and set(plain) <= set(_ALPHABET)
    return plain if is_one else None


class Enrolment:
    """``revision`` grows whenever other tokens are good than before."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._busy = asyncio.Lock()
        self._codes: dict[str, Code] = {}
        self._tokens: dict[str, Token] = {}
        self.revision = 0
        self._unused: dict[str, Token] = {}
        self._unused_at = -1

    @property
    def tokens(self) -> Mapping[str, Token]:
        """All that are remembered, by their digest."""
        return self._tokens

    def codes(self) -> Sequence[Code]:
        return sorted(self._codes.values(), key=lambda code: (code.made_at, code.gateway))

    def gateways(self) -> list[tuple[str, str]]:
        """Return (gateway, school) of every token that is good."""
        return [(token.gateway, token.school) for token in self._tokens.values() if token.ended_at is None]

    def unused(self, gateway: str) -> Token | None:
        """Return the token of ``gateway`` that it has not come with yet."""
        if self._unused_at != self.revision:
            idle = (t for t in self._tokens.values() if t.ended_at is None and t.used_at is None)
            self._unused, self._unused_at = {t.gateway: t for t in idle}, self.revision
        return self._unused.get(gateway)

    async def load(self) -> None:
        """Read what the store has, before anything else is done.

        Raises:
            CommitFailedError: it is away.
        """
        async with self._writer.read() as connection:
            codes, tokens = await enrolment.codes(connection), await enrolment.tokens(connection)
        self._codes, self._tokens = {}, {}
        self._keep(codes, tokens)

    async def make(self, wanted: Collection[tuple[str, str]], valid_s: float, by: str, now: float) -> list[Made]:
        """Make a code for each (school, gateway), in place of one that was not used yet: a lost slip opens nothing.

        Raises:
            CommitFailedError: none was made.
        """
        made = [_made(school, gateway, valid_s, by, now) for school, gateway in wanted]
        new = [code for _, code in made]
        async with self._busy:
            self._forget(now - KEPT_S)
            before = self._open_codes({code.gateway for code in new}, now)
            async with self._writer.exclusive() as connection:
                await enrolment.prune(connection, now - KEPT_S)
                await enrolment.revoke_codes(connection, [code.code_sha256 for code in before], now)
                await enrolment.add_codes(connection, new)
                for code in new:
                    await history.add_audit(connection, now, by, "code_made", f"{code.school} {code.gateway}")
            self._keep([*(replace(code, revoked_at=now) for code in before), *new], [])
        _log.info("codes_made", by=by, count=len(new), gateways=[code.gateway for code in new][:LOGGED_MAX])
        return made

    async def redeem(self, claim: Claim, roster: Roster, now: float) -> Enrolled:
        """Give a token for a code, once; again only to who comes with the same ``attempt`` before it is in use.

        Raises:
            EnrolmentRefusedError: the claimant's fault.
            CommitFailedError: nothing happened; the code is as good as before.
        """
        plain = canonical_code(claim.code)
        digest = digest_of(plain) if plain else ""
        async with self._busy:
            code = self._permitted(digest, claim, roster, now)
            text = secrets.token_urlsafe(_TOKEN_BYTES)
            token = Token(
                token_sha256=digest_of(text),
                gateway=code.gateway,
                school=code.school,
                made_at=now,
                mqtt_verifier=verifier(text, TOKEN_ITERATIONS),
            )
            idle = [t for t in self._live_tokens({code.gateway}) if t.used_at is None]
            used = await self._write_use(code, claim, token, idle, now)
            self._keep([used], [*(replace(t, ended_at=now, ended_by="replaced") for t in idle), token])
        _log.info("enrolled", gateway=code.gateway, school=code.school, address=claim.address, box=claim.box)
        return Enrolled(code.gateway, code.school, text)

    async def note_use(self, token_sha256: str, now: float) -> None:
        """A gateway came with its new token for the first time: now the one before is over.

        Raises:
            CommitFailedError: both are good until it comes the next time.
        """
        async with self._busy:
            token = self._tokens[token_sha256]
            if token.used_at is not None or token.ended_at is not None:
                return
            before = [t for t in self._live_tokens({token.gateway}) if t is not token]
            async with self._writer.exclusive() as connection:
                await enrolment.note_use(connection, token_sha256, now)
                await enrolment.end_tokens(connection, [t.token_sha256 for t in before], "replaced", now)
            over = (replace(t, ended_at=now, ended_by="replaced") for t in before)
            self._keep([], [replace(token, used_at=now), *over])

    async def revoke(self, gateways: Collection[str], by: str, now: float) -> Revoked:
        """Take back the open codes and the tokens of ``gateways``.

        Raises:
            CommitFailedError: none was.
        """
        async with self._busy:
            codes, tokens = self._open_codes(gateways, now), self._live_tokens(gateways)
            async with self._writer.exclusive() as connection:
                await enrolment.revoke_codes(connection, [code.code_sha256 for code in codes], now)
                await enrolment.end_tokens(connection, [token.token_sha256 for token in tokens], "revoked", now)
                for gateway in gateways:
                    await history.add_audit(connection, now, by, "gateway_revoked", gateway)
            over = [replace(token, ended_at=now, ended_by="revoked") for token in tokens]
            self._keep([replace(code, revoked_at=now) for code in codes], over)
        _log.info("gateways_revoked", by=by, gateways=sorted(gateways), codes=len(codes), tokens=len(tokens))
        return Revoked(len(codes), len(tokens))

    async def _write_use(self, code: Code, claim: Claim, token: Token, idle: Sequence[Token], now: float) -> Code:
        """Write it all, and return the code as it is then."""
        attempt = digest_of(claim.attempt) if claim.attempt else None
        detail = f"{code.school} {code.gateway} from {claim.address}, box {claim.box}"
        async with self._writer.exclusive() as connection:
            if code.used_at is None:
                if not await enrolment.use_code(connection, code.code_sha256, now, claim.address, attempt):
                    raise EnrolmentRefusedError("used")
                code = replace(code, used_at=now, used_from=claim.address, attempt_sha256=attempt)
            await enrolment.end_tokens(connection, [t.token_sha256 for t in idle], "replaced", now)
            await enrolment.add_token(connection, token)
            await history.add_audit(connection, now, code.gateway, "code_used", detail)
        return code

    def _permitted(self, digest: str, claim: Claim, roster: Roster, now: float) -> Code:
        code = self._codes.get(digest)
        if code is None:
            raise EnrolmentRefusedError("unknown")
        if code.revoked_at is not None:
            raise EnrolmentRefusedError("revoked")
        if code.used_at is not None and not self._comes_again(code, claim):
            raise EnrolmentRefusedError("used")
        if now >= code.expires_at:
            raise EnrolmentRefusedError("expired")
        if claim.school is not None and claim.school != code.school:
            raise EnrolmentRefusedError("wrong_school")
        if not may_speak_for(roster, code.gateway, code.school):
            raise EnrolmentRefusedError("not_listed")
        return code

    def _comes_again(self, code: Code, claim: Claim) -> bool:
        """The answer got lost, or the box its power: who used the code may have another token until one is in use."""
        if claim.attempt is None or digest_of(claim.attempt) != code.attempt_sha256:
            return False
        given = [t for t in self._tokens.values() if t.gateway == code.gateway and t.made_at >= (code.used_at or 0.0)]
        return not any(t.used_at is not None or t.ended_by == "revoked" for t in given)

    def _open_codes(self, gateways: Collection[str], now: float) -> list[Code]:
        return [code for code in self._codes.values() if code.gateway in gateways and code.is_open(now)]

    def _live_tokens(self, gateways: Collection[str]) -> list[Token]:
        return [t for t in self._tokens.values() if t.gateway in gateways and t.ended_at is None]

    def _keep(self, codes: Iterable[Code], tokens: Iterable[Token]) -> None:
        self._codes.update((code.code_sha256, code) for code in codes)
        self._tokens.update((token.token_sha256, token) for token in tokens)
        self.revision += 1

    def _forget(self, kept_from: float) -> None:
        """As the store does."""
        self._codes = {name: code for name, code in self._codes.items() if enrolment.matters(code, kept_from)}
        self._tokens = {name: t for name, t in self._tokens.items() if t.ended_at is None or t.ended_at >= kept_from}


def _made(school: str, gateway: str, valid_s: float, by: str, now: float) -> Made:
    plain = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARACTERS))
    text = "-".join(plain[at : at + 4] for at in range(0, _CODE_CHARACTERS, 4))
    code = Code(
        code_sha256=digest_of(plain), school=school, gateway=gateway, made_at=now, made_by=by, expires_at=now + valid_s
    )
    return Made(text, code)


def targets(roster: Roster, schools: Collection[str]) -> list[tuple[str, str]]:
    """Return (school, gateway) of each gateway that serves ``schools``, or will."""
    found = {gateway: school for school, names in gateways_of(roster, schools).items() for gateway in names}
    return [(school, gateway) for gateway, school in found.items()]
