"""Full-width and typographic characters in YAML: told on the line where they stand, by column, name and remedy."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from classready.lookalikes import structural
from classready.settings import SettingsError, load
from collector.roster.files import OfficeFile
from collector.settings import CollectorSettings

COLON = "full-width '：' (U+FF1A); type ':' and a space"
HEAD = "office: a\nname: b\n"


def told(tmp_path: Path, body: str | bytes, type_: Any = OfficeFile) -> list[str]:
    path = tmp_path / "x.yml"
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    with pytest.raises(SettingsError) as caught:
        load(path, type_)
    return [str(p).replace(f"{tmp_path}/", "") for p in caught.value.problems]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("office：511402\nname: 东坡区\n", f"x.yml:1: column 7: {COLON}", id="colon-first-line"),
        pytest.param("office: a\nname：b\nregion: c\n", f"x.yml:2: column 5: {COLON}", id="colon-before-a-good-line"),
        pytest.param("office: a\nname：b\n", f"x.yml:2: column 5: {COLON}", id="colon-last-line"),
        pytest.param(
            f"{HEAD}region：\n# c\n\n# d\nschools: []\n", f"x.yml:3: column 7: {COLON}", id="comments-between"
        ),
        pytest.param("office: a\r\nname：b\r\nregion: c\r\n", f"x.yml:2: column 5: {COLON}", id="crlf"),
        pytest.param("office: a\rname：b\rregion: c\r", f"x.yml:2: column 5: {COLON}", id="cr"),
        pytest.param(b"\xef\xbb\xbf" + "office：a\nname: b\n".encode(), f"x.yml:1: column 7: {COLON}", id="bom"),
        pytest.param(
            "office: a\nname: 区：县\nregion：c\nschools: []\n", f"x.yml:3: column 7: {COLON}", id="one-is-meant"
        ),
        pytest.param(
            f"# x, y：z\n{HEAD.strip()}, b：c\nregion：d\nschools: []\n",
            f"x.yml:4: column 7: {COLON}",
            id="others-are-meant",
        ),
        pytest.param(f"{HEAD}  region：c\n", f"x.yml:3: name: column 9: {COLON}", id="swallowed-by-the-line-above"),
        pytest.param(
            "office﹕a\nname: b\n", "x.yml:1: column 7: full-width '﹕' (U+FE55); type ':' and a space", id="small"
        ),
        pytest.param(
            f"{HEAD}schools:\n  - {{id: s，name: x}}\n",
            "x.yml:4: column 11: full-width '，' (U+FF0C); type ','",
            id="comma",
        ),
        pytest.param(f"{HEAD}region: “c: d”\n", "x.yml:3: column 9: typographic '“' (U+201C); type '\"'", id="quotes"),
        pytest.param(
            f"{HEAD}region:　c\n", "x.yml:3: column 8: a blank that is no space (U+3000); type plain spaces", id="blank"
        ),
        pytest.param(
            f"{HEAD}schools:\n  -　id: x\n    name: y\n",
            "x.yml:4: column 4: a blank that is no space (U+3000); type plain spaces",
            id="blank-after-dash",
        ),
        pytest.param(
            f"{HEAD}region: c　# d\n",
            "x.yml:3: region: column 10: a blank that is no space (U+3000); type plain spaces",
            id="comment-in-the-value",
        ),
        pytest.param("＃ c\noffice: a\nname: b\n", "x.yml:1: column 1: full-width '＃' (U+FF03); type '#'", id="hash"),
        pytest.param(
            "office: a\n\ufeffname: b\n",
            "x.yml:2: column 1: an invisible byte order mark (U+FEFF); delete it",
            id="bom-2",
        ),
        pytest.param(
            f"# x\u2028y\n{HEAD}schools: x\n",
            "x.yml:1: column 4: an invisible line separator (U+2028); delete it",
            id="2028",
        ),
        pytest.param(
            "区: 1\n# 汉字汉字汉字\na: \x07\nb: 1\nc: 2\n", "x.yml:3: holds a control character", id="control"
        ),
        pytest.param(
            "office: a\nname b\nregion: c\n",
            "x.yml:2: not valid YAML: while scanning a simple key, could not find expected ':'",
            id="no-colon-at-all",
        ),
        pytest.param(
            "office: 'a\nname: b\n",
            "x.yml:1: not valid YAML: while scanning a quoted scalar, found unexpected end of stream",
            id="quote-without-end",
        ),
        pytest.param(
            f"{HEAD}schools:\n\t- x\n", "x.yml:4: a tab where spaces are needed; indent with spaces", id="tab"
        ),
    ],
)
def test_told_where_it_stands(tmp_path: Path, body: str | bytes, expected: str) -> None:
    """The one message names the line of the mistake, not of where YAML stumbled over it."""
    assert told(tmp_path, body) == [expected]


@pytest.mark.parametrize(
    ("body", "type_", "expected"),
    [
        pytest.param(
            "office: “a”\nname: b\n",
            OfficeFile,
            "x.yml:1: office: must look like 511402 (lower-case letters, digits, hyphen); found '“a”' "
            "(column 9: typographic '“' (U+201C); type '\"')",
            id="quotes-in-an-id",
        ),
        pytest.param(
            "tick_s: ６０\n",
            CollectorSettings,
            "x.yml:1: tick_s: must be a number from 0.05 up to 60; found '６０' "
            "(column 9: full-width '６' (U+FF16); type '6')",
            id="digits",
        ),
        pytest.param(
            "listen: {port：9711}\n",
            CollectorSettings,
            f"x.yml:1: listen.port：9711: unknown setting; did you mean 'port'? (column 14: {COLON})",
            id="colon-in-braces",
        ),
        pytest.param(
            f"{HEAD}schools: [{{id: s1, name：x}}]\n",
            OfficeFile,
            "x.yml:3: schools[0].name：x: unknown",
            id="second-in-braces",
        ),
        pytest.param(
            "office: a\n\u00a0name: b\n",
            OfficeFile,
            "x.yml:2: \\xa0name: unknown setting; did you mean 'name'? "
            "(column 1: a blank that is no space (U+00A0); type plain spaces)",
            id="no-break-space-before-a-name",
        ),
        pytest.param(
            "listen: ［port］\n", CollectorSettings, "column 9: full-width '［' (U+FF3B); type '['", id="bracket"
        ),
        pytest.param(
            f"{HEAD}schools: [{{id: s1, name: x, classrooms: [a、b]}}]\n", OfficeFile, "type ','", id="listing-comma"
        ),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, body: str, type_: Any, expected: str) -> None:
    """Where YAML finds nothing wrong but the value is refused, the message names the character that did it."""
    assert [line for line in told(tmp_path, body, type_) if expected in line]


def test_every_line_is_told(tmp_path: Path) -> None:
    """A file typed that way throughout is mended in one round."""
    found = told(tmp_path, "office：a\nname：b\nregion：c\nschools: []\n")
    assert [line.split(": ")[0] for line in found] == ["x.yml:1", "x.yml:2", "x.yml:3"]


@pytest.mark.parametrize("text", ["“东坡”区：（城）", "WiFi：信号差", "a，b　c", "－", "'a　# b'"])
def test_meant_as_text(tmp_path: Path, text: str) -> None:
    """In a text for people these characters are what they are."""
    path = tmp_path / "x.yml"
    path.write_text(f"office: a\nname: {text}\n", encoding="utf-8")
    assert load(path, OfficeFile).name == text.strip("'")


GOOD = """\
office: a
name: 东坡区：城区
schools:
  - id: s1
    name: “示例”小学
    kind: hub

    # the rooms
    classrooms:
      - id: r1
        exempt: WiFi：信号差
      - {id: r2}
gateways: []
"""
NAMED_LINES = [i for i, line in enumerate(GOOD.splitlines()) if ": " in line.replace("：", "") or line.endswith(":")]


@given(st.sampled_from(NAMED_LINES), st.sampled_from("：﹕∶"), st.sampled_from(["", " "]))
@hypothesis_settings(max_examples=80)
def test_one_colon_anywhere(tmp_path_factory: pytest.TempPathFactory, line: int, colon: str, space: str) -> None:
    """Whichever colon of a file is typed wide, a message names its line, and the first one does."""
    lines = GOOD.splitlines()
    name, _, rest = lines[line].partition(":")
    lines[line] = f"{name}{colon}{space}{rest.strip()}"
    found = told(tmp_path_factory.mktemp("x"), "\n".join(lines) + "\n")
    assert f"(U+{ord(colon):04X})" in "".join(found)
    assert any(each.startswith(f"x.yml:{line + 1}: ") and f"U+{ord(colon):04X}" in each for each in found), found


@pytest.mark.parametrize("text", ["{", "{a,", ",a：", "{a：", " ", "- ", '"a'])
def test_no_text_costs_more_than_its_length(text: str) -> None:
    """A search that looked back at every sign would take an hour for a file of the largest size; this one ends."""
    whole = text * 300_000
    found = sum(1 for _ in structural(whole))
    assert found == (300_000 if text == "{a：" else 0)


def test_very_many_are_told_up_to_a_bound(tmp_path: Path) -> None:
    """A large file typed that way throughout is refused as quickly as any, with its first lines."""
    found = told(tmp_path, "a：1\n" * 100_000 + "b: 1\n")
    assert [line.split(": ")[0] for line in found] == [f"x.yml:{n}" for n in range(1, 21)]
