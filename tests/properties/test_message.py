"""Whatever is in a name, a message keeps its shape, its limit and its totals."""

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.notify.message import clean, fit, render
from collector.text import Names
from tests.support.samples import alert, notice

NAMES = st.text(max_size=80) | st.sampled_from(
    ["@all", "<@all>", "[a](http://b.c)", "> x\n- y", "**", "https://a.b/c?d"]
)


@settings(max_examples=150)
@given(name=NAMES)
def test_clean_names_are_inert(name: str) -> None:
    """One line, short, no character that a robot, a browser or a client acts on, and stable."""
    cleaned = clean(name)
    assert len(cleaned) <= 40
    assert not set(cleaned) & set("@<>[](){}*_`~#|\\!&./:$^=\"'\n\r\t\u2028\u2029\u202e\u2066\u200b")
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned
    cleaned.encode()


@settings(max_examples=100, deadline=None)
@given(
    schools=st.lists(st.tuples(NAMES, st.integers(0, 40)), min_size=1, max_size=120),
    style=st.sampled_from(["markdown", "plain"]),
    limit=st.sampled_from([2_048, 4_096]),
)
def test_messages_fit_and_add_up(schools: Sequence[tuple[str, int]], style: str, limit: int) -> None:
    """Shown classrooms plus those left out are the total of the second line, within the limit."""
    members = [alert(f"s{n}", name, rooms=rooms) for n, (name, rooms) in enumerate(schools)]
    names = Names(offices={"511402": schools[0][0]})
    text = fit(render(notice(*members), "zh", names), style, limit)  # type: ignore[arg-type]
    assert len(text.encode()) <= limit
    lines = text.split("\n")
    counts = [int(n) for line in lines[2:] for n in re.findall(r"(?:所学校|:)\s?(\d+) 间教室", line)]
    total = sum(rooms for _, rooms in schools)
    assert lines[1] == f"{len(schools)} 所学校 {total} 间教室"
    assert sum(counts) == total
