"""What the bureau has this gateway do: the document in force, kept beside the spool, and the one that was refused."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from classready.codec import MalformedReport, decode_document
from classready.measuring import DOCUMENT_MAX_BYTES, Document, Release
from classready.observation import DETAIL_MAX_CHARACTERS, clean_text
from classready.report import PROBLEMS_MAX, RefusedSettings, SettingsReport

FILE_NAME = "settings.json"

_log = structlog.get_logger()


def _nobody_waits(*_news: object) -> None:
    """Nothing to be told."""


class Bureau:
    """``document`` is in force, None = none. ``on_document`` gets each one that comes, and its bytes.

    ``on_release`` gets the release that it names, also where its settings are refused: that release may be what the box
    needs to understand them.
    """

    def __init__(self, document: Document | None = None) -> None:
        self.document = document
        self.refused: RefusedSettings | None = None
        self.release = document.release if document else None
        self.on_document: Callable[[Document, bytes], None] = _nobody_waits
        self.on_release: Callable[[Release | None], None] = _nobody_waits

    def report(self) -> SettingsReport:
        return SettingsReport(version=self.document.version if self.document else None, refused=self.refused)

    def wants(self, version: str | None) -> bool:
        """Whether a document of that version was neither applied nor refused."""
        known = {self.document.version if self.document else None, self.refused.version if self.refused else None}
        return version is not None and version not in known

    def hear(self, body: bytes) -> None:
        """Take what came in answer to a question. What is no document may be a portal's page: it is asked for again."""
        try:
            document = decode_document(body)
        except MalformedReport as error:
            _log.warning("settings_malformed", error=str(error)[:DETAIL_MAX_CHARACTERS])
        else:
            self.release = document.release
            self.on_release(document.release)
            self.on_document(document, body)

    def accept(self, document: Document) -> None:
        self.document, self.refused = document, None

    def refuse(self, version: str, problems: Sequence[str]) -> None:
        """Go on with what is in force, and say why."""
        texts = tuple(clean_text(problem)[:DETAIL_MAX_CHARACTERS] for problem in problems[:PROBLEMS_MAX])
        self.refused = RefusedSettings(version=version, problems=texts)
        _log.error("settings_refused", version=version, problems=texts)


def recall(state_dir: Path) -> Document | None:
    """Return the document kept beside the spool; None where there is none that can be read."""
    path = state_dir / FILE_NAME
    try:
        with path.open("rb") as file:
            return decode_document(file.read(DOCUMENT_MAX_BYTES + 1))
    except (FileNotFoundError, PermissionError):  # not there, or not for the user at a terminal
        return None
    except (OSError, MalformedReport) as error:
        _log.warning("settings_unreadable", path=str(path), error=str(error))
        return None


def keep(state_dir: Path, body: bytes) -> None:
    """Keep a document as it came for the next start; it may hold secrets. Failing is no harm: an ack names it again."""
    path = state_dir / FILE_NAME
    new = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        # In one step (rename(2)): whoever reads meanwhile has the old one or the new one, never half of it.
        new.replace(path)
    except OSError as error:
        _log.warning("settings_not_kept", path=str(path), error=str(error))
