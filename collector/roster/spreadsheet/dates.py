"""A day as people write it into a cell: 2026-12-31, 2026/12/31, 2026年12月31日, 二〇二六年十二月三十一日, 20261231.

What leaves open which day is meant (a month, a day without its year, 1/2/2026) is told, never guessed.
"""

import re
from datetime import date
from typing import Final

from classready.lookalikes import to_plain

AS_DAY = "write the day as 2026-12-31"
_DIGITS: Final = str.maketrans("〇零○一二三四五六七八九", "000123456789")
_CHINESE: Final = re.compile(
    "(?P<year>[〇零○一二三四五六七八九]{4})年(?P<month>[一二三四五六七八九十]{1,2})月(?P<day>[一二三四五六七八九十]{1,3})[日号]"
)
_DAY: Final = re.compile(
    r"(?P<year>\d{4})(?:(?P<separator>[-/.])(?P<month>\d{1,2})(?P=separator)(?P<day>\d{1,2})|年(?P<month_zh>\d{1,2})月"
    r"(?P<day_zh>\d{1,2})[日号]|(?P<month_8>\d{2})(?P<day_8>\d{2}))(?:T?00?:00(?::00)?)?"
)
_AROUND: Final = re.compile(r"^(?:截至|截止到|截止|到|至)|(?:为止|止)$")
_ENDLESS: Final = frozenset({"长期", "永久", "不限", "无限期", "长期有效"})
_SERIAL: Final = re.compile(r"[2-7]\d{4}(?:\.\d+)?")
"""What a date becomes where its cell loses its format: days since 1900, of 1954 to 2119."""
_REMEDIES: Final = (
    (_SERIAL, "is the spreadsheet's count of days; format the column as text or as a date, and type the day again"),
    (re.compile(r"\d{4}(?:[-/.年]\d{1,2}月?)?|\d{4}年"), f"names no day; {AS_DAY}"),
    (re.compile(r"\d{1,2}(?:[-/.]|月)\d{1,2}[日号]?"), f"has no year; {AS_DAY}"),
    (
        re.compile(r"\d{1,2}([-/.])\d{1,2}\1(?:\d\d|\d{4})"),
        f"may be more than one day (day or month first, which century); {AS_DAY}",
    ),
)


def is_endless(text: str) -> bool:
    """Whether a text says that there is no such day: 长期."""
    return _without_blanks(text) in _ENDLESS


def read_day(text: str) -> str:
    """Read a day; returns ``YYYY-MM-DD``.

    Raises:
        ValueError: what is wrong with it, and what to write.
    """
    plain = _AROUND.sub("", _without_blanks(text))
    numbers: tuple[str, ...]
    if found := _CHINESE.fullmatch(plain):
        numbers = (found["year"].translate(_DIGITS), _below_100(found["month"]), _below_100(found["day"]))
    elif found := _DAY.fullmatch(plain):
        given = [found[name] for name in ("year", "month", "month_zh", "month_8", "day", "day_zh", "day_8")]
        numbers = tuple(part for part in given if part)
    else:
        raise ValueError(next((why for form, why in _REMEDIES if form.fullmatch(plain)), f"is no day; {AS_DAY}"))
    try:
        return date(*map(int, numbers)).isoformat()
    except ValueError:
        raise ValueError(f"is a day that no calendar has; {AS_DAY}") from None


def _without_blanks(text: str) -> str:
    # 2026-12-31 00:00:00 is what programs write of a cell with a date: without its blank it is read all the same
    return re.sub(r"\s", "", to_plain(text))


def _below_100(numeral: str) -> str:
    """三十一 -> 31, 十 -> 10, 二十 -> 20, 九 -> 9."""
    tens, is_ten, ones = numeral.rpartition("十")
    if not is_ten:
        return numeral.translate(_DIGITS)
    return f"{tens.translate(_DIGITS) or 1}{ones.translate(_DIGITS) or 0}"
