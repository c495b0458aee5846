"""The records of the running collector for a terminal, or as a file for Excel and WPS."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from collector.app.client import ask
from collector.settings import CollectorSettings
from collector.text import Language, Names, duration, moment, say
from collector.views.rectification import Rectification
from collector.views.rectification_csv import table

RECORDS_PER_QUESTION = 500


def asked(config: Path, settings: CollectorSettings, filters: Mapping[str, str | None]) -> Iterator[Rectification]:
    """All that there are, the newest first.

    Raises:
        NoAnswerError: the collector does not run, or did not say.
    """
    offset: int | None = 0
    while offset is not None:
        query = {**filters, "offset": offset, "limit": RECORDS_PER_QUESTION}
        written = "&".join(f"{name}={value}" for name, value in query.items() if value is not None)
        found = ask(config, settings, f"/api/v1/rectifications?{written}")
        yield from msgspec.convert(found["records"], list[Rectification])
        offset = found["next_offset"]


def csv_bytes(records: list[Rectification], language: Language) -> bytes:
    return table(records, Names().utc_offset_s, language).encode()


def lines(records: list[Rectification], now: float, language: Language) -> Iterator[str]:
    """One line each."""
    for record in records:
        begun = moment(record.opened_at, Names().utc_offset_s, language, now=now)
        fix = [] if record.fix_s is None else [f"{say('record.fix', language)} {duration(record.fix_s, language)}"]
        before = [f"{say('record.reopened', language)} {record.reopened_from}"] if record.reopened_from else []
        schools = say("record.separator", language).join(school.name for school in record.schools[:3])
        parts: list[Any] = [record.incident, begun, record.office_name, record.cause_text, schools, record.state_text]
        yield "  ".join([*filter(None, parts), *fix, *before])
