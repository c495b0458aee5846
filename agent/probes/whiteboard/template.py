"""Value templates of Home Assistant: a path is read here, anything more by Jinja2 in a sandbox, if it is harmless.

Most announcements hold nothing but ``{{ value_json.power }}``: only who meets another one pays for importing Jinja2.
"""

import re
from functools import lru_cache

from agent.probes.whiteboard.values import Read, Unreadable, at, shown

SOURCE_MAX_CHARACTERS = 2_000
_KNOWN_MAX = 256
"""Templates that are kept compiled; panels of one make share theirs."""

_PATH = re.compile(
    r"\{\{-?\s*value(?P<json>_json(?P<way>(?:\.[A-Za-z_]\w*|\[(?:'[^']*'|\"[^\"]*\"|\d{1,4})\])+))?\s*-?\}\}"
)
_STEP = re.compile(r"\.(\w+)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")


def reader(source: str | None) -> Read:
    """What evaluates a value template. It raises ``Unreadable`` for a message that the template makes nothing of.

    Raises:
        Unreadable: the template itself is not understood; the text names what in it.
    """
    found = at(()) if source is None or not source.strip() else _compiled(source.strip())
    if isinstance(found, str):
        raise Unreadable(found)
    return found


@lru_cache(_KNOWN_MAX)
def _compiled(source: str) -> Read | str:
    """Its reader, or what is wrong with it: that, too, is found out once only."""
    try:
        return _understood(source)
    except Unreadable as error:
        return str(error)


def _understood(source: str) -> Read:
    if len(source) > SOURCE_MAX_CHARACTERS:
        raise Unreadable(f"its template is longer than {SOURCE_MAX_CHARACTERS:,} characters")
    if found := _PATH.fullmatch(source):
        way = [
            int(index) if index else name or quoted or double
            for name, quoted, double, index in _STEP.findall(found["way"] or "")
        ]
        return at(way)
    try:
        from agent.probes.whiteboard import sandbox
    except ImportError:
        raise Unreadable(f"its template {shown(source)} needs Jinja2, which is not installed") from None
    return sandbox.reader(source)
