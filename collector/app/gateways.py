"""Everything that the parts of the collector know of each gateway, put together."""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from collector import releases
from collector.engine import Engine
from collector.fleet.sight import heard, office_of
from collector.fleet.trouble import Enrolment, SettingsSeen, Sight
from collector.roster.files import GatewayEntry
from collector.store.enrolment import Token
from collector.views.fleet import Fleet, Upgrading


def fleet(engine: Engine, bundle: Path | None, found_count: Callable[[str], int | None]) -> Fleet:
    """``bundle``: what new boxes are installed from; ``found_count``: how much of a gateway nobody assigned."""

    def upgrading() -> Upgrading:
        return Upgrading(engine.upgrades.plan, engine.upgrades.marks, tuple(releases.held(bundle)))

    return Fleet(sights=lambda: sights(engine, found_count), upgrading=upgrading)


def sights(engine: Engine, found_count: Callable[[str], int | None]) -> list[Sight]:
    """Look at every gateway of the roster. Needs no turn: what it reads is replaced, never changed."""
    schools, marks = engine.schools, engine.upgrades.marks
    tokens = _of_tokens(engine.enrolment.tokens)
    now = time.time()
    with_code = {code.gateway for code in engine.enrolment.codes() if code.is_open(now)}
    return [
        Sight(
            gateway=entry.id,
            schools=entry.schools,
            office=office_of(entry.schools, schools),
            state=heard(entry.id, entry.schools, schools),
            enrolment=_enrolment(entry, tokens, with_code),
            mark=marks.get(entry.id),
            settings=settings_seen(engine, entry.id),
            found_count=found_count(entry.id),
        )
        for entry in engine.roster.gateways.values()
    ]


def settings_seen(engine: Engine, gateway: str) -> SettingsSeen | None:
    """None = it said nothing of settings since this collector started, or knows none."""
    said = engine.configuring.said(gateway)
    if said is None:
        return None
    refused = said.report.refused
    wanted = engine.configuring.version(gateway)
    is_refused = refused is not None and refused.version == wanted
    return SettingsSeen(said.report.version, wanted, refused.problems if refused and is_refused else None)


def _of_tokens(tokens: Mapping[str, Token]) -> dict[str, Enrolment]:
    """Gateway -> whether one of its tokens is good, or the last was taken back."""
    found: dict[str, Enrolment] = {}
    for token in list(tokens.values()):
        if token.ended_at is None:
            found[token.gateway] = "enrolled"
        elif token.ended_by == "revoked":
            found.setdefault(token.gateway, "revoked")
    return found


def _enrolment(entry: GatewayEntry, tokens: Mapping[str, Enrolment], with_code: Collection[str]) -> Enrolment:
    if entry.token_sha256:
        return "by_hand"
    known = tokens.get(entry.id)
    if known != "enrolled" and entry.id in with_code:
        return "code_open"
    return known or "none"
