"""Numbers that look like chance and depend on the seed and their name alone: no order of calls changes any of them."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

_Any = TypeVar("_Any")


def draw(seed: int, *name: object) -> float:
    """Return a number from 0 up to 1."""
    text = "/".join(map(str, (seed, *name))).encode()
    return int.from_bytes(blake2b(text, digest_size=7).digest()) / 2**56


def between(low: float, high: float, seed: int, *name: object) -> float:
    return low + (high - low) * draw(seed, *name)


def one_of(choices: Sequence[_Any], seed: int, *name: object) -> _Any:
    return choices[int(draw(seed, *name) * len(choices))]
