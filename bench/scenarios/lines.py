"""What a run prints: one JSON line a figure beside its goal, and one a kind of cause that was told wrong."""

from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

BASELINE: Final = Path(__file__).parent / "baseline.jsonl"
"""Lines of the first full run, as they were printed."""
LATEST: Final = Path(__file__).parent / "latest.jsonl"
"""Lines of the run that docs/alerts-evaluation.md shows; there may be none."""


class Goal(Struct, frozen=True):
    kind: Literal["at most", "at least"]
    value: float

    def is_met_by(self, value: float) -> bool:
        return value <= self.value if self.kind == "at most" else value >= self.value


GOALS: Final = {
    "cause_named_share": Goal("at least", 0.95),
    "actor_right_share": Goal("at least", 0.95),
    "words_right_share": Goal("at least", 0.95),
    "recoveries_told_share": Goal("at least", 1.0),
    "false_alerts": Goal("at most", 0),
    "quiet_day_messages": Goal("at most", 1),
    "messages_per_incident": Goal("at most", 2),
    "flapping_messages_per_day": Goal("at most", 6),
    "first_message_seconds": Goal("at most", 60),
    "outage_messages_per_office": Goal("at most", 3),
    "operator_outage_right": Goal("at least", 1),
    "operator_outage_messages": Goal("at most", 2),
    "platform_fault_messages": Goal("at most", 2),
    "platform_fault_right": Goal("at least", 1),
}


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line", tag="figure"):
    bench: str
    metric: str
    value: float
    n: int
    """How many causes, days or messages it is made of."""
    seed: int
    quick: bool = False
    goal: float | None = None
    note: str | None = None
    commit: str | None = None


class Example(Struct, frozen=True, kw_only=True):
    """One cause that was told wrong. ``where``: schools and rooms, as many as fit a line."""

    where: str
    began: str
    ended: str
    said: tuple[str, ...]


class Miss(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="line", tag="miss"):
    """A kind of cause of which some were told wrong; the counts are of causes."""

    kind: str
    injected: str
    should: str
    count: int
    unnamed: int = 0
    wrong_actor: int = 0
    """Named, and somebody else was asked."""
    without_words: int = 0
    unrecovered: int = 0
    examples: tuple[Example, ...] = ()


Printed = Line | Miss


def json_line(line: Printed) -> str:
    return msgspec.json.encode(line).decode()


def read_file(path: Path) -> list[Printed]:
    texts = path.read_text("utf-8").splitlines() if path.exists() else []
    return [msgspec.json.decode(text, type=Printed) for text in texts if text.strip()]


def for_people(line: Line) -> str:
    goal = GOALS.get(line.metric)
    beside = (
        "" if goal is None else f"goal {goal.kind} {goal.value:g}{'' if goal.is_met_by(line.value) else ', MISSED'}"
    )
    return f"{line.metric:28s} {line.value:10.3f}   n={line.n:<6d} {beside}   {line.note or ''}".rstrip()
