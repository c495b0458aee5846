"""What a person sees of a search: questions, progress, and the proposal."""

import asyncio
import datetime as dt
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agent.discover import ASK_ABOVE, MAX_ADDRESSES, NotSweptError, addresses, discover, network
from agent.discover.inspect import Device, Switch
from agent.discover.proposal import render
from agent.probes.icmp import ADVICE
from classready.devices import Snmp
from classready.hosts import is_own

EXIT_NOTHING, EXIT_INTERRUPTED = 1, 130
_SNMP_TIMEOUT_S = 1.0


def main(
    networks: Sequence[str], access: Mapping[str, Any], *, rate_per_s: float, yes: bool, output: Path | None
) -> int:
    """Search, and return the exit code."""
    hosts = _hosts(networks)
    accesses = _accesses(access)
    _confirm(hosts, rate_per_s, yes=yes)
    stop = asyncio.Event()
    switches, devices, may_ping = asyncio.run(_search(hosts, accesses, rate_per_s, stop))
    if not may_ping:
        click.echo(f"Devices without SNMP were not found: {ADVICE}", err=True)
    if switches or devices:
        today = dt.datetime.now(dt.UTC).astimezone()
        _write(f"# Found in {', '.join(networks)} on {today:%Y-%m-%d}\n{render(switches, devices)}", output)
    click.echo(_summary(switches, devices, interrupted=stop.is_set()), err=True)
    if stop.is_set():
        return EXIT_INTERRUPTED
    return 0 if switches or devices else EXIT_NOTHING


def _hosts(networks: Sequence[str]) -> list[str]:
    try:
        hosts = [host for host in addresses([network(text) for text in networks]) if not is_own(host)]
    except NotSweptError as error:
        raise click.BadParameter(str(error), param_hint="NETWORK") from None
    if not hosts:
        raise click.BadParameter("these are this machine's own addresses: nobody else is there", param_hint="NETWORK")
    if len(hosts) > MAX_ADDRESSES:
        raise click.BadParameter(f"{len(hosts)} addresses are too many: at most {MAX_ADDRESSES}", param_hint="NETWORK")
    return hosts


def _accesses(access: Mapping[str, Any]) -> list[Snmp]:
    """Every way to open a device, in the order in which they are tried."""
    common: dict[str, Any] = {"port": access["snmp_port"], "timeout_s": _SNMP_TIMEOUT_S, "retry_count": 1}
    found = [Snmp(community=community, **common) for community in access["communities"]]
    if access["snmp_user"]:
        keys = {name: access[name] for name in ("auth_key_file", "priv_key_file")}
        if None in keys.values():
            raise click.UsageError("SNMP v3 needs --snmp-user, --auth-key-file and --priv-key-file")
        common |= {name: str(path.absolute()) for name, path in keys.items()}
        found.append(Snmp(version="3", user=access["snmp_user"], **common))
    return found or [Snmp(**common)]


def _confirm(hosts: Sequence[str], rate_per_s: float, *, yes: bool) -> None:
    if len(hosts) <= ASK_ABOVE or yes:
        return
    text = f"{len(hosts)} addresses take about {len(hosts) / rate_per_s / 60:.0f} min"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{text}; say --yes if that is meant")
    click.confirm(f"{text}. Search them?", abort=True, err=True)


async def _search(
    hosts: Sequence[str], accesses: Sequence[Snmp], rate_per_s: float, stop: asyncio.Event
) -> tuple[list[Switch], list[Device], bool]:
    """The first Ctrl-C ends the search, and what is there is shown; the second one ends everything."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    with _progress(len(hosts)) as progress:
        return await discover(hosts, accesses, rate_per_s=rate_per_s, progress=progress, stop=stop)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else a line for each tenth."""
    if sys.stderr.isatty():
        with click.progressbar(length=count, label="Searching", file=sys.stderr) as bar:
            yield lambda _done: bar.update(1)
        return

    def tell(done: int) -> None:
        if done * 10 // count > (done - 1) * 10 // count:
            click.echo(f"{done} of {count} addresses", err=True)

    yield tell


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None


def _summary(switches: Sequence[Switch], devices: Sequence[Device], *, interrupted: bool) -> str:
    rooms = sum(bool(port.label) and port.trunk is None for switch in switches for port in switch.ports)
    told = f"{len(switches)} switches with {rooms} described ports, {len(devices)} other devices"
    if not switches and not devices:
        told = "nothing answered: is it the right network, and the right community?"
    return f"Interrupted: {told}" if interrupted else told
