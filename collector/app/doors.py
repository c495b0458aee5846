"""What the collector answers over HTTP, each door with what it needs of the service."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from classready.codec import encode
from classready.hosts import is_loopback
from classready.settings import SettingsError, resolve
from collector import ack_page, api, broker_api, enrol_api, enrol_page, fleet_api, install_page, relay
from collector import web as pages
from collector.app.gateways import fleet, settings_seen
from collector.app.listening import refuse_odd_targets
from collector.engine import CommitFailedError
from collector.ingest import http as http_door
from collector.ingest import settings as settings_door
from collector.outbox import Outbox
from collector.store import incidents, objections, records
from collector.store.database import Store
from collector.store.records import Counts, Page, Wanted
from collector.store.transaction import reading
from collector.views import Bureau, Incidents, Objections, Records
from collector.views.bureau import Rows

if TYPE_CHECKING:
    from collector.app.service import Service

RELOAD_PATH = "/api/v1/reload"


def application(service: "Service", outbox: Outbox, store: Store) -> web.Application:
    """Everything that is listened for, behind the tokens that the settings name."""
    settings, secrets, engine = service.configuration.settings, service.configuration.secrets, service.engine
    bureau = Bureau(
        schools=lambda: engine.schools,
        kept=lambda: service.kept,
        names=service.names,
        policy=lambda: engine.policy,
        refusals=engine.refusals,
        settings=partial(settings_seen, engine),
        clock=time.time,
        language=settings.language,
        undelivered=outbox.undelivered,
        incidents=_incidents(service, store),
        records=_records(store),
        files=service.open_questions.shown,
        objections=_objections(service, store),
        fleet=fleet(engine, _bundle(service), service.open_counts.known),
        finds=service.finds,
    )
    tokens = {kind: secrets.get(f"listen.tokens.{kind}_file") for kind in ("metrics", "api", "board", "alertmanager")}
    application = web.Application(middlewares=[refuse_odd_targets, pages.require_tokens(**tokens)])
    application.on_response_prepare.append(pages.add_headers)
    application.add_routes(http_door.routes(engine, time.time, service.gate))
    application.add_routes(settings_door.routes(engine, time.time, service.gate))
    application.add_routes([web.post(RELOAD_PATH, partial(_reload, service))])
    desk = _desk(service)
    application.add_routes([*enrol_api.routes(desk), *enrol_page.routes(desk), *_install_routes(service, desk)])
    application.add_routes(fleet_api.routes(bureau, engine.upgrades.order))
    application.add_routes(broker_api.routes(engine.accounts, time.time, is_used=settings.mqtt is not None))
    application.add_routes(api.routes(bureau))
    application.add_routes(ack_page.routes(bureau, service.ack_key, behind_proxy=settings.listen.behind_proxy))
    if tokens["alertmanager"] or (is_loopback(settings.listen.host) and not settings.listen.behind_proxy):
        application.add_routes(
            relay.routes(outbox, settings.receivers, settings.language, service.names, time.time, hubs=service.hubs)
        )
    application.add_routes(pages.routes(bureau, service.exposition, service.is_well, service.ack_key))
    return application


def _incidents(service: "Service", store: Store) -> Incidents:
    async def closed(office: str | None, offset: int, limit: int) -> tuple[int, Rows]:
        async with reading(store.reader) as connection:
            return await incidents.closed_page(connection, office, offset, limit)

    async def one_closed(number: str) -> Mapping[str, Any] | None:
        async with reading(store.reader) as connection:
            return await incidents.closed_row(connection, number)

    dispatcher = service.engine.bureau
    return Incidents(
        open=lambda: dispatcher.state,
        scopes=dispatcher.scopes,
        closed=closed,
        one_closed=one_closed,
        acknowledge=dispatcher.act,
    )


def _desk(service: "Service") -> enrol_api.Desk:
    settings = service.configuration.settings
    return enrol_api.Desk(
        engine=service.engine,
        admit=service.admit,
        clock=time.time,
        language=settings.language,
        url=settings.listen.public_url,
        is_https=settings.listen.tls is not None or settings.listen.behind_proxy,
        behind_proxy=settings.listen.behind_proxy,
        broker=service.configuration.enrolment_broker,
    )


def _install_routes(service: "Service", desk: enrol_api.Desk) -> list[web.RouteDef]:
    path, given = service.configuration.path, service.configuration.settings.enrolment
    return install_page.routes(desk, _bundle(service), resolve(path, given.ca_file) if given.ca_file else None)


def _bundle(service: "Service") -> Path | None:
    given = service.configuration.settings.enrolment.bundle_dir
    return resolve(service.configuration.path, given) if given else None


def _objections(service: "Service", store: Store) -> Objections:
    async def page(wanted: Mapping[str, str], offset: int, limit: int) -> tuple[int, Rows]:
        async with reading(store.reader) as connection:
            return await objections.page(connection, wanted, offset, limit)

    taken = service.engine.objections
    return Objections(take=taken.take, page=page, waiting=taken.of)


def _records(store: Store) -> Records:
    async def page(wanted: Wanted, offset: int, limit: int) -> Page:
        async with reading(store.reader) as connection:
            return await records.page(connection, wanted, offset, limit)

    async def one(number: str) -> Page:
        async with reading(store.reader) as connection:
            return await records.one(connection, number)

    async def counts(wanted: Wanted) -> Counts:
        async with reading(store.reader) as connection:
            return await records.counts(connection, wanted)

    return Records(page=page, one=one, counts=counts)


async def _reload(service: "Service", _request: web.Request) -> web.Response:
    try:
        await service.reload()
    except SettingsError as error:
        return _json({"problems": [str(problem) for problem in error.problems]}, 422)
    except CommitFailedError:
        return _json({"problems": ["the store did not take it; try again"]}, 503)
    return _json({"schools": len(service.engine.schools)}, 200)


def _json(value: Any, status: int) -> web.Response:
    return web.Response(body=encode(value), status=status, content_type="application/json", charset="utf-8")
