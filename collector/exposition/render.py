"""Samples as text: the exposition format 0.0.4, whose lines OpenMetrics reads as well."""

import math
import re
from collections.abc import Iterable, Mapping

from collector.exposition.families import FAMILIES, ROLL_UP, Family

Sample = tuple[tuple[str, ...], float | None]


def lines(family: Family, samples: Iterable[Sample], escaped: "Escaped") -> bytes:
    """One line a sample; what is not known or not finite has none."""
    pattern, of = _PATTERNS[family.name], escaped.__getitem__
    return "".join(
        [
            pattern % (*map(of, labels), float(value))
            for labels, value in samples
            if value is not None and math.isfinite(value)
        ]
    ).encode()


def escape(text: str) -> str:
    """Escape a label value; what UTF-8 cannot carry becomes U+FFFD."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return escaped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Escaped(dict[str, str]):
    """Label values, escaped once: the same few stand in line after line of a school."""

    def __missing__(self, text: str) -> str:
        escaped = self[text] = escape(text)
        return escaped


def _pattern(family: Family) -> str:
    labels = ",".join(f'{label}="%s"' for label in family.labels)
    return f"{family.name}{{{labels}}} %r\n"


_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]*")
_PATTERNS: Mapping[str, str] = {family.name: _pattern(family) for family in (*FAMILIES, *ROLL_UP)}
