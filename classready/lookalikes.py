"""Characters that an input method or a word processor puts where plain ones belong: found, named, with the remedy.

A Chinese keyboard types ``：``, ``，`` and a wide blank where YAML knows only ``:``, ``,`` and a space. YAML takes them
for letters, and complains lines later or not at all.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

_SPACES = "\u3000\u00a0\u2002\u2003\u2007\u2009\u202f"
_COLONS = "：﹕︓∶"
_PLAIN = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {
    **dict.fromkeys(_COLONS, ":"),
    **dict.fromkeys("﹐、､", ","),
    **dict.fromkeys("“”„‟", '"'),
    **dict.fromkeys("‘’‚‛", "'"),
    **dict.fromkeys("【〔", "["),
    **dict.fromkeys("】〕", "]"),
    **dict.fromkeys("﹣‐‑‒–—―−", "-"),
    **dict.fromkeys(_SPACES, " "),
}
"""The full-width forms of ASCII (Unicode block FF00) and what else is typed for it."""
_TO_PLAIN = str.maketrans(_PLAIN)
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_LINE_END = re.compile(r"\r\n|\r|\n")

_NAME = r"[\"'“”]?[A-Za-z_][\w.-]*[\"'“”]?"
_STRUCTURE = re.compile(
    rf"^[ \t]*(?P<indent>[{_SPACES}])"
    rf"|^[ \t]*(?:- +)*{_NAME} *(?P<colon>[{_COLONS}])"
    rf"|^[ \t]*(?:- +)*{_NAME}:(?P<after_colon>[{_SPACES}])"
    rf"|^[ \t]*-(?P<after_dash>[{_SPACES}])"
    r"|^[ \t]*(?P<dash>[－﹣–—−]) *\S"
    r"|^[ \t]*(?P<hash>＃)"
    rf"|[{{,] *{_NAME} *(?P<flow_colon>[{_COLONS}])",
    re.MULTILINE,
)
"""Where nothing but structure can be meant: every name in our files is ASCII."""

_BLANK_BEFORE_COMMENT = re.compile(rf"([{_SPACES}])#")


class Lookalike(Struct, frozen=True):
    """``index`` counts the characters of the whole text."""

    index: int
    character: str


def structural(text: str, start: int = 0, end: int | None = None) -> Iterator[Lookalike]:
    """Find those that stand where the structure of a line is: before its name, after it, as a list's dash."""
    part = text[start:end]
    line = ""  # what stands on a match's line before it, as far as it matters
    seen = 0
    for match in _STRUCTURE.finditer(part):
        group = match.lastgroup or ""
        before, newline, rest = part[seen : match.end()].rpartition("\n")
        line = _marks(rest if newline else line + before + rest)
        seen = match.end()
        if group != "flow_colon" or line == "{":
            yield Lookalike(start + match.start(group), match[group])


def _marks(line: str) -> str:
    """Say whether a line is within braces (``{``), or within a comment (``#``), where a comma means nothing."""
    return "#" if "#" in line else "{" if "{" in line else ""


def blank_before_comment(text: str, start: int, end: int) -> Lookalike | None:
    """Find a wide blank before ``#``, which makes the comment part of the value."""
    match = _BLANK_BEFORE_COMMENT.search(text, start, end)
    return Lookalike(match.start(), match[1]) if match else None


def lookalikes(text: str, start: int, end: int) -> Iterator[Lookalike]:
    """Find all of them between two positions, also where they may be meant."""
    return (Lookalike(start + i, each) for i, each in enumerate(text[start:end]) if each in _PLAIN)


def repaired(text: str, found: Iterable[Lookalike]) -> str:
    """The text with plain characters in these places; every line stays where it is."""
    characters = list(text)
    for each in found:
        plain = _PLAIN[each.character]
        characters[each.index] = ": " if plain == ":" else plain
    return "".join(characters)


def to_plain(text: str) -> str:
    """Full-width letters, digits and signs as ASCII, wide blanks as spaces, nothing invisible."""
    return without_invisible(text.translate(_TO_PLAIN))


def without_invisible(text: str) -> str:
    """The text without characters that have no width and only steer how others are shown."""
    return _INVISIBLE.sub("", text)


def line_of(text: str, index: int) -> int:
    """Count the line of a character, from 1, as editors do."""
    return 1 + sum(1 for _ in _LINE_END.finditer(text, 0, index))


def column_of(text: str, index: int) -> int:
    """Count the column of a character, from 1."""
    return index - max(text.rfind("\n", 0, index), text.rfind("\r", 0, index))


def remedy(character: str) -> str:
    """Name a character that is not the plain one, and say what to type."""
    plain, code = _PLAIN[character], f"U+{ord(character):04X}"
    if plain == " ":
        return f"a blank that is no space ({code}); type plain spaces"
    kind = "full-width" if character >= "\u3000" else "typographic"
    return f"{kind} {character!r} ({code}); type {plain!r}" + (" and a space" if plain == ":" else "")
