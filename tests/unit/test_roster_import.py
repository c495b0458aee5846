"""Importing a list of rooms: what it names changes, all else stays, and whatever is wrong is told where it stands."""

import datetime as dt

import pytest

from tests.support.spreadsheets import FIRST_SHEET, ROOMS, Bureau, rewritten, workbook

HEAD = "office,school,classroom"
ALL = "".join(f"511402,{school},{room}\n" for school, room in ROOMS)
ZH = "区县代码,学校代码,学校,教室,班级\n"
ZH_ALL = "".join(f"511402,{school},,{room},\n" for school, room in ROOMS)


def rows(**last: str) -> str:
    """Every room of the roster, with a fourth cell for some."""
    return "".join(f"511402,{school},{room},{last.get(room, '')}\n" for school, room in ROOMS)


AS_TEXT = "format the column as text (设置单元格格式 → 文本) and type it again"
DATE = f"is a date: the spreadsheet has made one of what was typed (3-1 becomes 1-Mar); {AS_TEXT}"
ONE_LINE = "look like 东坡区苏南小学 (one line of text without control characters, at most 200)"
DEVICES = "交互式白板 (whiteboard), 一体机 (panel), 投影 (projector), 电脑 (computer), 无"
UNFINISHED = "is a formula without a stored result; open the file in Excel or WPS, save it, and import it again"
SHORTENED = f"is a number that the spreadsheet has shortened, its last digits are lost; {AS_TEXT}"


@pytest.fixture
def bureau(tmp_path):
    return Bureau(tmp_path)


# --- what an update changes -----------------------------------------------------------------------------------------


def test_absent_columns_change_nothing(bureau):
    """A list of nothing but ids leaves every other field as it is, and the file untouched."""
    before = bureau.file.read_bytes()
    done = bureau.take("rooms.csv", f"{HEAD}\n{ALL}")
    assert (done.is_change, done.is_written) == (False, False)
    assert bureau.file.read_bytes() == before


def test_only_named_columns_change(bureau):
    """A list with names changes names; exemption, access, device and what a list cannot say stay."""
    done = bureau.take("rooms.csv", f"{HEAD},classroom_name\n{rows(r1='二年级1班')}")
    room = bureau.room("3251140201", "r1")
    assert (room.name, room.exempt, room.access, room.device) == ("二年级1班", "维修", "wifi", "panel")
    assert bureau.room("3251140201", "r2").device is None
    assert bureau.school("3251140201").timetable == "always"
    assert (bureau.school("point-01").rural_weak, bureau.school("point-01").hub) == (True, "3251140201")
    assert done.changes.edits == ("3251140201/r1: name '一年级1班' -> '二年级1班'",)


def test_empty_cells_keep_and_are_told(bureau):
    """An empty cell changes nothing, and what it did not take away is counted; 无 takes it away."""
    done = bureau.take("rooms.csv", f"{HEAD},免检\n{ALL}")
    assert not done.is_change
    assert "1 empty cells in '免检' keep what the roster has (无 would clear it)" in done.notes
    done = bureau.take("rooms.csv", f"{HEAD},免检\n{rows(r1='无')}")
    assert bureau.room("3251140201", "r1").exempt is None
    assert done.changes.edits == ("3251140201/r1: exempt '维修' -> nothing",)


@pytest.mark.parametrize("word", ["否", "×", "FALSE", "0", "不"])
def test_no_exemption(bureau, word):
    """A no among the exemptions is no reason: the room is judged."""
    bureau.take("rooms.csv", f"{HEAD},免检\n{rows(r1=word, r2=word)}")
    assert [bureau.room("3251140201", room).exempt for room in ("r1", "r2")] == [None, None]


@pytest.mark.parametrize("word", ["无", "none", "-", "—", "/", "－"])
def test_words_for_nothing(bureau, word):
    """What people write for "nothing" clears a text."""
    bureau.take("rooms.csv", f"{HEAD},exempt,班级\n{rows(r1=f'{word},{word}')}")
    assert (bureau.room("3251140201", "r1").exempt, bureau.room("3251140201", "r1").name) == (None, "")


def test_what_leaves_is_named(bureau):
    """Schools and rooms that are not in the list are named before anything is written."""
    seen = []
    done = bureau.take(
        "rooms.csv", f"{HEAD}\n511402,3251140201,r1\n", agree=lambda planned: seen.append(planned.changes)
    )
    assert (seen[0].schools_gone, seen[0].classrooms_gone) == (("point-01",), ("3251140201/r2", "3251140201/0012"))
    assert seen[0].is_loss
    assert not done.is_written
    assert bureau.room("point-01", "r3")


def test_what_comes_is_named(bureau):
    """New schools and rooms are told, too; a school without a name is called by its code."""
    done = bureau.take("rooms.csv", f"{HEAD}\n{ALL}511402,3251140201,r9\n511402,s-new,r1\n")
    assert (done.changes.schools_new, done.changes.classrooms_new) == (("s-new",), ("3251140201/r9",))
    assert "school s-new has no name; its code stands for it" in done.notes
    assert bureau.school("s-new").name == "s-new"


def test_a_file_changed_meanwhile(bureau):
    """Who edits the roster file while the question stands is not overwritten."""

    def agree(_):
        bureau.file.write_text(bureau.file.read_text("utf-8") + "# more\n", "utf-8")
        return True

    source = bureau.source("rooms.csv", f"{HEAD}\n{ALL}511402,3251140201,r9\n")
    with pytest.raises(Exception, match="was changed meanwhile; nothing is written, import again"):
        bureau.take("rooms.csv", source.read_bytes(), agree=agree)
    assert bureau.file.read_text("utf-8").endswith("# more\n")


def test_the_file_before_is_kept(bureau):
    """Comments written by hand are not kept in the new file: that is told, and they are in the copy."""
    before = bureau.file.read_bytes()
    bureau.file.chmod(0o640)
    done = bureau.take("rooms.csv", f"{HEAD}\n{ALL}511402,3251140201,r9\n")
    assert "comments in 511402.yml are not kept; 511402.yml.bak will have them" in done.notes
    assert (bureau.folder / "511402.yml.bak").read_bytes() == before
    modes = {path.name: path.stat().st_mode & 0o777 for path in bureau.folder.iterdir()}
    assert modes == {"511402.yml": 0o640, "511402.yml.bak": 0o640}


def test_yaml_is_taken_as_it_stands(bureau):
    """A YAML file keeps its own comments, and what it changes or leaves out is told like a list's."""
    text = "# mine\noffice: '511402'\nname: 东坡区\nschools:\n  - {id: point-01, name: 示例教学点}\n"
    done = bureau.take("new.yml", text)
    assert bureau.file.read_text("utf-8") == text
    assert (done.changes.schools_gone, done.changes.gateways_gone) == (("3251140201",), ("gw-one",))
    assert "point-01: kind 'point' -> 'base'" in done.changes.edits


def test_yaml_problems_have_their_own_lines(bureau):
    """What contradicts the rest of the roster is told on the line of the file that was given."""
    text = "office: szs\nname: x\nschools:\n\n  - id: point-01\n    name: y\n"
    assert bureau.problems("new.yml", text) == [
        "new.yml:5: schools[0].id: 'point-01' is given twice (first in roster/511402.yml:15)"
    ]


# --- how lists look -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "separator", "end"),
    [
        ("utf-8", ",", "\n"),
        ("utf-8-sig", ",", "\r\n"),
        ("gb18030", ",", "\r\n"),
        ("gbk", "\t", "\n"),
        ("utf-16", "\t", "\r\n"),
        ("utf-16", ",", "\n"),
        ("utf-8", ";", "\r"),
        ("utf-8", "，", "\n"),
    ],
)
def test_encodings_and_separators(bureau, encoding, separator, end):
    """Every kind of text that spreadsheets write is read."""
    text = f"{ZH}{ZH_ALL.replace('r2,', 'r2,一年级2班')}".replace(",", separator).replace("\n", end)
    done = bureau.take("rooms.txt", text, encoding)
    assert done.changes.edits == ("3251140201/r2: name nothing -> '一年级2班'",)


@pytest.mark.parametrize("separator", [";", "\t", "，"])
def test_a_title_does_not_hide_the_separator(bureau, separator):
    """The separator is that of the headings, wherever they stand."""
    text = f"东坡区, 2026\n\n{ZH}{ZH_ALL}".replace(",", separator)
    assert not bureau.take("rooms.csv", text).is_change


def test_excels_own_separator_line(bureau):
    """The line with which a file tells its separator is no room."""
    assert not bureau.take("rooms.csv", "sep=;\n" + f"{ZH}{ZH_ALL}".replace(",", ";")).is_change


@pytest.mark.parametrize(
    "headings",
    [
        "区县代码,学校代码,学校,教室,班级",
        "Office,SCHOOL,school name,Classroom,classroom_name",
        "区县 代码,学校代码（10位）,学校名称*,教室\u3000编号,班 级",
        "区县代码 office,学校代码 school,学校名称 school_name,教室代码 classroom,班级名称 classroom_name",
        "区县代码/office,学校(机构)标识码,校名,教室号(必填),现有班级 班级",
        "\ufeff行政区划代码,【学校代码】,学校全称,房间号,班名：",
    ],
)
def test_headings(bureau, headings):
    """Headings are recognised in both languages, with remarks, blanks and marks that people add."""
    first = headings.replace("现有班级 班级", "所在班级").split(",")
    done = bureau.take("rooms.csv", ",".join(first) + "\n" + ZH_ALL.replace("r2,", "r2,一年级2班"))
    assert done.changes.edits == ("3251140201/r2: name nothing -> '一年级2班'",)


def test_order_and_unknown_columns(bureau):
    """Columns stand in any order; those that are not ours are ignored, and told; a slip is asked about."""
    body = "".join(f"1,{room},13800000000,{school},511402,x\n" for school, room in ROOMS)
    done = bureau.take("rooms.csv", f"序号,教室,联系电话,学校代码,区县代码,classroom_nmae\n{body}")
    assert not done.is_change
    assert done.notes[1:] == (
        "column A '序号' is not used",
        "column C '联系电话' is not used",
        "column F 'classroom_nmae' is not used: did you mean classroomname?",
    )
    assert "13800000000" not in "".join(done.notes)


def test_the_more_exact_heading_wins(bureau):
    """教室编号 beside 教室 is the room; what was not taken is told."""
    body = "".join(f"511402,{school},音乐教室,{room}\n" for school, room in ROOMS)
    done = bureau.take("rooms.csv", f"区县代码,学校代码,教室,教室编号\n{body}")
    assert "column C '教室' is not used: classroom is taken from 教室编号" in done.notes


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (
            "区县代码,学校代码,教室/班级",
            "教室/班级: is a heading for classroom and classroom_name: give each a column of its own",
        ),
        ("区县代码,学校代码,教室,教室", "教室: stands twice, in the columns C and D"),
        ("区县代码,学校,教室", "school: missing column '学校代码'"),
        ("学校代码,教室", "office: missing column '区县代码', or say which with --office"),
    ],
)
def test_wrong_headings(bureau, headings, expected):
    """What the headings leave open is told on their line."""
    assert bureau.problems("rooms.csv", f"东坡区\n{headings}\n511402,x,y,z\n") == [f"rooms.csv:2: {expected}"]


def test_no_headings(bureau):
    """A file without headings is told which it needs; YAML under another name is told its own."""
    (told,) = bureau.problems("rooms.csv", "a,b\nc,d\n")
    assert told.startswith(
        "rooms.csv:1: no headings found; needed: 区县代码 (office), 学校代码 (school), 教室代码 (classroom)"
    )
    assert bureau.problems("rooms.csv", "")[0].startswith("rooms.csv:1: no headings found")
    assert bureau.problems("rooms.csv", f"{ZH},,,\n") == ["rooms.csv:1: no rows with rooms below the headings"]


def test_title_totals_remarks_and_blank_rows(bureau):
    """What stands around a list is passed over, and each line of it named."""
    text = (
        f"东坡区教室清单,,,,\n,,,,\n{ZH}{ZH_ALL},,,,\n,　,,,\n小计,,,4,\n511402,3251140201,,,合计\n{ZH}"
        "填表人：张三,,审核：,2026-03-01,\n备注：无,,,,\n本表一式两份,,,,\nTotal,,,4,\n"
    )
    done = bureau.take("rooms.csv", text)
    assert not done.is_change
    assert [note for note in done.notes if "not read" in note] == [
        "line 10 is not read: a total, '小计'",
        "line 11 is not read: a total, '511402'",
        "line 12 is not read: headings again, '区县代码'",
        "line 13 is not read: a remark, '填表人：张三'",
        "line 14 is not read: a remark, '备注：无'",
        "line 15 is not read: a remark, '本表一式两份'",
        "line 16 is not read: a total, 'Total'",
    ]


def test_rows_numbered_beforehand(bureau):
    """Rows that have nothing but their number are no rooms, and counted; a second line of headings is named, too."""
    numbered = "".join(f"{i},{line}\n" for i, line in enumerate(ZH_ALL.splitlines(), 1)) + "5,,,,,\n6,,,,,\n"
    hints = ",office,school,school_name,classroom,class name\n必填,10位,必填,,,\n"
    done = bureau.take("rooms.csv", f"序号,{ZH}{hints}{numbered}")
    assert not done.is_change
    assert done.notes[2:-1] == (
        "line 2 is not read: headings again, 'office'",
        "line 3 is not read: a remark, '必填'",
        "2 rows hold nothing in the columns that are used",
    )


@pytest.mark.parametrize("word", ["NULL", "nan", "NaN", "undefined", "'", "　"])
def test_what_programs_write_for_nothing(bureau, word):
    """An export's NULL names nothing, and so changes nothing."""
    assert not bureau.take("rooms.csv", f"{HEAD},免检,班级\n{rows(r1=f'{word},{word}', r2=f'{word},{word}')}").is_change


def test_what_only_looks_like_a_total(bureau):
    """A small computer room (小计算机教室) is no subtotal, and a row with all its ids is a room whatever its name."""
    body = ZH_ALL.replace("r2,", "r2,合计") + ",,,r7,小计算机教室\n"
    bureau.take("rooms.csv", f"{ZH}{body}", agree=lambda planned: not planned.changes.is_loss)
    assert bureau.room("3251140201", "r2").name == "合计"
    assert bureau.room("point-01", "r7").name == "小计算机教室"


@pytest.mark.parametrize(
    "total",
    [
        "全县合计",
        "本页小计",
        "合计（间）",
        "总数",
        "数量合计：3间",
        "共 5 间教室",
        "以上共5所",
        "平均",
        "Total",
        "Subtotal",
        "Grand Total:",
    ],
)
@pytest.mark.parametrize("row", ["{},,,5,\n", ",{},,,\n", "511402,point-01,,{},\n"])
def test_totals(bureau, total, row):
    """A total in any words is passed over, also where it looks like a code; no school and no room comes of it."""
    done = bureau.take("rooms.csv", f"{ZH}{ZH_ALL}{row.format(total)}")
    assert not done.is_change
    assert any("line 6 is not read: a total" in note for note in done.notes)


@pytest.mark.parametrize("caption", ["小计,,,3,", "第二小学,,,,", ",,,合计,", "注：以下为新校区,,,,"])
def test_a_school_that_has_only_a_caption(bureau, caption):
    """Behind a total or a line that may be a school's name, a row without a code is not given to the school above."""
    text = f"{ZH}{ZH_ALL}{caption}\n511402,,,r8,\n511402,,,r9,\n511402,s-new,,r1,\n,,,r2,\n"
    first = next(cell for cell in caption.split(",") if cell)
    assert bureau.problems("rooms.csv", text) == [
        f"rooms.csv:{line}: 学校代码: '' is no school code, and line 6, '{first}', "
        "stands between it and the school above; write the code into this row"
        for line in (7, 8)
    ]


def test_headings_again_end_no_school(bureau):
    """The headings of the next page, and a total within a named school, stand in nobody's way."""
    body = f"{ZH}{ZH_ALL}{ZH}511402,,,r8,\n小计,,,2,\n511402,,教学点一,r9,\n"
    done = bureau.take("rooms.csv", body.replace("point-01,,", "point-01,教学点一,"))
    assert set(done.changes.classrooms_new) == {"point-01/r8", "point-01/r9"}


@pytest.mark.parametrize("blank", ["\x0b", "\u2028", "\u2029", "\x85", "\x1c", "\n", "\r\n", "\t"])
def test_ends_of_lines_within_a_cell(bureau, blank):
    """A line's end within a cell stays in the cell: no row begins there, and a name reads on with a space."""
    body = ZH_ALL.replace("r2,", f'r2,"一年级{blank}2班"')
    done = bureau.take("rooms.csv", f"{ZH}{body}")
    assert done.classrooms == len(ROOMS)
    assert bureau.room("3251140201", "r2").name == "一年级 2班"


def test_lines_behind_a_broken_cell(bureau):
    """Behind a cell of two lines the editor's line is named, and the spreadsheet's row beside it."""
    text = f'{HEAD},班级\n511402,point-01,r3,"三年级\n1班"\n511402,point-01,r 4,\n'
    (told,) = bureau.problems("rooms.csv", text)
    assert told.startswith("rooms.csv:4: row 3, classroom: must look like b2-301")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{HEAD}\n511402,"s1,r1\n511402,s2,r2\n', 'rooms.csv:2: a quotation mark (") opens here and is never closed'),
        (
            f'{HEAD}\n511402,"s"1,r1\n',
            'rooms.csv:2: a quotation mark (") inside a cell: write it twice, and one around the whole cell',
        ),
        (f"{HEAD}\n511402,s1,{'x' * 140_000}\n", "rooms.csv:2: a cell of more than 131,072 characters"),
        (f"{HEAD}\n{'(' * 131_000}\n", "rooms.csv:1: no rows with rooms below the headings"),
        (f"{HEAD}{',' * 300}\n", "rooms.csv:1: more than 200 columns"),
        (f"{HEAD}\n" + "511402,s1,r1\n" * 50_000, "rooms.csv:50001: more than 50,000 rows"),
        (
            f"{HEAD}\n511402,s1,r\0\n",
            "rooms.csv:1: no text in UTF-8, GB 18030 or UTF-16; save it as .xlsx or CSV UTF-8",
        ),
    ],
)
def test_broken_or_boundless_text(bureau, text, expected):
    """What cannot be read as a table, or is larger than a list of rooms can be, is refused by line."""
    assert bureau.problems("rooms.csv", text) == [expected]


def test_damaged_utf8_is_not_taken_for_gb18030(bureau):
    """One broken character in a UTF-8 file does not make nonsense of all names."""
    body = f"{ZH}{ZH_ALL.replace('r2,', 'r2,一年级二班')}".encode().replace("二".encode(), "二".encode()[:2])
    assert bureau.problems("rooms.csv", body) == ["rooms.csv:3: not UTF-8 text here; save the file anew"]


# --- ids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("ｒ２", "r2"), (" r2\u3000", "r2"), ("'r2", "r2"), ('"=""r2"""', "r2"), ("\u202ar2\u202c", "r2"),
        ("r2\u00a0", "r2"),
        ("３０１", "301"), ("301.0", "301"), ("b1–101", "b1-101"), ("b1－101", "b1-101"), ("2E15", "2E15"),
        ("'0012", "0012"),
    ],
)  # fmt: skip
def test_ids_are_understood(bureau, written, expected):
    """Full-width characters, blanks, marks for "text" and a float's .0 do not make another id."""
    done = bureau.take("rooms.csv", f"{HEAD}\n511402,3251140201,{written}\n", agree=lambda _: True)
    assert bureau.room("3251140201", expected)
    assert done.classrooms == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1-Mar", f"'1-Mar' {DATE}"),
        ("Mar-01", f"'Mar-01' {DATE}"),
        ("01-Sept", f"'01-Sept' {DATE}"),
        ("3月1日", f"'3月1日' {DATE}"),
        ("2026-03-01", f"'2026-03-01' {DATE}"),
        ("2026/3/1", f"'2026/3/1' {DATE}"),
        ("2026年3月1日", f"'2026年3月1日' {DATE}"),
        ("2026-03-01 00:00:00", f"'2026-03-01 00:00:00' {DATE}"),
        ("2.15E+09", f"'2.15E+09' {SHORTENED}"),
        ("5.11402E+09", f"'5.11402E+09' {SHORTENED}"),
        ("２.15e+09", f"'２.15e+09' {SHORTENED}"),
        ("########", f"'########' {SHORTENED}"),
        ("#N/A", "'#N/A' is an error of the spreadsheet; mend the formula or type the value"),
        ("#REF!", "'#REF!' is an error of the spreadsheet; mend the formula or type the value"),
        ("TRUE", f"'TRUE' is a truth value; {AS_TEXT}"),
        ("12", f"'12' is '0012' of the roster without its leading zeros; {AS_TEXT}"),
        ("r 1", "must look like b2-301 (letters, digits, hyphen; at most 32); found 'r 1'"),
        ("音乐教室", "must look like b2-301 (letters, digits, hyphen; at most 32); found '音乐教室'"),
        ("", "is empty"),
        ("—", "is empty; found '—'"),
        ("None", "is empty; found 'None'"),
        ("NULL", "is empty; found 'NULL'"),
        ("nan", "is empty; found 'nan'"),
        ("R2", "'R2' differs only in case from 'r2' (the roster)"),
    ],
)
def test_ids_that_are_refused(bureau, written, expected):
    """What a spreadsheet has made of an id is refused by name, with what stands in the file and what to do."""
    body = f"511402,3251140201,r1\n511402,3251140201,{written}\n511402,point-01,r3\n"
    assert bureau.problems("rooms.csv", f"区县代码,学校代码,教室\n{body}") == [f"rooms.csv:3: 教室: {expected}"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("511402,S-a,,r1,\n511402,s-A,,r1,\n", "3: 学校代码: 's-A' differs only in case from 'S-a' (line 2)"),
        ("511402,POINT-01,,r1,\n", "2: 学校代码: 'POINT-01' differs only in case from 'point-01' (the roster)"),
        ("511402,point-01,甲,r1,\n511402,point-01,乙,r2,\n", "3: 学校: '乙' contradicts '甲' on line 2"),
        ("511402,point-01,甲,r1,\n,,乙,r2,\n", "3: 学校代码: is empty"),
        (",,,,一年级1班\n511402,point-01,,r3,\n", "2: 教室: is empty"),
        ("511402,point-01,,b1,\n511402,point-01,,B1,\n", "3: 教室: 'B1' differs only in case from 'b1' (line 2)"),
        (
            "511402,point-01,,r3,a\n511402,point-01,,r3,a\n",
            "3: 教室: 'r3' is given twice in school point-01 (first on line 2); the rows are the same; delete one",
        ),
        (
            "511402,point-01,,r3,a\n511402,point-01,,r3,b\n",
            "3: 教室: 'r3' is given twice in school point-01 (first on line 2); the rows differ in 班级",
        ),
        ("511402,point-01,,r3,3月1日\n", f"2: 班级: '3月1日' {DATE}"),
        (
            "511402,point-01,,r3,#NAME?\n",
            "2: 班级: '#NAME?' is an error of the spreadsheet; mend the formula or type the value",
        ),
        (
            f"511402,point-01,,r3,{'长' * 201}\n",
            f"2: 班级: must {ONE_LINE}; found '{'长' * 40}…'",
        ),
        (
            "东坡区,point-01,,r3,\n",
            "2: 区县代码: must look like 511402 (lower-case letters, digits, hyphen); found '东坡区'",
        ),
    ],
)
def test_rows_that_contradict(bureau, rows, expected):
    """Two names, two spellings, two rows for one thing are told with both lines; no pattern, no other file is named."""
    hub = "511402,3251140201,,r1,\n"
    assert f"rooms.csv:{expected}" in bureau.problems("rooms.csv", f"{ZH}{rows}{hub}")


def test_all_mistakes_of_a_row(bureau):
    """A row without an office or school is checked all the same."""
    body = "x y,1-Mar,,r 1,\n511402,s 1,,#N/A,3月1日\n"
    told = bureau.problems("rooms.csv", f"{ZH}{body}{ZH_ALL}")
    assert [line.split(": ")[:2] for line in told] == [
        ["rooms.csv:2", "区县代码"],
        ["rooms.csv:2", "学校代码"],
        ["rooms.csv:2", "教室"],
        ["rooms.csv:3", "学校代码"],
        ["rooms.csv:3", "教室"],
        ["rooms.csv:3", "班级"],
    ]


def test_names_that_are_given_to_two(bureau):
    """One name for two schools, or two rooms, may be: it is told and goes on."""
    done = bureau.take("rooms.csv", f"{ZH}{ZH_ALL.replace('r2,', 'r2,一年级1班')}511402,s9,示例教学点,r1,\n")
    assert "one name for several schools: '示例教学点' is point-01, s9" in done.notes
    assert "one name for several rooms of 3251140201: '一年级1班' is r1, r2" in done.notes


def test_every_problem_at_once_up_to_a_bound(bureau):
    """One run tells all problems, and of very many the first fifty."""
    told = bureau.problems("rooms.csv", f"{HEAD}\n" + "511402,point-01,r 1\n" * 80)
    assert len(told) == 51
    assert told[-1] == "rooms.csv:52: ... and 30 more problems from here on"


def test_what_the_rest_of_the_roster_says(bureau):
    """A school of another office, an unknown hub, a gateway of a school that leaves: by row, heading and remedy."""
    text = "区县代码,学校代码,学校,教室,中心校\nszs,point-01,x,r1,nowhere\nszs,n1,x,r1,没有的学校\n"
    assert bureau.problems("rooms.csv", text) == [
        "rooms.csv:3: 中心校: no school of this office has the name '没有的学校'; give the school's code"
    ]
    told = bureau.problems("rooms.csv", text.replace("没有的学校", ""))
    assert told[0].startswith("rooms.csv:2: 学校代码: 'point-01' is given twice (first in roster/511402.yml:")
    assert told[0].endswith("); mend the office's code, or take the school away there")
    assert told[1] == "rooms.csv:2: 中心校: no school 'nowhere' in the roster"
    (told_gateway,) = bureau.problems("rooms.csv", f"{HEAD},hub\n511402,point-01,r3,无\n")
    assert told_gateway == (
        "rooms.csv:1: gateways[0].schools[0]: no school '3251140201' in the roster, as the list leaves it out; "
        "gateway gw-one reports for it: take it from the gateway's schools first"
    )


def test_a_hub_by_its_name(bureau):
    """People write the hub's name: it is found if one school has it."""
    body = ZH_ALL.replace("\n", ",\n") + "511402,s9,新教学点,r1,,示例中心校\n"
    bureau.take("rooms.csv", f"{ZH.strip()},所属中心校\n{body}")
    assert bureau.school("s9").hub == "3251140201"


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "word", "field", "expected"),
    [
        ("接入方式", "无线", "access", "wifi"), ("接入方式", "Wi-Fi", "access", "wifi"),
        ("接入方式", "有线", "access", "wired"),
        ("access", "WIRED", "access", "wired"), ("上网方式", "４Ｇ", "access", "cellular"),
        ("设备类型", "一体机", "device", "panel"), ("大屏", "有", "device", "whiteboard"),
        ("大屏", "√", "device", "whiteboard"),
        ("大屏", "1", "device", "whiteboard"), ("大屏", "0", "device", None),
        ("大屏", "无", "device", None), ("大屏", "否", "device", None), ("大屏", "FALSE", "device", None),
        ("设备", "希沃86寸一体机", "device", "panel"), ("设备", "短焦投影仪", "device", "projector"),
        ("device", "projector", "device", "projector"), ("设备", "电脑", "device", "computer"),
        ("免检", "停用，待修", "exempt", "停用，待修"), ("exempt", "2026-09-01 起停用", "exempt", "2026-09-01 起停用"),
    ],
)  # fmt: skip
def test_words(bureau, heading, word, field, expected):
    """Kinds are said as people say them, yes and no included."""
    bureau.take("rooms.csv", f"{HEAD},{heading}\n{ALL}511402,3251140201,r9,{word}\n")
    assert getattr(bureau.room("3251140201", "r9"), field) == expected


def test_yes_keeps_a_better_known_device(bureau):
    """有 says that there is one; a panel that is listed stays a panel."""
    done = bureau.take("rooms.csv", f"{HEAD},大屏\n{rows(r1='有')}")
    assert not done.is_change


@pytest.mark.parametrize(
    ("heading", "word", "expected"),
    [
        ("接入方式", "光猫", "must be one of: 有线 (wired), 无线 (wifi), 移动网络 (cellular); found '光猫'"),
        (
            "设备",
            "希沃",
            f"must be one of: {DEVICES}; found '希沃'",
        ),
        ("薄弱学校", "也许", "must be one of: 是, 否; found '也许'"),
        ("免检", "是", "must say why the room is not judged; found '是'"),
        ("免检", "√", "must say why the room is not judged; found '√'"),
        (
            "学校类型",
            "小学",
            "must be one of: 城区学校 (city), 中心校 (hub), 基点校 (base), 教学点 (point); found '小学'",
        ),
    ],
)
def test_wrong_words(bureau, heading, word, expected):
    """A word that is not known is told with those that are."""
    assert bureau.problems("rooms.csv", f"{HEAD},{heading}\n{rows(r1=word)}") == [f"rooms.csv:2: {heading}: {expected}"]


@pytest.mark.parametrize(("word", "expected"), [("是", True), ("√", True), ("否", False), ("FALSE", False)])
def test_weak_schools(bureau, word, expected):
    """A yes in one row of a school is the school's."""
    bureau.take("rooms.csv", f"{HEAD},薄弱学校\n{rows(r3=word)}")
    assert bureau.school("point-01").rural_weak is expected


# --- offices --------------------------------------------------------------------------------------------------------


def test_office_of_a_list_without_the_column(bureau):
    """The office may be said beside the file."""
    text = f"{HEAD}\n{ALL}".replace("office,", "").replace("511402,", "")
    assert not bureau.take("rooms.csv", text, office="511402").is_change
    assert "--office" in bureau.problems("rooms.csv", text, office="A b")[0]


def test_one_office_of_a_citys_list(bureau):
    """Of a list with several offices one is taken; without a word nothing is."""
    text = f"{HEAD}\n{ALL}szs,n1,r1\nszs,n1,r2\n"
    told = bureau.problems("rooms.csv", text)
    assert told == ["rooms.csv:1: office: one file, one office; found 511402, szs; pick one with --office"]
    done = bureau.take("rooms.csv", text, office="szs")
    assert (done.file.name, done.classrooms, done.is_new) == ("szs.yml", 2, True)
    assert "4 rows of other offices are left out" in done.notes
    assert bureau.problems("rooms.csv", text, office="999") == [
        "rooms.csv:1: office: no rows of '999'; found 511402, szs"
    ]


def test_a_school_without_rooms(bureau):
    """无 in the room's column lists a school whose rooms are not known yet."""
    bureau.take("rooms.csv", f"{ZH}{ZH_ALL}511402,s9,新学校,无,\n")
    assert bureau.school("s9").classrooms == ()


# --- workbooks ------------------------------------------------------------------------------------------------------

SHEET_HEAD = ["区县代码", "学校代码", "学校", "教室", "班级"]
SHEET = [SHEET_HEAD, *(["511402", school, None, room, None] for school, room in ROOMS)]


def test_workbook_as_people_make_them(bureau):
    """Title, merged cells, numbers as floats, a column of telephones, a total and a remark: nothing is in the way."""
    body = [
        ["东坡区教室清单"], [], ["序号", "区县代码", "学校代码", "学校", "教室", "班级", "电话"],
        [1, 511402.0, 3251140201, "示例中心校", "r1", "一年级1班", 13800000000],
        [2, None, None, None, "r2", None, None],
        [3, None, None, None, "0012", "一年级3班", None], [4, "511402", "point-01", None, " r3\u3000", None, None],
        ["合计", None, None, None, 4], ["填表人：张三", None, None, None, "日期："],
    ]  # fmt: skip
    done = bureau.take("rooms.xlsx", workbook(body, ["A1:G1", "B4:B6", "C4:C6", "D4:D6", "F4:F5"]))
    assert done.changes.edits == (
        "3251140201/r2: name nothing -> '一年级1班'",
        "3251140201/0012: name nothing -> '一年级3班'",
    )
    assert [note for note in done.notes if "not read" in note] == [
        "line 8 is not read: a total, '合计'",
        "line 9 is not read: a remark, '填表人：张三'",
    ]


def test_headings_of_two_lines(bureau):
    """Headings over headings are read together, merged or not, in a workbook as in text."""
    title = ["东坡区教室清单"]
    upper, lower = ["区县代码", "学校", None, "教室信息", None], [None, "代码", "名称", "教室编号", "班级"]
    done = bureau.take("rooms.xlsx", workbook([title, upper, lower, *SHEET[1:]], ["A1:E1", "A2:A3", "B2:C2", "D2:E2"]))
    assert not done.is_change
    assert done.notes[0] == (
        "sheet 'Sheet', headings on line 3: 区县代码 = office, 学校 代码 = school, 学校 名称 = school_name, "
        "教室编号 = classroom, 班级 = classroom_name"
    )
    part = "区县代码,学校代码,教室,设备,\n,,,类型,数量\n" + ZH_ALL.replace(",,", ",").replace(",\n", ",,\n")
    done = bureau.take("rooms.csv", part)
    assert not done.is_change
    assert "line 2 is not read: headings again, '类型'" in done.notes
    text = "区县代码,学校,,教室信息,\n,代码,名称,教室编号,班级\n" + ZH_ALL.replace("r2,", "r2,新班")
    assert bureau.take("rooms.csv", text).changes.edits == ("3251140201/r2: name nothing -> '新班'",)
    told = bureau.problems("rooms.csv", text.replace("r3", "r 3"))
    assert told[0].startswith("rooms.csv:6: 教室编号: must look like b2-301")


def test_merged_cells_are_read_downwards_only(bureau):
    """A merged word holds for all its rows; a title over several columns fills none of them."""
    body = [[*SHEET_HEAD, "接入方式"], *([*row, None] for row in SHEET[1:])]
    body[1][5] = "无线"
    bureau.take("rooms.xlsx", workbook(body, ["F2:F4"]))
    assert [bureau.room(school, room).access for school, room in ROOMS] == ["wifi", "wifi", "wifi", "wired"]


@pytest.mark.parametrize(
    ("value", "number_format", "expected"),
    [
        (301, "General", "301"), (301.0, "General", "301"), (12, "0000", "0012"), ("0012", "General", "0012"),
        ("'0012", "@", "0012"),
        (3251140201001, "General", "3251140201001"), ("b1_x002D_101", "General", "b1-101"),
    ],
)  # fmt: skip
def test_numbers_in_cells(bureau, value, number_format, expected):
    """A number is the digits that a person sees."""

    def show(book):
        book.worksheets[0]["D2"].number_format = number_format

    body = workbook([SHEET_HEAD, ["511402", "3251140201", None, value, None]], more=show)
    bureau.take("rooms.xlsx", body)
    assert bureau.room("3251140201", expected)


@pytest.mark.parametrize(
    ("value", "number_format", "expected"),
    [
        (dt.date(2026, 3, 1), "d-mmm", f"'2026-03-01' {DATE}"),
        (dt.time(3, 1), "h:mm", f"'03:01:00' {DATE}"),
        (2.15e9, "0.00E+00", f"'2.15E+09' {SHORTENED}"),
        (0.00005, "General", f"'5e-05' {SHORTENED}"),
        (1e20, "General", f"'1e+20' is a number of more than 15 digits: the spreadsheet keeps only 15; {AS_TEXT}"),
        (3.5, "General", "must look like b2-301 (letters, digits, hyphen; at most 32); found '3.5'"),
        (True, "General", f"'TRUE' is a truth value; {AS_TEXT}"),
        ("#N/A", "General", "'#N/A' is an error of the spreadsheet; mend the formula or type the value"),
        ("=B2", "General", f"'=B2' {UNFINISHED}"),
    ],
)  # fmt: skip
def test_cells_that_are_refused(bureau, value, number_format, expected):
    """What the spreadsheet made of a cell is refused by sheet, cell, heading and what stands there."""

    def show(book):
        book.worksheets[0]["D2"].number_format = number_format

    body = workbook([SHEET_HEAD, ["511402", "3251140201", None, value, None]], more=show)
    assert bureau.problems("rooms.xlsx", body) == [f"rooms.xlsx:2: Sheet!D2 教室: {expected}"]


def test_a_line_break_that_xml_cannot_hold(bureau):
    """U+000B in a cell of a workbook is written _x000B_, and is one within the cell."""
    body = [SHEET_HEAD, *SHEET[1:]]
    body[2] = ["511402", "3251140201", None, "r2", "一年级_x000B_2班\n"]
    bureau.take("rooms.xlsx", workbook(body))
    assert bureau.room("3251140201", "r2").name == "一年级 2班"


@pytest.mark.parametrize(("stored", "is_written"), [("", True), ("新班", True), (None, False)])
def test_stored_results_of_formulas(bureau, stored, is_written):
    """An empty text that a formula gives is a result; what was never calculated is not an empty cell."""
    body = workbook([SHEET_HEAD, *SHEET[1:4], ["511402", "point-01", None, "r3", "=B5"]])
    cell = "<v /></c>" if stored is None else f"<v>{stored}</v></c>"
    kind = "" if stored is None else ' t="str"'
    body = rewritten(body, FIRST_SHEET, '<c r="E5"><f>B5</f><v /></c>', f'<c r="E5"{kind}><f>B5</f>{cell}')
    if is_written:
        bureau.take("rooms.xlsx", body)
        assert bureau.room("point-01", "r3").name == stored
    else:
        assert bureau.problems("rooms.xlsx", body) == [f"rooms.xlsx:5: Sheet!E5 班级: '=B5' {UNFINISHED}"]


def test_cells_without_places_and_texts_inline(bureau):
    """Some programs write neither the places of cells nor a table of texts."""
    lines = [["区县代码", "学校代码", "教室"], *(["511402", *room] for room in ROOMS)]
    cells = [[f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in line] for line in lines]
    given = "".join(f"<row>{''.join(line)}</row>" for line in cells)
    body = rewritten(workbook([]), FIRST_SHEET, "<sheetData></sheetData>", f"<sheetData>{given}</sheetData>")
    assert not bureau.take("rooms.xlsx", body).is_change


def test_a_table_of_texts(bureau):
    """Excel keeps texts in a table beside the sheets, in pieces where they are coloured, with how they sound."""
    heads = ["区县代码", "学校代码", "教室", "班级"]
    texts = [*heads, "511402", *dict.fromkeys(text for room in ROOMS for text in room)]
    pieces = "<r><t>一年级</t></r><r><rPr><b/></rPr><t>2班</t></r><rPh sb='0' eb='1'><t>yi</t></rPh>"
    table = "".join(f"<si><t xml:space='preserve'>{text}</t></si>" for text in texts) + f"<si>{pieces}</si>"
    lines = [heads, *(["511402", *room] for room in ROOMS)]
    cells = [[f'<c t="s"><v>{texts.index(text)}</v></c>' for text in line] for line in lines]
    cells[2].append(f'<c t="s"><v>{len(texts)}</v></c>')
    given = "".join(f"<row>{''.join(line)}</row>" for line in cells)
    body = rewritten(workbook([]), FIRST_SHEET, "<sheetData></sheetData>", f"<sheetData>{given}</sheetData>")
    spreadsheet = "openxmlformats-officedocument.spreadsheetml"
    kind = f'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.{spreadsheet}.sharedStrings+xml"/>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    body = rewritten(
        body,
        "[Content_Types].xml",
        "</Types>",
        f"{kind}</Types>",
        **{"xl/sharedStrings.xml": f'<sst xmlns="{main}">{table}</sst>'},
    )
    done = bureau.take("rooms.xlsx", body)
    assert done.changes.edits == ("3251140201/r2: name nothing -> '一年级2班'",)


def test_nothing_in_a_heading_steers_a_terminal(bureau):
    """What stands in a file cannot colour, move or hide what is said of it."""
    done = bureau.take("rooms.csv", f"{ZH.strip()}\x1b[2J,\x1b]0;x\x07\n{ZH_ALL}")
    headings = ZH.replace("教室", "教\u202e室\x1b")
    told = bureau.problems("rooms.csv", f"{headings}511402,s,,\x1b[1m,\n")
    assert not [line for line in (*done.notes, *told) if not line.isprintable()]


def test_a_folder_that_cannot_be_written(bureau):
    """A full disk, or a folder that is read-only, leaves the roster as it was, without a draft."""
    (bureau.folder / "511402.yml.bak").mkdir()
    before = bureau.file.read_bytes()
    with pytest.raises(OSError, match=r"511402\.yml\.bak"):
        bureau.take("rooms.csv", f"{HEAD}\n{ALL}511402,point-01,r9\n")
    assert bureau.file.read_bytes() == before


def test_several_sheets(bureau):
    """The one sheet with headings is read, and the others are named; of two, one must be chosen."""

    def notes_sheet(book):
        book.create_sheet("说明").append(["请填写"])
        hidden = book.create_sheet("旧")
        for row in [*SHEET, ["511402", "point-01", None, "old", None]]:
            hidden.append(row)
        hidden.sheet_state = "hidden"

    done = bureau.take("rooms.xlsx", workbook(SHEET, more=notes_sheet))
    assert not done.is_change
    assert "sheet 'Sheet' is read; not '说明'" in done.notes
    assert "hidden sheet '旧' is not read; --sheet reads it" in done.notes
    assert bureau.problems("rooms.xlsx", workbook(SHEET, more=notes_sheet), sheet="表") == [
        "rooms.xlsx:1: no sheet '表'; there are: Sheet, 说明, 旧"
    ]
    assert (
        bureau.take("rooms.xlsx", workbook(SHEET, more=notes_sheet), sheet="旧", agree=lambda _: False).classrooms == 5
    )

    def two(book):
        second = book.create_sheet("2026")
        for row in SHEET:
            second.append(row)

    told = bureau.problems("rooms.xlsx", workbook(SHEET, more=two))
    assert told == ["rooms.xlsx:1: several sheets hold rooms: 'Sheet', '2026'; name one with --sheet"]
    assert not bureau.take("rooms.xlsx", workbook(SHEET, more=two), sheet="2026").is_change
    assert bureau.problems("rooms.csv", f"{ZH}{ZH_ALL}", sheet="2026") == [
        "rooms.csv:1: has no sheets: leave --sheet out"
    ]


def test_hidden_rows_are_read(bureau):
    """A filter hides rows; they are rooms all the same, and it is said that they were read."""

    def hide(book):
        book.worksheets[0].row_dimensions[3].hidden = True

    done = bureau.take("rooms.xlsx", workbook(SHEET, more=hide))
    assert not done.is_change
    assert "1 hidden or filtered rows are read like the others" in done.notes


def test_the_name_of_a_file_does_not_matter(bureau):
    """A workbook is known by what is in it."""
    assert not bureau.take("rooms.xls", workbook(SHEET)).is_change
    assert not bureau.take("rooms", f"{ZH}{ZH_ALL}").is_change
