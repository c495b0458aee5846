"""What files leave open, or could leave out: no mistake, and somebody should know. The sentence is `text`'s."""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from classready.settings import Loaded

Word = Literal[
    "make_up_unsaid", "year_unknown", "window_over", "exemption_over",
    "office_unheard", "digest_unheard", "escalation_unheard", "receiver_idle",
    "store_set_aside",
    "broker_behind",
]  # fmt: skip


class Note(Struct, frozen=True, kw_only=True):
    """``office``: whose file it is about, None = the bureau's. ``line`` counts from 1; 0 = the file as a whole."""

    word: Word
    file: str
    line: int
    path: str
    fields: Mapping[str, str]
    office: str | None = None
    settled: frozenset[str] = frozenset()
    """Offices that have an answer of their own."""


def note_of(loaded: Loaded, path: str, word: Word, **fields: object) -> Note:
    place = loaded.problem(path, "")
    said = {name: str(value) for name, value in fields.items()}
    return Note(word=word, file=place.file, line=place.line, path=place.path, fields=said)


def of_office(notes: Iterable[Note], office: str) -> list[Note]:
    return [replace(note, office=office) for note in notes]
