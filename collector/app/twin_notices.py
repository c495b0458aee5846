"""Two machines with one identity: the groups of their schools are told once, with what to do."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from collector.core.bureau.routing import covers
from collector.core.roster import SchoolRoster
from collector.engine import CommitFailedError, Engine
from collector.notify.message import Message
from collector.settings import AlertmanagerReceiver, CollectorSettings, Receiver, route_of
from collector.text import Language, Names, say

LOOK_S = 5.0
ACTION = "gateway_twice"


async def tell_of_twins(
    engine: Engine,
    settings: CollectorSettings,
    names: Callable[[], Names],
    wake: Callable[[], None],
    look_s: float = LOOK_S,
) -> None:
    """Look until cancelled. What was told is in the audit, so that a restart tells nothing twice."""
    told: set[str] = set()
    while True:
        found = engine.twins()
        told &= found
        for gateway in sorted(found - told):
            with suppress(CommitFailedError):
                if await engine.queue_words_once(_words(engine, settings, names(), gateway), ACTION, gateway):
                    wake()
                told.add(gateway)
        await asyncio.sleep(look_s)


def _words(engine: Engine, settings: CollectorSettings, names: Names, gateway: str) -> dict[str, str]:
    """Receiver -> its message."""
    roster = engine.roster
    entry = roster.gateways.get(gateway)
    schools = [roster.schools[name] for name in entry.schools] if entry else []
    return {
        receiver.name: msgspec.json.encode(
            [_message(gateway, schools[0], names, receiver.language or settings.language)]
        ).decode()
        for receiver in settings.receivers
        if any(_hears(receiver, school) for school in schools)
    }


def _hears(receiver: Receiver, school: SchoolRoster) -> bool:
    if isinstance(receiver, AlertmanagerReceiver) or receiver.standby or receiver.escalation:
        return False
    return covers(route_of(receiver), school.office, school.school, school.hub)


def _message(gateway: str, school: SchoolRoster, names: Names, language: Language) -> Message:
    return Message(
        language=language,
        alarming=False,
        title=say("chat.twins", language, office=names.office(school.office), school=school.name),
        lead=(say("chat.twins_seen", language, gateway=gateway),),
        items=(),
        closing=(say("chat.twins_remedy", language, gateway=gateway),),
    )
