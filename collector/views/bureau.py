"""Where pages and API get what they show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collector.core.policy import Policy
from collector.core.state import School
from collector.text import Language, Names
from collector.views.kept import Kept
from collector.views.refused import Refusals, nothing_refused
from collector.views.undelivered import Undelivered


@dataclass(frozen=True)
class Bureau:
    """Every entry is asked anew for each request."""

    schools: Callable[[], Mapping[str, School]]
    kept: Callable[[], Kept]
    """Of the same schools."""
    names: Callable[[], Names]
    policy: Callable[[], Policy]
    clock: Callable[[], float]
    refusals: Refusals = nothing_refused
    language: Language = "zh"
    undelivered: Callable[[], Sequence[Undelivered]] = tuple
