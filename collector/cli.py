"""What all commands have in common: where the settings are, and how a command says that something is wrong."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

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


@contextmanager
def settings_problems() -> Iterator[None]:
    """Print what is wrong with the settings and leave with 78."""
    from classready.settings import EXIT_CONFIG, SettingsError

    try:
        yield
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CONFIG)


def fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(EXIT_FINDING)


def operator() -> str:
    """Who typed it: behind sudo, whoever sat there before."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
