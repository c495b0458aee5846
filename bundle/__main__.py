"""``python -m bundle --key FILE``: what `make bundle` runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from bundle import make
from bundle.wheels import PLATFORMS, PYTHONS, ROLES


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Private Ed25519 key (PEM), to sign with. Make it once: openssl genpkey -algorithm ed25519 -out FILE",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("dist"), show_default=True)
@click.option("--role", "roles", type=click.Choice(list(ROLES)), multiple=True, default=("agent",), show_default=True)
@click.option(
    "--platform", "platforms", multiple=True, default=PLATFORMS, show_default=True, help="As `uname -m` says."
)
@click.option("--python", "pythons", multiple=True, default=PYTHONS, show_default=True)
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take every dependency from this folder, instead of the package index that pip is set up with.",
)
@click.option(
    "--brought-pythons",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a Python to bring for boxes without one: PLATFORM.tar.gz, with bin/python3 below one top folder.",
)
def main(key: Path, out: Path, **choice: Any) -> None:
    """Make a signed bundle in OUT: wheels, install.sh, units, examples, checksums, SBOM."""
    try:
        made = make.make(key, out, make.Choice(**choice))
    except (make.BundleError, OSError) as error:
        sys.exit(f"bundle: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"bundle: {' '.join(map(str, error.cmd[:4]))} ... failed:\n{error.stderr or ''}")
    click.echo(f"{made}\n{made}.tar.gz")


if __name__ == "__main__":
    main()
