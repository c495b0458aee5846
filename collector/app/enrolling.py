"""The command ``enroll``: codes asked of the running collector, as one line a gateway and as slips to hand out."""

import csv
import hashlib
import html
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from msgspec import Struct

from classready.settings import resolve
from collector.app.client import ask
from collector.enrol_api import PATH, REVOKE_PATH
from collector.query import LIMIT_MAX
from collector.roster.spreadsheet.cells import inert
from collector.settings import CollectorSettings, Listen
from collector.text import Language, Names, machine_time, say

SCHOOLS_PER_REQUEST = 60
"""Of the longest names, what the API reads of a request."""
BYTE_ORDER_MARK = "\ufeff"
SHEET_SUFFIXES = (".html", ".csv")
_ADDRESS = re.compile(r"(https://|http://127\.0\.0\.1(?=[:/]|\Z))[][A-Za-z0-9.:/_~%-]*\Z")
"""What install.sh takes: without TLS anybody on the way could put another script in the place of ours."""
_UNITS_S = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}

Row = Mapping[str, Any]


class Order(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    schools: tuple[str, ...] = ()
    office: str | None = None
    rotate: str | None = None
    valid_for: str = "72h"
    url: str | None = None
    sheet: Path | None = None
    show: bool = False
    revoke: str | None = None
    by: str
    as_json: bool = False
    lang: Language | None = None


def carry_out(path: Path, settings: CollectorSettings, order: Order) -> Iterator[str]:
    """Do it, and say what was done.

    Raises:
        ValueError: it cannot be meant; nothing was done.
        NoAnswerError: with what the collector said.
        OSError: a file cannot be read or written; codes are made and not said: make them again.
    """
    makes = bool(order.schools or order.office or order.rotate)
    if makes + order.show + (order.revoke is not None) != 1:
        raise ValueError("say SCHOOL..., --office or --rotate, or --list, or --revoke")
    if order.show:
        codes = listed(path, settings)
        yield from [_json(codes)] if order.as_json else listed_lines(codes)
    elif order.revoke:
        done = ask(path, settings, REVOKE_PATH, method="POST", body={"subject": order.revoke, "by": order.by})
        yield from [_json(done)] if order.as_json else revoked_lines(done)
    else:
        yield from _make(path, settings, order)


def _make(path: Path, settings: CollectorSettings, order: Order) -> Iterator[str]:
    url = (order.url or settings.listen.public_url or _own_url(settings.listen)).rstrip("/")
    if order.sheet and order.sheet.suffix not in SHEET_SUFFIXES:
        raise ValueError(f"--sheet must end in {' or '.join(SHEET_SUFFIXES)}")
    asked = {
        "office": order.office,
        "gateways": [order.rotate] if order.rotate else [],
        "valid_s": span_s(order.valid_for),
        "by": order.by,
    }
    if not _ADDRESS.match(url):
        raise ValueError(f"boxes take an address that begins with https://, and this is {url!r}: say --url")
    with _private(order.sheet) if order.sheet else nullcontext() as opened:
        codes = made(path, settings, asked, order.schools, url)
        if order.sheet and opened:
            opened.write(sheet(codes, order.sheet.suffix, order.lang or settings.language))
    yield from [_json(codes)] if order.as_json else made_lines(codes)
    if order.sheet and not order.as_json:
        yield f"# {order.sheet}: {len(codes)} slips"


def _own_url(listen: Listen) -> str:
    """Where it listens, if that is an address at which others may reach it."""
    if listen.behind_proxy or listen.host in {"0.0.0.0", "::"}:  # noqa: S104 - looked for, not bound
        raise ValueError("where do boxes reach the collector? Say --url, or set listen.public_url")
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{'https' if listen.tls else 'http'}://{host}:{listen.port}"


@contextmanager
def _private(file: Path) -> Iterator[TextIO]:
    """Open what takes the place of ``file`` at the end: whoever may not enrol a box must not read it.

    It is opened before codes are made: they take the place of those of the slips that were handed out.
    """
    if file.is_dir():
        raise ValueError(f"--sheet: {file} is a folder")
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            yield opened
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def span_s(text: str) -> float:
    """Read ``72h``, ``3d`` or ``30m``.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"([0-9]{1,5})([mhd])", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r}: write a number and m, h or d, such as 72h")
    return int(match[1]) * _UNITS_S[match[2]]


def made(
    path: Path, settings: CollectorSettings, asked: Mapping[str, Any], schools: Sequence[str], url: str
) -> list[dict[str, Any]]:
    """Have codes made, and say with each its line.

    Raises:
        NoAnswerError: with what the collector said; codes of an earlier request of the same run are made.
    """
    parts = [schools[at : at + SCHOOLS_PER_REQUEST] for at in range(0, len(schools), SCHOOLS_PER_REQUEST)] or [()]
    head = line_head(path, settings, url)
    found = []
    for number, part in enumerate(parts):
        others: dict[str, Any] = {} if number == 0 else {"office": None, "gateways": []}
        body = {**asked, **others, "schools": part}
        found += ask(path, settings, PATH, method="POST", body=body)["codes"]
    return [{**code, "line": f"{head} {code['code']}"} for code in found]


def line_head(path: Path, settings: CollectorSettings, url: str) -> str:
    """What is typed before the code. With an authority of the bureau's own, its digest says which one to trust.

    Raises:
        OSError: its file cannot be read.
    """
    ca_file = settings.enrolment.ca_file
    if ca_file is None:
        return f"curl -fsS {url}/install | sudo sh -s --"
    digest = hashlib.sha256(resolve(path, ca_file).read_bytes()).hexdigest()
    fetched = f"curl -fsSk {url}/install/ca.pem -o ca.pem && echo '{digest}  ca.pem' | sha256sum -c -"
    return f"{fetched} && curl -fsS --cacert ca.pem {url}/install | sudo sh -s -- --ca-sha256 {digest}"


def made_lines(codes: Sequence[Row]) -> Iterator[str]:
    for code in codes:
        until = _when(code["expires_at"])
        yield f"# {code['school']} {code['school_name']}, {code['gateway']}, until {until}"
        yield code["line"]
        if code["by_hand"]:
            yield f"# note: the roster gives {code['gateway']} a token as well, which stays good: take token_sha256 out"


def listed(path: Path, settings: CollectorSettings) -> list[Row]:
    """Every code that is open or was.

    Raises:
        NoAnswerError: the collector does not say.
    """
    found: list[Row] = []
    offset: int | None = 0
    while offset is not None:
        page = ask(path, settings, f"{PATH}?offset={offset}&limit={LIMIT_MAX}")
        found += page["codes"]
        offset = page["next_offset"]
    return found


def listed_lines(codes: Sequence[Row]) -> Iterator[str]:
    for code in codes:
        used = f", used {_when(code['used_at'])} from {code['used_from']}" if code["used_at"] else ""
        made_at, until = (_when(code[name]) for name in ("made_at", "expires_at"))
        yield (
            f"{code['school']} {code['gateway']}: {code['state']}, made {made_at} by {code['made_by']}, "
            f"until {until}{used}"
        )


def revoked_lines(done: Row) -> Iterator[str]:
    yield f"{', '.join(done['gateways'])}: {done['codes']} codes and {done['tokens']} tokens taken back"
    for gateway in done["by_hand"]:
        yield f"note: the roster gives {gateway} a token, which is still good: take its token_sha256 out and reload"


def sheet(codes: Sequence[Row], suffix: str, language: Language) -> str:
    """A slip a gateway: pages to print, or a table."""
    return _table(codes, language) if suffix == ".csv" else _pages(codes, language)


def _when(at: float) -> str:
    return machine_time(at, Names().utc_offset_s)


def _slip(code: Row) -> dict[str, str]:
    """Text by what it is called."""
    return {
        "slip.school": code["school_name"],
        "slip.school_id": code["school"],
        "slip.office": code["office_name"],
        "slip.gateway": code["gateway"],
        "slip.code": code["code"],
        "slip.until": _when(code["expires_at"]),
        "slip.line": code["line"],
    }


def _table(codes: Sequence[Row], language: Language) -> str:
    file = StringIO()
    writer = csv.writer(file)
    slips = [_slip(code) for code in codes]
    writer.writerow([say(name, language) for name in slips[0]])
    writer.writerows([inert(cell) for cell in slip.values()] for slip in slips)
    return BYTE_ORDER_MARK + file.getvalue()


_PAGE = """\
<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 12pt/1.5 sans-serif; margin: 1cm }}
section {{ border: 1px solid; padding: 1em; margin: 0 0 1cm; break-inside: avoid }}
h2 {{ margin: 0 0 .5em; font-size: 14pt }}
dt {{ float: left; clear: left; min-width: 9em; color: #444 }}
dd {{ margin: 0 0 0 9.5em }}
code {{ font: bold 13pt monospace }}
pre {{ background: #eee; padding: .6em; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 11pt }}
</style></head><body>
{slips}</body></html>
"""


def _pages(codes: Sequence[Row], language: Language) -> str:
    title = say("slip.title", language)
    slips = "".join(_section(_slip(code), title, language) for code in codes)
    return _PAGE.format(language={"zh": "zh-CN", "en": "en"}[language], title=title, slips=slips)


def _section(slip: Mapping[str, str], title: str, language: Language) -> str:
    *entries, (line_name, line) = slip.items()
    items = "".join(f"<dt>{say(name, language)}</dt><dd>{_value(name, text)}</dd>\n" for name, text in entries)
    shown = f"<p>{say(line_name, language)}</p><pre>{html.escape(line)}</pre>\n<p>{say('slip.once', language)}</p>"
    return f"<section><h2>{title}</h2><dl>\n{items}</dl>{shown}</section>\n"


def _value(name: str, text: str) -> str:
    shown = html.escape(text)
    return f"<code>{shown}</code>" if name == "slip.code" else shown
