"""A file of any kind -> its sheets, by what is in it: names lie (an .xls is often a web page, or text)."""

from pathlib import Path

from classready.documents import FILE_MAX_BYTES, Problem, SettingsError
from collector.roster.spreadsheet.delimited import read_text
from collector.roster.spreadsheet.table import Sheet
from collector.roster.spreadsheet.workbook import read_workbook

SAVE_AS = "open it in Excel or WPS and save it as .xlsx (另存为 → Excel 工作簿)"

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""An .xlsx with a password is an OLE file that holds this stream ([MS-OFFCRYPTO] 2.3.4.4)."""
_FOREIGN = (
    (b"%PDF", "is a PDF"),
    (b"{\\rtf", "is a text document (.rtf)"),
    (b"\x1f\x8b", "is compressed (.gz)"),
    (b"Rar!", "is an archive (.rar)"),
    (b"7z\xbc\xaf", "is an archive (.7z)"),
    (b"<!doctype html", "is a web page, whatever its name says"),
    (b"<html", "is a web page, whatever its name says"),
    (b"<table", "is a web page, whatever its name says"),
    (b"<?xml", "is XML, whatever its name says"),
)


def read_sheets(path: Path, wanted: str | None = None) -> list[Sheet]:
    """Read what ``path`` holds; of a workbook only the sheet ``wanted``, if it is given.

    Raises:
        SettingsError: not a list that can be read, with what to do about it.
    """
    file = str(path)
    raw = _bytes(path)
    if raw.startswith(b"PK\x03\x04"):
        return read_workbook(file, raw, wanted)
    if problem := _foreign(raw):
        raise SettingsError([Problem(file, 1, "", problem)])
    if wanted is not None:
        raise SettingsError([Problem(file, 1, "", "has no sheets: leave --sheet out")])
    return [read_text(file, raw)]


def _foreign(raw: bytes) -> str:
    if raw.startswith(_OLE):
        if _ENCRYPTED in raw:
            return "is protected by a password: save it without one"
        return f"is an old workbook (.xls or .et): {SAVE_AS}"
    head = raw[:200].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((f"{kind}: {SAVE_AS}" for magic, kind in _FOREIGN if head.startswith(magic.lower())), "")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError([Problem(str(path), 1, "", f"cannot be read: {error.strerror}")]) from None
    if len(raw) > FILE_MAX_BYTES:
        raise SettingsError([Problem(str(path), 1, "", f"larger than {FILE_MAX_BYTES:,} bytes")])
    return raw
