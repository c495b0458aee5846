"""What the chat group reads, word for word."""

from typing import get_args

import pytest
from msgspec.structs import replace

from classready.units import MBIT
from collector.core.bureau.digest import digest
from collector.core.bureau.pace import together
from collector.core.bureau.words import Acknowledgement, Fixed, Group, Since
from collector.core.census import Found, GroupKind
from collector.core.events import DeviceMoved, Episode, Meanwhile
from collector.core.subject import Subject
from collector.core.words import Cause, NextStep
from collector.notify.message import render
from collector.notify.names import clean
from collector.notify.robot.fitting import PARTS_MAX, PLAIN, split, within, write
from collector.notify.wecom import MARKDOWN
from collector.text import Names
from tests.support.samples import NAMES, NOW, alert, notice

ROOM, EXIT = Subject("classroom", name="b2-301"), Subject("exit", name="metro-exit")
NATIONAL = Subject("platform", "gw1", "national")
TWO_SCHOOLS = (alert(rooms=7), alert("5114020002", "思蒙镇中心小学", rooms=2, measured=62.19 * MBIT, at=NOW - 60))


def written(note: object, language: str = "zh", style: str = "plain") -> str:
    return write(render(note, language, NAMES), PLAIN if style == "plain" else MARKDOWN)  # type: ignore[arg-type]


KEYWORD = "教室"
"""What docs/receivers.md names for robots that want a keyword."""

GOLDEN = [
    pytest.param(
        notice(*TWO_SCHOOLS),
        "【告警】东坡区教育和体育局:学校上联带宽低于要求\n"
        "2 所学校 9 间教室\n"
        "- 城关小学:7 间教室,实测 80.4 Mbit/s,要求 100 Mbit/s,自 10月15日 11:50 起\n"
        "- 思蒙镇中心小学:2 间教室(b2-301、b2-302),实测 62.1 Mbit/s,要求 100 Mbit/s,自 10月15日 11:59 起\n"
        "请处理:网络运营商\n"
        "下一步:把本条转给运营商报障,请其按合同带宽核查线路\n"
        "事件编号 000001",
        id="opened",
    ),
    pytest.param(
        notice(*TWO_SCHOOLS[1:], kind="updated", remaining_classrooms=9),
        "【更新】东坡区教育和体育局:学校上联带宽低于要求\n"
        "新增 1 所学校 2 间教室\n"
        "此事件目前共影响 9 间教室\n"
        "- 思蒙镇中心小学:2 间教室(b2-301、b2-302),实测 62.1 Mbit/s,要求 100 Mbit/s,自 10月15日 11:59 起\n"
        "请处理:网络运营商\n"
        "下一步:把本条转给运营商报障,请其按合同带宽核查线路\n"
        "事件编号 000001",
        id="updated names what is new and the whole",
    ),
    pytest.param(
        notice(
            replace(TWO_SCHOOLS[0], change="closed", measured=118.0 * MBIT), kind="resolved", remaining_classrooms=0
        ),
        "【恢复】东坡区教育和体育局:学校上联带宽低于要求\n"
        "1 所学校 7 间教室已恢复\n"
        "- 城关小学:7 间教室,实测 118 Mbit/s,要求 100 Mbit/s,10月15日 11:50 恢复\n"
        "已全部恢复,历时 25 分钟\n"
        "事件编号 000001",
        id="resolved",
    ),
    pytest.param(
        notice(replace(TWO_SCHOOLS[0], change="closed"), kind="resolved", remaining_classrooms=2),
        "【部分恢复】东坡区教育和体育局:学校上联带宽低于要求\n"
        "1 所学校 7 间教室已恢复\n"
        "尚有 2 间教室未恢复\n"
        "- 城关小学:7 间教室,实测 80.4 Mbit/s,要求 100 Mbit/s,10月15日 11:50 恢复\n"
        "事件编号 000001",
        id="partly resolved",
    ),
    pytest.param(
        notice(TWO_SCHOOLS[0], kind="reminder", at=NOW + 86_400),
        "【提醒】东坡区教育和体育局:学校上联带宽低于要求,仍未恢复\n"
        "1 所学校 7 间教室\n"
        "- 城关小学:7 间教室,实测 80.4 Mbit/s,要求 100 Mbit/s,自 10月15日 11:50 起\n"
        "请处理:网络运营商\n"
        "下一步:把本条转给运营商报障,请其按合同带宽核查线路\n"
        "事件编号 000001",
        id="reminder shows the day",
    ),
    pytest.param(
        notice(
            alert(rooms=1, cause=Cause.PORT_BELOW_REQUIRED, subject=ROOM, measured=10.0 * MBIT),
            alert(rooms=1, cause=Cause.PORT_BELOW_REQUIRED, subject=ROOM, measured=None, limit=None),
        ),
        "【告警】东坡区教育和体育局:教室端口速率低于要求\n"
        "1 所学校 1 间教室\n"
        "- 城关小学:1 间教室(b2-301),实测 10 Mbit/s,要求 100 Mbit/s,自 10月15日 11:50 起\n"
        "请处理:学校\n"
        "下一步:换一根网线或重做水晶头;仍慢的,看大屏网卡是否支持百兆以上\n"
        "事件编号 000001",
        id="a room named twice is counted once",
    ),
    pytest.param(
        notice(
            alert(
                cause=Cause.PLATFORM_UNREACHABLE,
                subject=NATIONAL,
                measured=None,
                limit=None,
            ),
            office="",
        ),
        "【告警】全部区县:教育平台不可达\n"
        "1 所学校 7 间教室\n"
        "- 城关小学:7 间教室,平台 国家中小学智慧教育平台,自 10月15日 11:50 起\n"
        "请处理:平台方\n"
        "下一步:不用处理:等平台方恢复\n"
        "事件编号 000001",
        id="a platform is named",
    ),
    pytest.param(
        notice(
            alert(cause=Cause.EXIT_BELOW_REQUIRED, subject=EXIT, measured=60.0 * MBIT),
            alert(
                "5114020002",
                "思蒙镇中心小学",
                rooms=2,
                cause=Cause.EXIT_BELOW_REQUIRED,
                subject=EXIT,
                measured=62.0 * MBIT,
            ),
        ),
        "【告警】东坡区教育和体育局:城域网出口带宽低于要求\n"
        "2 所学校 9 间教室\n"
        "- 城关小学:7 间教室,出口 metro-exit,实测 60 Mbit/s,要求 100 Mbit/s,自 10月15日 11:50 起\n"
        "- 思蒙镇中心小学:2 间教室(b2-301、b2-302),出口 metro-exit,实测 62 Mbit/s,要求 100 Mbit/s,"
        "自 10月15日 11:50 起\n"
        "请处理:教育局和出口运营商\n"
        "下一步:请出口运营商核查出口带宽;学校不用处理\n"
        "事件编号 000001",
        id="an exit is named, with whoever runs it",
    ),
    pytest.param(
        notice(
            TWO_SCHOOLS[1],
            replace(TWO_SCHOOLS[0], change="closed", measured=118.0 * MBIT),
            alert("5114020003", "尚义小学", rooms=1, change="closed", why="withdrawn"),
            kind="updated",
            remaining_classrooms=12,
        ),
        "【更新】东坡区教育和体育局:学校上联带宽低于要求\n"
        "新增 1 所学校 2 间教室\n"
        "1 所学校 7 间教室已恢复\n"
        "1 所学校 1 间教室不再计入\n"
        "此事件目前共影响 12 间教室\n"
        "- 城关小学:7 间教室,实测 118 Mbit/s,要求 100 Mbit/s,10月15日 11:50 恢复\n"
        "- 思蒙镇中心小学:2 间教室(b2-301、b2-302),实测 62.1 Mbit/s,要求 100 Mbit/s,自 10月15日 11:59 起\n"
        "- 尚义小学:1 间教室(b2-301),已免评、移出名册、更换或改接\n"
        "请处理:网络运营商\n"
        "下一步:把本条转给运营商报障,请其按合同带宽核查线路\n"
        "事件编号 000001",
        id="what began, recovered and was withdrawn in one message",
    ),
    pytest.param(
        notice(
            alert(rooms=1, change="closed", why="withdrawn", office="511421"), kind="withdrawn", remaining_classrooms=4
        ),
        "【撤销】东坡区教育和体育局:学校上联带宽低于要求\n"
        "1 所学校 1 间教室不再计入\n"
        "尚有 4 间教室未恢复\n"
        "- 城关小学:1 间教室(b2-301),已划转至仁寿县教育和体育局\n"
        "事件编号 000001",
        id="a school that moved to another office",
    ),
    pytest.param(
        notice(
            replace(TWO_SCHOOLS[0], change="closed"),
            replace(TWO_SCHOOLS[1], change="closed", why="withdrawn"),
            kind="resolved",
            remaining_classrooms=0,
        ),
        "【恢复】东坡区教育和体育局:学校上联带宽低于要求\n"
        "1 所学校 7 间教室已恢复\n"
        "1 所学校 2 间教室不再计入\n"
        "- 城关小学:7 间教室,实测 80.4 Mbit/s,要求 100 Mbit/s,10月15日 11:50 恢复\n"
        "- 思蒙镇中心小学:2 间教室(b2-301、b2-302),已免评、移出名册、更换或改接\n"
        "事件结束,历时 25 分钟\n"
        "事件编号 000001",
        id="over, and not all of it recovered",
    ),
    pytest.param(
        notice(
            alert(rooms=3, cause=Cause.PLATFORM_UNREACHABLE, subject=NATIONAL, measured=None, limit=None),
            kind="updated",
            remaining_classrooms=7,
            known_classrooms=2,
        ),
        "【更新】东坡区教育和体育局:教育平台不可达\n"
        "新增 1 所学校 3 间教室\n"
        "其中 2 间此前已告知\n"
        "此事件目前共影响 7 间教室\n"
        "- 城关小学:3 间教室(b2-301、b2-302、b2-303),平台 国家中小学智慧教育平台,自 10月15日 11:50 起\n"
        "请处理:平台方\n"
        "下一步:不用处理:等平台方恢复\n"
        "事件编号 000001",
        id="rooms that were affected before",
    ),
    pytest.param(
        notice(
            alert(cause=Cause.PLATFORM_UNREACHABLE, subject=NATIONAL, measured=None, limit=None, change="closed"),
            kind="resolved",
            remaining_classrooms=7,
            still_classrooms=7,
        ),
        "【部分恢复】东坡区教育和体育局:教育平台不可达\n"
        "1 所学校 7 间教室已恢复\n"
        "其中 7 间仍受影响\n"
        "尚有 7 间教室未恢复\n"
        "- 城关小学:7 间教室,平台 国家中小学智慧教育平台,10月15日 11:50 恢复\n"
        "事件编号 000001",
        id="rooms that another platform goes on to affect",
    ),
    pytest.param(
        notice(alert(direction="up", since=NOW - 3_600)),
        "【告警】东坡区教育和体育局:学校上联带宽低于要求\n"
        "1 所学校 7 间教室\n"
        "- 城关小学:7 间教室,上行,实测 80.4 Mbit/s,要求 100 Mbit/s,自 10月15日 11:00 起\n"
        "请处理:网络运营商\n"
        "下一步:把本条转给运营商报障,请其按合同带宽核查线路\n"
        "事件编号 000001",
        id="the upload, and since when the evidence is bad",
    ),
]


@pytest.mark.parametrize(("note", "expected"), GOLDEN)
def test_messages_in_chinese(note: object, expected: str) -> None:
    """Office and cause, exact totals, one line a school with what was measured, who acts, since when."""
    assert written(note) == expected
    assert KEYWORD in expected


def test_rural_weak_schools_stand_first() -> None:
    """Before larger ones, and marked; in a message of several and in the digest as well."""
    names = replace(NAMES, is_rural_weak=lambda school: school == "5114020002")
    parts = [notice(*TWO_SCHOOLS), notice(alert(cause=Cause.PORT_DOWN, subject=ROOM, rooms=1), incident="000002")]
    for told in (parts[0], together(parts), digest("511402", NOW, [replace(parts[0], kind="reminder")], Since())):
        first, second, *_ = render(told, "zh", names).items
        assert (first.name, "农村薄弱校" in first.facts) == ("思蒙镇中心小学", True)
        assert (second.name, "农村薄弱校" in second.facts) == ("城关小学", False)
    assert "rural weak school, " in render(parts[0], "en", names).items[0].facts


def test_a_message_in_english() -> None:
    """Same facts, other words."""
    assert written(notice(*TWO_SCHOOLS), "en") == (
        "[Alert] 东坡区教育和体育局: School uplink below required\n"
        "2 school(s), 9 classroom(s)\n"
        "- 城关小学: 7 classroom(s), measured 80.4 Mbit/s, required 100 Mbit/s, since 15 Oct 11:50\n"
        "- 思蒙镇中心小学: 2 classroom(s) (b2-301, b2-302), measured 62.1 Mbit/s, required 100 Mbit/s, "
        "since 15 Oct 11:59\n"
        "To be fixed by: the network operator\n"
        "Next: forward this to the operator: it is to check the line against the contract\n"
        "Incident 000001"
    )


def test_an_exit_in_english() -> None:
    """The exit is named, and the bureau is asked to act with its operator."""
    text = written(notice(alert(cause=Cause.EXIT_BELOW_REQUIRED, subject=EXIT)), "en")
    assert text.startswith("[Alert] 东坡区教育和体育局: Network exit below required\n")
    assert "exit metro-exit, measured 80.4 Mbit/s" in text
    assert "To be fixed by: the bureau, with the operator of the exit\nNext: have the operator" in text


def test_markdown_adds_only_our_own_markup() -> None:
    """The title is coloured by us; names stay plain."""
    first, *rest = written(notice(*TWO_SCHOOLS), style="markdown").splitlines()
    assert first == '**<font color="warning">【告警】东坡区教育和体育局:学校上联带宽低于要求</font>**'
    assert rest[1].startswith("> **城关小学**:7 间教室,")
    over = [replace(member, change="closed") for member in TWO_SCHOOLS]
    resolved = written(notice(*over, kind="resolved", remaining_classrooms=0), style="markdown")
    assert '<font color="info">' in resolved


HOSTILE = [
    pytest.param("@all 小学", "＠all 小学", id="mention"),
    pytest.param("<@all>", "＜＠all＞", id="markdown mention"),
    pytest.param("[x](http://evil.cn)", "［x］（http：／／evil．cn）", id="link"),
    pytest.param("evil.cn", "evil．cn", id="bare address"),
    pytest.param('<font color="info">好</font>', "＜font color＝＂info＂＞好＜／font＞", id="colour"),
    pytest.param("a\n> b\r\n# c\u2028d", "a ＞ b ＃ c d", id="lines"),
    pytest.param("`x` **y** ~~z~~ _w_ |", "｀x｀ ＊＊y＊＊ ～～z～～ ＿w＿ ｜", id="markup"),
    pytest.param("城关\u202e学小\u2066\u200b", "城关 学小", id="direction and invisible"),
    pytest.param("仁寿县\x00\x1b[31m小学", "仁寿县 ［31m小学", id="control"),
    pytest.param("长" * 60, "长" * 39 + "…", id="length"),
]


@pytest.mark.parametrize(("name", "cleaned"), HOSTILE)
def test_names_cannot_mention_link_colour_or_add_lines(name: str, cleaned: str) -> None:
    """Names are typed by many hands; in a chat they are letters and nothing else."""
    assert clean(name) == cleaned
    text = written(notice(alert(name=name)), style="markdown")
    assert len(text.splitlines()) == len(written(notice(alert()), style="markdown").splitlines())
    names = Names(offices={"511402": name}, platforms={"p": name})
    note = notice(alert(name=name, subject=Subject("platform", "gw1", "p"), classrooms=(name,)))
    message = render(note, "zh", names)
    assert write(message, MARKDOWN).count("<") == 2
    assert "@" not in write(message, MARKDOWN)


CLOSING = ["请处理:网络运营商", "下一步:把本条转给运营商报障,请其按合同带宽核查线路", "事件编号 000001"]


def in_parts(*members: object, limit_bytes: int = 4_096) -> list[str]:
    whole = render(notice(*members), "zh", NAMES)  # type: ignore[arg-type]
    parts = split(whole, within(limit_bytes, lambda part: write(part, MARKDOWN)))
    texts = [write(part, MARKDOWN) for part in parts]
    assert all(len(text.encode()) <= limit_bytes for text in texts)
    return texts


def schools(count: int) -> list[object]:
    return [alert(f"51140{n:05d}", f"第{n}中心小学校", rooms=30) for n in range(count)]


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (20, 1), (60, 2), (90, 3)])
def test_what_is_too_long_comes_in_parts(count: int, parts: int) -> None:
    """Between schools, numbered, none of them lost or told twice; sums first, who acts last."""
    texts = in_parts(*schools(count))
    assert len(texts) == parts
    lines = [line for text in texts for line in text.splitlines()]
    assert sorted(line for line in lines if line.startswith("> **")) == sorted(
        line
        for line in written(notice(*schools(count)), style="markdown").splitlines()
        if line.startswith("> **")  # type: ignore[arg-type]
    )
    assert [line for line in lines if "所学校" in line] == [f"{count} 所学校 {30 * count} 间教室"]
    assert lines.index(f"{count} 所学校 {30 * count} 间教室") == 1
    assert lines[-3:] == CLOSING
    titles = [text.splitlines()[0] for text in texts]
    assert titles == [
        f'**<font color="warning">【告警】东坡区教育和体育局:学校上联带宽低于要求{number}</font>**'
        for number in ([""] if parts == 1 else [f"({part}/{parts})" for part in range(1, parts + 1)])
    ]


def test_a_storm_has_an_end_and_keeps_its_totals() -> None:
    """30 000 classrooms of 1 000 schools: three parts, and the last counts what it leaves out."""
    texts = in_parts(*schools(1_000))
    assert len(texts) == PARTS_MAX
    assert "1000 所学校 30000 间教室" in texts[0]
    lines = [line for text in texts for line in text.splitlines()]
    shown = sum(line.startswith("> **") for line in lines)
    assert lines[-4] == f"…… 另有 {1_000 - shown} 所学校 {(1_000 - shown) * 30} 间教室,见看板"
    assert shown > 80
    assert lines[-3:] == CLOSING
    assert all(len(text.encode()) > 3_900 for text in texts)


def test_a_part_is_cut_to_the_byte() -> None:
    """A message of exactly the limit is whole, and one byte less cuts it."""
    whole = written(notice(*schools(12)), style="markdown")  # type: ignore[arg-type]
    assert in_parts(*schools(12), limit_bytes=len(whole.encode())) == [whole]
    assert len(in_parts(*schools(12), limit_bytes=len(whole.encode()) - 1)) == 2


def test_a_school_that_is_longer_than_a_part() -> None:
    """Nothing is cut within a line: of such a school the number of rooms is told."""
    long = alert(rooms=3, classrooms=tuple(f"{n}{'长' * 39}" for n in range(3)))
    texts = in_parts(long, *schools(3), limit_bytes=400)
    assert "> **城关小学**:3 间教室" in [line for text in texts for line in text.splitlines()]
    assert sum(text.count("> **") for text in texts) == 4


def test_a_link_to_the_page_that_shows_it() -> None:
    """Of the one school, else of its office, else of all; as the robot writes links, and with the last part."""
    names = replace(NAMES, board_url="https://board.edu.example/")
    several = render(notice(*schools(90)), "zh", names)  # type: ignore[arg-type]
    for whole, page in (
        (render(notice(alert()), "zh", names), "school/5114020001"),
        (several, "office/511402"),
        (render(notice(alert(), alert("s2"), office=""), "en", names), ""),
    ):
        assert write(whole).endswith(
            f"\n{'Board: ' if whole.language == 'en' else '看板:'}https://board.edu.example/{page}"
        )
        label = "Open the board" if whole.language == "en" else "打开看板"
        assert write(whole, MARKDOWN).endswith(f"\n[{label}](https://board.edu.example/{page})")
    parts = split(several, within(4_096, lambda part: write(part, MARKDOWN)))
    assert [part.link is not None for part in parts] == [False, False, True]
    assert all(len(write(part, MARKDOWN).encode()) <= 4_096 for part in parts)
    assert "://" not in write(render(notice(alert()), "zh", NAMES))


def test_a_message_of_several_leads_to_the_office() -> None:
    """Each part by its number; with no link of its own to say "I am on it", were it only one."""
    names = replace(
        NAMES,
        board_url="https://board.edu.example",
        acknowledge_url=lambda incident, _: f"https://ack.example/{incident}",
    )
    both = (notice(alert()), replace(notice(alert()), incident="000007"))
    for made in (together(both), digest("511402", NOW, both, Since()), digest("511402", NOW, both[:1], Since())):
        message = render(made, "zh", names)
        assert (message.link, message.acknowledge_link) == ("https://board.edu.example/office/511402", None)
        assert all(part.incident in write(message) for part in made.parts)
        assert "ack.example" not in write(message)


def test_a_digest_of_three_hundred_schools_is_short() -> None:
    """Told before, each an incident of its own: the sum, the three largest, and one line on what to do."""
    parts = [
        replace(notice(alert(f"s{n}", rooms=n % 20 + 1), kind="reminder"), incident=f"{n:06}") for n in range(1, 301)
    ]
    text = written(digest("511402", NOW, parts, Since()))
    assert "仍未恢复:学校上联带宽低于要求,300 件,300 所学校 3150 间教室,只列最大的 3 所" in text
    assert (text.count("- "), text.count("请处理"), text.count("事件编号")) == (3, 1, 3)
    assert len(written(digest("511402", NOW, parts, Since()), style="markdown").encode()) < 2_048


def test_a_digest_says_all_kinds_within_the_parts_of_a_robot() -> None:
    """The longest names, every kind of a census, a hundred schools fixed: nothing is left out, sums come first."""
    long = "很长的学校名字" * 9
    fixed = tuple(
        Fixed(incident="1", school=f"s{n}", school_name=long, cause=cause, since=NOW - 90_000, at=NOW)
        for cause in Cause
        for n in range(25)
    )
    found = tuple(
        Found(school=f"s{n}", school_name=long, names=(long, long, long), count=40, new_count=7) for n in range(300)
    )
    census = tuple(Group(kind=kind, found=found) for kind in get_args(GroupKind))
    parts = [
        replace(
            notice(*(replace(each, cause=cause, school_name=long) for each in schools(30)), kind="reminder"),
            cause=cause, incident=cause,
        )
        for cause in Cause
    ]  # fmt: skip
    whole = render(digest("511402", NOW, parts, Since(30, 20, fixed, 12), census), "zh", NAMES)
    assert len(whole.items) == 3 * len(Cause)
    cut = split(whole, within(20_000, lambda part: write(part, MARKDOWN)))
    assert all(part.left_out == (0, 0) for part in cut)
    assert "另有 12 所学校已修复" in write(cut[0])
    assert "12000 间(新增 2100)" in write(cut[0])
    assert all(
        len(write(part, MARKDOWN).encode()) <= 4_096
        for part in split(whole, within(4_096, lambda p: write(p, MARKDOWN)))
    )


@pytest.mark.parametrize(
    ("group", "zh", "en"),
    [
        pytest.param(
            Group(
                kind="not_installed",
                found=(Found(school="s1", school_name="城关小学", names=("gw-1",), count=1, new_count=1),),
            ),
            "还没装的网关 1 台:城关小学 gw-1。请按名册安装;不装的,从名册里去掉。",
            "Gateways not installed yet: 1: 城关小学 gw-1. Install them, or take them out of the roster.",
            id="all are new: it need not say so",
        ),
        pytest.param(
            Group(
                kind="unlisted",
                found=tuple(
                    Found(school=f"s{n}", school_name=f"{n}小", names=("a@b", "x2"), count=5, new_count=1)
                    for n in range(4)
                ),
            ),
            "网关已上报、名册里没有的教室 20 间(新增 4):"
            "0小 a＠b、x2 等 5 处;1小 a＠b、x2 等 5 处;2小 a＠b、x2 等 5 处;还有 5 处。"
            "请把教室补进名册;写错编号的,在“发现待分配”(手工配置的在 agent.yml)里改正。",
            None,
            id="more than are named, and nothing that mentions",
        ),
        pytest.param(
            Group(
                kind="observed",
                found=(Found(school="s1", school_name="", names=("r1",), count=3, new_count=0, cause=Cause.PORT_DOWN),),
            ),
            "观察期内发现、未在群里告警的问题 3 个:s1 教室端口断开 3 个",
            None,
            id="what was found, of a school without a name",
        ),
        pytest.param(
            Group(
                kind="unproven",
                found=(
                    Found(school="s1", school_name="城关小学", names=("r1",), count=3, next_step=NextStep.ADD_TEST),
                    Found(school="s2", school_name="尚义小学", names=("r1",), count=4, next_step=NextStep.SET_CLOCK),
                ),
            ),
            "至今没有测出是否达标的教室 7 间:城关小学 3 间;尚义小学 4 间。多数教室的下一步:",
            None,
            id="never proven: what most of them need",
        ),
    ],
)
def test_a_group_of_the_census(group: Group, zh: str, en: str | None) -> None:
    made = digest("511402", NOW, [], Since(), (group,))
    assert zh in written(made)
    assert en is None or en in written(made, "en")
    assert "教室" in written(made) or group.kind != "unlisted"


def test_what_came_and_went_while_a_gateway_was_cut_off() -> None:
    """The longest three, with their times, and how many more there are; it is over, and says so."""
    platform = Episode(
        subject=NATIONAL, cause=Cause.PLATFORM_UNREACHABLE, first_at=NOW - 7_200, last_at=NOW - 3_600, count=9
    )
    line = Episode(subject=Subject("uplink", "gw1"), cause=Cause.UPLINK_BELOW_REQUIRED, first_at=NOW - 90, last_at=NOW)
    one = Meanwhile(
        office="511402", school="s1", school_name="城关@小学", gateway="gw1", episodes=(line, platform), at=NOW
    )
    since = Since(meanwhile=(one, replace(one, gateway="gw2", more_count=4)), meanwhile_more_count=2)
    text = written(digest("511402", NOW, [], since))
    assert (
        "断网期间出现过、现已恢复的问题(网关补报):"
        "城关＠小学 教育平台不可达(国家中小学智慧教育平台),10月15日 10:00 至 10月15日 11:00;" in text
    )
    assert text.count("10月15日") == 6
    assert "还有 4 处" in text


def test_parts_are_cut_once() -> None:
    """What was cut fits, so that a restart in the middle, which cuts again, changes nothing."""
    fits = within(4_096, lambda part: write(part, MARKDOWN))
    parts = split(render(notice(*schools(70)), "zh", NAMES), fits)  # type: ignore[arg-type]
    assert [again for part in parts for again in split(part, fits)] == parts


def test_a_school_without_a_name_is_its_id() -> None:
    """A roster may leave names out."""
    assert "- 5114020001:" in written(notice(alert(name="\u200b")))


def test_a_device_that_moved() -> None:
    """Room, new port, old port; and that nothing is wrong."""
    move = DeviceMoved(
        office="511402",
        school="5114020001",
        school_name="城关小学",
        classroom="b2-302",
        before="sw1:Gi0/0/2",
        after="sw2:Gi0/0/7",
        at=NOW,
    )
    note = notice(kind="moved", cause=None, moves=(move,))
    assert written(note) == (
        "【变更】东坡区教育和体育局:大屏换了交换机端口\n"
        "1 所学校 1 间教室\n"
        "- 城关小学:b2-302的大屏换到了 sw2:Gi0/0/7(原 sw1:Gi0/0/2)\n"
        "不是故障;如果不是本校安排的,请核对接线。"
    )
    assert not render(note, "zh", NAMES).alarming


def test_times_are_the_schools_own() -> None:
    """A school that keeps another time than the bureau has its own date and clock, and its zone is named."""
    west = {"5114020001": 21_600.0, "5114020002": 28_800.0}
    names = replace(NAMES, school_offset_s=west.get)
    text = write(render(notice(*TWO_SCHOOLS), "zh", names))
    assert "- 城关小学:7 间教室,实测 80.4 Mbit/s,要求 100 Mbit/s,自 10月15日 09:50(UTC+6) 起\n" in text
    assert "实测 62.1 Mbit/s,要求 100 Mbit/s,自 10月15日 11:59 起\n" in text
    night = notice(alert(change="closed", at=NOW - 11 * 3_600), kind="resolved", remaining_classrooms=0)
    assert "10月14日 23:00(UTC+6) 恢复" in write(render(night, "zh", names))


def test_what_was_kept_back_says_so() -> None:
    """At the end of maintenance: still failing, since when it began to."""
    text = written(notice(replace(alert("s1"), still=True), alert("s2")))
    assert [line for line in text.splitlines() if "此前未告警,仍未恢复" in line] == [
        line for line in text.splitlines() if line.startswith("- ") and "起" in line
    ][:1]
    assert "not told before, still failing" in written(notice(replace(alert("s1"), still=True)), language="en")


PLACED = [
    pytest.param(
        Cause.SWITCH_UNREACHABLE, Subject("switch", "gw1", "sw-3"), {}, "交换机 sw-3", "switch sw-3", id="switch"
    ),
    pytest.param(
        Cause.SEGMENT_BELOW_REQUIRED, Subject("segment", "gw1", "sw-3:uplink"), {"place": "Gi0/0/24"},
        "干线 sw-3:uplink Gi0/0/24", "trunk sw-3:uplink Gi0/0/24", id="trunk and its port",
    ),
    pytest.param(
        Cause.SEGMENT_BELOW_REQUIRED, Subject("segment", "gw1", "ap-2"), {"half_duplex": True},
        "干线 ap-2,半双工", "trunk ap-2, half duplex", id="access point, half duplex",
    ),
    pytest.param(
        Cause.PORT_BELOW_REQUIRED, ROOM, {"place": "sw-3:Gi0/0/7", "half_duplex": True},
        "端口 sw-3:Gi0/0/7,半双工", "port sw-3:Gi0/0/7, half duplex", id="slow port, half duplex, too",
    ),
    pytest.param(
        Cause.PORT_HALF_DUPLEX, ROOM, {"place": "sw-3:端口 7", "half_duplex": True},
        "端口 sw-3:端口 7,半双工", "port sw-3:端口 7, half duplex", id="half duplex",
    ),
    pytest.param(Cause.PORT_DOWN, ROOM, {"place": "sw-3:Gi0/0/7"}, "端口 sw-3:Gi0/0/7", "port sw-3:Gi0/0/7", id="down"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "subject", "fields", "zh", "en"), PLACED)
def test_where_somebody_has_to_go(cause: Cause, subject: Subject, fields: dict, zh: str, en: str) -> None:
    """Switch, trunk and port by the names that stand on them, and half duplex where that is it."""
    note = notice(replace(alert(cause=cause, subject=subject), **fields))
    assert f"间教室,{zh}," in written(note).replace("(b2-301)", "")
    assert f", {en}, " in written(note, "en")


def test_many_ports_of_a_school() -> None:
    """Three are named, and that there are more."""
    ports = [
        replace(alert(cause=Cause.PORT_DOWN, subject=Subject("classroom", name=f"r{n}")), place=f"sw-3:Gi0/0/{n}")
        for n in range(1, 6)
    ]
    assert "端口 sw-3:Gi0/0/1、sw-3:Gi0/0/2、sw-3:Gi0/0/3 等," in written(notice(*ports))


@pytest.mark.parametrize("name", ["@all", "<at id=all></at>", "[x](http://evil.cn)", "evil.cn", "a\n# b"])
def test_a_port_cannot_mention_or_link(name: str) -> None:
    """Switches and ports are named by whoever configures them."""
    for subject, place in ((Subject("switch", "gw1", name), None), (Subject("segment", "gw1", name), name),
                           (ROOM, f"{name}:{name}")):  # fmt: skip
        text = written(notice(replace(alert(subject=subject), place=place)), style="markdown")
        plain = written(notice(alert(subject=subject)), style="markdown")
        assert len(text.splitlines()) == len(plain.splitlines())
        assert "@" not in text
        assert "evil.cn" not in text
        assert text.count("<") == plain.count("<") == 2


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("", "王工\uff20all 正在处理"),
        ("已联系\n**电信** <a>", "王工\uff20all 正在处理:已联系 \uff0a\uff0a电信\uff0a\uff0a \uff1ca\uff1e"),
    ],
)
def test_who_is_on_it_is_said_inertly(note: str, expected: str) -> None:
    """A name and a note that try to mention, mark or break the layout are plain words of one line."""
    told = notice(alert(), acknowledgement=Acknowledgement(by="王工@all", note=note, at=NOW))
    assert expected in render(told, "zh", NAMES).closing
    over = notice(alert(change="closed"), kind="resolved", remaining_classrooms=0, acknowledgement=told.acknowledgement)
    assert not any("正在处理" in line for line in render(over, "zh", NAMES).closing)
