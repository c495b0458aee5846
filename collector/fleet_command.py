"""The commands ``fleet`` and ``fleet upgrade``. Imports wait until one is carried out."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click

from collector.cli import EXIT_FINDING, config_option, fail, operator, settings_problems

_lang_option = click.option("--lang", type=click.Choice(["zh", "en"]), help="Language; default: that of the settings.")
_json_option = click.option("--json", "as_json", is_flag=True, help="The API's own answer, for scripts.")


@click.group(invoke_without_command=True)
@config_option
@click.option("--office", help="Only of this office.")
@click.option("--trouble", help="Only gateways with this trouble, such as silent; --json names them.")
@click.option("--csv", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write a table for Excel or WPS.")
@_json_option
@_lang_option
@click.pass_context
def fleet(
    context: click.Context,
    /,
    config: Path,
    lang: str | None,
    file: Path | None,
    *,
    as_json: bool,
    **filters: str | None,
) -> None:
    """List the gateways as machines, the worst first: release, silence, clock, spool, certificate, enrolment.

    \b
    Examples:
      classready-collector fleet --office 511402
      classready-collector fleet --json | jq '.gateways[] | select(.release == null) | .gateway'
      classready-collector fleet upgrade --help
    """  # noqa: D301 - click wants the control character
    context.default_map = {"upgrade": {"config": str(config)}}
    if context.invoked_subcommand is not None:
        return
    with settings_problems():
        from collector.app.client import NoAnswerError
        from collector.app.fleet import as_json as json_text
        from collector.app.fleet import asked, csv_bytes, lines
        from collector.app.loading import load_settings

        settings = load_settings(config)
    language = _language(lang, settings.language)
    try:
        found = asked(config, settings, {**filters, "lang": language})
    except NoAnswerError as error:
        fail(str(error))
    if file is not None:
        try:
            file.write_bytes(csv_bytes(found, language))
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        click.echo(f"{file}: {found['total']} gateways")
        return
    for line in [json_text(found)] if as_json else lines(found, datetime.now(UTC).timestamp(), language):
        click.echo(line)


@fleet.command()
@click.argument("version", required=False)
@config_option
@click.option(
    "--canary", metavar="OFFICE", help="The office that gets it first; the others wait until it is well there."
)
@click.option("--percent", type=click.IntRange(0, 100), help="How many of all other gateways get it after that.")
@click.option("--pause", "act", flag_value="pause", help="Whoever has not switched yet waits.")
@click.option("--resume", "act", flag_value="resume", help="Go on after a pause, a halt or an abort.")
@click.option("--retry", "act", flag_value="retry", help="Go on, and ask those that failed once more.")
@click.option("--abort", "act", flag_value="abort", help="Give it up; whoever has the release keeps it.")
@click.option("--by", default=operator, help="Who does this, for the record; default: the user.")
@_json_option
@_lang_option
def upgrade(config: Path, act: str | None, by: str, lang: str | None, *, as_json: bool, **given: Any) -> None:
    """Bring release VERSION to the gateways in stages, or say how far it has come.

    The collector must have the release: the bundle that `enrolment.bundle_dir` names, or one in a folder
    classready-VERSION beside it. A gateway fetches it outside lessons, installs it, and goes back by itself if no
    report is acknowledged. With more than a tenth of them failed it stops by itself.

    \b
    Examples:
      classready-collector fleet upgrade 0.2.0-1f70235a --canary 511402 --percent 10
      classready-collector fleet upgrade --percent 100      further, once you are content
      classready-collector fleet upgrade                    how far it has come
      classready-collector fleet upgrade --pause

    Exit codes: 0 done, 1 refused, or it stopped by itself, 2 usage, 78 bad configuration.
    """  # noqa: D301
    with settings_problems():
        from collector.app.client import NoAnswerError
        from collector.app.fleet import as_json as json_text
        from collector.app.fleet import order, upgrade_lines
        from collector.app.loading import load_settings

        settings = load_settings(config)
    language = _language(lang, settings.language)
    wanted = {name: value for name, value in given.items() if value is not None}
    if act is not None and {"canary", "percent"} & wanted.keys():
        raise click.UsageError(f"--{act} goes without --canary and --percent")
    body = {"act": act or "start", "by": by, **wanted} if act or wanted else {}
    try:
        said = order(config, settings, body, language)
    except NoAnswerError as error:
        fail(str(error))
    for line in [json_text(said)] if as_json else upgrade_lines(said, language):
        click.echo(line)
    if said["state"] == "halted":
        sys.exit(EXIT_FINDING)


def _language(asked: str | None, default: str) -> Literal["zh", "en"]:
    return "en" if (asked or default) == "en" else "zh"
