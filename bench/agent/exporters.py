"""prometheus-snmp-exporter and prometheus-blackbox-exporter, set up to look at what the agent looks at."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from agent.probes.switch import mib
from agent.probes.whiteboard import HR_SYSTEM_UPTIME, IF_TYPE, SYS_DESCR, SYS_NAME, SYS_UP_TIME
from bench.agent.processes import BLACKBOX_EXPORTER, SNMP_EXPORTER, free_port, started, until_answering

SWITCH_COLUMNS = (mib.IF_NAME, *mib.LINK, mib.IF_SPEED, *mib.HC_OCTETS, *mib.OCTETS, *mib.ERRORS)
"""What the exporter must be told to walk to know what a poll knows of any switch. It cannot choose at run time; we ask
for ifSpeed and 32 bit counters only where there is nothing better. (Its stock module walks ifTable and ifXTable.)
"""
BOARD_COLUMNS = (IF_TYPE, mib.IF_OPER_STATUS, mib.IF_HIGH_SPEED, mib.IF_SPEED)
BOARD_SCALARS = (SYS_DESCR, SYS_UP_TIME, SYS_NAME, HR_SYSTEM_UPTIME)


class Exporter:
    """A running exporter. ``url`` takes a target and a module."""

    def __init__(self, process: "Popen[bytes]", base: str, path: str) -> None:
        self.process, self._base, self._path = process, base, path

    def url(self, module: str, target: str) -> str:
        return f"{self._base}/{self._path}?module={module}&target={target}"


@contextmanager
def snmp_exporter(folder: Path) -> Iterator[Exporter]:
    """With the modules ``switch`` and ``board``."""
    modules = {"switch": _module(SWITCH_COLUMNS), "board": _module(BOARD_COLUMNS, BOARD_SCALARS)}
    with _exporter(SNMP_EXPORTER, "snmp", modules, folder) as exporter:
        yield exporter


@contextmanager
def blackbox_exporter(folder: Path, ca_file: Path) -> Iterator[Exporter]:
    """With the module ``page``."""
    page = {"prober": "http", "timeout": "5s", "http": {"tls_config": {"ca_file": str(ca_file)}}}
    with _exporter(BLACKBOX_EXPORTER, "probe", {"modules": {"page": page}}, folder) as exporter:
        yield exporter


@contextmanager
def _exporter(program: str, path: str, settings: object, folder: Path) -> Iterator[Exporter]:
    config, log = folder / f"{program}.yml", folder / f"{program}.log"
    config.write_text(json.dumps(settings))  # JSON is YAML
    base = f"http://127.0.0.1:{free_port()}"
    listen = f"--web.listen-address={base.removeprefix('http://')}"
    with started([program, f"--config.file={config}", listen, "--log.level=error"], log) as process:
        until_answering(f"{base}/metrics", log)
        yield Exporter(process, base, path)


def _module(columns: Sequence[str], scalars: Sequence[str] = ()) -> dict[str, object]:
    """The exporter's own form, which its generator makes of MIBs: what to ask for, and how to show it."""
    metrics = [
        {"name": f"column_{i}", "oid": column, "type": "DisplayString" if column == mib.IF_NAME else "gauge"}
        | {"help": column, "indexes": [{"labelname": "ifIndex", "type": "gauge"}]}
        for i, column in enumerate(columns)
    ]
    single = [
        {"name": f"scalar_{i}", "oid": oid.removesuffix(".0"), "help": oid}
        | {"type": "DisplayString" if oid in {SYS_DESCR, SYS_NAME} else "gauge"}
        for i, oid in enumerate(scalars)
    ]
    return {
        "walk": list(columns),
        "get": list(scalars),
        "metrics": metrics + single,
        "version": 2,
        "max_repetitions": 25,
        "auth": {"community": "public"},
    }
