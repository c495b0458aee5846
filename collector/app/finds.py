"""What gateways found, and what may be done about it, at work in the engine."""

from collections.abc import Sequence
from functools import partial

from collector.core.proposals import Target
from collector.engine import Engine
from collector.views.found import Finds


def finds_of(engine: Engine) -> Finds:
    def targets(gateway: str) -> Sequence[Target]:
        document = engine.configuring.of(gateway)
        return document.targets if document else ()

    def communities(gateway: str) -> Sequence[str] | None:
        document = engine.configuring.of(gateway)
        return document.discovery.communities if document and document.discovery else None

    return Finds(
        of=engine.finds.of,
        revision=engine.finds.revision,
        version=engine.configuring.version,
        targets=targets,
        devices=engine.devices.of,
        communities=communities,
        asked_at=engine.finds.asked_at,
        put=engine.devices.put,
        remove=engine.devices.remove,
        ignore=partial(engine.finds.say, "ignore"),
        heed=partial(engine.finds.say, "heed"),
        ask_again=engine.finds.ask_again,
    )
