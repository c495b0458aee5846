"""Who may connect to the broker: the gateways that enrolled, each with its newest token."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from collector.roster import Roster
from collector.roster.enrolled import may_speak_for
from collector.store.enrolment import Token

Users = Mapping[str, str | None]
"""Gateway -> its verifier; None = it was taken back, and a password made by hand is good no more, either."""


class Listing(Struct, frozen=True):
    version: str
    users: Users


class RevokedError(Exception):
    """The gateway's token was taken back; the broker may not know it yet, or looks at certificates alone."""


class Accounts:
    """``listing`` is what the broker is to know; who brings it there says when it does."""

    def __init__(
        self, roster: Callable[[], Roster], tokens: Callable[[], Mapping[str, Token]], revision: Callable[[], int]
    ) -> None:
        self._roster, self._tokens, self._revision = roster, tokens, revision
        self._made_of: tuple[Roster | None, int] = (None, -1)
        self._listing = Listing("", {})
        self._taken: dict[str, tuple[str, float]] = {}
        """Gateway -> the verifier that the broker has of it, and since when."""
        self.asked_at: float | None = None
        """When it was last asked for what has changed."""

    def listing(self) -> Listing:
        made_of = self._roster(), self._revision()
        if self._made_of[0] is not made_of[0] or self._made_of[1] != made_of[1]:
            users = users_of(made_of[0], self._tokens().values())
            self._made_of, self._listing = made_of, Listing(version_of(users), users)
        return self._listing

    def confirm(self, version: str, now: float) -> None:
        """The broker has this version."""
        self.asked_at = now
        listing = self.listing()
        if version == listing.version:
            self._taken = {
                gateway: known if (known := self._taken.get(gateway)) and known[0] == verifier else (verifier, now)
                for gateway, verifier in listing.users.items()
                if verifier is not None
            }

    def check(self, gateway: str) -> None:
        """Refuse what comes over the broker of a gateway that was taken back.

        Raises:
            RevokedError: it was.
        """
        users = self.listing().users
        if gateway in users and users[gateway] is None:
            raise RevokedError(gateway)

    def behind_count(self) -> int:
        """How many gateways the broker does not know as they are, as far as anybody said."""
        users = self.listing().users
        told = {gateway: verifier for gateway, (verifier, _) in self._taken.items()}
        return sum(told.get(gateway) != verifier for gateway, verifier in users.items()) + len(told.keys() - users)

    def taken_at(self, gateway: str, verifier: str) -> float | None:
        """Since when the broker lets ``gateway`` in by this and nothing else; None = not yet, or nobody said."""
        known = self._taken.get(gateway)
        return known[1] if known and known[0] == verifier else None


def users_of(roster: Roster, tokens: Iterable[Token]) -> dict[str, str | None]:
    """A user has one password: the newest token that is good. The one before it is over at the broker.

    Who is left out may have a password by hand: a gateway whose token an earlier release gave, which the broker cannot
    know, and one whose enrolment was taken back while the roster's file gives it a token, which is good until it is
    taken out there.
    """
    found: dict[str, str | None] = {}
    for token in sorted(tokens, key=lambda token: token.made_at):
        listed = roster.gateways.get(token.gateway)
        if token.ended_at is None:
            may = listed is not None and may_speak_for(roster, token.gateway, token.school)
            found[token.gateway] = token.mqtt_verifier if may else None
            if may and token.mqtt_verifier is None:
                del found[token.gateway]
        elif token.ended_by == "revoked" and not (listed and listed.token_sha256):
            found.setdefault(token.gateway, None)
    return dict(sorted(found.items()))


def version_of(users: Users) -> str:
    return hashlib.sha256(json.dumps(list(users.items())).encode()).hexdigest()[:16]
