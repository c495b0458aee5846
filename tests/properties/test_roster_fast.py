"""Whatever stands in a roster file, the fast reader says what the thorough one says, or nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classready.documents import SettingsError
from classready.settings import read_with_lines
from collector.roster.fast import CannotTellError, read_fast
from collector.roster.files import OfficeFile

OFFICE = """\
office: "511402"
name: 东坡区
schools:
  - id: s1
    name: 示例 中心校
    kind: hub
    rural_weak: true
    contract_down_bps: 100000000
    timetable: {mon: [["08:00", "08:40"], ["08:50", "09:30"]], sat: []}
    classrooms:
      - id: "301"
        name: 三年级2班 # moves up
        device: null
      - {id: 0302, name: 'it''s', access: wifi, device: panel, exempt: "no"}
      - id: b2-303
  - id: s2
    name: >-
      folded
      text
    timetable: always
    hub: s1
gateways:
  - id: gw-one
    token_sha256: AAAA
    schools: [s1, s2]
""".replace("AAAA", "a" * 64)
TRAPS = [
    "NO", "yes", "true", "True", "TRUE", "false", "12:34:56", "1.3", "1e3", "0o17", "0x1F", "1_000",
    "+5", "-5", "~", "null", "Null", "''", '""', "''' '", "#", " #", "x # y", "x\u3000#y", "：",
    "name：x", "－ id: x", "＃", "&a", "&a x", "*a", "!x y", "!!str 1", "<<", "<<: {}", "? x", "- ", "[",
    "]", "{", "}", "[a, b]", "{a: b}", "|", "|\n  x", ">", "x\n    y", "x\n    name\uff1ay", "---",
    "...", "%YAML 1.1", "\t", "\u0000", "\u0007", "\ufeff", "\u2028", "\u0085", "\r", "\ud7ff", "always",
    "never", "2026-01-01", "999999999999999999999999999999", "id: x",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "🙂", ": ", ",",
]  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> str:
    """A good office, then lines doubled, left out, moved or indented, values replaced, characters put anywhere."""
    lines = OFFICE.splitlines()
    for _ in range(draw(st.integers(0, 3))):
        n = draw(st.integers(0, len(lines) - 1))
        name, colon, value = lines[n].partition(":")
        trap = draw(st.sampled_from(TRAPS))
        at = draw(st.integers(0, len(lines[n])))
        lines[n : n + 1] = draw(
            st.sampled_from(
                [
                    [f"{name}{colon} {trap}"],
                    [f"{name}{colon} {trap}{value}"],
                    [f"{name}{colon}{value}{trap}"],
                    [lines[n][:at] + trap + lines[n][at:]],
                    [lines[n], lines[n]],
                    [lines[n], draw(st.sampled_from(lines))],
                    ["  " + lines[n]],
                    [lines[n].removeprefix("  ")],
                    [],
                ]
            )
        )
        lines = lines or ["{}"]
    return draw(st.sampled_from(["", "", "", "--- \n", "# c\n"])) + "\n".join(lines)


@given(files())
@settings(max_examples=1_500)
def test_the_fast_reader_never_says_anything_else(text: str) -> None:
    """A file that the thorough reader refuses is left to it; any other is the same office, if it is read at all."""
    try:
        thorough = read_with_lines("roster.yml", text, OfficeFile).value
    except SettingsError:
        thorough = None
    try:
        fast = read_fast(text, OfficeFile)
    except CannotTellError:
        return
    assert fast == thorough


@pytest.mark.parametrize(
    "text",
    [
        OFFICE.replace(" # moves up", "").replace(">-\n      folded\n      text", "x"),
        "office: x\nname: 'a: b'\nschools: []\n",
        'office: x\nname: "a\\u4e00b"\nregion: ~\n',
        "office: 511402\nname: NO\nregion: 12:34:56\n",
        "office: x\nname: &anchor x\n",
        "{office: x, name: y}",
    ],
)
def test_ordinary_files_are_read_fast(text: str) -> None:
    """What offices and our own import write takes the fast way."""
    assert read_fast(text, OfficeFile) == read_with_lines("roster.yml", text, OfficeFile).value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "office: x\nname: y\nname: y\n",
        "office: x\nname:\n",
        "office: x\nname: [y]\n",
        "office: x\nname: y\nschools: {}\n",
        "office: x\nname: y\nschools:\n  - id: a\n    name: b\n    rural_weak: yes\n",
        'office: x\nname: y\nschools:\n  - id: a\n    name: b\n    rural_weak: "true"\n',
        "office: x\nname: y\nschools:\n  - id: a\n    name: b\n    contract_up_bps: 1e8\n",
        'office: x\nname: y\nschools:\n  - id: a\n    name: b\n    timetable:\n      mon: [["08:00"]]\n',
        "office: x\nname: y\nschools:\n  - id: a\n    name: b\n    timetable: {mon: [], mon: []}\n",
        "office: x\nname: y\nschools:\n  - {id: a, name: b, <<: {}}\n",
        "office: x\nname: !!str y\n",
        "office: x\nname: &a y\nregion: *a\n",
        "office: &a x\nname: &a y\n",
        "office: x\nname: y\nschools: &a []\ngateways: &a []\n",
        "office: x\nname: y\n---\noffice: x\n",
        "office: x\nname: y\n\tregion: z\n",
        "office: x\nname: y\x07\n",
        "office: x\nname: y\u3000# z\n",
        "office: x\nname: y\n  region：z\n",
        "office: x\nname: y\nname2: z\n",
        "[" * 100_000,
        "office: x\nname: " + "[" * 100_000,
    ],
)
def test_a_fault_is_left_to_the_thorough_reader(text: str) -> None:
    """It never says that a wrong file is good."""
    with pytest.raises(SettingsError):
        read_with_lines("roster.yml", text, OfficeFile)
    with pytest.raises(CannotTellError):
        read_fast(text, OfficeFile)
