"""What a cell says: ids, texts and words, with what spreadsheets do to them undone where that is certain, else refused.

A spreadsheet turns 3-1 into a date, 2E15 into a number, 0012 into 12. What is lost cannot be guessed; it is told.
"""

import re
from collections.abc import Mapping

from classready.lookalikes import to_plain, without_invisible

AS_TEXT = "format the column as text (设置单元格格式 → 文本) and type it again"
IS_DATE = f"is a date: the spreadsheet has made one of what was typed (3-1 becomes 1-Mar); {AS_TEXT}"
IS_SHORTENED = f"is a number that the spreadsheet has shortened, its last digits are lost; {AS_TEXT}"
IS_ERROR = "is an error of the spreadsheet; mend the formula or type the value"
IS_LONG_NUMBER = f"is a number of more than 15 digits: the spreadsheet keeps only 15; {AS_TEXT}"

NO_CELL = frozenset({"null", "nan", "undefined"})
"""What programs write into a cell that they leave empty."""
CLEARED = frozenset({"无", "none", "-", "/"})
"""What people write to say "nothing". An empty cell says nothing and changes nothing."""

ACCESS: Mapping[str, tuple[str, ...]] = {
    "wired": ("有线", "有线网络", "网线", "光纤"),
    "wifi": ("无线", "无线网络", "wlan"),
    "cellular": ("移动网络", "4g", "5g", "流量卡"),
}
DEVICE: Mapping[str | None, tuple[str, ...]] = {
    "whiteboard": ("交互式白板", "电子白板", "白板"),
    "panel": ("一体机", "触控一体机", "教学一体机", "交互平板", "智慧黑板", "大屏"),
    "projector": ("投影", "投影仪", "投影机"),
    "computer": ("电脑", "计算机", "台式机"),
    None: ("无", "没有"),
}
KIND: Mapping[str, tuple[str, ...]] = {
    "city": ("城区学校", "城区校", "城区"),
    "hub": ("中心校", "中心学校"),
    "base": ("基点校", "村小"),
    "point": ("教学点",),
}
YES = ("是", "有", "√", "✓", "对", "true", "yes", "y", "1")
NO = ("否", "无", "×", "✗", "不", "false", "no", "n", "none", "0", "-", "/")

_MONTH = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
    r"|dec(ember)?)"
)
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"{_DAY}[- ]{_MONTH}([- ]\d{{2,4}})?|{_MONTH}[- ]\d{{1,4}}"
    rf"|(19|20)\d\d(?P<separator>[-/.])(0?[1-9]|1[0-2])(?P=separator){_DAY}([ t].*)?"
    rf"|(19|20)\d\d年(\d{{1,2}}月)?(\d{{1,2}}日)?|\d{{1,2}}月{_DAY}日|{_DAY}/{_DAY}/(19|20)?\d\d",
    re.IGNORECASE,
)
_SHORTENED = re.compile(r"\d+(\.\d+)?e\+\d+|\d+\.\d+e-?\d+|#{3,}", re.IGNORECASE)
_ERROR = re.compile(r"#(N/A|REF!|NAME\?|VALUE!|DIV/0!|NULL!|NUM!|SPILL!|CALC!|GETTING_DATA)", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"(\d{1,15})\.0+")
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n'＇‘’]")
_QUOTED_FORMULA = re.compile(r'="([^"]*)"')
_BREAKS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
"""Ends of lines within a cell: a name for people has one line."""


def inert(text: str) -> str:
    """As a cell of a text file: what would be read as a formula (CWE-1236), or as marked by an apostrophe, gets one."""
    return f"'{text}" if _FORMULA.match(text) else text


def as_typed(text: str) -> str:
    """A cell without what only says "this is text": a leading apostrophe, ``="0012"``."""
    quoted = _QUOTED_FORMULA.fullmatch(text.strip())
    return quoted[1] if quoted else re.sub(r"^[\s\ufeff]*['＇‘’]", "", text, count=1)


def as_id(text: str) -> str:
    """An id in plain characters: １２３Ａ is 123A, ``3001.0`` is 3001, an en dash a hyphen."""
    plain = to_plain(as_typed(text)).strip()
    whole = _WHOLE_NUMBER.fullmatch(plain)
    return whole[1] if whole else plain


def as_text(text: str) -> str:
    """A text for people, on one line."""
    return without_invisible(_BREAKS.sub(" ", as_typed(text))).strip()


def as_word(text: str) -> str:
    """A word of a closed list, in plain lower case without blanks and hyphens (``Wi-Fi`` is wifi)."""
    plain = re.sub(r"\s", "", to_plain(as_typed(text))).casefold()
    return plain if len(plain) == 1 else plain.replace("-", "")


def mangled(text: str, *, may_be_date: bool = False) -> str | None:
    """Why a text cannot be what was typed; None if it can."""
    plain = to_plain(text).strip()
    if _ERROR.fullmatch(plain):
        return IS_ERROR
    if _SHORTENED.fullmatch(plain):
        return IS_SHORTENED
    return IS_DATE if not may_be_date and _DATE.fullmatch(plain) else None
