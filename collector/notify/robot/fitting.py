"""A message in a robot's own markup, cut to what the robot takes. Pure.

It is cut between items only, and the last line counts what was left out: one message for one event. Several parts would
break the pace that a group can read, and half of them would come twice after a restart.
"""

from collections.abc import Callable

from msgspec import Struct

from collector.notify.message import Item, Message
from collector.text import say


def bare(title: str, alarming: bool) -> str:  # noqa: FBT001 - the shape of Markup.title
    del alarming
    return title


class Markup(Struct, frozen=True, kw_only=True):
    """How a robot marks things. ``title`` None = the title stands outside of the text."""

    title: Callable[[str, bool], str] | None = bare
    bullet: str = "- "
    strong: str = ""
    line_end: str = "\n"


PLAIN = Markup()


def fit(
    message: Message, markup: Markup, limit_bytes: int | None = None, wrap: Callable[[str], str] | None = None
) -> str:
    """Write the message in at most ``limit_bytes`` of UTF-8; title, totals and closing always stay.

    ``wrap`` makes of the text what the robot measures, the whole body with its escapes for example, and is returned.
    """

    def made(shown: int) -> str:
        text = write(message, markup, shown)
        return text if wrap is None else wrap(text)

    return largest(len(message.items), made, limit_bytes)


def largest(count: int, made: Callable[[int], str], limit_bytes: int | None) -> str:
    """Return what is ``made`` of as many of ``count`` items as fit, at worst of none."""
    whole = made(count)
    if limit_bytes is None or len(whole.encode()) <= limit_bytes:
        return whole
    low, high = 0, count - 1
    while low < high:
        middle = (low + high + 1) // 2
        if len(made(middle).encode()) <= limit_bytes:
            low = middle
        else:
            high = middle - 1
    return made(low)


def left_out(message: Message, shown: int) -> tuple[int, int]:
    """Return how many schools and classrooms are not among the first ``shown`` items."""
    rest = message.items[shown:]
    return len(rest), sum(len(item.classrooms) for item in rest)


def write(message: Message, markup: Markup, shown: int) -> str:
    title = [] if markup.title is None else [markup.title(message.title, message.alarming)]
    items = [_item(item, message, markup) for item in message.items[:shown]]
    schools, classrooms = left_out(message, shown)
    if schools:
        items.append(say("chat.more", message.language, schools=schools, classrooms=classrooms))
    return markup.line_end.join([*title, *message.lead, *items, *message.closing])


def _item(item: Item, message: Message, markup: Markup) -> str:
    school = markup.strong + item.name + markup.strong
    return markup.bullet + say("chat.item", message.language, school=school, facts=item.facts)
