"""Which gateway is it? A token from the roster's files, or one that was given at enrolment: both by their digest."""

from contextlib import suppress
from typing import NamedTuple

from collector.engine import CommitFailedError, Engine
from collector.engine.enrolment import digest_of
from collector.roster import Roster
from collector.roster.enrolled import may_speak_for


class Ended(NamedTuple):
    """A token that was good once."""

    detail: str


_ENDED = {
    "revoked": Ended("the bureau took this token back: enrol this box with a new code"),
    "replaced": Ended("another token was given to this gateway, and is in use: enrol this box with a new code"),
}


class Credentials:
    """Put together anew when the roster is another one or somebody enrolled; no report costs more than a look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._made_of: tuple[Roster | None, int] = (None, -1)
        self._by_digest: dict[str, str | Ended] = {}
        self._unused: set[str] = set()

    async def gateway_of(self, authorization: str, now: float) -> str | Ended | None:
        """Return whose token it is. The first time that a gateway comes with a new one, its old one is over."""
        engine = self._engine
        if self._made_of[0] is not engine.roster or self._made_of[1] != engine.enrolment.revision:
            self._read()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = digest_of(token)
        if self._unused and digest in self._unused:
            with suppress(CommitFailedError):
                await engine.enrolment.note_use(digest, now)
        return self._by_digest.get(digest)

    def _read(self) -> None:
        roster, enrolment = self._engine.roster, self._engine.enrolment
        self._made_of = roster, enrolment.revision
        known: dict[str, str | Ended] = {
            digest: _ENDED[token.ended_by] for digest, token in enrolment.tokens.items() if token.ended_by
        }
        good = {
            digest: token.gateway
            for digest, token in enrolment.tokens.items()
            if token.ended_at is None
            and token.gateway in roster.gateways
            and may_speak_for(roster, token.gateway, token.school)
        }
        listed = {g.token_sha256: g.id for g in roster.gateways.values() if g.token_sha256}
        self._by_digest = {**known, **good, **listed}
        self._unused = {digest for digest in good if enrolment.tokens[digest].used_at is None}
