"""An objection (申诉) with both results, as pages and programs show it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from collector.core.objection import Found, Outcome, Tested
from collector.core.state import Interval
from collector.core.words import LinkState
from collector.text import MESSAGES, Language, Names, capacity, reason, say


class ResultView(Struct, frozen=True, kw_only=True):
    """How things stood, and the tests that it rested on."""

    at: float
    link: LinkState
    text: str
    tests: tuple[Tested, ...]
    test_texts: tuple[str, ...]


class ObjectionView(Struct, frozen=True, kw_only=True):
    """``outcome`` null = it waits for its tests; ``after`` null as long, or where nothing was measured."""

    school: str
    classroom: str | None
    name: str
    incident: str | None
    by: str
    note: str
    at: float
    before: ResultView
    settled_at: float | None
    outcome: Outcome | None
    reason: str | None
    text: str
    after: ResultView | None


def shown_objection(row: Mapping[str, Any], names: Names, language: Language) -> ObjectionView:
    """``row`` of the store, its results decoded."""
    classroom, after = row["classroom"], row["after"]
    return ObjectionView(
        name=(names.classroom_name(row["school"], classroom) or classroom) if classroom else "",
        before=_result(row["before"], language),
        text=_text(row["outcome"], row["reason"], language),
        after=None if after is None else _result(after, language),
        **{name: row[name] for name in _AS_STORED},
    )


_AS_STORED = ("school", "classroom", "incident", "by", "note", "at", "settled_at", "outcome", "reason")


def _text(outcome: str | None, why: str | None, language: Language) -> str:
    if outcome is None:
        return say("objection.open", language)
    if outcome == "unmeasured" and why:
        own = f"objection.why.{why}"
        named = say(own, language) if own in MESSAGES else reason(why, language)
        return say("objection.unmeasured", language, reason=named)
    return say(f"objection.{outcome}", language)


def _result(found: Found, language: Language) -> ResultView:
    words = [say(f"objection.link.{found.link}", language)]
    if found.ready is not None:
        words.append(say(f"ready.{found.ready}", language))
    return ResultView(
        at=found.at,
        link=found.link,
        text=" · ".join(words),
        tests=found.tests,
        test_texts=tuple(_test_text(test, language) for test in found.tests),
    )


def _test_text(test: Tested, language: Language) -> str:
    interval = Interval(test.at_least_bps, test.at_most_bps, test.estimate_bps)
    direction = say(f"direction.{test.direction}", language) if test.direction else ""
    words = [test.target, direction, capacity(interval, language)]
    return " ".join(filter(None, words))
