"""The command `object`: a school says that a verdict is wrong."""

from collections.abc import Iterator
from pathlib import Path

from collector.app.client import ask
from collector.settings import CollectorSettings


def raised(config: Path, settings: CollectorSettings, subject: str, by: str, note: str) -> Iterator[str]:
    """Object to what is said of ``SCHOOL`` or ``SCHOOL/CLASSROOM``; return what the collector says.

    Raises:
        NoAnswerError: it does not run, or did not take it; the text says why.
    """
    school, _, classroom = subject.partition("/")
    body = {"school": school, "classroom": classroom or None, "name": by, "note": note}
    taken = ask(config, settings, "/api/v1/objections", method="POST", body=body)
    yield f"{subject}: {taken['objection']['text']}"
    if taken["plan"]:
        yield taken["plan"]
