"""A copy of the project in which one module at a time is broken, and the tests that should notice."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import cache_from_source
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("classready", "collector", "bench", "tests", "pyproject.toml")
TESTS = (
    "tests/unit/core",
    "tests/unit/test_inventory.py",
    "tests/unit/test_timetables.py",
    "tests/unit/test_urgency.py",
    "tests/unit/test_school_migration.py",
    "tests/properties/test_figures.py",
    "tests/properties/test_meanwhile.py",
    "tests/properties/test_kept.py",
    "tests/properties/test_mute.py",
    "tests/properties/test_core.py",
    "tests/properties/test_wake.py",
    "tests/properties/test_facts.py",
    "tests/properties/test_come_and_gone.py",
)
"""What is about the core and quick, quickest first: the first that fails ends a run."""
BUREAU = Path("collector/core/bureau")
OF_BUREAU = (
    *sorted(
        str(file.relative_to(PROJECT))
        for file in (PROJECT / "tests/unit/core").glob("test_*.py")
        if any(name in file.read_text(encoding="utf-8") for name in ("core.bureau", "support.offices"))
    ),
    "tests/properties/test_meanwhile.py",
    "tests/properties/test_bureau.py",
    "tests/properties/test_platforms.py",
    "tests/properties/test_routing.py",
    "tests/properties/test_county.py",
    "tests/properties/test_school_and_bureau.py",
)
"""All that there is for the bureau: no judgement of a school sees it (an import contract)."""
CPU_LIMIT_S = 120
"""Of processor time, so that a loaded machine does not count as noticed; whole runs take an eighth of it."""
MEMORY_LIMIT_BYTES = 2 * 1024**3


class Tree:
    """``folder`` must not exist yet, or be empty; everything happens in it."""

    def __init__(self, folder: Path, copied: Sequence[str] = COPIED) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name in copied:
            if (PROJECT / name).is_dir():
                shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("node_modules"))
            else:
                shutil.copy(PROJECT / name, folder / name)

    def survives(self, path: Path, text: str) -> bool:
        """Whether every test passes with ``text`` in the place of the module at ``path``."""
        module = self.folder / path
        whole = module.read_text(encoding="utf-8")
        _write(module, text)
        try:
            tests = OF_BUREAU if path.is_relative_to(BUREAU) else TESTS
            return all(self.passes(some) for some in (self._near(path), tests) if some)
        finally:
            _write(module, whole)

    def _near(self, path: Path) -> tuple[str, ...]:
        """The tests that name the module: most breakages are noticed there, in a third of the time."""
        named = f"from {'.'.join(path.with_suffix('').parts)} import"
        files = sorted(self.folder.glob("tests/unit/core/test_*.py"))
        return tuple(str(file.relative_to(self.folder)) for file in files if named in file.read_text(encoding="utf-8"))

    def passes(self, tests: Sequence[str] = (*TESTS, *OF_BUREAU)) -> bool:
        limits = ("prlimit", f"--cpu={CPU_LIMIT_S}", f"--as={MEMORY_LIMIT_BYTES}")
        pytest = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants")
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONHASHSEED": "0"}
        done = subprocess.run((*limits, *pytest, *tests), cwd=self.folder, env=env, capture_output=True, check=False)
        return done.returncode == 0

    def is_tested(self) -> bool:
        """Whether the tests see this copy, and not the project that is installed."""
        code = "import collector; print(collector.__file__)"
        done = subprocess.run((sys.executable, "-c", code), cwd=self.folder, capture_output=True, check=True, text=True)
        return Path(done.stdout.strip()).is_relative_to(self.folder)


def _write(module: Path, text: str) -> None:
    """The compiled module goes, too: its date and size may be those of the other text."""
    module.write_text(text, encoding="utf-8")
    Path(cache_from_source(str(module))).unlink(missing_ok=True)
