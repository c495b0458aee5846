"""One notice -> one message for people. Pure: no clock, no I/O.

Names come from files that others write, so nothing in them may mention, link, colour or start a line. How it is marked
and cut to a robot's limit: ``robot.fitting``.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from collector.core.bureau.words import Acknowledgement, Notice
from collector.core.events import AlertChange
from collector.core.words import ACTORS, Actor, Cause
from collector.notify import checkup
from collector.notify.items import NAMED_MAX, Item, classroom_count, items_of, moved_items, place_in_line, scale_of
from collector.notify.names import clean
from collector.notify.roundup import roundup
from collector.text import MESSAGES, Language, Names, duration, say

NOTE_MAX_CHARACTERS = 100
DIGEST_SCHOOLS_MAX = 3
"""Of what the office was told already: so many schools of each kind and cause are named again."""
DIGEST_NEWS_MAX = 10
"""Of what only the digest tells."""


class Message(Struct, frozen=True, kw_only=True):
    """Lines for people: ``title``, ``lead``, ``items``, ``closing``. Free of markup.

    What is longer than a receiver takes is sent in parts, each a message of its own.
    """

    language: Language
    alarming: bool
    title: str
    lead: tuple[str, ...]
    items: tuple[Item, ...]
    closing: tuple[str, ...]
    link: str | None = None
    """The page of the board that shows it."""
    acknowledge_link: str | None = None
    """Where a reader says that he is on it; it goes with ``link``."""
    part: int = 1
    part_count: int = 1
    left_out: tuple[int, int] = (0, 0)
    """Items (schools) and classrooms for which the last part had no room."""
    counted: Literal["schools", "alerts"] = "schools"
    """What the items are."""
    about: Notice | None = None
    """What was rendered, for receivers that take facts and no words; None = nothing of ours."""


def render(notice: Notice, language: Language, names: Names) -> Message:
    """Say what happened, how large it is, who should act, and one line per school, largest first."""
    if notice.kind == "digest":
        return _digest(notice, language, names)
    if notice.parts:
        return _several(notice, language, names)
    if notice.kind == "checkup":
        return _checkup(notice, language, names)
    found = moved_items(notice.moves, language, names) if notice.moves else items_of(notice, language, names)
    items = sorted(found, key=place_in_line)
    return Message(
        language=language,
        alarming=notice.kind not in {"resolved", "withdrawn", "moved"},
        title=_title(notice, language, names),
        lead=tuple(_lead(notice, items, language)),
        items=tuple(items),
        closing=tuple(_closing(notice, language)),
        link=_link(notice, names),
        acknowledge_link=_acknowledge_link(notice, names),
        about=notice,
    )


def _several(notice: Notice, language: Language, names: Names) -> Message:
    """One message of several: what each would say by itself, its number and who is to act beside its cause.

    It links to the office's page, which leads to its incidents. A link for each of them to say "I am on it" would be
    longer than what they say.
    """
    parts = [render(part, language, names) for part in notice.parts]
    abouts = [_about(part, language) for part in notice.parts]
    separator = say("chat.item_separator", language)
    office = clean(names.office(notice.office)) if notice.office else say("chat.everywhere", language)
    title = say(f"chat.{notice.kind}", language, office=office, count=len(parts))
    return Message(
        language=language,
        alarming=any(part.alarming for part in parts),
        title=title,
        lead=tuple(separator.join((part.title, *part.lead)) for part in parts),
        items=tuple(
            replace(item, facts=separator.join((about, item.facts)))
            for about, part in zip(abouts, parts, strict=True)
            for item in part.items
        ),
        closing=tuple(
            say("chat.item", language, school=about, facts=separator.join(part.closing))
            for about, part in zip(abouts, parts, strict=True)
        ),
        link=_board_link(f"office/{notice.office}", names),
        about=notice,
    )


def _digest(notice: Notice, language: Language, names: Names) -> Message:
    """What no incident tells of, then the incidents by kind and cause, of each the schools hit worst."""
    found = [_of_group(group, language, names) for group in _grouped(notice.parts)]
    office = clean(names.office(notice.office))
    heads = [head for head, _, _ in found]
    closing = (line for _, _, lines in found for line in lines)
    return Message(
        language=language,
        alarming=False,
        title=say("chat.digest", language, office=office),
        lead=(*roundup(notice, language, names), *heads),
        items=tuple(item for _, items, _ in found for item in items),
        closing=tuple(dict.fromkeys(closing)),
        link=_board_link(f"office/{notice.office}", names),
        about=notice,
    )


def _grouped(parts: Sequence[Notice]) -> list[list[Notice]]:
    """By kind, and what they are about, in order."""
    groups: dict[tuple[str, str], list[Notice]] = {}
    for part in parts:
        groups.setdefault((part.kind, _about(part, "en")), []).append(part)
    return list(groups.values())


def _of_group(parts: Sequence[Notice], language: Language, names: Names) -> tuple[str, list[Item], list[str]]:
    """The sum, the items and what is to be done. Who is on which of several incidents stands with its schools."""
    about, separator = _about(parts[0], language), say("chat.item_separator", language)
    rendered = [render(part, language, names) for part in parts]
    pairs = [(part, item) for part, whole in zip(parts, rendered, strict=True) for item in whole.items]
    pairs.sort(key=lambda pair: place_in_line(pair[1]))
    most = DIGEST_SCHOOLS_MAX if parts[0].kind == "reminder" else DIGEST_NEWS_MAX
    head = say(f"chat.digest_{parts[0].kind}", language, cause=about)
    sums = rendered[0].lead if len(parts) == 1 else _sums_of(parts, language)
    cut = [say("chat.digest_largest", language, count=most)] if len(pairs) > most else []
    items = [
        replace(item, facts=separator.join((about, item.facts, *_marks(part, language)))) for part, item in pairs[:most]
    ]
    bare = (_closing(replace(part, incident="", acknowledgement=None), language) for part in parts)
    closing = [
        say("chat.item", language, school=about, facts=facts) for each in bare if (facts := separator.join(each))
    ]
    return separator.join((head, *sums, *cut)), items, closing


def _sums_of(parts: Sequence[Notice], language: Language) -> tuple[str, str]:
    rooms = {(m.school, room) for part in parts for m in part.members for room in m.classrooms}
    schools = {member.school for part in parts for member in part.members}
    return (
        say("chat.digest_incidents", language, count=len(parts)),
        say("chat.affected", language, schools=len(schools), classrooms=len(rooms)),
    )


def _marks(notice: Notice, language: Language) -> Iterable[str]:
    """By what number to ask for it, and whether somebody is on it."""
    if notice.incident:
        yield say("chat.incident", language, incident=clean(notice.incident))
    if notice.acknowledgement is not None and notice.remaining_classrooms:
        yield _who_is_on_it(notice.acknowledgement, language)


def _about(notice: Notice, language: Language) -> str:
    if notice.cause is Cause.DEVICE_OFFLINE and all(member.subject.kind == "classroom" for member in notice.members):
        # no fault as long as nobody misses them: the list is for whoever walks by
        return say("chat.not_switched_on", language)
    return say(f"cause.{notice.cause}" if notice.cause else "chat.several_moved", language)


def _title(notice: Notice, language: Language, names: Names) -> str:
    kind = "partly_resolved" if notice.kind == "resolved" and notice.remaining_classrooms else notice.kind
    office = clean(names.office(notice.office)) if notice.office else say("chat.everywhere", language)
    if notice.cause is None:
        return say(f"chat.{notice.kind}", language, office=office)
    return say(f"chat.{kind}", language, office=office, cause=say(f"cause.{notice.cause}", language))


def _link(notice: Notice, names: Names) -> str | None:
    """To the page of the one school that it is about, else of its office. Ids need no escapes (classready.ids)."""
    schools = {member.school for member in notice.members} | {move.school for move in notice.moves}
    page = f"school/{min(schools)}" if len(schools) == 1 else ""
    if not page and notice.office:
        page = f"office/{notice.office}"
    return _board_link(page, names)


def _board_link(page: str, names: Names) -> str | None:
    return None if names.board_url is None else f"{names.board_url.rstrip('/')}/{page}"


def _acknowledge_link(notice: Notice, names: Names) -> str | None:
    """Only while it is open and nobody is on it: the link would say no more than that."""
    is_over = notice.kind in {"resolved", "withdrawn"} and not notice.remaining_classrooms
    if notice.cause is None or not notice.incident or is_over or notice.acknowledgement is not None:
        return None
    return names.acknowledge_url(notice.incident, notice.at)


def _lead(notice: Notice, items: Sequence[Item], language: Language) -> Iterable[str]:
    """How many began and ended, and how many that makes: a reader who adds up finds the same."""
    if notice.cause is None:
        yield say("chat.affected", language, schools=len(items), classrooms=classroom_count(items))
        return
    opened = [member for member in notice.members if member.change == "opened"]
    if opened:
        yield scale_of("added" if notice.kind == "updated" else "affected", opened, language)
    if opened and not notice.office and notice.actor == "platform":
        yield say("chat.fault", language)
    if notice.joined:
        listed = say("list.separator", language).join(clean(number) for number in notice.joined[:NAMED_MAX])
        yield say("chat.same_fault", language, incidents=listed, classrooms=notice.joined_classrooms)
    if notice.known_classrooms:
        yield say("chat.known", language, classrooms=notice.known_classrooms)
    yield from _over([member for member in notice.members if member.change == "closed"], language)
    if notice.still_classrooms:
        yield say("chat.still", language, classrooms=notice.still_classrooms)
    if notice.kind == "updated":
        yield say("chat.total", language, classrooms=notice.remaining_classrooms)
    elif not opened and notice.remaining_classrooms:
        yield say("chat.remaining", language, classrooms=notice.remaining_classrooms)


def _over(closed: Sequence[AlertChange], language: Language) -> Iterable[str]:
    for scale, why, still in (
        ("recovered", "recovered", False),
        ("goes_on", "withdrawn", True),
        ("withdrawn_scale", "withdrawn", False),
    ):
        if found := [member for member in closed if (member.why, member.still) == (why, still)]:
            yield scale_of(scale, found, language)


def _closing(notice: Notice, language: Language) -> Iterable[str]:
    if notice.cause is None:
        yield say("chat.moved_planned", language)
    elif notice.kind not in {"resolved", "withdrawn"}:
        if notice.root_name and notice.actor in {"operator", "exit"}:
            yield say(f"chat.root_{notice.actor}", language, name=clean(notice.root_name))
        actor = notice.actor or ACTORS[notice.cause]
        yield say("chat.act", language, actor=say(f"actor.{actor}", language))
        yield say("chat.step", language, step=next_step(notice.cause, actor, language))
    elif not notice.remaining_classrooms:
        all_well = all(member.why == "recovered" for member in notice.members)
        ending = "chat.all_recovered" if all_well else "chat.all_over"
        yield say(ending, language, duration=duration(notice.at - notice.since, language))
    if notice.acknowledgement is not None and notice.remaining_classrooms:
        yield _who_is_on_it(notice.acknowledgement, language)
    if notice.cause is not None and notice.incident:
        yield say("chat.incident", language, incident=clean(notice.incident))


def _who_is_on_it(acknowledgement: Acknowledgement, language: Language) -> str:
    by, note = clean(acknowledgement.by), clean(acknowledgement.note, NOTE_MAX_CHARACTERS)
    said = "chat.acknowledged_with" if note else "chat.acknowledged"
    return say(said, language, by=by, note=note) if note else say(said, language, by=by)


def next_step(cause: Cause, actor: Actor, language: Language) -> str:
    """Say the one thing to do first. It follows from the cause, but for some from who is to act as well."""
    of_actor = f"step.{cause}.{actor}"
    return say(of_actor if of_actor in MESSAGES else f"step.{cause}", language)


def _checkup(notice: Notice, language: Language, names: Names) -> Message:
    """Every school that has something to do, and the sums of all."""
    told = ((each, checkup.facts(each, language)) for each in notice.surveys)
    office, term = clean(names.office(notice.office)), notice.term or ""
    return Message(
        language=language,
        alarming=False,
        title=say("chat.checkup", language, office=office, term=term),
        lead=tuple(checkup.lead(notice.surveys, language)),
        items=tuple(
            Item(name=clean(each.school_name) or clean(each.school), facts=facts, classrooms=frozenset())
            for each, facts in told
            if facts
        ),
        closing=(say("chat.checkup_closing", language),),
        link=_link(notice, names),
        about=notice,
    )
