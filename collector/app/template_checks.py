"""The templates as they stand on disk, with what they make of the gateways of the roster."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from classready.settings import Loaded, Problem, SettingsError, resolve
from collector.configuring.checking import problems as template_problems
from collector.configuring.checking import unknown_names
from collector.configuring.compose import with_responder_key
from collector.configuring.reading import read_templates
from collector.configuring.words import Template
from collector.roster import Roster
from collector.roster.enrolled import gateways_of
from collector.settings import CollectorSettings


def templates(
    path: Path, settings: CollectorSettings, roster: Roster, responder_key: str | None, problems: list[Problem]
) -> Sequence[Template]:
    """Read what gateways are to measure; what is wrong is added to ``problems``.

    What they make of each gateway is looked at only where the roster could be read.
    """
    if settings.templates is None:
        return ()
    try:
        parts = read_templates(resolve(path, settings.templates))
    except SettingsError as error:
        problems += error.problems
        return ()
    if roster.schools:
        problems += unknown_names(parts, roster.offices, roster.schools)
        gateways = {
            gateway: [roster.schools[each] for each in _served(roster, gateway, school)]
            for school, names in gateways_of(roster, roster.schools).items()
            for gateway in names
        }
        problems += template_problems(parts, gateways)
    return tuple(with_responder_key([part.template for part in parts], responder_key))


def template_notes(loaded: Loaded) -> Iterator[Problem]:
    """Where boxes can enrol that nobody tells what to measure."""
    settings: CollectorSettings = loaded.value
    if settings.enrolment.bundle_dir is not None and settings.templates is None:
        text = "boxes that enrol know whom to report to, and measure nothing: name a folder in templates"
        yield loaded.problem("enrolment.bundle_dir", text)


def _served(roster: Roster, gateway: str, school: str) -> tuple[str, ...]:
    """The schools of a gateway; of one that is still to enrol, ``school``."""
    listed = roster.gateways.get(gateway)
    return listed.schools if listed else (school,)
