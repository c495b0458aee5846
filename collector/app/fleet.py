"""The command ``fleet``: what the running collector knows of its gateways as machines, and the staged upgrade."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from collector.app.client import NoAnswerError, ask
from collector.fleet_api import PATH, UPGRADE_PATH, table
from collector.query import LIMIT_MAX
from collector.settings import CollectorSettings
from collector.text import Language, Names, ago, duration, say
from collector.views.fleet import GatewayRow

Row = Mapping[str, Any]
SHOWN_MAX = 200
"""On a terminal; --json and --csv have all."""


def asked(path: Path, settings: CollectorSettings, filters: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the first page with every gateway in it.

    Raises:
        NoAnswerError: with what the collector said.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    found: dict[str, Any] = {}
    offset: int | None = 0
    while offset is not None:
        query = {**given, "offset": offset, "limit": LIMIT_MAX}
        page = ask(path, settings, f"{PATH}?{'&'.join(f'{name}={value}' for name, value in query.items())}")
        found = {**page, "gateways": [*found.get("gateways", ()), *page["gateways"]]}
        offset = page["next_offset"]
    return {**found, "next_offset": None}


def order(path: Path, settings: CollectorSettings, body: Mapping[str, Any], language: Language) -> Row:
    """Have it done; return how it stands then.

    Raises:
        NoAnswerError: with what the collector said; nothing was changed.
    """
    resource = f"{UPGRADE_PATH}?lang={language}"
    said = ask(path, settings, resource, method="POST", body=body) if body else ask(path, settings, resource)
    if not isinstance(said, dict):
        raise NoAnswerError("what answers is not the collector")
    return said


def csv_bytes(found: Row, language: Language) -> bytes:
    return table(msgspec.convert(found["gateways"], list[GatewayRow]), Names().utc_offset_s, language).encode()


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def lines(found: Row, now: float, language: Language) -> Iterator[str]:
    """Yield the upgrade, how many have which trouble, and the gateways, the worst first."""
    yield from upgrade_lines(found["upgrade"], language)
    counts = [f"{say(f'fleet.{trouble}', language)} {count}" for trouble, count in found["troubles"].items()]
    yield f"{say('fleet.title', language)} {found['total']}: {', '.join(counts) or say('fleet.nothing', language)}"
    for row in found["gateways"][:SHOWN_MAX]:
        yield _line(row, now, language)
    if (left := found["total"] - SHOWN_MAX) > 0:
        yield say("fleet.more", language, count=left)


def _line(row: Row, now: float, language: Language) -> str:
    wrong = ", ".join(item["text"] for item in row["troubles"]) or say("fleet.nothing", language)
    parts = [row["gateway"], row["office_name"], row["release"] or row["agent_version"] or "-"]
    parts += [ago(row["last_heard_at"], now, language), wrong]
    if upgrade := row["upgrade"]:
        parts.append(f"{upgrade['version']} {upgrade['text']}")
    if row["spool_records"]:
        parts.append(f"{say('fleet.waiting', language)} {row['spool_records']}")
    if abs(row["clock_skew_s"] or 0) >= 1:
        parts.append(f"{say('fleet.clock', language)} {duration(abs(row['clock_skew_s']), language)}")
    return "  ".join(parts)


def upgrade_lines(upgrade: Row, language: Language) -> Iterator[str]:
    yield upgrade["text"]
    if upgrade["version"]:
        names = ("gateways", "with_it", "waiting", "arrived", "well", "failed", "cannot_follow")
        yield say("fleet.counts", language, **{name: upgrade[name] for name in names})
    yield say("fleet.held", language, held=", ".join(upgrade["held"]) or "-")
