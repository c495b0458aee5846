"""Reads agent.yml: paths made absolute, checked with the files they name. What contradicts itself, ``checks`` finds."""

import os
import ssl
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from agent import checks
from agent.settings import LIVE_INTERVALS, AgentSettings, HttpLink, MqttLink
from classready.settings import Problem, SettingsError, load_with_lines, read_secret, resolve


def load_settings(file: Path) -> AgentSettings:
    """Read agent.yml with every path in it made absolute.

    Raises:
        SettingsError: with every problem of the file, or every problem across its entries.
    """
    loaded = load_with_lines(file, AgentSettings)
    settings: AgentSettings = _with_absolute_paths(loaded.value, file.absolute())
    found = (*checks.problems(settings), *_file_problems(settings), *_own_certificate_problems(settings.link))
    if problems := sorted((loaded.problem(path, text) for path, text in found), key=lambda p: p.line):
        raise SettingsError(problems)
    return settings


def advice(path: Path) -> list[Problem]:
    """What is allowed in agent.yml and may still be a mistake."""
    loaded = load_with_lines(path, AgentSettings)
    valid_s = LIVE_INTERVALS * loaded.value.report_interval_s
    return [
        loaded.problem(f"targets[{i}]{field}", text)
        for i, target in enumerate(loaded.value.targets)
        for field, text in checks.doubts(target, valid_s)
    ]


def _with_absolute_paths(value: Any, base: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_with_absolute_paths(each, base) for each in value)
    if not isinstance(value, Struct):
        return value
    changed = {name: _with_absolute_paths(getattr(value, name), base) for name in value.__struct_fields__}
    for name, setting in changed.items():
        if name.endswith("_file") and setting is not None:
            changed[name] = str(resolve(base, setting))
    if isinstance(value, AgentSettings):
        # StateDirectory= may name several, with a colon between them (systemd.exec(5)); the first is ours.
        under_systemd = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        changed["state_dir"] = under_systemd or str(resolve(base, value.state_dir))
    return msgspec.structs.replace(value, **changed)


def _file_problems(settings: AgentSettings) -> checks.Found:
    for path, file in files(settings, ""):
        name = path.rpartition(".")[2]
        if name == "metrics_file" or path in {"link.cert_file", "link.key_file"}:
            continue
        try:
            _ = ssl.create_default_context(cafile=file) if name == "ca_file" else read_secret(Path(file))
        except ssl.SSLError:
            yield path, f"{file} holds no certificate in PEM form"
        except OSError as error:
            yield path, f"{file} cannot be used: {error.strerror or error} (one line of text, mode 0600)"


def _own_certificate_problems(link: HttpLink | MqttLink) -> checks.Found:
    if link.cert_file is None or link.key_file is None:
        return
    try:
        read_secret(Path(link.key_file))
        # Without a password of ours OpenSSL would ask whoever sits at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(link.cert_file, link.key_file, password="")
    except ssl.SSLError:
        yield "link.cert_file", f"{link.cert_file} and key_file are no certificate and its key (PEM, no password)"
    except OSError as error:
        yield "link.cert_file", f"cert_file or key_file cannot be used: {error.strerror or error} (key: mode 0600)"


def files(value: Any, path: str) -> checks.Found:
    """Yield path and value of every ``..._file`` setting that is given."""
    if isinstance(value, tuple):
        for i, each in enumerate(value):
            yield from files(each, f"{path}[{i}]")
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            setting, inner = getattr(value, name), f"{path}.{name}".lstrip(".")
            if name.endswith("_file") and setting is not None:
                yield inner, setting
            else:
                yield from files(setting, inner)
