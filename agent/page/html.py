"""The page as HTML: everything escaped, no script, one sheet of its own."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from html import escape

from agent.findings import Finding
from agent.page.look import Look
from agent.progress import Sight
from agent.settings import AgentSettings
from agent.words import Language, say, span
from classready.observation import Observation

DETAILS_MAX_COUNT = 3
"""Of one target: a switch may have a hundred ports that are not found."""

STYLE = """\
:root { color-scheme: light dark;
  font: 16px/1.55 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
h1 { font-size: 1.5rem; margin: .3rem 0; }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; }
dt, small, footer { opacity: .75; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #8885; }
th { font-weight: 600; }
small { display: block; }
ul { list-style: none; padding: 0; margin: 0; }
li { border-left: .3rem solid #d08a00; padding: .2rem .8rem; margin: .5rem 0; }
li.failed { border-color: #c0392b; }
.bad { color: light-dark(#b8322a, #ff9087); font-weight: 600; }
.well { color: light-dark(#1b7f4f, #6fd39c); }
footer { margin-top: 2rem; }
@media (max-width: 40rem) { thead { display: none; }
  tr { display: block; padding: .4rem 0; border-bottom: 1px solid #8885; }
  td { display: block; border: 0; padding: 0; } }
"""
_TONES = {"answered": "well", "pass": "well", "no_answer": "bad", "fail": "bad"}


def render(look: Look, settings: AgentSettings, path: str, language: Language) -> str:
    other = "en" if language == "zh" else "zh"
    title = say(language, "page.title")
    return "".join(
        (
            f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{escape(settings.gateway)} · {title}</title><link rel="stylesheet" href="/page.css"></head><body>',
            f"<header><h1>{title} <small>{escape(settings.gateway)}</small></h1>",
            f'<a href="/?lang={other}">{say(language, "page.other")}</a></header>',
            _problems(look.problems, language),
            f"<h2>{say(language, 'page.report')}</h2><dl>{''.join(_facts(look, path, language))}</dl>",
            _targets(look, language),
            _sheet(look.sheet, language),
            f"<footer>{say(language, 'page.footer')}</footer></body></html>\n",
        )
    )


def _sheet(number: str | None, language: Language) -> str:
    if number is None:
        return ""
    return f'<p><a href="/acceptance">{escape(say(language, "page.sheet", number=number))}</a></p>'


def _problems(problems: Iterable[Finding], language: Language) -> str:
    items = "".join(
        f'<li class="{found.result}">{escape(found.seen(language))}<small>{escape(found.remedy(language))}</small></li>'
        for found in problems
    )
    body = f"<ul>{items}</ul>" if items else f'<p class="well">{say(language, "page.no_problems")}</p>'
    return f"<h2>{say(language, 'page.problems')}</h2>{body}"


def _facts(look: Look, path: str, language: Language) -> Iterable[str]:
    health, held = look.health, look.held
    never = say(language, "page.never")
    yield _fact("page.version", health.version, language)
    yield _fact("page.started", _moment(health.started_at) or never, language)
    yield _fact("page.last_ack", _moment(health.last_ack_at) or never, language)
    if held.oldest_at is not None:
        spool = say(language, "page.oldest", count=held.held_count, when=_moment(held.oldest_at))
    else:
        spool = say(language, "page.spool_count", count=held.held_count)
    yield _fact("page.spool", spool, language)
    yield _fact("page.settings", say(language, "page.read", path=path, when=_moment(look.read_at)), language)


def _fact(code: str, value: str, language: Language) -> str:
    return f"<dt>{say(language, code)}</dt><dd>{escape(value)}</dd>"


def _moment(unix_s: float | None) -> str:
    """In the gateway's own time zone, as the person beside it reads a clock."""
    if unix_s is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(unix_s).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{unix_s:.0f}"


def _targets(look: Look, language: Language) -> str:
    head = f"<h2>{say(language, 'page.targets')}</h2>"
    if not look.sights:
        return f"{head}<p>{say(language, 'page.no_targets')}</p>"
    titles = "".join(f"<th>{say(language, f'page.{name}')}</th>" for name in ("name", "kind", "where", "when", "found"))
    rows = "".join(_row(sight, look.now_s, language) for sight in look.sights)
    return f"{head}<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>"


def _row(sight: Sight, now_s: float, language: Language) -> str:
    cells = (
        escape(sight.target.name),
        say(language, f"kind.{sight.kind}"),
        escape(getattr(sight.target, "url", "") or getattr(sight.target, "host", "")),
        _when(sight, now_s, language),
        _found(sight, language),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _when(sight: Sight, now_s: float, language: Language) -> str:
    if sight.running:
        return say(language, "page.running")
    if sight.observed_s is None:
        return say(language, "page.not_yet")
    return say(language, "page.ago", span=span(language, now_s - sight.observed_s))


def _found(sight: Sight, language: Language) -> str:
    if sight.observed_s is None:
        return ""
    if not sight.observations:
        return say(language, "page.nothing_found")
    counts = Counter(_outcome(observation) for observation in sight.observations)
    told = [_counted(outcome, count, language) for outcome, count in counts.items()]
    details = dict.fromkeys(text for o in sight.observations if (text := _why(o, language)))
    return "<br>".join(told) + "".join(f"<small>{escape(text)}</small>" for text in list(details)[:DETAILS_MAX_COUNT])


def _outcome(observation: Observation) -> str:
    return observation.outcome.value if observation.outcome else "none"


def _counted(outcome: str, count: int, language: Language) -> str:
    what = say(language, f"outcome.{outcome}")
    text = what if count == 1 else say(language, "page.counted", what=what, count=count)
    return f'<span class="{_TONES.get(outcome, "")}">{text}</span>'


def _why(observation: Observation, language: Language) -> str:
    """The reason in words; a detail has none, and stays as the probe gave it."""
    repeated = observation.detail in {None, "", observation.reason}
    detail = "" if repeated else say(language, "original", text=observation.detail)
    if observation.reason is None:
        return detail
    reason = say(language, f"reason.{observation.reason}")
    return say(language, "page.why", reason=reason, detail=detail) if detail else reason
