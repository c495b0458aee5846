"""What boxes are told of the broker when they enrol."""

import ssl
from pathlib import Path

from classready.settings import Loaded, Problem, resolve
from collector.enrol_api import MqttLinkSettings
from collector.settings import CollectorSettings


def enrolment_broker(path: Path, loaded: Loaded) -> tuple[MqttLinkSettings | None, list[Problem]]:
    """Return where boxes that enrol report (None = over HTTP), and what is wrong with it."""
    settings: CollectorSettings = loaded.value
    given = settings.enrolment.broker
    if given is None:
        return None, []
    problems = []
    if settings.mqtt is None:
        problems.append(loaded.problem("enrolment.broker", "needs mqtt: else nobody takes what boxes report there"))
    entry, ca_file, ca = "enrolment.broker.ca_file", given.ca_file, None
    if ca_file is None:
        entry, ca_file = "enrolment.ca_file", settings.enrolment.ca_file
    if ca_file is not None:
        try:
            ca = _authority(resolve(path, ca_file))
        except (OSError, ValueError) as error:
            problems.append(loaded.problem(entry, f"{ca_file}: {getattr(error, 'strerror', None) or error}"))
    return MqttLinkSettings(host=given.host, port=given.port, ca=ca), problems


def _authority(file: Path) -> str:
    """Read a certificate in PEM form; who put a key beside it would hand that to every box."""
    text = file.read_text("ascii")
    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key, too: boxes get all of this file")
    try:
        ssl.create_default_context(cadata=text)
    except ssl.SSLError:
        raise ValueError("holds no certificate in PEM form") from None
    return text
