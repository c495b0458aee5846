"""Samples as text: the exposition format 0.0.4, whose lines OpenMetrics reads as well."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import compress, product
from math import isfinite, nan

from collector.exposition.families import Family

Sample = tuple[tuple[str, ...], float | None]
Axes = tuple[tuple[str, ...], ...]

_KNOWN_LABELS = 16_384
"""At most; the same rooms, parts and causes stand in line after line, and in school after school."""
_KNOWN_TEMPLATES = 65_536
"""At most: one for all schools with rooms of the same names, and one a gateway. Of 15 rooms it is 2 kB."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]*")


def lines(family: Family, base: tuple[str, ...], samples: Iterable[Sample]) -> bytes:
    """One line a sample; what is not known or not finite has none. ``base``: the values of the first labels."""
    head, own = _head(family, base)
    return "".join(
        [
            f"{head}{_labels(own, labels)}}} {float(value)!r}\n"
            for labels, value in samples
            if value is not None and isfinite(value)
        ]
    ).encode()


def grid_lines(family: Family, base: tuple[str, ...], axes: Axes, values: Sequence[float | None]) -> bytes:
    """The same for samples whose labels are the product of ``axes``, filled into a template that is kept."""
    numbers = [nan if value is None else value for value in values]
    known = bytes(map(isfinite, numbers))
    if 1 not in known:
        return b""
    head, own = _head(family, base)
    tails: bytes = _template(own, axes, known, family.decimals) % tuple(compress(numbers, known))
    start = head.encode()
    # no label holds a line's end: it is escaped
    return start + tails[:-1].replace(b"\n", b"\n" + start) + b"\n"


@lru_cache(_KNOWN_TEMPLATES)
def _template(names: tuple[str, ...], axes: Axes, known: bytes, decimals: int | None) -> bytes:
    """The lines without what is the same in all of them."""
    value = "%r" if decimals is None else f"%.{decimals}f"
    labels = (_labels(names, values).replace("%", "%%") for values in compress(product(*axes), known))
    return "".join([f"{each}}} {value}\n" for each in labels]).encode()


def _head(family: Family, base: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """How each line begins, and the names of the other labels."""
    names, own = family.labels[: len(base)], family.labels[len(base) :]
    comma = "," if base and own else ""
    return f"{family.name}{{{_labels(names, base)}{comma}", own


@lru_cache(_KNOWN_LABELS)
def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join([f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True)])


def escape(text: str) -> str:
    """Escape a label value; what UTF-8 cannot carry becomes U+FFFD."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return escaped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
