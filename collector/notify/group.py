"""A group of alerts, as Alertmanager hands it to a webhook -> one message for people. Pure.

Source: prometheus.io/docs/alerting/latest/configuration, webhook_config, version 4. Everything in it was written by
others: labels, annotations and names are made inert like names of rosters.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from classready.codec import UNDECODABLE
from collector.core.words import Cause
from collector.notify.items import Item
from collector.notify.message import Message
from collector.notify.names import clean
from collector.text import Language, Names, moment, say

ALERTS_MAX = 2_000
LABELS_MAX = 100
TEXT_MAX_CHARACTERS = 300
NAMES_SHOWN_MAX = 3

_AS_IT_IS = re.compile(
    r"(?<![\w.:/])(?:[0-9]{1,6}(?:\.[0-9])? [kMG]?bit/s|[0-9]{1,2}:[0-9]{2}"
    r"|[A-Za-z-]{0,24}[0-9]{1,4}(?:/[0-9]{1,4}){1,4})(?![\w.:/])"
)
"""Rates, times of day and ports: no client takes these for a link."""

Pairs = Annotated[dict[str, str], Meta(max_length=LABELS_MAX)]


class Alert(Struct, frozen=True, kw_only=True, rename="camel"):
    status: Literal["firing", "resolved"]
    labels: Pairs = {}
    annotations: Pairs = {}
    starts_at: str = ""


class Group(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is needed of it; Alertmanager may add fields."""

    version: Literal["4"]
    alerts: Annotated[tuple[Alert, ...], Meta(min_length=1, max_length=ALERTS_MAX)]
    common_labels: Pairs = {}
    common_annotations: Pairs = {}
    truncated_alerts: Annotated[int, Meta(ge=0, le=10**9)] = 0


_decode = msgspec.json.Decoder(Group).decode


def read_group(body: bytes) -> Group:
    """Read a webhook's body.

    Raises:
        ValueError: it is none; the text says what is wrong, and where.
    """
    try:
        return _decode(body)
    except UNDECODABLE as error:
        raise ValueError(str(error) or "nested too deep") from None


def render_group(group: Group, language: Language, names: Names, now: float) -> Message:
    firing = [alert for alert in group.alerts if alert.status == "firing"]
    resolved = [alert for alert in group.alerts if alert.status == "resolved"]
    title = say(
        "chat.opened" if firing else "chat.resolved",
        language,
        office=_office(group, language, names),
        cause=_name(group, language),
    )
    return Message(
        language=language,
        alarming=bool(firing),
        title=title,
        lead=tuple(_lead(group, len(firing), len(resolved), language)),
        items=tuple(_item(alert, language, names, now) for alert in (*firing, *resolved)),
        closing=tuple(_closing(group, language) if firing else ()),
        counted="alerts",
    )


def _office(group: Group, language: Language, names: Names) -> str:
    office = group.common_labels.get("office", "")
    return clean(names.office(office)) or say("group.monitoring", language)


def _name(group: Group, language: Language) -> str:
    found = sorted({alert.labels.get("alertname", "") for alert in group.alerts})
    shown = [_cause(name, language) or say("group.unnamed", language) for name in found[:NAMES_SHOWN_MAX]]
    listed = say("list.separator", language).join(shown)
    return listed if len(found) <= NAMES_SHOWN_MAX else say("group.and_others", language, names=listed)


def _cause(name: str, language: Language) -> str:
    known = name in Cause._value2member_map_
    return say(f"cause.{name}", language) if known else clean(name)


def _lead(group: Group, firing: int, resolved: int, language: Language) -> Iterator[str]:
    if firing:
        yield say("group.firing", language, count=firing)
    if resolved:
        yield say("group.resolved", language, count=resolved)
    if group.truncated_alerts:
        yield say("group.truncated", language, count=group.truncated_alerts)


def _item(alert: Alert, language: Language, names: Names, now: float) -> Item:
    told = alert.annotations
    ours = told.get("school_name")
    name = inert(ours or alert.labels.get("instance") or alert.labels.get("alertname") or "-", 80)
    said = told.get("facts") or told.get("summary") or told.get("description") or told.get("message") or _pairs(alert)
    facts = [inert(said)] if said else []
    began_at = _time(alert.starts_at)
    if not ours and began_at is not None:
        at = moment(began_at, names.utc_offset_s, language, now=now)
        facts.append(say("chat.item_since", language, time=at))
    if alert.status == "resolved" and not ours:
        facts.append(say("group.item_resolved", language))
    return Item(name=name, facts=say("chat.item_separator", language).join(facts), classrooms=frozenset())


def _pairs(alert: Alert) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if name != "alertname")


def _time(text: str) -> float | None:
    """Unix seconds; None where it is no time, or none that a calendar of ours has."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _closing(group: Group, language: Language) -> Sequence[str]:
    told: Mapping[str, str] = group.common_annotations
    fields = {"actor": "chat.act", "next_step": "chat.step"}
    lines = [
        say(line, language, **{"actor" if name == "actor" else "step": inert(told[name])})
        for name, line in fields.items()
        if told.get(name)
    ]
    if incident := group.common_labels.get("incident"):
        lines.append(say("chat.incident", language, incident=clean(incident)))
    return lines


def inert(text: str, most: int = TEXT_MAX_CHARACTERS) -> str:
    """Make a sentence safe as ``clean`` makes a name; rates, times and ports in it stay as people write them."""
    whole = " ".join(text[: 4 * most].split())
    parts, end = [], 0
    for found in _AS_IT_IS.finditer(whole):
        parts += [_cleaned(whole[end : found.start()], most), found.group()]
        end = found.end()
    shown = "".join([*parts, _cleaned(whole[end:], most)])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _cleaned(text: str, most: int) -> str:
    """With its spaces at both ends, which part it from what stays as it is."""
    begin, end = (" " if text[:1] == " " else ""), (" " if text[-1:] == " " and len(text) > 1 else "")
    return begin + clean(text, most) + end
