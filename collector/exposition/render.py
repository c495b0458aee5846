"""Samples as text: the exposition format 0.0.4, whose lines OpenMetrics reads as well."""

import re
from collections.abc import Iterable
from functools import lru_cache
from math import isfinite

from collector.exposition.families import Family

Sample = tuple[tuple[str, ...], float | None]

_KNOWN_LABELS = 16_384
"""At most; the same rooms, parts and causes stand in line after line, and in school after school."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]*")


def lines(family: Family, base: tuple[str, ...], samples: Iterable[Sample]) -> bytes:
    """One line a sample; what is not known or not finite has none. ``base``: the values of the first labels."""
    own = family.labels[len(base) :]
    comma = "," if base and own else ""
    head = f"{family.name}{{{_labels(family.labels[: len(base)], base)}{comma}"
    written = to_the_millisecond if family.to_the_millisecond else repr
    return "".join(
        [
            f"{head}{_labels(own, labels)}}} {written(float(value))}\n"
            for labels, value in samples
            if value is not None and isfinite(value)
        ]
    ).encode()


@lru_cache(_KNOWN_LABELS)
def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join([f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True)])


def escape(text: str) -> str:
    """Escape a label value; what UTF-8 cannot carry becomes U+FFFD."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return escaped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def to_the_millisecond(at: float) -> str:
    """``repr(round(at, 3))`` in a quarter of its time: to seek the fewest digits that are exact takes longest."""
    text = f"{at:.3f}".rstrip("0")
    return f"{text}0" if text[-1] == "." else text
