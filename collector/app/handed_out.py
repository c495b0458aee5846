"""What the collector gives to boxes: there, and readable by the user that the service has of its own."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from classready.settings import Loaded, Problem, resolve
from collector.settings import CollectorSettings


def handed_out_notes(path: Path, loaded: Loaded) -> Iterator[Problem]:
    """What `/install` would not have to give, by the entries of ``enrolment`` in the file ``path``."""
    settings: CollectorSettings = loaded.value
    given = settings.enrolment
    if given.bundle_dir is not None:
        sums = resolve(path, given.bundle_dir) / "SHA256SUMS"
        if not sums.is_file():
            yield loaded.problem(
                "enrolment.bundle_dir", f"no SHA256SUMS in {sums.parent}: /install has nothing to give"
            )
        elif hint := _closed_to_others(sums):
            yield loaded.problem("enrolment.bundle_dir", hint)
    if given.ca_file is not None:
        authority = resolve(path, given.ca_file)
        if not authority.is_file():
            yield loaded.problem(
                "enrolment.ca_file", f"no such file: {authority}: the lines of `enroll` cannot be made"
            )
        elif hint := _closed_to_others(authority):
            yield loaded.problem("enrolment.ca_file", hint)


def _closed_to_others(file: Path) -> str | None:
    """Whoever is root reads everything, and would not see what the service's own user is refused."""
    if os.geteuid() != 0:
        return None
    for each in (file, *file.parents):
        wanted = stat.S_IXOTH if each.is_dir() else stat.S_IROTH
        if not each.stat().st_mode & wanted:
            sign = "x" if each.is_dir() else "r"
            return f"{each} is closed to the service's own user, so to boxes: chmod o+{sign}, or another place"
    return None
