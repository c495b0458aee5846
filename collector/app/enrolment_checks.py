"""What boxes are told when they enrol: of the broker, and whom to trust."""

from pathlib import Path

from classready.settings import Loaded, Problem, resolve
from collector.enrol_api import MqttLinkSettings
from collector.install_page import authority
from collector.settings import CollectorSettings


def enrolment_broker(path: Path, loaded: Loaded) -> tuple[MqttLinkSettings | None, list[Problem]]:
    """Return where boxes that enrol report (None = over HTTP), and what is wrong with that and with their authority."""
    settings: CollectorSettings = loaded.value
    given, problems = settings.enrolment.broker, []

    def read(entry: str, file: str | None) -> str | None:
        try:
            return None if file is None else authority(resolve(path, file))
        except (OSError, ValueError) as error:
            problems.append(loaded.problem(entry, f"{file}: {getattr(error, 'strerror', None) or error}"))
            return None

    own = read("enrolment.ca_file", settings.enrolment.ca_file)
    if given is None:
        return None, problems
    if settings.mqtt is None:
        problems.append(loaded.problem("enrolment.broker", "needs mqtt: else nobody takes what boxes report there"))
    ca = own if given.ca_file is None else read("enrolment.broker.ca_file", given.ca_file)
    return MqttLinkSettings(host=given.host, port=given.port, ca=ca), problems
