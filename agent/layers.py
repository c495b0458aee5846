"""Which settings are in force: the bureau's document, over it agent.yml, over that agent.d.

A setting that a later layer gives replaces the earlier one as a whole, and so does a target of the same name.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from agent.settings import AgentSettings, BoxSettings
from classready.measuring import Document, Measuring
from classready.settings import Loaded, Problem

BUREAU = "settings from the bureau"
"""What stands for the file in a problem of a document."""


class Combined(Struct, frozen=True):
    """Settings, and for each entry where it was written."""

    settings: AgentSettings
    setting_from: dict[str, Loaded | None]
    """Setting -> the file that gave it; None = the bureau."""
    target_from: Sequence[tuple[Loaded | None, int]]
    """Of each target the file, and its number there."""

    def problem(self, path: str, text: str) -> Problem:
        """Name the file and line of what stands at ``path`` of the combined settings."""
        name, _, rest = path.partition("]")
        if name.startswith("targets["):
            target = self.settings.targets[int(name.removeprefix("targets["))]
            file, number = self.target_from[int(name.removeprefix("targets["))]
            own = f"targets[{number}]{rest}" if file else f"targets[{target.name}]{rest}"
        else:
            file, own = self.setting_from.get(path.partition(".")[0].partition("[")[0]), path
        return Problem(BUREAU, 1, own, text) if file is None else file.problem(own, text)


def combine(agent_yml: Loaded, agent_d: Sequence[Loaded], document: Document | None) -> Combined:
    """Lay ``document`` under the box's own files.

    Raises:
        msgspec.ValidationError: what the document says is not as agent.yml would say it.
    """
    ours: AgentSettings = agent_yml.value
    given: dict[str, Any] = {}
    setting_from: dict[str, Loaded | None] = {}
    targets: dict[str, tuple[Any, Loaded | None, int]] = {}
    if document is not None:
        bureau = measuring(document)
        given |= {name: getattr(bureau, name) for name in document.settings}
        setting_from |= dict.fromkeys(document.settings)
        targets |= {target.name: (target, None, i) for i, target in enumerate(bureau.targets)}
    for file in (agent_yml, *agent_d):
        names = [name for name in BoxSettings.__struct_fields__ if name in file.lines and name != "targets"]
        given |= {name: getattr(file.value, name) for name in names}
        setting_from |= dict.fromkeys(names, file)
        targets |= {target.name: (target, file, i) for i, target in enumerate(file.value.targets)}
    own = dict.fromkeys(("gateway", "link", "state_dir"), agent_yml)
    settings = msgspec.structs.replace(
        AgentSettings(gateway=ours.gateway, link=ours.link, state_dir=ours.state_dir),
        **given,
        targets=tuple(target for target, _, _ in targets.values()),
    )
    return Combined(settings, {**setting_from, **own}, [(file, i) for _, file, i in targets.values()])


def measuring(document: Document) -> Measuring:
    """What ``document`` says, as agent.yml would say it.

    Raises:
        msgspec.ValidationError: a setting is not known here, or its value is none.
    """
    return msgspec.convert({**document.settings, "targets": document.targets}, Measuring)
