"""What the agent says to the people at a school, in Chinese and in English. Logs and ``--explain`` stay English."""

from collections.abc import Mapping
from typing import Any, Literal

from agent.words import acceptance, checks, doctor, page, reasons

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

SENTENCES: Mapping[str, tuple[str, str]] = {
    **reasons.SENTENCES,
    **page.SENTENCES,
    **checks.SENTENCES,
    **doctor.SENTENCES,
    **acceptance.SENTENCES,
}
"""Message id -> what it says in each of ``LANGUAGES``."""


def say(language: Language, code: str, **values: Any) -> str:
    """The sentence ``code`` with ``values`` in it; a code that has none (a newer reason) speaks for itself."""
    sentence = SENTENCES.get(code)
    return sentence[LANGUAGES.index(language)].format_map(values) if sentence else code.rpartition(".")[2]


def language_of(environment: Mapping[str, str]) -> Language:
    """What a person at this terminal reads: the first that is set decides (POSIX, 8.2 Internationalization)."""
    chosen = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


def span(language: Language, seconds: float) -> str:
    """A length of time as people say it, one unit: 40 s, 12 min, 3 h, 5 d."""
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size_s:
            return say(language, f"span.{unit}", count=int(seconds // size_s))
    return say(language, "span.s", count=max(0, int(seconds)))
