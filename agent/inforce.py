"""The settings in force while the agent runs: the box's own files, and the bureau's document under them."""

from pathlib import Path

from agent import bureau
from agent.bureau import Bureau
from agent.layers import BUREAU
from agent.loading import Files, put_together, read_files
from agent.settings import AgentSettings
from classready.measuring import Document
from classready.settings import SettingsError


class InForce:
    """``settings`` are whole and checked at any time; what would not be changes nothing."""

    def __init__(self, path: Path) -> None:
        """Read the box's files, and the document that was in force before; without a line that is all there is.

        Raises:
            SettingsError: the box's own files are wrong.
        """
        self.path = path
        self._files: Files = read_files(path)
        kept = bureau.recall(self._files.state_dir)
        self.bureau = Bureau(kept)
        try:
            self.settings: AgentSettings = put_together(self._files, kept)
        except SettingsError as error:
            if kept is None:
                raise
            self.settings = put_together(self._files)
            self.bureau = Bureau()
            self.bureau.refuse(kept.version, _texts(error))

    def reload(self) -> None:
        """Read the box's files again. What was refused is asked for again: they may have been what was in its way.

        Raises:
            SettingsError: what was in force stays in force.
        """
        files = read_files(self.path)
        self.settings = put_together(files, self.bureau.document)
        self._files, self.bureau.refused = files, None

    def take(self, document: Document, body: bytes) -> bool:
        """Apply ``document``, which came as ``body``; False = it was refused, and nothing has changed."""
        try:
            settings = put_together(self._files, document)
        except SettingsError as error:
            self.bureau.refuse(document.version, _texts(error))
            return False
        self.settings = settings
        self.bureau.accept(document)
        bureau.keep(Path(settings.state_dir), body)
        return True


def _texts(error: SettingsError) -> list[str]:
    """What is wrong, without the name of a file that is none."""
    return [str(problem).removeprefix(f"{BUREAU}:1: ") for problem in error.problems]
