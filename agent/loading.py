"""Reads the box's own files: paths made absolute, checked with the files they name. What contradicts itself, ``checks``
finds.
"""

import os
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from agent import checks
from agent.bureau import recall
from agent.layers import BUREAU, Combined, combine
from agent.settings import LIVE_INTERVALS, AgentSettings, BoxSettings, HttpLink, MqttLink
from classready import contradictions
from classready.measuring import Document
from classready.settings import Loaded, Problem, SettingsError, load_with_lines, read_secret, resolve

FOLDER = "agent.d"
FOLDER_MAX_FILES = 64


class Files(Struct, frozen=True, kw_only=True):
    """agent.yml, and the files of ``agent.d`` beside it, by their names: later ones win."""

    path: Path
    agent_yml: Loaded
    agent_d: Sequence[Loaded]

    @property
    def state_dir(self) -> Path:
        settings: AgentSettings = _with_absolute_paths(self.agent_yml.value, self.path.absolute())
        return Path(settings.state_dir)

    @property
    def all(self) -> Sequence[Loaded]:
        return (self.agent_yml, *self.agent_d)


def read_files(path: Path) -> Files:
    """Read agent.yml and agent.d/*.yml, each by itself.

    Raises:
        SettingsError: with every problem of every file.
    """
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    parts = sorted((path.parent / FOLDER).glob("*.yml"))
    if len(parts) > FOLDER_MAX_FILES:
        raise SettingsError([Problem(str(path.parent / FOLDER), 1, "", f"more than {FOLDER_MAX_FILES} files")])
    for file in (path, *parts):
        try:
            loaded.append(load_with_lines(file, AgentSettings if file == path else BoxSettings))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return Files(path=path, agent_yml=loaded[0], agent_d=tuple(loaded[1:]))


def put_together(files: Files, document: Document | None = None) -> AgentSettings:
    """Lay ``files`` over what the bureau says; every path made absolute.

    Raises:
        SettingsError: with every problem across their entries.
    """
    try:
        combined = combine(files.agent_yml, files.agent_d, document)
    except msgspec.ValidationError as error:
        raise SettingsError([Problem(BUREAU, 1, "", str(error))]) from None
    settings: AgentSettings = _with_absolute_paths(combined.settings, files.path.absolute())
    found = (
        *checks.problems(settings),
        *_file_problems(settings),
        *_own_certificate_problems(settings.link),
        *_strays(combined),
    )
    problems = [combined.problem(path, text) for path, text in found]
    problems += [
        each.problem(at, text) for each in files.all for at, text in contradictions.names_twice(each.value.targets)
    ]
    if problems:
        raise SettingsError(sorted(problems, key=lambda p: (p.file, p.line)))
    return settings


def load_settings(file: Path) -> AgentSettings:
    """Read what is in force here: the box's files over what the bureau said last, where the two go together.

    Raises:
        SettingsError: with every problem of the files, or every problem across their entries.
    """
    files = read_files(file)
    kept = recall(files.state_dir)
    if kept is not None:
        try:
            return put_together(files, kept)
        except SettingsError:
            pass  # the agent says what is wrong with it; it goes on without
    return put_together(files)


def advice(path: Path) -> list[Problem]:
    """What is allowed in the box's files and may still be a mistake."""
    files = read_files(path)
    valid_s = LIVE_INTERVALS * put_together(files).report_interval_s
    return [
        file.problem(f"targets[{i}]{field}", text)
        for file in files.all
        for i, target in enumerate(file.value.targets)
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


def _strays(combined: Combined) -> Iterator[tuple[str, str]]:
    """Files that the bureau names must lie beside agent.yml: nobody elsewhere says what of a box is read."""
    for i, (target, (file, _)) in enumerate(zip(combined.settings.targets, combined.target_from, strict=True)):
        if file is None:
            yield from _outside(files(target, f"targets[{i}]"))
    for name, file in combined.setting_from.items():
        if file is None:
            yield from _outside(files(getattr(combined.settings, name), name))


def _outside(named: checks.Found) -> checks.Found:
    for path, file in named:
        if Path(file).is_absolute() or ".." in Path(file).parts:
            yield path, "must be below the folder of agent.yml, like secrets/community"


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
