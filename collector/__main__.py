"""The command line of the collector. What is heavy is imported only where it is needed: ``--help`` must be quick."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn

import click

EXIT_FINDING = 1

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=Path("/etc/classready/collector.yml"),
    envvar="CLASSREADY_COLLECTOR_CONFIG",
    show_default=True,
    show_envvar=True,
    help="Settings file.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="classready")
def main() -> None:
    """Judge what the agents observe: which classrooms are ready, and why not.

    Exit codes: 0 ok, 1 finding or failure, 2 usage, 78 bad configuration (every problem is printed with file and line).
    """


@main.command()
@config_option
def run(config: Path) -> None:
    """Run the collector until SIGTERM; SIGHUP reads roster, calendar, policy and platforms again."""
    with _settings_problems():
        from classready import logs
        from collector.app.loading import load_configuration

        configuration = load_configuration(config)
    from collector.app import service

    logs.configure(level=configuration.settings.log_level)
    try:
        asyncio.run(service.run(configuration))
    except* service.EXPECTED_FAILURES as errors:
        _fail(str(errors.exceptions[0]))


@main.command()
@config_option
def check(config: Path) -> None:
    """Check settings, roster, secrets and certificates; print every problem with file and line.

    Files under %d ($CREDENTIALS_DIRECTORY, which systemd sets at start) are looked at only when it is set.
    """
    with _settings_problems():
        from collector.app.loading import load_configuration

        configuration = load_configuration(config, at_rest=True)
    roster = configuration.roster
    rooms = sum(len(school.classrooms) for school in roster.schools.values())
    counts = f"{len(roster.offices)} offices, {len(roster.schools)} schools, {rooms} classrooms"
    click.echo(f"{config}: ok ({counts}, {len(roster.gateways)} gateways)")


@main.command()
@click.argument("subject", metavar="SCHOOL[/CLASSROOM]")
@config_option
@click.option("--json", "as_json", is_flag=True, help="The API's own answer, for scripts.")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language; default: that of the settings.")
def explain(subject: str, config: Path, lang: str | None, *, as_json: bool) -> None:
    """Ask the running collector what it thinks of a school or classroom, why, and on which evidence."""
    from collector.app import explain as texts

    school, _, classroom = subject.partition("/")
    with _settings_problems():
        from collector.app.client import NoAnswerError, ask
        from collector.app.loading import load_settings

        settings = load_settings(config)
    language: Literal["zh", "en"] = "en" if (lang or settings.language) == "en" else "zh"
    try:
        view = ask(config, settings, f"/api/v1/schools/{school}?lang={language}")
    except NoAnswerError as error:
        _fail(str(error))
    room = next((room for room in view["classrooms"] if room["classroom"] == classroom), None)
    if classroom and room is None:
        _fail(f"no classroom {classroom!r} in the roster of {school}")
    if as_json:
        click.echo(json.dumps(room or view, ensure_ascii=False, indent=2))
        return
    for line in texts.classroom_lines(room) if room else texts.school_lines(view, language):
        click.echo(line)


@main.group()
def roster() -> None:
    """What should exist: offices, schools, classrooms, gateways."""


@roster.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@config_option
def roster_import(file: Path, config: Path) -> None:
    """Put one office into the roster folder, then ask the running collector to reload.

    FILE is YAML like the files of the roster folder, or CSV (UTF-8 or GB 18030) with a heading row and one row per
    classroom. Columns: office, school, classroom; if wanted also office_name, school_name, kind (city, hub, base,
    point), hub, operator, classroom_name, access (wired, wifi, cellular), device (whiteboard, panel, projector,
    computer, none), exempt (why the room is not judged).

    The file is the whole office: what is not in it leaves the roster. CSV keeps timetables and gateways as they
    stand. The roster file is rewritten atomically, without its comments, and only if the whole roster is good then.
    """
    with _settings_problems():
        from classready.settings import resolve
        from collector.app.client import NoAnswerError, ask
        from collector.app.loading import load_settings, platforms_of
        from collector.roster.importing import import_office

        settings = load_settings(config)
        done = import_office(file, resolve(config, settings.roster), platforms_of(settings))
    click.echo(f"{done.file}: {done.schools} schools, {done.classrooms} classrooms")
    if done.schools_gone:
        click.echo(f"no longer in the roster: {', '.join(done.schools_gone)}")
    try:
        ask(config, settings, "/api/v1/reload", method="POST")
    except NoAnswerError as error:
        _fail(f"written, but not in force yet: {error}")
    click.echo("in force")


@main.command("responder")
@config_option
def run_responder(config: Path) -> None:
    """Run only the far end of the bandwidth test, for a second machine."""
    with _settings_problems():
        from classready import logs
        from collector.app.loading import load_configuration

        configuration = load_configuration(config)
    from collector import responder

    settings = configuration.settings.responder
    if settings is None:
        _fail(f"{config}: responder is null")
    key = configuration.secrets.get("responder.key_file")
    logs.configure(level=configuration.settings.log_level)
    asyncio.run(responder.serve(settings, key.encode() if key else None))


@contextmanager
def _settings_problems() -> Iterator[None]:
    """Print what is wrong with the settings and leave with 78."""
    from classready.settings import EXIT_CONFIG, SettingsError

    try:
        yield
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(EXIT_FINDING)


if __name__ == "__main__":
    main()
