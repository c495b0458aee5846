"""Sentences: equal keys and fields in both languages, and numbers that never flatter."""

import re
from pathlib import Path
from string import Formatter

import pytest

from classready.observation import Reason
from classready.units import MBIT
from collector import text
from collector.core.state import Interval
from collector.core.words import ACTORS, Cause, Grade, NextStep
from collector.text.saying import TABLES
from tests.support.samples import NOW

TEXTS = Path(text.__file__).parent
COLLECTOR = TEXTS.parent


def fields(message: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(message) if name is not None}


@pytest.mark.parametrize("message_id", sorted(text.MESSAGES))
def test_both_languages_have_the_same_fields(message_id: str) -> None:
    """A translation may move a field, never lose or invent one; none is empty."""
    zh, en = text.MESSAGES[message_id]
    assert fields(zh) == fields(en)
    assert zh.strip()
    assert en.strip()


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_title_a_sentence_and_someone_to_act(cause: Cause) -> None:
    """A new cause cannot be forgotten here."""
    assert f"cause.{cause}" in text.MESSAGES
    assert f"why.{cause}" in text.MESSAGES
    assert f"step.{cause}" in text.MESSAGES
    assert f"actor.{ACTORS[cause]}" in text.MESSAGES


@pytest.mark.parametrize("message_id", [f"next.{s}" for s in NextStep] + [f"grade.{g}" for g in Grade])
def test_every_next_step_and_grade_has_a_text(message_id: str) -> None:
    """A new step or grade cannot be forgotten here."""
    assert message_id in text.MESSAGES


def test_every_message_id_in_the_templates_exists_and_every_message_is_used() -> None:
    """Neither a typo in a template nor a dead sentence survives."""
    files = [*COLLECTOR.rglob("*.py"), *COLLECTOR.rglob("*.html"), *(COLLECTOR.parent / "dashboards").glob("*.py")]
    using = [path for path in files if path.parent != TEXTS or path.name == "saying.py"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in using).replace("'", '"')
    for literal in re.findall(r'\bt\("([a-z_.]+)"[,)]', source):
        assert literal in text.MESSAGES, literal
    unused = {i for i in text.MESSAGES if not (f'"{i}"' in source or is_built(i, source))}
    assert unused == set()


def test_a_message_stands_in_one_table() -> None:
    """The same id in two tables would silently say what the later one says."""
    assert sum(map(len, TABLES)) == len(text.MESSAGES)


def is_built(message_id: str, source: str) -> bool:
    """Say whether the id may be put together from a prefix in code (f"cause.{...}") or template ("cause." ~ ...)."""
    first, _, rest = message_id.partition(".")
    if first == "grafana":
        return f'"{rest}"' in source
    prefixes = [message_id[: n + 1] for n, c in enumerate(message_id) if c == "."]
    return any(f'"{prefix}{{' in source or f'"{prefix}" ~' in source for prefix in prefixes)


def test_no_chinese_outside_the_texts() -> None:
    """Chinese that admins see lives in the tables alone (comments and docstrings may name a term)."""
    for path in [*COLLECTOR.rglob("*.html"), *COLLECTOR.rglob("*.css")]:
        assert not re.search(r"[\u4e00-\u9fff]", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("rate_bps", "shown"),
    [
        pytest.param(99.97 * MBIT, "99.9 Mbit/s", id="never rounded up to the limit"),
        pytest.param(100.0 * MBIT, "100 Mbit/s", id="exact"),
        pytest.param(94.1 * MBIT, "94.1 Mbit/s", id="one decimal"),
        pytest.param(1_000.0 * MBIT, "1 Gbit/s", id="gigabit"),
        pytest.param(512_000.0, "512 kbit/s", id="kilobit"),
        pytest.param(0.0, "0 kbit/s", id="zero is a number"),
    ],
)
def test_rates_are_rounded_down(rate_bps: float, shown: str) -> None:
    """A measured 99.97 must not read as the required 100."""
    assert text.rate(rate_bps, "zh") == shown


@pytest.mark.parametrize(
    ("interval", "zh", "en"),
    [
        pytest.param(Interval(), "未知", "unknown", id="nothing known"),
        pytest.param(Interval(95.0 * MBIT), "≥ 95 Mbit/s", "≥ 95 Mbit/s", id="proven bound"),
        pytest.param(Interval(None, 100.0 * MBIT), "≤ 100 Mbit/s", "≤ 100 Mbit/s", id="upper bound"),
        pytest.param(Interval(None, 100.0 * MBIT, 80.4 * MBIT), "约 80.4 Mbit/s", "about 80.4 Mbit/s", id="estimate"),
        pytest.param(Interval(None, 10.0 * MBIT, None, True), "10 Mbit/s 半双工", "10 Mbit/s half duplex", id="half"),
    ],
)
def test_capacities_say_how_they_are_known(interval: Interval, zh: str, en: str) -> None:
    """A bound is never shown as if it were a measured speed."""
    assert text.capacity(interval, "zh") == zh
    assert text.capacity(interval, "en") == en


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.104, "104 毫秒"), (59.9, "59 秒"), (119, "119 秒"), (600, "10 分钟"), (7_200, "2 小时"), (172_800, "2 天")],
)
def test_durations_use_the_largest_fitting_unit(seconds: float, shown: str) -> None:
    """People read one number and one unit."""
    assert text.duration(seconds, "zh") == shown


def test_ages_and_times() -> None:
    """Never is a word; the future is not a negative age."""
    assert text.ago(None, NOW, "zh") == "从未"
    assert text.ago(NOW + 3, NOW, "en") == "just now"
    assert text.ago(NOW - 90, NOW, "en") == "90 s ago"


@pytest.mark.parametrize(
    ("at", "offset_s", "reader_s", "zh", "en"),
    [
        pytest.param(NOW, 28_800, None, "10月15日 12:00", "15 Oct 12:00", id="the date, today, too"),
        pytest.param(
            NOW, 28_800, 28_800, "10月15日 12:00", "15 Oct 12:00", id="the bureau's own zone goes without saying"
        ),
        pytest.param(NOW, 21_600, 28_800, "10月15日 10:00(UTC+6)", "15 Oct 10:00 (UTC+6)", id="a school further west"),
        pytest.param(
            NOW - 36_000, 20_700, 28_800, "10月14日 23:45(UTC+5:45)", "14 Oct 23:45 (UTC+5:45)", id="its own date, too"
        ),
        pytest.param(
            NOW, -12_600, 28_800, "10月15日 00:30(UTC-3:30)", "15 Oct 00:30 (UTC-3:30)", id="west of Greenwich"
        ),
        pytest.param(NOW, 0, 28_800, "10月15日 04:00(UTC)", "15 Oct 04:00 (UTC)", id="Greenwich"),
        pytest.param(NOW - 300 * 86_400, 28_800, None, "2024年12月19日 12:00", "19 Dec 2024 12:00", id="another year"),
    ],
)
def test_moments(at: float, offset_s: float, reader_s: float | None, zh: str, en: str) -> None:
    """A time has its date, is that of the place, and names the zone where the reader keeps another."""
    assert text.moment(at, offset_s, "zh", now=NOW, reader_offset_s=reader_s) == zh
    assert text.moment(at, offset_s, "en", now=NOW, reader_offset_s=reader_s) == en


def test_machine_times_carry_their_offset() -> None:
    """What a browser reads from ``<time datetime>``."""
    assert text.machine_time(NOW, 28_800) == "2025-10-15T12:00:00+08:00"
    assert text.machine_time(NOW + 0.9, 20_700) == "2025-10-15T09:45:00+05:45"


def test_unknown_reasons_are_shown_as_their_code() -> None:
    """An agent newer than the collector may give a reason without a text."""
    assert text.reason("timeout", "zh") == "超时"
    assert text.reason("solar_flare", "en") == "other (solar_flare)"


def test_every_reason_has_words():
    """No reason of the wire reaches an administrator as a code."""
    assert [r for r in Reason if f"reason.{r}" not in text.MESSAGES] == []
