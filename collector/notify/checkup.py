"""The lines of a check-up before a term: how many rooms are ready, and what each school has to do first. Pure."""

from collections.abc import Iterable, Sequence

from collector.core.checkup import Surveyed
from collector.text import Language, say

NAMED_GATEWAYS_MAX = 3


def lead(surveys: Sequence[Surveyed], language: Language) -> Iterable[str]:
    """Sums over the office."""
    ready = sum(each.ready_count for each in surveys)
    short = sum(each.short_count for each in surveys)
    unknown = sum(sum(each.unknown.values()) for each in surveys)
    yield say(
        "chat.checkup_counts",
        language,
        schools=len(surveys),
        classrooms=ready + short + unknown,
        ready=ready,
        short=short,
        unknown=unknown,
    )
    if gateways := [name for each in surveys for name in each.silent]:
        yield say("chat.checkup_gateways", language, count=len(gateways), gateways=_listed(gateways, language))


def facts(each: Surveyed, language: Language) -> str:
    """What stands in the way at one school; empty = nothing."""
    found = []
    if each.short_count:
        found.append(say("chat.checkup_short", language, count=each.short_count))
    if unknown := sum(each.unknown.values()):
        step = max(each.unknown, key=lambda step: each.unknown[step])
        found.append(say("chat.checkup_unknown", language, count=unknown, step=say(f"next.{step}", language)))
    if each.silent:
        found.append(say("chat.checkup_silent", language, gateways=_listed(each.silent, language)))
    if each.switch_count:
        found.append(say("chat.checkup_switches", language, count=each.switch_count))
    return say("chat.item_separator", language).join(found)


def _listed(gateways: Sequence[str], language: Language) -> str:
    return say("list.separator", language).join(gateways[:NAMED_GATEWAYS_MAX])
