"""What is right is counted here. The docstring of a figure is its exact definition, and stands in the docs."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bench.scenarios import days
from bench.scenarios.causes import KINDS
from bench.scenarios.run import Heard, Story
from bench.scenarios.schedule import Truth
from collector.core.bureau.morning import CAN_WAIT
from collector.core.events import AlertChange
from collector.core.words import Cause
from collector.text import say

LATE_S: Final = days.HOUR_S
"""A message that comes so long after its cause was mended is still about it: evidence has to come first."""
NO_NEWS: Final = ("reminder", "digest", "moved")
"""Kinds of messages that open nothing."""
WINDOW_S: Final = 300.0


class Judged(Struct, frozen=True, kw_only=True):
    """One injected cause and what was said of it. None = does not apply."""

    truth: Truth
    is_named: bool
    has_actor: bool
    has_words: bool | None
    is_recovery_told: bool | None
    said: tuple[str, ...]
    """What the chat said of its rooms meanwhile: cause, actor and how often, for people."""


def judged(story: Story) -> list[Judged]:
    return [_judged(story, truth) for truth in story.truths]


def _judged(story: Story, truth: Truth) -> Judged:
    about = [heard for heard in _meanwhile(story, truth) if _members(heard, truth)]
    right = _right(about, truth)
    words = truth.hit.words
    named = _covers_half(right, truth)
    return Judged(
        truth=truth,
        is_named=named,
        has_actor=named and any(_asks(right[-1], actor) for actor in KINDS[truth.kind].actors),
        has_words=any(_says(heard, words) for heard in right) if words else None,
        is_recovery_told=_recovery(story, truth, right) if named else None,
        said=tuple(_said(story, about, truth)),
    )


def _meanwhile(story: Story, truth: Truth) -> Iterator[Heard]:
    for heard in story.messages:
        notice = heard.told.notice
        # a digest opens nothing by itself, and its parts may
        is_news = bool(notice.parts) or notice.kind not in NO_NEWS
        if is_news and truth.began_at <= heard.told.at <= truth.ended_at + LATE_S:
            yield heard


def _members(heard: Heard, truth: Truth) -> list[AlertChange]:
    """What the message says begins, of rooms of ``truth``, and not before it did."""
    return [
        member
        for member in news(heard)
        if member.change == "opened"
        and (member.since or member.at) >= truth.began_at - WINDOW_S * 3
        and any((member.school, room) in truth.hit.rooms for room in member.classrooms)
    ]


def news(heard: Heard) -> list[AlertChange]:
    """What a message, or any of those that it is made of, says begins or ends."""
    notices = heard.told.notice.parts or (heard.told.notice,)
    return [member for notice in notices if notice.kind not in NO_NEWS for member in notice.members]


def _right(about: Sequence[Heard], truth: Truth) -> list[Heard]:
    """Those in time that name an accepted cause in words."""
    kind = KINDS[truth.kind]
    until = None if kind.tell_within_h is None else truth.began_at + kind.tell_within_h * days.HOUR_S
    return [
        heard
        for heard in about
        if (until is None or heard.told.at <= until)
        and any(m.cause in kind.causes and _names(heard, m.cause) for m in _members(heard, truth))
    ]


def _names(heard: Heard, cause: Cause) -> bool:
    return say(f"cause.{cause}", "zh") in heard.text


def _says(heard: Heard, words: Sequence[str]) -> bool:
    """Names may stand there in full-width twins, which no client takes for markup."""
    text = unicodedata.normalize("NFKC", heard.text)
    return all(word in text for word in words)


def _asks(heard: Heard, actor: str) -> bool:
    return say("chat.act", "zh", actor=say(f"actor.{actor}", "zh")) in heard.text


def _covers_half(right: Sequence[Heard], truth: Truth) -> bool:
    told = {
        (m.school, room)
        for heard in right
        for m in _members(heard, truth)
        if m.cause in KINDS[truth.kind].causes
        for room in m.classrooms
    }
    return len(told & truth.hit.rooms) * 2 >= len(truth.hit.rooms)


def _recovery(story: Story, truth: Truth, right: Sequence[Heard]) -> bool | None:
    """None where the run ends before the evening by which it must be told."""
    causes = KINDS[truth.kind].causes
    until = days.told_by(truth.ended_at, mornings=2 if CAN_WAIT.issuperset(causes) else 1)
    if until > story.ended_at:
        return None
    open_keys = {_key(m) for heard in right for m in _members(heard, truth) if m.cause in causes}
    closed = {
        _key(member)
        for heard in story.messages
        if truth.began_at < heard.told.at <= until
        for member in heard.told.notice.members
        if member.change == "closed" and member.why == "recovered"
    }
    return open_keys <= closed


def _key(member: AlertChange) -> tuple[object, ...]:
    return member.school, member.subject, member.cause


def _said(story: Story, about: Sequence[Heard], truth: Truth) -> Iterator[str]:
    """Cause and actor as the messages worded them, and in how many; not what another cause at its rooms explains."""
    found: dict[str, int] = {}
    for heard in about:
        actors = [line for line in heard.text.splitlines() if line.startswith(say("chat.act", "zh", actor=""))]
        own = (m for m in _members(heard, truth) if not _is_of_another(story, heard, m, truth))
        for cause in dict.fromkeys(member.cause for member in own):
            words = f"{say(f'cause.{cause}', 'zh')};{''.join(actors)}"
            found[words] = found.get(words, 0) + 1
    yield from (f"{words} ×{count}" for words, count in found.items())


def _is_of_another(story: Story, heard: Heard, member: AlertChange, truth: Truth) -> bool:
    if member.cause in KINDS[truth.kind].causes:
        return False
    others = (t for t in story.truths if t is not truth and member.cause in KINDS[t.kind].causes)
    return any(_concerns(other, heard, member) for other in others)


def _concerns(truth: Truth, heard: Heard, member: AlertChange) -> bool:
    rooms = {(member.school, room) for room in member.classrooms}
    return truth.began_at <= heard.told.at <= truth.ended_at + LATE_S and bool(rooms & truth.hit.rooms)


# --- the figures ------------------------------------------------------------------------------------------------------


class Figure(Struct, frozen=True):
    value: float
    n: int
    note: str | None = None


def cause_named_share(found: Sequence[Judged]) -> Figure:
    """Share of the injected causes of which a message, sent while the cause lasted or within an hour after, named an
    accepted cause in its own words, for at least half of the rooms concerned (all such messages together). Boards that
    lost their power as a group must be told within half an hour.
    """
    return _share([one.is_named for one in found])


def actor_right_share(found: Sequence[Judged]) -> Figure:
    """Share of the injected causes that are named right and whose last such message asks somebody who can act."""
    return _share([one.has_actor for one in found])


def words_right_share(found: Sequence[Judged]) -> Figure:
    """Of the causes at a switch, trunk or port: share with a message, naming the right cause, that also has the name of
    that switch, access point or port, and says half duplex where that is it.
    """
    return _share([one.has_words for one in found if one.has_words is not None])


def recoveries_told_share(found: Sequence[Judged]) -> Figure:
    """Of the causes that were named and whose mending the run outlasts by a school day: share of which everything that
    was told to have begun (school, subject, cause) was told to have recovered by 18:00 of the next school day; of
    single boards, whose return the digest of the morning after it was seen tells, of the one after that. What was
    withdrawn is not recovered.
    """
    return _share([one.is_recovery_told for one in found if one.is_recovery_told is not None])


def messages_per_incident(story: Story) -> Figure:
    """All messages of the run with causes, but for digests and moves, over the number of injected causes."""
    count = sum(heard.told.notice.kind not in {"digest", "moved"} for heard in story.messages)
    return Figure(count / max(1, len(story.truths)), len(story.truths), f"{count} messages")


def first_message_seconds(story: Story) -> Figure:
    """The longest time from the moment at which an alert was decided to the first message of its incident; boards that
    stay off are left out, for they wait for the morning.
    """
    waits = [
        heard.told.at - min(member.at for member in notice.members)
        for heard in story.messages
        for notice in heard.told.notice.parts or (heard.told.notice,)
        if notice.kind == "opened" and notice.cause not in CAN_WAIT
    ]
    middle = sorted(waits)[len(waits) // 2] if waits else 0.0
    return Figure(max(waits, default=0.0), len(waits), f"median {middle:.0f}")


def false_alerts(story: Story) -> Figure:
    """Alerts told to have begun, each school, subject and opening once, where no injected cause lasts for one of its
    rooms (or ended within the last hour). In the quiet run that is all of them. Boards that the digest lists as not
    switched on are none: a tenth of them is unused on any day, and the list is there for that.
    """
    return _counted(story, lambda _, concerned: not concerned)


def wrong_causes(story: Story) -> Figure:
    """Alerts told to have begun at rooms of injected causes (that last or ended within the last hour), with a cause
    that none of these accepts: the reader is sent the wrong way.
    """
    return _counted(story, lambda cause, concerned: bool(concerned) and not any(_accepts(t, cause) for t in concerned))


def _accepts(truth: Truth, cause: Cause) -> bool:
    return cause in KINDS[truth.kind].causes


def _counted(story: Story, is_wrong: Callable[[Cause, list[Truth]], bool]) -> Figure:
    """Openings that are told and wrong, by their cause and what of the injected causes concerns their rooms."""
    found: dict[str, int] = {}
    count = 0
    for heard in (each for each in story.messages if each.told.notice.kind != "digest"):
        for member in (m for m in news(heard) if m.change == "opened"):
            count += 1
            if is_wrong(member.cause, [truth for truth in story.truths if _concerns(truth, heard, member)]):
                found[str(member.cause)] = found.get(str(member.cause), 0) + 1
    note = ", ".join(f"{cause} {times}" for cause, times in sorted(found.items(), key=lambda item: -item[1]))
    return Figure(sum(found.values()), count, note or None)


def quiet_day_messages(story: Story) -> Figure:
    """Messages of the quiet run over its days, free days included; the note has the worst day."""
    per_day: dict[str, int] = {}
    for heard in story.messages:
        day = days.day_of(heard.told.at).isoformat()
        per_day[day] = per_day.get(day, 0) + 1
    count = max(1, round((story.ended_at - story.began_at) / days.DAY_S))
    worst = max(per_day.items(), key=lambda item: item[1], default=("", 0))
    return Figure(len(story.messages) / count, count, f"worst {worst[1]} on {worst[0]}")


def flapping_messages_per_day(stories: Sequence[Story]) -> Figure:
    """Messages with news of a gateway in a day on which it flaps: the worse of two days, one down for eight minutes of
    each quarter of an hour, one for twenty minutes of each half hour.
    """
    counts = [sum(_is_of(heard, story.truths[0]) for heard in story.messages) for story in stories]
    return Figure(max(counts), len(counts), " and ".join(map(str, counts)))


def _is_of(heard: Heard, truth: Truth) -> bool:
    return any(m.subject.kind == "gateway" and m.school in truth.schools for m in heard.told.notice.members)


def outage_messages_per_office(story: Story) -> Figure:
    """Messages with news of gateways within five minutes of the first of them, all lines of the office being cut."""
    sent = [heard.told.at for heard in story.messages if _is_of(heard, story.truths[0])]
    count = sum(at <= sent[0] + WINDOW_S for at in sent) if sent else 0
    rooms = len(story.truths[0].hit.rooms)
    return Figure(count, 1, f"{rooms} rooms, {len(sent)} messages in all")


def operator_outage_right(story: Story) -> Figure:
    """1 where the outage of twenty schools of one operator was named and the operator asked, else 0."""
    (one,) = judged(story)
    return Figure(float(one.has_actor), 1, "; ".join(one.said) or "nothing was said")


def operator_outage_messages(story: Story) -> Figure:
    """Messages with news of those twenty schools' gateways, from the cut until an hour after its end."""
    return Figure(sum(_is_of(heard, story.truths[0]) for heard in story.messages), 1)


def platform_fault_messages(story: Story) -> Figure:
    """Messages to all offices about a platform that fails for an hour in three of them: that it does, and that it is
    over. The note has what single offices were told beside, one of whose schools has a trouble of its own.
    """
    said = [heard.told.notice for heard in story.messages]
    to_all = sum(not notice.office for notice in said)
    return Figure(to_all, 1, f"{len(said) - to_all} to single offices")


def platform_fault_right(story: Story) -> Figure:
    """1 where all offices were asked to wait for the platform, then told that it is back, and the school that goes on
    to miss it was told to its own office afterwards, as that school's, until it was well again; else 0.
    """
    fault, alone = story.truths
    to_all = [heard for heard in story.messages if not heard.told.notice.office]
    own = [
        (heard, member)
        for heard in story.messages
        if heard.told.at > fault.ended_at and heard.told.notice.office
        for member in news(heard)
    ]
    told = [heard for heard, member in own if member.change == "opened"]
    is_right = (
        [heard.told.notice.kind == "resolved" for heard in to_all] == [False, True]
        and _asks(to_all[0], "platform")
        and {member.school for _, member in own} == alone.schools
        and all(_asks(heard, "school") for heard in told)
        and [member.change for _, member in own] == ["opened", "closed"]
    )
    first_s = to_all[0].told.at - fault.began_at if to_all else 0.0
    return Figure(float(is_right), 1, f"told after {first_s:.0f} s")


def _share(found: Sequence[bool | None]) -> Figure:
    return Figure(sum(map(bool, found)) / max(1, len(found)), len(found))


OF_CAUSES: Final[Mapping[str, Callable[[Sequence[Judged]], Figure]]] = {
    function.__name__: function
    for function in (cause_named_share, actor_right_share, words_right_share, recoveries_told_share)
}
