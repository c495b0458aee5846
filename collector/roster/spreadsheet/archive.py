"""The zip archive that a workbook is: bounded, and held to be one, before anything of it is parsed."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence

from classready.documents import Problem, SettingsError

UNPACKED_MAX_BYTES = 64 * 2**20
PARTS_MAX = 1_000
TAGS_MAX = 8_000_000
"""Of all parts: 50,000 rows of 20 cells are 5 million. A parser needs some 10 microseconds and 100 bytes for each."""

_ENTITIES = tuple(
    word.encode(code) for word in ("<!DOCTYPE", "<!ENTITY") for code in ("utf-8", "utf-16-le", "utf-16-be")
)
_FOREIGN = (
    ("content.xml", "is an OpenDocument file (.ods)"),
    ("xl/workbook.bin", "is a binary workbook (.xlsb)"),
    ("word/document.xml", "is a text document (.docx)"),
    ("Index/Document.iwa", "is a Numbers file"),
)


def open_archive(file: str, raw: bytes) -> zipfile.ZipFile:
    """Open a workbook's archive.

    Raises:
        SettingsError: no workbook, damaged, protected, or larger than the bounds above.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        problem = _archive_problem(archive.infolist()) or next(_content_problems(archive), "")
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, EOFError) as error:
        problem = f"is damaged ({error}); open it in Excel or WPS and save it again"
    if problem:
        raise SettingsError([Problem(file, 1, "", problem)])
    return archive


def _archive_problem(parts: Sequence[zipfile.ZipInfo]) -> str:
    if len(parts) > PARTS_MAX:
        return f"holds more than {PARTS_MAX:,} parts: no list of rooms"
    # zipfile reads no more of a part than it declares here, so that a bomb is known before it is unpacked.
    if sum(part.file_size for part in parts) > UNPACKED_MAX_BYTES:
        return f"larger than {UNPACKED_MAX_BYTES:,} bytes when unpacked; leave pictures and other sheets out"
    if any(part.flag_bits & 1 for part in parts):
        return "is protected by a password; save it without one"
    names = {part.filename for part in parts}
    for name, kind in _FOREIGN:
        if name in names:
            return f"{kind}; save it as .xlsx (另存为 → Excel 工作簿)"
    return "" if "[Content_Types].xml" in names else "is an archive, no workbook; unpack it first"


def _content_problems(archive: zipfile.ZipFile) -> Iterator[str]:
    tags = 0
    for part in archive.infolist():
        body = archive.read(part)
        tags += body.count(b"<")
        if tags > TAGS_MAX:
            yield f"holds more than {TAGS_MAX:,} XML tags: no list of rooms"
        if any(word in body for word in _ENTITIES):
            # No spreadsheet writes entities; whoever does wants them to grow.
            yield f"holds an XML entity declaration in {part.filename}"
