"""Settings, roster and secrets as they stand on disk: all of them good, or every problem with its file and line."""

import os
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import URL

from classready.hosts import is_address, is_loopback, is_own
from classready.settings import (
    Loaded,
    Problem,
    SettingsError,
    load,
    load_with_lines,
    read_secret,
    resolve,
)
from collector.app.enrolment_checks import enrolment_broker
from collector.app.handed_out import handed_out_notes
from collector.app.notes import guessed, written
from collector.app.receiver_checks import (
    escalation_problems,
    fallback_problems,
    key_problems,
    line_problems,
    login_problems,
)
from collector.app.template_checks import template_notes, templates
from collector.configuring.words import Template
from collector.enrol_api import MqttLinkSettings
from collector.roster import Roster, load_roster
from collector.roster.calendar_checks import calendar_problems
from collector.roster.maintenance_checks import unknown_subjects, window_problems
from collector.roster.notes import Note
from collector.roster.reading import Known
from collector.roster.recall import FILE_NAME, recall, remember
from collector.settings import CollectorSettings, EmailReceiver, Listen
from collector.store.database import StoreAddressError, file_of, file_problem, store_url
from collector.text import note_text

RECEIVER_SECRETS = frozenset({"key_file", "url_file", "sign_secret_file", "password_file", "token_file"})


class Configuration(Struct, frozen=True, kw_only=True):
    """``secrets`` maps the path of a ``..._file`` setting to what that file holds."""

    path: Path
    settings: CollectorSettings
    roster: Roster
    secrets: Mapping[str, str]
    tls: ssl.SSLContext | None
    mqtt_tls: ssl.SSLContext | None
    receiver_tls: Mapping[str, ssl.SSLContext] = {}
    """Receiver -> whom it trusts, for those that mail."""
    templates: Sequence[Template] = ()
    """What gateways measure; with the responder's key in its place."""
    enrolment_broker: MqttLinkSettings | None = None
    """Where boxes that enrol report; None = over HTTP."""


class Receivers(Struct, frozen=True, kw_only=True):
    """What it takes to send to one receiver."""

    settings: CollectorSettings
    secrets: Mapping[str, str]
    tls: Mapping[str, ssl.SSLContext]


def load_to_run(path: Path, known: Known | None = None) -> Configuration:
    """As ``load_configuration``; what is known of the roster is kept for the next start (None = take it from there).

    Raises:
        SettingsError: with every problem of every file.
    """
    file = state_folder(path) / FILE_NAME
    known = recall(file) if known is None else known
    configuration = load_configuration(path, known)
    if configuration.roster.files.keys() != known.keys():
        remember(file, configuration.roster.files)
    return configuration


def load_configuration(path: Path, known: Known = MappingProxyType({})) -> Configuration:
    """Read everything that ``path`` names, but the roster files that are ``known``.

    Raises:
        SettingsError: with every problem of every file.
    """
    loaded = load_with_lines(path, CollectorSettings)
    settings: CollectorSettings = loaded.value
    problems = [
        *_listen_problems(loaded),
        *_name_problems(loaded),
        *fallback_problems(loaded),
        *escalation_problems(loaded),
    ]
    problems += calendar_problems(loaded, "calendar", settings.calendar)
    problems += window_problems(loaded, settings.maintenance)
    problems += _store_problems(loaded, state_folder(path))
    broker, of_broker = enrolment_broker(path, loaded)
    problems += of_broker
    secrets = _collect(problems, loaded, _secret_files(settings), lambda file: _read_secret(resolve(path, file)))
    problems += [*line_problems(loaded, secrets), *key_problems(loaded, secrets), *login_problems(loaded)]
    receiver_tls = _mail_tls(path, loaded, problems)
    own = {"listen.tls": settings.listen.tls} if settings.listen.tls else {}
    tls = _collect(problems, loaded, own, _server_tls(path))
    mqtt = {"mqtt.ca_file": settings.mqtt.ca_file} if settings.mqtt and settings.mqtt.tls else {}
    mqtt_tls = _collect(problems, loaded, mqtt, _client_tls(path))
    roster = _roster(path, loaded, known, problems)
    measured = templates(path, settings, roster, secrets.get("responder.key_file"), problems)
    if problems:
        raise SettingsError(problems)
    return Configuration(
        path=path,
        settings=settings,
        roster=roster,
        secrets=secrets,
        tls=tls.get("listen.tls"),
        mqtt_tls=mqtt_tls.get("mqtt.ca_file"),
        receiver_tls=receiver_tls,
        templates=measured,
        enrolment_broker=broker,
    )


def _roster(path: Path, loaded: Loaded, known: Known, problems: list[Problem]) -> Roster:
    """Read it, and find what the settings name and it has not; an empty one where it cannot be read."""
    settings: CollectorSettings = loaded.value
    try:
        roster = load_roster(resolve(path, settings.roster), platforms_of(settings), known, settings.calendar)
    except SettingsError as error:
        problems += error.problems
        return Roster()
    problems += [*_office_problems(loaded, roster), *_broker_problems(loaded, roster)]
    names: dict[str, Collection[str]] = {
        "offices": roster.offices,
        "schools": roster.schools,
        "platforms": platforms_of(settings),
    }
    problems += unknown_subjects(loaded, settings.maintenance, names)
    return roster


def advice(path: Path, roster: Roster, today: date) -> list[Problem]:
    """What is allowed in collector.yml and the files of ``roster``, and may still be a mistake."""
    loaded = load_with_lines(path, CollectorSettings)
    settings: CollectorSettings = loaded.value
    listen, hosts = settings.listen, {"listen.host": settings.listen.host}
    if settings.responder is not None:
        hosts["responder.host"] = settings.responder.host
    found = [
        loaded.problem(entry, f"{host} is no address of this machine: here `run` would end")
        for entry, host in hosts.items()
        if is_address(host) and not is_own(host)
    ]
    if not is_loopback(listen.host) and listen.tls is None:
        text = (
            f"whoever reaches {listen.host} port {listen.port} beside the proxy sends tokens in the clear: "
            "write 127.0.0.1 where the proxy runs on this machine, else let only the proxy in"
        )
        found.append(loaded.problem("listen.host", text))
    found += [*handed_out_notes(path, loaded), *template_notes(loaded)]
    return [*found, *map(_as_problem, written(path, loaded, roster, today))]


def guesses(path: Path, roster: Roster, today: date) -> list[Problem]:
    """What collector.yml leaves to be guessed, which is nobody's mistake."""
    return list(map(_as_problem, guessed(load_with_lines(path, CollectorSettings), roster, today)))


def _as_problem(note: Note) -> Problem:
    return Problem(note.file, note.line, note.path, note_text(note.word, note.fields, "en"))


def load_settings(path: Path) -> CollectorSettings:
    """Read the settings alone: enough to find the roster folder, or the running collector."""
    return load(path, CollectorSettings)


def load_receivers(path: Path, name: str) -> Receivers:
    """Read the settings and the secrets of the receiver ``name``: whatever else is missing does not matter to it.

    Raises:
        SettingsError: with every problem of these.
    """
    loaded = load_with_lines(path, CollectorSettings)
    settings: CollectorSettings = loaded.value
    own = tuple(f"receivers[{i}]." for i, receiver in enumerate(settings.receivers) if receiver.name == name)
    problems: list[Problem] = []
    wanted = {entry: file for entry, file in _secret_files(settings).items() if entry.startswith(own)}
    secrets = _collect(problems, loaded, wanted, lambda file: _read_secret(resolve(path, file)))
    problems += [*line_problems(loaded, secrets), *key_problems(loaded, secrets)]
    tls = _mail_tls(path, loaded, problems, only=name)
    if problems:
        raise SettingsError(problems)
    return Receivers(settings=settings, secrets=secrets, tls=tls)


def platforms_of(settings: CollectorSettings) -> dict[str, tuple[str, ...]]:
    return {p.id: p.targets or (p.id,) for p in settings.platforms}


def state_folder(path: Path) -> Path:
    """Where relative store paths begin: systemd's state directory, else beside the settings file."""
    return Path(os.environ.get("STATE_DIRECTORY") or path.parent)


def store_address(configuration: Configuration) -> URL:
    url = store_url(configuration.settings.store, state_folder(configuration.path))
    password = configuration.secrets.get("store_password_file")
    return url if password is None else url.set(password=password)


def store_file(configuration: Configuration) -> Path | None:
    """Where an SQLite store is; None = it is a server."""
    return file_of(store_url(configuration.settings.store, state_folder(configuration.path)))


def backup_folder(path: Path, settings: CollectorSettings) -> Path:
    """Where backups are kept, also where none is made by itself."""
    return state_folder(path) / (settings.backup.directory if settings.backup else "backups")


def _collect(
    problems: list[Problem], loaded: Loaded, wanted: Mapping[str, Any], read: Callable[[Any], Any]
) -> dict[str, Any]:
    """Read each wanted entry; what cannot be read becomes a problem at its line."""
    found: dict[str, Any] = {}
    for entry, value in wanted.items():
        try:
            found[entry] = read(value)
        except (OSError, ValueError) as error:
            problems.append(loaded.problem(entry, f"{getattr(error, 'strerror', None) or error}"))
    return found


# --- secrets and certificates ---------------------------------------------------------------------------------------


def _secret_files(settings: CollectorSettings) -> dict[str, str]:
    tokens = settings.listen.tokens
    files = {
        "store_password_file": settings.store_password_file,
        "listen.tokens.metrics_file": tokens.metrics_file,
        "listen.tokens.api_file": tokens.api_file,
        "listen.tokens.board_file": tokens.board_file,
        "listen.tokens.alertmanager_file": tokens.alertmanager_file,
        "mqtt.password_file": settings.mqtt.password_file if settings.mqtt else None,
        "heartbeat.url_file": settings.heartbeat.url_file if settings.heartbeat else None,
        "responder.key_file": settings.responder.key_file if settings.responder else None,
    }
    robots = {
        f"receivers[{i}].{field}": getattr(receiver, field)
        for i, receiver in enumerate(settings.receivers)
        for field in receiver.__struct_fields__
        if field in RECEIVER_SECRETS
    }
    return {entry: file for entry, file in {**files, **robots}.items() if file is not None}


def _read_secret(path: Path) -> str:
    """What the file holds: its lines, none of them empty."""
    try:
        return "\n".join(line.strip() for line in read_secret(path).splitlines() if line.strip())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None


def _server_tls(path: Path) -> Callable[[Any], ssl.SSLContext]:
    def read(tls: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(resolve(path, tls.cert_file), resolve(path, tls.key_file))
        return context

    return read


def _client_tls(path: Path) -> Callable[[Any], ssl.SSLContext]:
    def read(ca_file: str | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(resolve(path, ca_file)))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    return read


def _mail_tls(
    path: Path, loaded: Loaded, problems: list[Problem], only: str | None = None
) -> dict[str, ssl.SSLContext]:
    mails = {
        f"receivers[{i}].ca_file": receiver
        for i, receiver in enumerate(loaded.value.receivers)
        if isinstance(receiver, EmailReceiver) and only in {None, receiver.name}
    }
    read = _client_tls(path)
    made = _collect(problems, loaded, {entry: mail.ca_file for entry, mail in mails.items()}, read)
    return {mails[entry].name: context for entry, context in made.items()}


# --- checks across entries ------------------------------------------------------------------------------------------


def _listen_problems(loaded: Loaded) -> Iterator[Problem]:
    """Where others reach it, nobody may read without a token, and no token may travel in the clear."""
    listen: Listen = loaded.value.listen
    if is_loopback(listen.host) and not listen.behind_proxy:
        return
    if listen.tls is None and not listen.behind_proxy:
        yield loaded.problem("listen.host", "off loopback needs tls, or behind_proxy: true where a proxy provides it")
    missing = [f for f in ("metrics_file", "api_file", "board_file") if getattr(listen.tokens, f) is None]
    if missing:
        where = "behind a proxy" if is_loopback(listen.host) else "off loopback"
        yield loaded.problem("listen.host", f"{where} needs tokens: {', '.join(missing)}")


def _name_problems(loaded: Loaded) -> Iterator[Problem]:
    settings: CollectorSettings = loaded.value
    yield from _given_twice(loaded, "platforms", [p.id for p in settings.platforms], "id")
    yield from _given_twice(loaded, "receivers", [r.name for r in settings.receivers], "name")


def _given_twice(loaded: Loaded, section: str, names: list[str], field: str) -> Iterator[Problem]:
    counts = Counter(names)
    for i, name in enumerate(names):
        if counts[name] > 1 and names.index(name) != i:
            yield loaded.problem(f"{section}[{i}].{field}", f"{name!r} is given twice")


def _office_problems(loaded: Loaded, roster: Roster) -> Iterator[Problem]:
    for i, receiver in enumerate(loaded.value.receivers):
        for j, office in enumerate(receiver.offices):
            if office not in roster.offices:
                yield loaded.problem(f"receivers[{i}].offices[{j}]", f"no office {office!r} in the roster")
        for field, schools in (("hubs", receiver.hubs), ("schools", receiver.schools)):
            for j, school in enumerate(schools):
                if school not in roster.schools:
                    yield loaded.problem(f"receivers[{i}].{field}[{j}]", f"no school {school!r} in the roster")


def _broker_problems(loaded: Loaded, roster: Roster) -> Iterator[Problem]:
    """A user is one client at the broker: a gateway of the collector's name would end the collector's connection."""
    mqtt = loaded.value.mqtt
    if mqtt is not None and mqtt.user in roster.gateways:
        yield loaded.problem("mqtt.user", f"a gateway of the roster is called {mqtt.user!r}, too: rename one of them")


def _store_problems(loaded: Loaded, folder: Path) -> Iterator[Problem]:
    try:
        problem = file_problem(store_url(loaded.value.store, folder))
    except StoreAddressError as error:
        problem = str(error)
    if problem is not None:
        yield loaded.problem("store", problem)
    if loaded.value.store_password_file and loaded.value.store.startswith("sqlite"):
        yield loaded.problem(
            "store_password_file", "a file needs no password: leave it out, or name a PostgreSQL in store"
        )
