"""The lines of a digest that no open incident has: what began and ended, what is well again, and the census. Pure.

A line has its sum, a few schools by name, and how many more there are: the board has them all.
"""

from collections.abc import Iterable, Iterator, Sequence

from collector.core.bureau.words import Fixed, Group, Notice, Since
from collector.core.census import Found
from collector.core.events import Episode, Meanwhile
from collector.core.words import Cause
from collector.notify.names import clean
from collector.text import MESSAGES, Language, Names, duration, moment, say

NAMED_SCHOOLS_MAX = 3
NAME_MAX_CHARACTERS = 16
"""No line here can be left out, so all of them together must fit into the parts of the smallest robot."""


def roundup(notice: Notice, language: Language, names: Names) -> Iterator[str]:
    """Say what became of things first, then what the census found."""
    yield from _since(notice.since_digest or Since(), language)
    yield from _meanwhile(notice, language, names)
    for group in notice.census:
        yield _group(group, language, names)


def _since(since: Since, language: Language) -> Iterator[str]:
    if since.began_count or since.ended_count:
        yield say("chat.since_digest", language, began=since.began_count, ended=since.ended_count)
    by_cause: dict[Cause, list[Fixed]] = {}
    for each in since.fixed:
        by_cause.setdefault(each.cause, []).append(each)
    for cause, fixed in sorted(by_cause.items(), key=lambda entry: -len(entry[1])):
        yield _fixed(cause, fixed, language)
    if since.fixed_more_count:
        yield say("chat.digest_fixed_more", language, count=since.fixed_more_count)


def _fixed(cause: Cause, fixed: Sequence[Fixed], language: Language) -> str:
    longest = sorted(fixed, key=lambda each: each.since - each.at)
    listed = [
        say(
            "chat.digest_fixed_school",
            language,
            school=_short(each.school_name) or _short(each.school),
            duration=duration(max(0.0, each.at - each.since), language),
        )
        for each in longest[:NAMED_SCHOOLS_MAX]
    ]
    if len(fixed) > NAMED_SCHOOLS_MAX:
        listed.append(say("chat.more_schools", language, count=len(fixed) - NAMED_SCHOOLS_MAX))
    schools = say("list.separator", language).join(listed)
    return say("chat.digest_fixed", language, cause=say(f"cause.{cause}", language), schools=schools)


def _meanwhile(notice: Notice, language: Language, names: Names) -> Iterator[str]:
    """补报: when what was bad, of the schools where most was. It is over, and says so."""
    since = notice.since_digest or Since()
    found = [(each, episode) for each in since.meanwhile for episode in each.episodes]
    if not found:
        return
    found.sort(key=lambda pair: pair[1].first_at - pair[1].last_at)
    listed = [_episode(each, episode, notice.at, language, names) for each, episode in found[:NAMED_SCHOOLS_MAX]]
    more_count = len(found) - len(listed) + since.meanwhile_more_count + sum(e.more_count > 0 for e in since.meanwhile)
    if more_count:
        listed.append(say("chat.census_more", language, count=more_count))
    facts = say("chat.census_separator", language).join(listed)
    yield say("chat.item", language, school=say("chat.meanwhile", language), facts=facts)


def _episode(found: Meanwhile, episode: Episode, now: float, language: Language, names: Names) -> str:
    offset_s = names.school_offset_s(found.school)
    place_s = names.utc_offset_s if offset_s is None else offset_s
    first, last = (
        moment(at, place_s, language, now=now, reader_offset_s=names.utc_offset_s)
        for at in (episode.first_at, episode.last_at)
    )
    subject = episode.subject
    name = names.platform(subject.name) if subject.kind == "platform" else subject.name or subject.gateway
    return say(
        "chat.meanwhile_episode",
        language,
        school=_short(found.school_name) or _short(found.school),
        cause=say(f"cause.{episode.cause}", language),
        name=_short(name),
        first=first,
        last=last,
    )


def _group(group: Group, language: Language, names: Names) -> str:
    count, new_count = (sum(each.count for each in group.found), sum(each.new_count for each in group.found))
    head = say(f"chat.census_{group.kind}", language, count=count)
    if 0 < new_count < count:
        head += say("chat.census_new", language, count=new_count)
    shown = group.found[:NAMED_SCHOOLS_MAX]
    listed = [_school(group, each, language, names) for each in shown]
    if (more_count := count - sum(each.count for each in shown)) > 0:
        listed.append(say("chat.census_more", language, count=more_count))
    line = say("chat.item", language, school=head, facts=say("chat.census_separator", language).join(listed))
    step = _step(group, language)
    return line if step is None else say("chat.census_then", language, found=line, step=step)


def _school(group: Group, found: Found, language: Language, names: Names) -> str:
    school = _short(found.school_name) or _short(found.school)
    if found.cause is not None:
        cause = say(f"cause.{found.cause}", language)
        return say("chat.census_cause", language, school=school, cause=cause, count=found.count)
    if group.kind == "unproven":
        return say("chat.census_rooms", language, school=school, count=found.count)
    listed = say("list.separator", language).join(_name(group, found.school, name, names) for name in found.names)
    if found.count > len(found.names):
        return say("chat.census_school_more", language, school=school, names=listed, count=found.count)
    return say("chat.census_school", language, school=school, names=listed)


def _name(group: Group, school: str, name: str, names: Names) -> str:
    if group.kind != "unlisted":
        return _short(name)
    return _short(names.classroom_name(school, name)) or _short(name)


def _step(group: Group, language: Language) -> str | None:
    """What to do about it; for rooms never proven what most of them need."""
    if group.kind == "unproven":
        asked = _most(group.found)
        return say("chat.census_most", language, step=say(f"next.{asked}", language)) if asked is not None else None
    key = f"chat.census_step_{group.kind}"
    return say(key, language) if key in MESSAGES else None


def _most(found: Iterable[Found]) -> str | None:
    counts: dict[str, int] = {}
    for each in found:
        if each.next_step is not None:
            counts[each.next_step] = counts.get(each.next_step, 0) + each.count
    return max(sorted(counts), key=lambda step: counts[step], default=None)


def _short(name: str) -> str:
    return clean(name, NAME_MAX_CHARACTERS)
