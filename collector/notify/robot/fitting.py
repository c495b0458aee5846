"""A message in a robot's own markup, and in parts that the robot takes. Pure.

It is cut between lines only, so that no school is told in halves, and each part says which of how many it is. More than
three parts nobody reads, and a group is to get three messages in five minutes at most (`policy.messages_per_window`):
then the last part counts what was left out.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from collector.notify.items import Item
from collector.notify.message import Message
from collector.text import say

PARTS_MAX = 3
"""One digit: a number of two would make the last parts longer than they were when they were cut."""

Fits = Callable[[Message], bool]


def bare(title: str, alarming: bool) -> str:  # noqa: FBT001 - the shape of Markup.title
    del alarming
    return title


class Markup(Struct, frozen=True, kw_only=True):
    """How a robot marks things. ``title`` None = the title stands outside of the text."""

    title: Callable[[str, bool], str] | None = bare
    bullet: str = "- "
    strong: str = ""
    line_end: str = "\n"
    has_links: bool = False
    """Whether it has its own way to write a link; else the address stands there as it is."""


PLAIN = Markup()


def write(message: Message, markup: Markup = PLAIN) -> str:
    title = [] if markup.title is None else [markup.title(message.title, message.alarming)]
    items = [_item(item, message, markup) for item in message.items]
    schools, classrooms = message.left_out
    if schools and message.counted == "alerts":
        items.append(say("chat.more_alerts", message.language, count=schools))
    elif schools:
        items.append(say("chat.more", message.language, schools=schools, classrooms=classrooms))
    return markup.line_end.join([*title, *message.lead, *items, *message.closing, *_links(message, markup)])


def _links(message: Message, markup: Markup) -> list[str]:
    links = {"chat.acknowledge": message.acknowledge_link, "chat.link": message.link}
    found = [(key, url) for key, url in links.items() if url is not None]
    if markup.has_links:
        return [f"[{say(f'{key}_label', message.language)}]({url})" for key, url in found]
    return [say(key, message.language, url=url) for key, url in found]


def _item(item: Item, message: Message, markup: Markup) -> str:
    school = markup.strong + item.name + markup.strong
    return markup.bullet + say("chat.item", message.language, school=school, facts=item.facts)


def within(limit_bytes: int, written: Callable[[Message], str]) -> Fits:
    """Return the test for ``split``: what ``written`` makes, the whole body with its escapes for example, in UTF-8."""
    return lambda message: len(written(message).encode()) <= limit_bytes


def split(message: Message, fits: Fits) -> Sequence[Message]:
    """Return ``message``, or its parts in order, each of which ``fits``.

    No line is in two parts. Sums stand in the first and the closing in the last; counts add up over all of them.
    """
    if fits(message):
        return [message]
    whole = replace(message, items=tuple(_short_enough(item, message, fits) for item in message.items))
    parts: list[Message] = []
    first, count = 0, len(whole.lead) + len(whole.items) + len(whole.closing)
    while first < count and len(parts) < PARTS_MAX - 1:
        begin = first
        first = _last_that(lambda end: fits(_numbered(_between(whole, begin, end), PARTS_MAX)), begin + 1, count)  # noqa: B023 - called at once
        parts.append(_between(whole, begin, first))
    if first < count:
        parts.append(_rest(whole, first, fits))
    return [_numbered(part, len(parts), number) for number, part in enumerate(parts, 1)]


def _short_enough(item: Item, message: Message, fits: Fits) -> Item:
    """One school whose line is longer than a whole part: how many rooms, without the rest."""
    if fits(
        _numbered(replace(message, lead=(), items=(item,), closing=(), link=None, acknowledge_link=None), PARTS_MAX)
    ):
        return item
    if message.counted == "alerts":
        return replace(item, facts="…")
    return replace(item, facts=say("chat.item_rooms", message.language, classrooms=len(item.classrooms)))


def _between(message: Message, begin: int, end: int) -> Message:
    """The lines ``begin`` to ``end`` of lead, items and closing, counted through; the links go with the last."""
    is_last = end == len(message.lead) + len(message.items) + len(message.closing)
    items_at, closing_at = len(message.lead), len(message.lead) + len(message.items)
    return replace(
        message,
        lead=message.lead[begin:end],
        items=message.items[max(0, begin - items_at) : max(0, end - items_at)],
        closing=message.closing[max(0, begin - closing_at) : max(0, end - closing_at)],
        link=message.link if is_last else None,
        acknowledge_link=message.acknowledge_link if is_last else None,
    )


def _rest(message: Message, begin: int, fits: Fits) -> Message:
    """All lines from ``begin`` on, but for the items that do not fit: the last part counts them."""
    rest = _between(message, begin, len(message.lead) + len(message.items) + len(message.closing))

    def shown(count: int) -> Message:
        out = rest.items[count:]
        rooms = sum(len(item.classrooms) for item in out)
        return replace(rest, items=rest.items[:count], left_out=(len(out), rooms))

    return shown(_last_that(lambda count: fits(_numbered(shown(count), PARTS_MAX)), 0, len(rest.items)))


def _last_that(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest number for which it holds; ``low`` where there is none. What holds, holds for less as well."""
    if holds(high):
        return high
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _numbered(part: Message, count: int, number: int = 1) -> Message:
    title = say("chat.part", part.language, title=part.title, part=number, parts=count)
    return replace(part, title=title, part=number, part_count=count, about=None)
