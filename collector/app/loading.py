"""Settings, roster and secrets as they stand on disk: all of them good, or every problem with its file and line."""

import os
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from msgspec import Struct

from classready.settings import (
    Loaded,
    Problem,
    SettingsError,
    is_absent_credential,
    load,
    load_with_lines,
    read_secret,
    resolve,
)
from collector.roster import Roster, load_roster
from collector.settings import CollectorSettings, Listen
from collector.store.database import StoreAddressError, store_url


class Configuration(Struct, frozen=True, kw_only=True):
    """``secrets`` maps the path of a ``..._file`` setting to what that file holds."""

    path: Path
    settings: CollectorSettings
    roster: Roster
    secrets: Mapping[str, str]
    tls: ssl.SSLContext | None
    mqtt_tls: ssl.SSLContext | None


def load_configuration(path: Path, *, at_rest: bool = False) -> Configuration:
    """Read everything that ``path`` names. ``at_rest``: credentials are not handed in yet, and not looked at.

    Raises:
        SettingsError: with every problem of every file.
    """
    loaded = load_with_lines(path, CollectorSettings)
    settings: CollectorSettings = loaded.value
    problems = [*_listen_problems(loaded), *_name_problems(loaded), *_date_problems(loaded), *_store_problems(loaded)]

    def is_there(file: str | None) -> bool:
        return file is None or not (at_rest and is_absent_credential(resolve(path, file)))

    files = {entry: file for entry, file in _secret_files(settings).items() if is_there(file)}
    secrets = _collect(problems, loaded, files, lambda file: _read_secret(path, file))
    server = settings.listen.tls
    own = {"listen.tls": server} if server and is_there(server.cert_file) and is_there(server.key_file) else {}
    tls = _collect(problems, loaded, own, _server_tls(path))
    broker = settings.mqtt
    mqtt = {"mqtt.ca_file": broker.ca_file} if broker and broker.tls and is_there(broker.ca_file) else {}
    mqtt_tls = _collect(problems, loaded, mqtt, _client_tls(path))
    try:
        roster = load_roster(resolve(path, settings.roster), platforms_of(settings))
    except SettingsError as error:
        problems += error.problems
        roster = Roster()
    else:
        problems += _office_problems(loaded, roster)
    if problems:
        raise SettingsError(problems)
    return Configuration(
        path=path,
        settings=settings,
        roster=roster,
        secrets=secrets,
        tls=tls.get("listen.tls"),
        mqtt_tls=mqtt_tls.get("mqtt.ca_file"),
    )


def load_settings(path: Path) -> CollectorSettings:
    """Read the settings alone: enough to find the roster folder, or the running collector."""
    return load(path, CollectorSettings)


def platforms_of(settings: CollectorSettings) -> dict[str, tuple[str, ...]]:
    return {p.id: p.targets or (p.id,) for p in settings.platforms}


def state_folder(path: Path) -> Path:
    """Where relative store paths begin: systemd's state directory, else beside the settings file."""
    return Path(os.environ.get("STATE_DIRECTORY") or path.parent)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
        "listen.tokens.metrics_file": tokens.metrics_file,
        "listen.tokens.api_file": tokens.api_file,
        "listen.tokens.board_file": tokens.board_file,
        "mqtt.password_file": settings.mqtt.password_file if settings.mqtt else None,
        "responder.key_file": settings.responder.key_file if settings.responder else None,
    }
    robots = {f"receivers[{i}].key_file": getattr(r, "key_file", None) for i, r in enumerate(settings.receivers)}
    return {entry: file for entry, file in {**files, **robots}.items() if file is not None}


def _read_secret(path: Path, file: str) -> str:
    try:
        secret = read_secret(resolve(path, file))
    except PermissionError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from None
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    if not secret:
        raise ValueError(f"{file}: is empty")
    return secret


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


# --- checks across entries ------------------------------------------------------------------------------------------


def _listen_problems(loaded: Loaded) -> Iterator[Problem]:
    """Off loopback nobody may read without a token, and no token may travel in the clear."""
    listen: Listen = loaded.value.listen
    if is_loopback(listen.host):
        return
    if listen.tls is None and not listen.behind_proxy:
        yield loaded.problem("listen.host", "off loopback needs tls, or behind_proxy: true where a proxy provides it")
    missing = [f for f in ("metrics_file", "api_file", "board_file") if getattr(listen.tokens, f) is None]
    if missing:
        yield loaded.problem("listen.host", f"off loopback needs tokens: {', '.join(missing)}")


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


def _date_problems(loaded: Loaded) -> Iterator[Problem]:
    calendar = loaded.value.calendar
    entries = {f"calendar.days_off[{i}]": day for i, day in enumerate(calendar.days_off)}
    entries |= {f"calendar.make_up_days[{i}].date": day.date for i, day in enumerate(calendar.make_up_days)}
    for i, term in enumerate(calendar.terms):
        entries |= {f"calendar.terms[{i}].first": term.first, f"calendar.terms[{i}].last": term.last}
        if term.last < term.first:
            yield loaded.problem(f"calendar.terms[{i}].last", "a term must end after it begins")
    for entry, day in entries.items():
        try:
            date.fromisoformat(day)
        except ValueError:
            yield loaded.problem(entry, f"no such day: {day}")


def _store_problems(loaded: Loaded) -> Iterator[Problem]:
    try:
        store_url(loaded.value.store, Path())
    except StoreAddressError as error:
        yield loaded.problem("store", str(error))
