"""``classready-collector roster``: lists of rooms become the roster, and the roster a list."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli import config_option, fail, settings_problems

if TYPE_CHECKING:
    from collector.roster.files import OfficeFile
    from collector.roster.importing import Imported


@click.group()
def roster() -> None:
    """What should exist: offices, schools, classrooms, gateways."""


@roster.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
@click.option("--sheet", help="The sheet of a workbook; needed where several hold rooms.")
@click.option(
    "--office", help="The office of all rows, where the list has no such column; else only its rows are read."
)
@click.option("--yes", is_flag=True, help="Ask nothing: what the file leaves out leaves the roster.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def roster_import(  # noqa: PLR0913 - click hands in each option
    file: Path, config: Path, *, sheet: str | None, office: str | None, yes: bool, dry_run: bool
) -> None:
    """Put one office into the roster folder, then ask the running collector to reload.

    FILE is a list of rooms, .xlsx or text (comma, semicolon or tab; UTF-8, GB 18030 or UTF-16), or YAML like the files
    of the roster folder. A list has a heading row and one row per room, headings in Chinese or English: office,
    school, classroom; if wanted also office_name, school_name, kind, hub, operator, rural_weak, classroom_name,
    access, device, exempt (why the room is not judged). `roster template` writes one; docs/roster.md says all.

    The file is the whole office. Schools and rooms that are not in it leave the roster: they are listed, and asked
    about. A column that is absent, or an empty cell, changes nothing. The roster file is replaced atomically, and only
    if the whole roster is good then; the one before is kept beside it as .bak.

    Exit codes: 0 done, or nothing to do; 1 nothing written for want of a yes, or not in force yet; 78 a wrong file.
    """
    with settings_problems():
        from classready.settings import resolve
        from collector.app.client import NoAnswerError, ask
        from collector.app.loading import load_settings, platforms_of
        from collector.roster.importing import import_office

        settings = load_settings(config)
        folder, platforms = resolve(config, settings.roster), platforms_of(settings)
        agree = partial(_agrees, file, yes=yes, dry_run=dry_run)
        try:
            done = import_office(
                file, folder, platforms, calendar=settings.calendar, sheet=sheet, office=office, agree=agree
            )
        except OSError as error:
            fail(f"nothing written: {error.filename}: {error.strerror}")
    if dry_run:
        return
    try:
        ask(config, settings, "/api/v1/reload", method="POST")
    except NoAnswerError as error:
        fail(f"{'written' if done.is_written else 'unchanged'}, but not in force yet: {error}")
    click.echo("in force")


def _agrees(source: Path, planned: "Imported", *, yes: bool, dry_run: bool) -> bool:
    """Say what will change, and ask about what is lost."""
    from collector.roster.changes import loss_lines, note_lines, other_lines

    changes = planned.changes
    is_new = " (new)" if planned.is_new else ""
    click.echo(f"{planned.file}{is_new}: {planned.schools} schools, {planned.classrooms} classrooms")
    for line in (*note_lines(planned.notes), *other_lines(changes), *loss_lines(changes)):
        click.echo(f"  {line}")
    if not planned.is_change:
        click.echo("nothing changes")
    if dry_run or yes or not changes.is_loss:
        return not dry_run
    if not sys.stdin.isatty():
        fail(f"nothing written: {source} leaves out what the roster has; add the rows, or say --yes")
    if not click.confirm("What leaves is judged and shown no more. Write this?", default=False):
        fail("nothing written")
    return True


@roster.command("template")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@config_option
@click.option("--office", help="Fill it with what the roster has of this office.")
def roster_template(file: Path, config: Path, office: str | None) -> None:
    """Write a list of rooms to fill in: FILE ends in .xlsx (cells are text already) or .csv.

    Its headings are Chinese and English. With --office it is that office as it stands: edit it, import it again.
    """
    if file.suffix.lower() not in {".xlsx", ".csv"}:
        raise click.UsageError("FILE must end in .xlsx or .csv")
    with settings_problems():
        from collector.roster.spreadsheet.template import write_template

        known = _office(config, office) if office else None
    try:
        write_template(file, known)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    click.echo(f"{file}: written")


def _office(config: Path, office: str) -> "OfficeFile":
    from classready.settings import resolve
    from collector.app.loading import load_settings
    from collector.roster.loading import load_files

    folder = resolve(config, load_settings(config).roster)
    offices = {file.value.office: file.value for file in load_files(sorted(folder.glob("*.yml")))}
    if office not in offices:
        fail(f"no office {office!r} in {folder}; there are: {', '.join(offices)}")
    known: OfficeFile = offices[office]
    return known
