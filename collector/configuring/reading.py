"""templates/*.yml -> ``Template``: part of agent.yml, and which gateways it is for; strictly, with every problem."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from classready import contradictions
from classready.documents import Problem, SettingsError, read_text
from classready.measuring import Discovery, Measuring
from classready.settings import Loaded, read_with_lines
from collector.configuring.words import Audience, Template

FILES_MAX = 200
_STAND_INS = {"{school}": "0school0", "{gateway}": "0gateway0"}
"""What stands for a place while the file is read: a name that every kind of entry takes."""


class TemplateFile(Measuring, frozen=True, kw_only=True, rename={"for_": "for"}):
    """Settings and targets as in agent.yml, for all gateways that `for` means.

    In any text `{gateway}` stands for the gateway's id, and `{school}` for that of its first school.
    """

    for_: Audience = Audience()
    """Which gateways; nothing = all."""
    discovery: Discovery | None = None
    """Looking around for devices that nobody assigned yet; null = not."""


class TemplatePart(Struct, frozen=True):
    """A template, and where its entries stand."""

    template: Template
    file: Loaded


def read_templates(folder: Path) -> Sequence[TemplatePart]:
    """Read every ``*.yml`` of ``folder``.

    Raises:
        SettingsError: with every problem of every file.
    """
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise SettingsError([Problem(str(folder), 1, "", "no template (*.yml) here")])
    if len(files) > FILES_MAX:
        raise SettingsError([Problem(str(folder), 1, "", f"more than {FILES_MAX} templates")])
    found: list[TemplatePart] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found.append(_read(file))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return found


def _read(path: Path) -> TemplatePart:
    text = read_text(path)
    for place, stand_in in _STAND_INS.items():
        text = text.replace(place, stand_in)
    loaded = read_with_lines(str(path), text, TemplateFile)
    if problems := [loaded.problem(at, why) for at, why in _problems(loaded)]:
        raise SettingsError(problems)
    file: TemplateFile = loaded.value
    settings = {
        name: _open(msgspec.to_builtins(getattr(file, name)))
        for name in Measuring.__struct_fields__
        if name in loaded.lines and name != "targets"
    }
    discovery = None
    if file.discovery is not None:
        names = [name for name in Discovery.__struct_fields__ if f"discovery.{name}" in loaded.lines]
        discovery = {name: msgspec.to_builtins(getattr(file.discovery, name)) for name in names}
    template = Template(
        name=path.name,
        audience=file.for_,
        settings=settings,
        targets={target.name: _open(msgspec.to_builtins(target)) for target in file.targets},
        discovery=discovery,
    )
    return TemplatePart(template, loaded)


def _problems(loaded: Loaded) -> Iterator[tuple[str, str]]:
    yield from contradictions.names_twice(loaded.value.targets)
    for target in (target for target in loaded.value.targets if "0" in target.name):
        if any(stand_in in target.name for stand_in in _STAND_INS.values()):
            yield "targets", "the name of a target is the same everywhere: no {school}, no {gateway} in it"
    if "discovery.again_at" in loaded.lines:
        yield "discovery.again_at", "is not for templates: the board asks for it"


def _open(value: Any) -> Any:
    """Keep the places open again, for the names of each gateway."""
    if isinstance(value, str):
        for place, stand_in in _STAND_INS.items():
            value = value.replace(stand_in, place)
        return value
    if isinstance(value, dict):
        return {_open(name): _open(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_open(each) for each in value]
    return value
