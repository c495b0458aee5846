"""The command line of the collector. What is heavy is imported only where it is needed: ``--help`` must be quick."""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from classready.terminal import Program
from collector.broker_command import broker_config, broker_sync
from collector.cli import config_option, fail, operator, settings_problems
from collector.fleet_command import fleet
from collector.roster_command import roster

if TYPE_CHECKING:
    from collector.settings import Responder

RESPONDER_EXAMPLES = """\b
Examples:
  classready-collector responder -c /etc/classready/collector.yml
  classready-collector responder --listen 10.20.0.5
  classready-collector responder --listen :: --link-bps 10000000000 --key-file /etc/classready/responder-key
"""


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="classready")
def main() -> None:
    """Judge what the agents observe: which classrooms are ready, and why not.

    Exit codes: 0 ok, 1 finding or failure, 2 usage, 78 bad configuration (every problem is printed with file and line).
    """


for _command in (roster, fleet, broker_config, broker_sync):
    main.add_command(_command)


@main.command()
@config_option
def run(config: Path) -> None:
    """Run the collector until SIGTERM; SIGHUP reads roster, calendar, policy and platforms again."""
    with settings_problems():
        from classready import logs
        from collector.app.loading import load_to_run

        configuration = load_to_run(config)
    from uvloop import new_event_loop

    from collector.app import service

    logs.configure(level=configuration.settings.log_level)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(service.run(configuration))
    except* service.EXPECTED_FAILURES as errors:
        fail(str(errors.exceptions[0]))


@main.command()
@config_option
def check(config: Path) -> None:
    """Check settings, roster, secrets and certificates; print every problem with file and line.

    It finds what `run` would find, so run it as root where the secrets are root's. Files under %d are looked for in
    $CREDENTIALS_DIRECTORY, which systemd sets for its units, else in the folder `secrets` beside the settings file.
    """
    with settings_problems():
        from collector.app.loading import advice, guesses, load_configuration

        configuration = load_configuration(config)
    roster, today = configuration.roster, datetime.now(UTC).astimezone().date()
    for hint in advice(config, roster, today):
        click.echo(f"note: {hint}", err=True)
    for guess in guesses(config, roster, today):
        click.echo(f"note: {guess}")
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
    with settings_problems():
        from collector.app.client import NoAnswerError, ask
        from collector.app.loading import load_settings

        settings = load_settings(config)
    language: Literal["zh", "en"] = "en" if (lang or settings.language) == "en" else "zh"
    try:
        view = ask(config, settings, f"/api/v1/schools/{school}?lang={language}")
    except NoAnswerError as error:
        fail(str(error))
    room = next((room for room in view["classrooms"] if room["classroom"] == classroom), None)
    if classroom and room is None:
        fail(f"no classroom {classroom!r} in the roster of {school}")
    if as_json:
        click.echo(json.dumps(room or view, ensure_ascii=False, indent=2))
        return
    for line in texts.classroom_lines(view, room, language) if room else texts.school_lines(view, language):
        click.echo(line)


@main.command()
@click.argument("incident")
@config_option
@click.option("--name", required=True, help="Who is on it.")
@click.option("--note", default="", help="What is being done; the next message of the incident says it.")
def ack(incident: str, config: Path, name: str, note: str) -> None:
    """Tell the running collector that somebody is on INCIDENT (its number, as the messages say it)."""
    with settings_problems():
        from collector.app.client import NoAnswerError, ask
        from collector.app.loading import load_settings

        settings = load_settings(config)
    try:
        resource = f"/api/v1/incidents/{incident}/acknowledge"
        view = ask(config, settings, resource, method="POST", body={"name": name, "note": note})
    except NoAnswerError as error:
        fail(str(error))
    click.echo(f"{view['incident']}: {view['state_text']}")


@main.command("object")
@click.argument("subject", metavar="SCHOOL[/CLASSROOM]")
@config_option
@click.option("--by", required=True, help="Who objects.")
@click.option("--note", required=True, help="Why, such as a measurement of one's own.")
def object_(subject: str, config: Path, by: str, note: str) -> None:
    """Object to a verdict (申诉): its line is tested again as soon as it may be, and both results are kept.

    `/api/v1/objections`, the school's page and the record of its incident say what came of it.
    """
    with settings_problems():
        from collector.app.client import NoAnswerError
        from collector.app.loading import load_settings
        from collector.app.objecting import raised

        settings = load_settings(config)
    try:
        for line in raised(config, settings, subject, by, note):
            click.echo(line)
    except NoAnswerError as error:
        fail(str(error))


@main.command()
@click.argument("schools", nargs=-1, metavar="SCHOOL...")
@config_option
@click.option("--office", help="Every gateway of this office that has no token yet.")
@click.option("--rotate", metavar="GATEWAY", help="A new token for this one; the old is good until the new was used.")
@click.option("--valid-for", default="72h", show_default=True, help="How long: a number and m, h or d.")
@click.option("--url", help="Where boxes reach the collector; default: listen.public_url, or where it listens.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Slips to hand out: .html or .csv.")
@click.option("--list", "show", is_flag=True, help="Which codes there are: by whom, when, used when and from where.")
@click.option("--revoke", metavar="SCHOOL|GATEWAY", help="Take back its codes and tokens, at once.")
@click.option("--by", default=operator, help="Who does this, for the record; default: the user.")
@click.option("--json", "as_json", is_flag=True, help="The API's own answer, for scripts.")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language of the slips; default: that of the settings.")
def enroll(config: Path, **options: Any) -> None:
    """Make one-time codes by which boxes become gateways of SCHOOL..., and print each one's line to type.

    A code is good once, for its own school, until it expires; a newer one for the same gateway takes its place.
    """
    with settings_problems():
        from collector.app.client import NoAnswerError
        from collector.app.enrolling import Order, carry_out
        from collector.app.loading import load_settings

        settings = load_settings(config)
    try:
        for line in carry_out(config, settings, Order(**options)):
            click.echo(line)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except NoAnswerError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


@main.command()
@config_option
@click.option("--office", help="Only of this office.")
@click.option("--school", help="Only what this school was concerned by.")
@click.option("--state", help="open, acknowledged, fixed, withdrawn, joined or unknown.")
@click.option("--from", "from_", metavar="DATE", help="Opened on that day or later.")
@click.option("--until", metavar="DATE", help="Opened before that day.")
@click.option("--csv", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write a table for Excel or WPS.")
@click.option("--json", "as_json", is_flag=True, help="The API's own answer, for scripts.")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language; default: that of the settings.")
def rectifications(
    config: Path, lang: str | None, file: Path | None, from_: str | None, *, as_json: bool, **filters: str | None
) -> None:
    """List what was told and what became of it (发现问题、整改落实), the newest first."""
    with settings_problems():
        from collector.app.client import NoAnswerError
        from collector.app.loading import load_settings
        from collector.app.rectifications import asked, csv_bytes, lines

        settings = load_settings(config)
    language: Literal["zh", "en"] = "en" if (lang or settings.language) == "en" else "zh"
    try:
        found = list(asked(config, settings, {**filters, "from": from_, "lang": language}))
    except NoAnswerError as error:
        fail(str(error))
    if file is not None:
        try:
            file.write_bytes(csv_bytes(found, language))
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        click.echo(f"{file}: {len(found)} records")
        return
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for line in lines(found, datetime.now(UTC).timestamp(), language):
        click.echo(line)


@main.command()
@click.argument("target", metavar="[FILE|DIR]", required=False, type=click.Path(path_type=Path))
@config_option
@click.option("--keep", type=click.IntRange(1), help="In a folder: keep so many, delete older ones.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="What was made, for scripts.")
def backup(target: Path | None, config: Path, keep: int | None, *, as_json: bool) -> None:
    """Copy the store to FILE, or into DIR, while the collector runs or not; the copy is checked before it has its name.

    Without an argument: into the folder that `backup` of the settings names, of which as many are kept as it says,
    else into `backups` beside the store. An SQLite store only: for PostgreSQL this says how pg_dump does it.

    Exit codes: 0 made, 1 not made (what was there before still is), 2 usage, 78 bad configuration.
    """
    with settings_problems():
        from collector.app import backing_up

        try:
            made = backing_up.back_up(config, target, keep)
        except backing_up.BackupError as error:
            fail(str(error))
    click.echo(backing_up.as_json(made) if as_json else backing_up.made_text(made))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@click.option("--json", "as_json", is_flag=True, help="What was done, for scripts.")
def restore(file: Path, config: Path, *, as_json: bool) -> None:
    """Put the backup FILE in the place of the store; the store is renamed, not deleted. Stop the collector first.

    What was acknowledged since the backup is not in it. Messages that waited in it are not sent: they may have been,
    and the board lists them.

    Exit codes: 0 done, 1 not done (nothing was changed), 2 usage, 78 bad configuration.
    """
    with settings_problems():
        from collector.app import backing_up

        try:
            done = backing_up.restore(config, file)
        except (backing_up.BackupError, OSError) as error:
            fail(str(error))
    click.echo(backing_up.as_json(done) if as_json else backing_up.restored_text(done))


@main.command("notify-test")
@click.argument("receiver")
@config_option
def notify_test(receiver: str, config: Path) -> None:
    """Send one test message to RECEIVER, and say what it answered.

    It goes at once and past the queue, and needs no running collector. Run it as root where the secrets are root's.

    Exit codes: 0 taken, 1 refused, 2 no such receiver, 75 not now, 78 a wrong setting, here or at the robot.
    """
    with settings_problems():
        from collector.app.receiver_trial import NoSuchReceiverError, try_receiver

        try:
            trial = asyncio.run(try_receiver(config, receiver))
        except NoSuchReceiverError as error:
            raise click.UsageError(str(error)) from None
    click.echo(trial.text, err=trial.exit_code != 0)
    sys.exit(trial.exit_code)


@main.command("responder", epilog=RESPONDER_EXAMPLES)
@config_option
@click.option("--listen", metavar="HOST", help="Address to listen on, without a settings file (UDP and TCP).")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port, with --listen.  [default: 9713]")
@click.option("--link-bps", type=click.IntRange(1_000_000), help="Capacity of this machine's own line, with --listen.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Secret that the agents share, with --listen.")
@click.pass_context
def run_responder(context: click.Context, /, config: Path, **own: Any) -> None:
    """Run only the far end of the bandwidth test, until it is ended (Ctrl-C, SIGTERM).

    With --config it is the `responder` of the settings, for a second machine of the bureau. With --listen it needs no
    settings file, for a machine next to an exit, or a computer in a classroom. All tests together use at most 80 % of
    --link-bps (1 Gbit/s if not given). Without a key any gateway that reaches it may test.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in own.items() if value is not None]
    if given and context.get_parameter_source("config") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"--config has its own responder: leave out {', '.join(given)}")
    if given and own["listen"] is None:
        raise click.UsageError(f"{given[0]} needs --listen HOST")
    settings, key, log_level = _own_responder(**own) if given else _configured_responder(config)
    from classready import logs
    from collector import responder

    logs.configure(level=log_level)
    try:
        asyncio.run(_until_ended(responder.serve(settings, key, on_ready=partial(_say_ready, settings.host))))
    except OSError as error:
        fail(f"{settings.host} port {settings.port}: {error.strerror}")


async def _until_ended(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until Ctrl-C or SIGTERM, also where a shell had SIGINT ignored for a program in the background."""
    task = asyncio.ensure_future(serving)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _configured_responder(config: Path) -> "tuple[Responder, bytes | None, str]":
    """Return the responder of a settings file, its secret, and what to log."""
    with settings_problems():
        from collector.app.loading import load_configuration

        configuration = load_configuration(config)
    settings = configuration.settings.responder
    if settings is None:
        fail(f"{config}: responder is null")
    key = configuration.secrets.get("responder.key_file")
    return settings, key.encode() if key else None, configuration.settings.log_level


def _own_responder(
    listen: str, port: int | None, link_bps: int | None, key_file: Path | None
) -> "tuple[Responder, bytes | None, str]":
    """Make the responder that the command line describes."""
    import msgspec

    from classready.settings import EXIT_CONFIG, read_secret
    from collector.settings import Responder

    given = {"host": listen, "port": port, "link_bps": link_bps}
    try:
        settings = msgspec.convert({name: value for name, value in given.items() if value is not None}, Responder)
    except msgspec.ValidationError:
        raise click.UsageError(f"--listen {listen}: must be a host name or an address") from None
    try:
        key = read_secret(key_file).encode() if key_file is not None else None
    except OSError as error:
        click.echo(f"--key-file {key_file}: {error.strerror}", err=True)
        sys.exit(EXIT_CONFIG)
    return settings, key, "info"


def _say_ready(host: str, port: int) -> None:
    click.echo(f"answers on {host} port {port} (UDP and TCP)", err=True)


if __name__ == "__main__":
    main()
