"""What a person sees of a bandwidth test: nothing is invented, it fits the terminal, and every reason is explained."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probes.bandwidth import plot
from agent.probes.bandwidth.plot import Seen
from classready.bandwidth.decider import Window
from classready.observation import Reason
from classready.units import MBIT, bps_to_bytes_per_s
from collector import text

DOCS = Path(__file__).parents[2] / "docs"


def window(arrived_mbps: float = 100, sent_mbps: float = 110, seconds: float = 0.01, **fields) -> Window:
    received_bytes = bps_to_bytes_per_s(arrived_mbps * MBIT) * seconds
    return Window(seconds=seconds, received_bytes=received_bytes, sent_bps=sent_mbps * MBIT, **fields)


def plotted(*windows: Window, saturated: bool = False, theta1_mbps: float = 100, columns: int = 80) -> list[str]:
    return list(plot.rows([Seen(each, saturated) for each in windows], theta1_mbps * MBIT, columns))


def test_nothing_seen_is_nothing_shown() -> None:
    """A test that ended before its first window has no plot, not an empty one."""
    assert plotted() == []


def test_a_row_says_what_came_of_what_was_offered() -> None:
    """Figures first, then the bar: arrived, offered beyond it, and the mark of the threshold on the same scale."""
    heading, row = plotted(window(50, 200, queue_delay_s=0.0123, lost_count=4))
    assert heading.split() == ["s", "Mbit/s", "queue", "lost", "#", "arrived", ".", "offered", "|", "100", "Mbit/s"]
    assert row.split()[:5] == ["0.010", "50.0", "12", "ms", "4"]
    bar = row.split()[-1]
    top = len(bar) - 1
    assert bar.index("|") == pytest.approx(top / 2, abs=1)
    assert bar.count("#") == pytest.approx(top / 4, abs=1)
    assert set(bar[bar.index("|") + 1 :]) == {"."}


def test_a_slow_line_leaves_the_mark_standing_free() -> None:
    """The threshold is always within the plot, also when nothing reached it."""
    row = plotted(window(20, 20))[1]
    assert row.endswith(" |")
    assert row.count("|") == 1


def test_other_traffic_is_part_of_both() -> None:
    """What others sent through the same port arrived, and was offered, too."""
    bare, shared = plotted(window(60, 110)), plotted(window(60, 110, cross_bytes=bps_to_bytes_per_s(40 * MBIT) * 0.01))
    assert (bare[1].split()[1], shared[1].split()[1]) == ("60.0", "100.0")


def test_long_tests_are_bucketed() -> None:
    """301 windows: at most twenty rows, their mean rate, their longest queue, all their losses, and the whole time."""
    windows = [window(90 + 20 * (number % 2), lost_count=1) for number in range(300)] + [window(queue_delay_s=0.5)]
    rows = plotted(*windows)[1:]
    assert len(rows) <= plot.MAX_ROWS
    assert rows[0].split()[1] == "100.0"
    assert sum(int(row.split()[4]) for row in rows) == 300
    assert float(rows[-1].split()[0]) == pytest.approx(3.01)
    assert "500 ms" in rows[-1]


def test_full_windows_are_marked_and_explained() -> None:
    """The star stands for what the verdict rests on."""
    assert not any("*" in row for row in plotted(window()))
    rows = plotted(window(), saturated=True)
    assert " * #" in rows[1]
    assert rows[-1].startswith("* = ")


@given(
    st.lists(
        st.builds(
            window,
            st.floats(0, 2_000),
            st.floats(0, 2_000),
            st.floats(0.001, 0.3),
            queue_delay_s=st.floats(0, 3),
            lost_count=st.integers(0, 99_999),
        ),
        max_size=60,
    ),
    st.booleans(),
    st.integers(20, 200),
)
def test_every_row_is_ascii_and_fits(windows: list[Window], saturated, columns: int) -> None:
    """Whatever happened on the line, and however narrow the terminal is."""
    rows = plotted(*windows, saturated=saturated, columns=columns)
    assert all(row.isascii() and row.isprintable() and len(row) <= columns for row in rows)
    assert len(rows) <= plot.MAX_ROWS + 2


def states(*full: bool) -> list[str]:
    seen = [Seen(window(), saturated) for saturated in full]
    return [plot.progress(seen[: n + 1]).split()[0] for n in range(len(seen))]


def test_the_states_of_a_test() -> None:
    """The bucket is emptied, a plateau shows, it is judged; a knee that was none goes back."""
    assert states(False, False) == ["draining"] * 2
    assert states(*[True] * 7) == ["plateau"] * 5 + ["deciding"] * 2
    assert states(True, False, False, False) == ["plateau"] * 3 + ["draining"]


def test_progress_counts_what_arrived() -> None:
    """Bytes and seconds of all windows, rates of the last one; one line that starts over."""
    seen = [Seen(window(80, 160), saturated=False), Seen(window(95, 110, lost_count=2), saturated=False)]
    line = plot.progress(seen)
    mbytes = (80 + 95) / 8 * 0.01
    assert line.startswith("\r")
    assert line.count("\r") == 1
    assert line[1:].startswith(f"draining 0.02 s   {mbytes:.2f} MB  arrived   95.0 of  110.0 Mbit/s  ")
    assert line.endswith("lost 2")
    assert len(line) <= 80


def test_the_chinese_page_explains_every_reason() -> None:
    """All that a bandwidth test can give, in the words of the board; only what other probes give is left out."""
    rows = re.findall(r"^\| ([^|`]+) \| `(\w+)` \|", (DOCS / "bandwidth.zh-CN.md").read_text("utf-8"), re.MULTILINE)
    others = {
        Reason.TLS_INVALID,
        Reason.AUTHORITY_UNKNOWN,
        Reason.NOT_THE_PLATFORM,
        Reason.UNPROVEN,
        Reason.STATUS_UNEXPECTED,
    }
    assert {code: words for words, code in rows} == {
        reason.value: text.MESSAGES[f"reason.{reason}"][0] for reason in Reason if reason not in others
    }
