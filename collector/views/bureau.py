"""Where pages and API get what they show."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.core.bureau import words
from collector.core.bureau.root import Scope
from collector.core.objection import Objection
from collector.core.policy import Policy
from collector.core.state import School
from collector.store.objections import NewObjection
from collector.store.records import Counts, Page, Wanted
from collector.text import Language, Names
from collector.views.fleet import Fleet
from collector.views.found import Finds
from collector.views.kept import Kept
from collector.views.notes import Files
from collector.views.refused import Refusals, nothing_refused
from collector.views.settings import SeenOf, nothing_said
from collector.views.undelivered import Undelivered

Rows = Sequence[Mapping[str, Any]]


async def _no_history(_office: str | None, _offset: int, _limit: int) -> tuple[int, Rows]:
    return 0, ()


async def _none_closed(_number: str) -> Mapping[str, Any] | None:
    return None


async def _nobody_acts(_event: words.Acknowledged) -> None:
    raise NotImplementedError


@dataclass(frozen=True)
class Incidents:
    """``closed`` (office or all, offset, limit) is the newest first, with how many there are in all; of the store.

    ``acknowledge`` has returned when it is durable. All three raise what the store raises.
    """

    open: Callable[[], words.Bureau] = words.Bureau
    scopes: Callable[[], Mapping[str, Scope]] = dict
    closed: Callable[[str | None, int, int], Awaitable[tuple[int, Rows]]] = _no_history
    one_closed: Callable[[str], Awaitable[Mapping[str, Any] | None]] = _none_closed
    acknowledge: Callable[[words.Acknowledged], Awaitable[None]] = _nobody_acts


async def _no_page(_wanted: Wanted, _offset: int, _limit: int) -> Page:
    return Page(total=0, rows=(), told=(), school_counts={})


async def _not_one(_number: str) -> Page:
    return Page(total=0, rows=(), told=(), school_counts={})


async def _no_counts(_wanted: Wanted) -> Counts:
    return Counts()


@dataclass(frozen=True)
class Records:
    """Where they come from: the store. All three raise what that raises."""

    page: Callable[[Wanted, int, int], Awaitable[Page]] = _no_page
    one: Callable[[str], Awaitable[Page]] = _not_one
    counts: Callable[[Wanted], Awaitable[Counts]] = _no_counts


async def _nobody_objects(_new: NewObjection) -> None:
    raise NotImplementedError


async def _no_objections(_wanted: Mapping[str, str], _offset: int, _limit: int) -> tuple[int, Rows]:
    return 0, ()


@dataclass(frozen=True)
class Objections:
    """``take`` has returned when it is durable; it raises what the engine and the store raise.

    ``waiting``: those of some schools that have no answer yet.
    """

    take: Callable[[NewObjection], Awaitable[None]] = _nobody_objects
    page: Callable[[Mapping[str, str], int, int], Awaitable[tuple[int, Rows]]] = _no_objections
    waiting: Callable[[Iterable[str]], Sequence[Objection]] = lambda _schools: ()


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
    settings: SeenOf = nothing_said
    language: Language = "zh"
    undelivered: Callable[[], Sequence[Undelivered]] = tuple
    incidents: Incidents = Incidents()
    records: Records = Records()
    files: Callable[[], Files] = Files
    objections: Objections = Objections()
    fleet: Fleet = field(default_factory=Fleet)
    finds: Finds = field(default_factory=Finds)
