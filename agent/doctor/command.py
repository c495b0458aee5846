"""What a person sees of doctor: progress, a table, or JSON."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from agent.doctor import run
from agent.findings import RESULTS, Finding
from agent.probes import PROBES
from agent.settings import AgentSettings
from agent.words import Language, language_of, say
from agent.words.columns import padded, width
from classready import logs
from classready.settings import EXIT_CONFIG

EXIT_FINDING = 1
COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "not_checked": None}


def main(path: Path, *, as_json: bool, full: bool, language: Language | None) -> int:
    """Check everything, and return the exit code."""
    logs.configure(level="error")
    chosen: Language = language or language_of(os.environ)
    settings, found = run.load(path)
    found += asyncio.run(_checked(settings, full=full, language=chosen))
    (_print_json if as_json else _print_table)(found, chosen)
    if settings is None:
        return EXIT_CONFIG
    return EXIT_FINDING if any(finding.result in {"failed", "warning"} for finding in found) else 0


async def _checked(settings: AgentSettings | None, *, full: bool, language: Language) -> list[Finding]:
    async with run.checks(settings, PROBES, full=full) as todo:
        progress = _progress(len(todo), language)
        found = await run.run(todo, run.FULL_DEADLINE_S if full else run.DEADLINE_S, progress)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    return found


def _progress(count: int, language: Language) -> Callable[[int], None]:
    live = sys.stderr.isatty()

    def tell(done: int) -> None:
        if live:
            click.echo("\r" + say(language, "doctor.progress", done=done, count=count), nl=False, err=True)

    return tell


def _print_json(found: Sequence[Finding], language: Language) -> None:
    rows = [
        {
            "check": finding.check,
            "subject": finding.subject,
            "result": finding.result,
            "code": finding.code,
            "seen": finding.seen(language),
            "remedy": finding.remedy(language),
        }
        for finding in found
    ]
    with suppress(BrokenPipeError):
        click.echo(msgspec.json.encode(rows).decode())


def _print_table(found: Sequence[Finding], language: Language) -> None:
    """What is to be mended last, where the eye is when it ends."""
    titles = [say(language, f"check.{finding.check}") for finding in found]
    title_width = max(map(width, titles), default=0)
    marks = {result: say(language, f"result.{result}") for result in RESULTS}
    mark_width = max(map(width, marks.values()))
    for title, finding in sorted(zip(titles, found, strict=True), key=lambda row: -RESULTS.index(row[1].result)):
        mark = click.style(padded(marks[finding.result], mark_width), fg=COLOURS[finding.result])
        click.echo(f"{mark}  {padded(title, title_width)}  {_line(finding, language)}")
        if finding.result != "ok" and (remedy := finding.remedy(language)):
            click.echo(f"{'':{mark_width}}  {'':{title_width}}  → {remedy}")
    counts = {result: sum(finding.result == result for finding in found) for result in RESULTS}
    click.echo(say(language, "doctor.sum", **counts))


def _line(finding: Finding, language: Language) -> str:
    seen = finding.seen(language)
    return seen if not finding.subject or finding.subject in seen else f"{finding.subject}: {seen}"
