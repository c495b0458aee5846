"""A message id and its fields -> the sentence; numbers, spans and dates as people write them."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from math import floor

from classready.units import MBIT, MBYTE
from collector.core.state import Interval
from collector.text import board, chat, enrol, evidence, fleet, found, grafana, units, verdicts
from collector.text.languages import LANGUAGES, Language, Texts

TABLES = (
    verdicts.TEXTS,
    evidence.TEXTS,
    units.TEXTS,
    chat.TEXTS,
    board.TEXTS,
    grafana.TEXTS,
    enrol.TEXTS,
    fleet.TEXTS,
    found.TEXTS,
)
MESSAGES: Texts = {message_id: texts for table in TABLES for message_id, texts in table.items()}


def say(message_id: str, language: Language, **fields: object) -> str:
    """Fill in one message. An unknown id or a missing field is a bug and raises KeyError."""
    return MESSAGES[message_id][LANGUAGES.index(language)].format_map(fields)


def reason(code: str, language: Language) -> str:
    """Name the reason an agent gave; one without a text of its own is shown as its code."""
    known = f"reason.{code}"
    return say(known, language) if known in MESSAGES else say("reason.other", language, code=code)


def note_text(word: str, fields: Mapping[str, str], language: Language) -> str:
    """Say what a file leaves open."""
    weekday = fields.get("weekday")
    named = {"weekday": say(f"weekday.{weekday}", language)} if weekday else {}
    return say(f"note.{word}", language, **{**fields, **named})


def delivery_problem(found: str, language: Language) -> str:
    """Say why a message was not delivered, from ``word`` or ``word (code)`` as the outbox keeps it."""
    word, bracket, code = found.partition(" (")
    known = f"delivery.{word}"
    return say(known if known in MESSAGES else "delivery.other", language) + bracket + code


def rate(rate_bps: float, language: Language) -> str:
    """Round down to one decimal, so that 99.97 never reads as the 100 it is not."""
    units = (("gbps", 1_000 * MBIT), ("mbps", MBIT), ("kbps", MBIT / 1_000))
    unit, unit_bps = next((u for u in units if rate_bps >= u[1]), units[-1])
    return say(f"unit.{unit}", language, value=_short(floor(rate_bps * 10 / unit_bps) / 10))


def capacity(interval: Interval, language: Language) -> str:
    """Say what is known of a capacity: an estimate where there is one, else the bounds."""
    if interval.half_duplex and interval.at_most_bps is not None:
        return say("link.half_duplex_at", language, rate=rate(interval.at_most_bps, language))
    if interval.half_duplex:
        return say("link.half_duplex", language)
    if interval.estimate_bps is not None:
        return say("link.estimate", language, rate=rate(interval.estimate_bps, language))
    if interval.at_least_bps is not None:
        return say("link.at_least", language, rate=rate(interval.at_least_bps, language))
    if interval.at_most_bps is not None:
        return say("link.at_most", language, rate=rate(interval.at_most_bps, language))
    return say("link.unknown", language)


def size(count_bytes: float, language: Language) -> str:
    return say("unit.mbyte", language, value=_short(round(count_bytes / MBYTE, 1)))


def duration(seconds: float, language: Language) -> str:
    """Say a span of time in its largest fitting unit."""
    if seconds < 1:
        return say("unit.milliseconds", language, value=max(0, round(seconds * 1_000)))
    for unit, unit_s, limit_s in (("seconds", 1, 120), ("minutes", 60, 7_200), ("hours", 3_600, 172_800)):
        if seconds < limit_s:
            return say(f"unit.{unit}", language, value=floor(seconds / unit_s))
    return say("unit.days", language, value=floor(seconds / 86_400))


def ago(at: float | None, now: float, language: Language) -> str:
    if at is None:
        return say("never", language)
    return say("now", language) if now - at < 1 else say("ago", language, duration=duration(now - at, language))


def moment(
    at: float, utc_offset_s: float, language: Language, *, now: float, reader_offset_s: float | None = None
) -> str:
    """Date and time of day at a place; the year only where it is another one than now.

    Where the reader keeps another time (None = the same), the zone is named.
    """
    there = _local(at, utc_offset_s)
    known = "moment" if there.year == _local(now, utc_offset_s).year else "moment.other_year"
    fields = {"month": say(f"month.{there.month}", language), "day": there.day, "clock": there.strftime("%H:%M")}
    text = say(known, language, **fields) if known == "moment" else say(known, language, year=there.year, **fields)
    if reader_offset_s in {None, utc_offset_s}:
        return text
    return say("moment.elsewhere", language, moment=text, zone=zone_name(utc_offset_s))


def zone_name(utc_offset_s: float) -> str:
    """Name a zone as people write it: UTC+8, UTC+5:45."""
    hours, minutes = divmod(round(abs(utc_offset_s) / 60), 60)
    if not hours and not minutes:
        return "UTC"
    return f"UTC{'-' if utc_offset_s < 0 else '+'}{hours}{f':{minutes:02}' if minutes else ''}"


def machine_time(at: float, utc_offset_s: float) -> str:
    """ISO 8601 with its offset, to the second: for ``<time datetime>``."""
    return _local(at, utc_offset_s).isoformat(timespec="seconds")


def _local(at: float, utc_offset_s: float) -> datetime:
    return datetime.fromtimestamp(at, timezone(timedelta(seconds=utc_offset_s)))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
