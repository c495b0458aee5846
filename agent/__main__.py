"""The command line of the agent. Imports wait until a command needs them: ``--help`` must be quick."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from classready.terminal import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.settings import AgentSettings
    from classready.targets import TargetSettings

T = TypeVar("T")

DEFAULT_CONFIG = "/etc/classready/agent.yml"
EXIT_FINDING = 1
EXIT_CONFIG = 78

_config = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    envvar="CLASSREADY_AGENT_CONFIG",
    show_default=True,
    show_envvar=True,
    help="Settings of this gateway.",
)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="classready", message="%(prog)s %(version)s")
def main() -> None:
    """Observe a school's classrooms from its gateway, and report to the collector.

    \b
    First steps on a new gateway:
      classready-agent check                    is agent.yml right?
      classready-agent discover 192.168.1.0/24  what is there? proposes targets
      classready-agent probe uplink --explain   one target, step by step
      classready-agent doctor                   why does it not work, and what is to be done?
      classready-agent acceptance               a sheet of all that is seen, to be signed
      classready-agent run                      what the systemd unit does

    \b
    Exit codes: 0 in order, 1 a finding (no answer, below the threshold, not measured),
    2 wrong usage, 78 wrong settings (every problem with file and line).
    """  # noqa: D301 - click wants the control character


@main.command()
@_config
def run(config: Path) -> None:
    """Probe and report until stopped. SIGHUP loads the settings again."""
    import asyncio

    from agent.inforce import InForce

    in_force = _checked(lambda: InForce(config))
    from agent import app
    from agent.probes import PROBES
    from agent.spool import SpoolInUseError
    from classready import logs

    logs.configure(level=in_force.settings.log_level)
    try:
        asyncio.run(app.run(in_force, PROBES))
    except* SpoolInUseError as found:
        raise click.ClickException(str(found.exceptions[0])) from None


@main.command()
@_config
def check(config: Path) -> None:
    """Read the settings and every file they name; start nothing.

    It finds what `run` would find, so run it as root where the secrets are root's. Files under %d are looked for in
    $CREDENTIALS_DIRECTORY, which systemd sets for its units, else in the folder `secrets` beside the settings file.
    """
    settings = _load(config)
    from agent.loading import advice

    for hint in advice(config):
        click.echo(f"note: {hint}", err=True)
    click.echo(f"{config}: in order: gateway {settings.gateway}, {len(settings.targets)} targets")


@main.command()
@_config
@click.argument("target")
@click.option("--explain", is_flag=True, help="Print each step of the measurement, live on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print the observations as JSON lines.")
def probe(config: Path, target: str, explain: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Probe one TARGET now; nothing is reported and nothing is kept.

    TARGET is the name of a target in the settings, or a kind that has exactly one target.

    \b
    Examples:
      classready-agent probe b2-301-board            by name
      classready-agent probe bandwidth --explain     the only bandwidth target, step by step
      classready-agent probe smartedu --json | jq .outcome
    """  # noqa: D301
    import asyncio

    settings = _load(config)
    chosen = _choose(settings, target)
    from agent.once import probe_once
    from agent.probes import PROBES
    from agent.probes.contract import silent
    from classready import logs
    from classready.observation import Outcome

    logs.configure(level="warning")
    observations = asyncio.run(probe_once(settings, PROBES, chosen, _steps(err=as_json) if explain else silent))
    _print_json(observations) if as_json else _print_table(observations)
    if any(o.outcome in {Outcome.NO_ANSWER, Outcome.FAIL, Outcome.UNMEASURED} for o in observations):
        sys.exit(EXIT_FINDING)


@main.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON list.")
@click.option("--full", is_flag=True, help="Test bandwidth, too: puts a load on the line, takes up to two minutes.")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language of the table; else as LANG says.")
def doctor(config: Path, as_json: bool, full: bool, lang: Any) -> None:  # noqa: FBT001
    """Find out why this gateway does not measure or report, and what to do about it. Within 20 s; changes nothing.

    Looked at: Python, settings, ICMP permission, clock, memory, disk, secrets, agents that run here. Asked once:
    names (DNS), collector or broker (TCP, TLS, credential, packet size), responders over UDP and TCP, and every target.
    Run it as root, which may read the secrets. With an agent running, a broker's password is not tried: a broker takes
    one connection of a gateway.

    \b
    Examples:
      classready-agent doctor                      a table; what is to be mended comes last
      classready-agent doctor --lang zh            in Chinese, also where LANG=zh_CN.UTF-8
      classready-agent doctor --json | jq -r '.[] | select(.result == "failed") | .remedy'

    \b
    Exit codes: 0 all well, 1 something failed or may fail, 78 wrong settings (what needs none is still checked).
    """  # noqa: D301
    from agent.doctor import command

    sys.exit(command.main(config, as_json=as_json, full=full, language=lang))


@main.command()
@_config
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Write the sheet there, too.")
@click.option("--school", default="", metavar="NAME", help="Name on the sheet; else that of the sheet before.")
@click.option("--force-bandwidth", is_flag=True, help="Test lines outside their hours, and in lessons, which feel it.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as one JSON object.")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language; else files are Chinese, the terminal as LANG.")
def acceptance(config: Path, as_json: bool, force_bandwidth: bool, lang: Any, **given: Any) -> None:  # noqa: FBT001
    """Ask everything once, and write the acceptance sheet (验收单) to be printed, signed and handed over.

    It holds the bandwidth of each line, each room with its switch port, speed and board, ports in use that no room is
    bound to, each of doctor's checks with its next step, and what is otherwise than on the sheet before. It says what
    was seen; the bureau's collector judges. Nothing is reported. A running agent is not disturbed.

    Bandwidth is tested only in the allowed hours of its target and outside lessons, as the running agent does, unless
    --force-bandwidth is given, which the sheet then says. In examinations no line is loaded. The sheets (html, txt,
    json) are kept in the folder `acceptance` of the state directory, the last 24 of them. Run it as root.

    \b
    Examples:
      classready-agent acceptance --school 东坡区苏南小学 --output /media/usb
      classready-agent acceptance --lang zh          in Chinese, also where LANG=zh_CN.UTF-8
      classready-agent acceptance --json | sha256sum the digest that is printed on the sheet

    \b
    Exit codes: 0 all well, 1 something failed, may fail or was not measured, 2 wrong usage, 78 wrong settings.
    """  # noqa: D301
    settings = _load(config)
    from agent.acceptance import command

    sys.exit(command.main(settings, as_json=as_json, force=force_bandwidth, language=lang, **given))


@main.command()
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK...")
@click.option("--snmp", "communities", multiple=True, metavar="COMMUNITY", help="SNMP v2c; may be repeated.  [public]")
@click.option("--snmp-user", help="SNMP v3, with both key files.")
@click.option("--auth-key-file", type=click.Path(exists=True, path_type=Path), help="Passphrase for SHA-256.")
@click.option("--priv-key-file", type=click.Path(exists=True, path_type=Path), help="Passphrase for AES-128.")
@click.option("--snmp-port", type=click.IntRange(1, 65_535), default=161, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(1, 200), default=50, show_default=True, help="Addresses begun in a second."
)
@click.option("--yes", is_flag=True, help="Do not ask before more than 1,024 addresses.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the proposal there, not on standard output.")
def discover(networks: tuple[str, ...], output: Path | None, yes: bool, rate: float, **access: Any) -> None:  # noqa: FBT001
    """Search the school's own NETWORKs for switches and whiteboards, and propose targets for agent.yml.

    Each address gets one ping and one SNMP request, repeated once. Nothing is changed anywhere. Classrooms are read
    from what is written on the ports (ifAlias) or from LLDP; check them. Ctrl-C shows what was found so far.

    \b
    Examples:
      classready-agent discover 192.168.1.0/24 --snmp READER
      classready-agent discover 10.51.2.0/24 10.51.3.0/24 --output targets.yml

    \b
    Exit codes: 0 something was found, 1 nothing was, 2 wrong usage, 130 interrupted.
    """  # noqa: D301
    from agent.discover import command

    sys.exit(command.main(networks, access, rate_per_s=rate, yes=yes, output=output))


def _steps(*, err: bool) -> "Callable[[str], None]":
    """Print steps. One that starts with a carriage return is progress: on a terminal the next one takes its place."""
    import shutil

    live = sys.stderr.isatty()
    # The last column stays free: a terminal would go on to the next line.
    width = shutil.get_terminal_size().columns - 1

    def show(line: str) -> None:
        progress = line.startswith("\r")
        if live:
            click.echo(f"\r{line[1:] if progress else '':<{width}.{width}}\r", nl=False, err=True)
        if not (live and progress):
            click.echo(line.removeprefix("\r"), err=err)

    return show


def _load(config: Path) -> "AgentSettings":
    from agent.loading import load_settings

    return _checked(lambda: load_settings(config))


def _checked(read: "Callable[[], T]") -> "T":
    from classready.settings import SettingsError

    try:
        return read()
    except SettingsError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(EXIT_CONFIG)


def _choose(settings: "AgentSettings", wanted: str) -> "TargetSettings":
    """Find the target of that name, else the only one of that kind.

    Raises:
        click.BadParameter: there is none, or more than one.
    """
    named = [target for target in settings.targets if target.name == wanted]
    found = named or [target for target in settings.targets if _kind(target) == wanted]
    if len(found) == 1:
        return found[0]
    names = ", ".join(target.name for target in found or settings.targets)
    why = f"more than one {wanted} target" if found else "no target of that name or kind"
    raise click.BadParameter(f"{why}; choose one of: {names or '(there are no targets)'}", param_hint="TARGET")


def _kind(target: "TargetSettings") -> str:
    return str(type(target).__struct_config__.tag)


def _print_json(observations: Any) -> None:
    from classready.codec import encode

    for observation in observations:
        click.echo(encode(observation).decode())


_COLOURS = {"answered": "green", "pass": "green", "no_answer": "red", "fail": "red", "unmeasured": "yellow"}


def _print_table(observations: Any) -> None:
    for observation in observations:
        fields = _flat(observation)
        outcome = fields.pop("outcome", "-")
        click.echo(f"{observation.KIND:<10} {click.style(outcome, fg=_COLOURS.get(outcome))}")
        for name, shown in fields.items():
            click.echo(f"  {name:<24} {shown}")


def _flat(struct: Any, prefix: str = "") -> dict[str, str]:
    """Return the known fields of an observation, nested ones with a dot, with values as people read them."""
    found: dict[str, str] = {}
    for name in struct.__struct_fields__:
        value, path = getattr(struct, name), prefix + name
        if hasattr(value, "__struct_fields__"):
            found |= _flat(value, f"{path}.")
        elif isinstance(value, dict):
            found |= {f"{path}.{key}": str(each) for key, each in value.items()}
        elif value is not None:
            found[path] = _shown(path, value)
    return found


def _shown(path: str, value: Any) -> str:
    from classready.units import bps_to_mbps

    if isinstance(value, bool):
        return "yes" if value else "no"
    if path.endswith("_bps"):
        return f"{bps_to_mbps(value):.1f} Mbit/s"
    if path.partition(".")[0].endswith("_s"):
        return f"{value * 1000:.1f} ms"
    return _local_time(value) if path.endswith("_at") else str(value)


def _local_time(unix_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix_s, UTC).astimezone().isoformat(" ", "seconds")


if __name__ == "__main__":
    main()
