"""Who may connect to the broker, for what tells it: one answer as soon as something is not what is known there."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from msgspec import Struct
from prometheus_client import Gauge

from collector.broker.accounts import Accounts
from collector.query import Mistake, answering, json_answer, parameter, response

ACCOUNTS_PATH: Final = "/api/v1/broker/accounts"
WAIT_MAX_S: Final = 20
"""Below what proxies wait for an answer (nginx: 60 s; the shipped settings: 30)."""
LOOK_S: Final = 0.2
WAITING_MAX: Final = 16

BEHIND = Gauge("classready_collector_broker_accounts_behind", "Gateways that the broker does not know as they are.")
ASKED_AT = Gauge(
    "classready_collector_broker_accounts_last_asked_timestamp_seconds",
    "When broker-sync last asked; 0 = never since the start.",
)


class BrokerAccounts(Struct, frozen=True, kw_only=True):
    """``users``: gateway -> what the broker knows its password by; null = taken back: let it in by no password."""

    version: str
    users: Mapping[str, str | None]


DESCRIBED: tuple[type[Struct], ...] = (BrokerAccounts,)


def routes(accounts: Accounts, clock: Callable[[], float], *, is_used: bool = True) -> list[web.RouteDef]:
    """``is_used``: there is a broker."""
    waiting = 0
    BEHIND.set_function(lambda: accounts.behind_count() if is_used else 0)
    ASKED_AT.set_function(lambda: accounts.asked_at or 0.0)

    async def tell(request: web.Request) -> web.Response:
        nonlocal waiting
        known, wait_s = request.query.get("known", ""), _wait_s(request.query)
        if waiting >= WAITING_MAX:
            raise Mistake(429, "too many wait for this already")
        accounts.confirm(known, clock())
        waiting += 1
        try:
            for _ in range(int(wait_s / LOOK_S)):
                if accounts.listing().version != known:
                    break
                await asyncio.sleep(LOOK_S)
        finally:
            waiting -= 1
        listing = accounts.listing()
        return json_answer(BrokerAccounts(version=listing.version, users=listing.users))

    return [web.get(ACCOUNTS_PATH, answering(tell))]


def _wait_s(query: Mapping[str, str]) -> int:
    text = query.get("wait_s", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= WAIT_MAX_S):
        raise Mistake(400, f"wait_s must be 0 to {WAIT_MAX_S}")
    return int(text)


def described(schemas: Mapping[type[Struct], Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """The paths of the OpenAPI document; all given are references to schemas."""
    asked = [
        parameter("known", {"type": "string"}, "The version that the broker has, which is thereby confirmed."),
        parameter(
            "wait_s",
            {"type": "integer", "minimum": 0, "maximum": WAIT_MAX_S, "default": 0},
            "How long to wait for another one.",
        ),
    ]
    answers = {"200": response("Who may connect.", schemas[BrokerAccounts]), "429": response("Too many wait.", error)}
    return {
        ACCOUNTS_PATH: {
            "get": {
                "operationId": "listBrokerAccounts",
                "summary": "Who may connect to the MQTT broker",
                "parameters": asked,
                "responses": {**answers, "400": response("A wrong request.", error)},
            }
        }
    }
