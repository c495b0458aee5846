"""Names as messages may carry them: they come from files that others write."""

import unicodedata

NAME_MAX_CHARACTERS = 40

_LOOKALIKES = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in "@<>[](){}*_`~#|\\!&./:$^=\"'"})
"""Everything that Markdown, HTML or a client's own link detection could act on -> its full-width twin."""


def clean(name: str, most: int = NAME_MAX_CHARACTERS) -> str:
    """Make a name safe and short: one line, no control, format or markup characters."""
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", name))
    text = " ".join(visible.split()).translate(_LOOKALIKES)
    return text if len(text) <= most else text[: most - 1] + "…"
