"""What a person sees of an acceptance: a line for each check, the sheet, and where it lies."""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from msgspec.structs import replace

from agent.acceptance import document, drift, gather, html, kept, sheet, text
from agent.acceptance.gather import Gathered, Listener
from agent.acceptance.sheet import Sheet
from agent.doctor import machine
from agent.doctor.command import COLOURS
from agent.doctor.run import Check
from agent.findings import RESULTS, Finding
from agent.probes import PROBES
from agent.settings import AgentSettings
from agent.words import Language, language_of, say
from classready import __version__, logs
from classready.observation import clean_text

EXIT_FINDING = 1
SCHOOL_MAX_CHARACTERS = 60


def main(  # noqa: PLR0913 - a command's options
    settings: AgentSettings, *, as_json: bool, output: Path | None, school: str, force: bool, language: Language | None
) -> int:
    """Ask everything, write the sheet, print it, and return the exit code."""
    logs.configure(level="error")
    spoken = language or language_of(os.environ)
    state_dir = machine.state_dir(settings)
    settings = replace(settings, state_dir=str(state_dir))
    gathered = asyncio.run(gather.gather(settings, PROBES, force=force, listener=_listener(spoken)))
    made = _sheet(settings, gathered, school, kept.last(state_dir, settings.gateway))
    packed = sheet.packed(made)
    in_words = document.document(made, sheet.digest(packed), language or "zh")
    files = {".json": packed, ".txt": text.render(in_words).encode(), ".html": html.render(in_words).encode()}
    _write(files, made, output, state_dir, spoken)
    told = packed.decode() if as_json else text.render(document.document(made, sheet.digest(packed), spoken))
    click.echo(told, nl=False)
    return 0 if sheet.is_well(made.findings) else EXIT_FINDING


def _sheet(settings: AgentSettings, gathered: Gathered, school: str, before: Sheet | None) -> Sheet:
    now_s = time.time()
    local = datetime.fromtimestamp(now_s, ZoneInfo(settings.timezone))
    made = Sheet(
        number=kept.free_number(Path(settings.state_dir), f"{settings.gateway}-{local:%Y%m%d-%H%M%S}"),
        gateway=settings.gateway,
        school=clean_text(school)[:SCHOOL_MAX_CHARACTERS] or (before.school if before else ""),
        agent_version=__version__,
        made_at=now_s,
        made_local=f"{local:%Y-%m-%d %H:%M}",
        timezone=settings.timezone,
        clock_good=gathered.clock_good,
        findings=gathered.findings,
        observations=gathered.observations,
        switches=gathered.switches,
        theta=gathered.theta,
        forced=gathered.forced,
    )
    if before is None:
        return made
    return replace(made, before=before.number, changes=tuple(drift.changes(before, made)))


def _write(files: dict[str, bytes], made: Sheet, output: Path | None, state_dir: Path, language: Language) -> None:
    """Raises ``click.ClickException``: the folder that somebody named cannot be written."""
    places = []
    try:
        places.append(kept.keep(state_dir, made.gateway, made.number, files))
    except OSError as error:
        _say(language, "not_kept", error=f"{error.filename or state_dir}: {error.strerror}")
    if output is not None:
        try:
            kept.write(output, made.number, files)
        except OSError as error:
            raise click.ClickException(f"--output {output}: {error.strerror}") from None
        places = [output]
    for folder in places:
        _say(language, "written", path=folder / f"{made.number}.html")


def _say(language: Language, code: str, **values: object) -> None:
    click.echo(say(language, f"acceptance.{code}", **values).rstrip(), err=True)


def _listener(language: Language) -> Listener:
    """Tells on standard error; colours only where a person looks (click leaves them out elsewhere)."""
    expected, done = 0, 0

    def expect(count: int) -> None:
        nonlocal expected
        expected = count

    def tell(check: Check, found: Sequence[Finding]) -> None:
        nonlocal done
        done += 1
        worst = min((finding.result for finding in found), key=RESULTS.index, default="not_checked")
        mark = click.style(say(language, f"result.{worst}"), fg=COLOURS[worst])
        name = say(language, f"check.{check.name}")
        _say(language, "progress", done=done, count=expected, result=mark, check=name, subject=check.subject)

    return Listener(expect=expect, begin=lambda code: _say(language, code), done=tell)
