"""``classready-collector broker-config`` and ``broker-sync``: the MQTT broker's files, and who may connect there."""

from pathlib import Path
from typing import Any

import click

from collector.cli import config_option, fail, settings_problems

ETC, STATE, PID_FILE = "/etc/mosquitto", "/var/lib/mosquitto", "/run/mosquitto/mosquitto.pid"
_folder = click.Path(file_okay=False, path_type=Path)
_output = click.option("--output", type=_folder, default=ETC, show_default=True, help="Folder of its configuration.")
_state = click.option(
    "--state", type=_folder, default=STATE, show_default=True, help="Folder that its own user may write to."
)
_pid_file = click.option(
    "--pid-file", type=click.Path(dir_okay=False, path_type=Path), default=PID_FILE, show_default=True
)


@click.command("broker-config")
@config_option
@_output
@_state
@_pid_file
@click.option("--listen", help="Address to listen on.  [default: all]")
@click.option("--port", type=click.IntRange(1, 65_535), default=8883, show_default=True)
@click.option("--cert-file", default=f"{ETC}/certs/server.crt", show_default=True, help="With its chain, in PEM.")
@click.option("--key-file", default=f"{ETC}/certs/server.key", show_default=True, help="Readable by the broker's user.")
@click.option("--client-ca", help="Gateways must show a certificate of this authority (PEM file) as well.")
@click.option(
    "--identity",
    type=click.Choice(["password", "certificate"]),
    default="password",
    show_default=True,
    help="What says who a gateway is.",
)
def broker_config(config: Path, **given: Any) -> None:
    """Write mosquitto's configuration, ACL and the collector's own password; run it again after a change of settings.

    The collector's user and password are those of `mqtt` in its settings. What stands in the folder and was not written
    by this command is kept beside it as .before. Gateways are not written here: `broker-sync` does that, without a
    restart. Further users, made by hand: mosquitto_passwd FOLDER/users NAME.

    Exit codes: 0 written, 1 not written, 2 usage, 78 bad configuration.
    """
    with settings_problems():
        from collector.app.broker_files import NoMqttError, write
        from collector.app.loading import load_settings
        from collector.broker.config import Broker

        if given["identity"] == "certificate" and not given["client_ca"]:
            raise click.UsageError("--identity certificate needs --client-ca")
        mqtt = load_settings(config).mqtt
        folder, state = (str(given.pop(name).absolute()) for name in ("output", "state"))
        broker = Broker(
            folder=folder,
            state=state,
            pid_file=str(given.pop("pid_file")),
            collector=mqtt.user if mqtt else "collector",
            **given,
        )
        try:
            for file in write(config, broker):
                click.echo(file)
        except NoMqttError as error:
            click.echo(str(error), err=True)
            raise click.exceptions.Exit(78) from None
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}")


@click.command("broker-sync")
@config_option
@_output
@_state
@_pid_file
@click.option("--once", is_flag=True, help="Ask once, and end.")
def broker_sync(config: Path, output: Path, state: Path, pid_file: Path, *, once: bool) -> None:
    """Keep the users of the broker on this machine as the running collector has them.

    Who enrols, gets another token or is taken back is known to the broker within seconds, and nobody else loses a
    connection. Run it as the broker's own user (classready-broker.service does). It needs the API's token only.

    Exit codes: 0 done (with --once), 1 no answer or a file that cannot be written, 78 bad configuration.
    """
    with settings_problems():
        from classready import logs
        from collector.app.broker_sync import Sync, files_in
        from collector.app.client import ask
        from collector.app.loading import load_settings
        from collector.broker_api import ACCOUNTS_PATH, WAIT_MAX_S

        settings = load_settings(config)
    logs.configure(level=settings.log_level)
    wait_s = 0 if once else WAIT_MAX_S

    def asked(known: str) -> Any:
        resource = f"{ACCOUNTS_PATH}?known={known}&wait_s={wait_s if known else 0}"
        return ask(config, settings, resource, timeout_s=wait_s + 10.0)

    sync = Sync(files_in(output, state, pid_file), asked)
    try:
        if not once:
            sync.run()
        elif not (sync.turn() and sync.is_told):
            fail("not done: see above")
        else:
            asked(sync.version)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
