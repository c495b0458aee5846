"""``broker-config``: the broker's files, written beside those that are there, and what is left to do."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from collector.app.loading import load_configuration
from collector.broker.config import (
    ACL_NAME,
    CONFIG_NAME,
    MARK,
    PASSWORDS_NAME,
    USERS_NAME,
    Broker,
    acl_text,
    config_text,
)
from collector.broker.passwords import PASSWORD_ITERATIONS, parse, render, verifier, verifies

BROKER_USER = "mosquitto"
"""Debian's."""


class NoMqttError(Exception):
    """The settings name no broker."""


def write(config: Path, broker: Broker) -> Iterator[str]:
    """Write configuration, ACL and the collector's own line, and say what was written.

    Raises:
        SettingsError: the collector's settings are not good.
        NoMqttError: they have no ``mqtt``.
        OSError: a file cannot be written; those before it are.
    """
    configuration = load_configuration(config)
    mqtt = configuration.settings.mqtt
    if mqtt is None:
        raise NoMqttError(f"{config}: mqtt is null: say there where the broker is, and the collector's password")
    folder, state = Path(broker.folder), Path(broker.state)
    for name, text in ((CONFIG_NAME, config_text(broker)), (ACL_NAME, acl_text(broker))):
        _keep_foreign(folder / name)
        put(folder / name, text, 0o644 if name == CONFIG_NAME else 0o640)
        yield str(folder / name)
    users = folder / USERS_NAME
    known = parse(users.read_text("utf-8")) if users.exists() else {}
    password = configuration.secrets["mqtt.password_file"]
    if not verifies(known.get(mqtt.user, ""), password):
        known[mqtt.user] = verifier(password, PASSWORD_ITERATIONS)
        put(users, render(known), 0o640)
        yield str(users)
    passwords = state / PASSWORDS_NAME
    if not passwords.exists():
        put(passwords, render(known), 0o600)
        yield str(passwords)


def put(file: Path, text: str, mode: int) -> None:
    """Write ``file`` whole or not at all, the broker's own where there is such a user and this is root."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    if os.geteuid() == 0:
        _give(new, is_secret=mode & 0o004 == 0)
    new.chmod(mode)
    new.replace(file)


def _give(file: Path, *, is_secret: bool) -> None:
    """What everybody may read stays root's: the broker must not be able to change its own configuration."""
    try:
        if is_secret:
            shutil.chown(file, BROKER_USER if file.name.startswith(PASSWORDS_NAME) else None, BROKER_USER)
    except LookupError:
        return  # a broker in a container, or none yet


def _keep_foreign(file: Path) -> None:
    if file.exists() and not file.read_text("utf-8", "replace").startswith(MARK):
        file.replace(file.with_name(f"{file.name}.before"))
