"""One example of each message that people read; docs/messages.md is made of these. A new kind is one entry more."""

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from classready.units import MBIT
from collector.ack_links import link
from collector.app.receiver_trial import trial_message
from collector.core.bureau.digest import digest
from collector.core.bureau.pace import together
from collector.core.bureau.words import Acknowledgement, Fixed, Group, Notice, Since
from collector.core.census import Found
from collector.core.checkup import Surveyed
from collector.core.events import AlertChange, DeviceMoved, Episode, Meanwhile
from collector.core.subject import Subject
from collector.core.words import Cause, NextStep
from collector.notify.message import Message, render
from collector.notify.robot.fitting import split, within, write
from collector.notify.wecom import MARKDOWN, MARKDOWN_MAX_BYTES
from collector.text import LANGUAGES, Language, Names, delivery_problem, say

AT = 1_792_030_800.0
"""2026-10-15 10:20 at the schools: in a lesson."""
ROOMS = {"b2-301": "三年级1班", "b2-302": "三年级2班", "a1-105": "一年级5班"}
NAMES = Names(
    offices={"511402": "东坡区教育和体育局", "511421": "仁寿县教育和体育局"},
    platforms={"national": "国家中小学智慧教育平台"},
    board_url="https://classready.edu.example",
    acknowledge_url=lambda incident, told_at: link("https://classready.edu.example", incident, told_at, b"example"),
    classroom_name=lambda _school, room: {"b2-301": "三年级1班", "b2-302": "三年级2班", "a1-105": "一年级5班"}.get(
        room, ""
    ),
    is_rural_weak=lambda school: school == "5114020003",
)
SCHOOLS = {
    "5114020001": "城关小学",
    "5114020002": "思蒙镇中心小学",
    "5114020003": "尚义小学",
    "5114020004": "永寿镇小学",
}


class Example(Struct, frozen=True, kw_only=True):
    """``text`` says it in a language, as plain text."""

    title: str
    about: str
    text: Callable[[Language], str]


def of(title: str, about: str, notice: Notice) -> Example:
    return Example(title=title, about=about, text=lambda language: write(render(notice, language, NAMES)))


def alert(cause: Cause, subject: Subject, school: str = "5114020001", *rooms: str, **fields: object) -> AlertChange:
    """One that opened eight minutes ago, of evidence that was bad two minutes before."""
    opened = AlertChange(
        change="opened", office="511402", school=school, school_name=SCHOOLS[school], subject=subject, cause=cause,
        at=AT - 480, since=AT - 600, classrooms=rooms,
    )  # fmt: skip
    return replace(opened, **fields)


def notice(*members: AlertChange, **fields: object) -> Notice:
    made = Notice(
        kind="opened", incident="000123", office="511402", cause=members[0].cause, at=AT,
        since=min(member.since or member.at for member in members), members=members,
        remaining_classrooms=len({(member.school, room) for member in members for room in member.classrooms}),
    )  # fmt: skip
    return replace(made, **fields)


def silent(school: str, count: int, **fields: object) -> AlertChange:
    rooms = (f"b1-{number}" for number in range(101, 101 + count))
    return alert(Cause.GATEWAY_SILENT, Subject("gateway", f"gw-{school}"), school, *rooms, **fields)


PORT = alert(
    Cause.PORT_BELOW_REQUIRED, Subject("classroom", name="b2-301"), "5114020001", "b2-301",
    measured=10 * MBIT, limit=100 * MBIT, place="sw-3:Gi0/0/7", half_duplex=True,
)  # fmt: skip
LINES = tuple(
    alert(
        Cause.UPLINK_BELOW_REQUIRED,
        Subject("uplink", f"gw-{school}"),
        school,
        *(f"b1-{number}" for number in range(101, 101 + count)),
        measured=measured * MBIT,
        limit=100 * MBIT,
        direction="down",
    )
    for school, count, measured in (("5114020001", 18, 80.4), ("5114020002", 12, 62.1))
)
SIGNATURE = "bad_signature (310000)"
PLATFORM = alert(Cause.PLATFORM_UNREACHABLE, Subject("platform", "gw1", "national"), "5114020001", "b2-301", "b2-302")


def fixed(school: str, hours: float) -> Fixed:
    return Fixed(
        incident="000101", school=school, school_name=SCHOOLS[school], cause=Cause.GATEWAY_SILENT,
        since=AT - 80_000, at=AT - 80_000 + hours * 3_600,
    )  # fmt: skip


def found(school: str, *names: str, count: int = 0, **fields: object) -> Found:
    made = Found(school=school, school_name=SCHOOLS[school], names=names, count=count or len(names), new_count=1)
    return replace(made, **fields)


CENSUS = (
    Group(
        kind="not_installed",
        found=(
            found("5114020004", "gw-yongshou-01", "gw-yongshou-02"),
            found("5114020003", "gw-shangyi-01", new_count=0),
        ),
    ),
    Group(kind="silent", found=(found("5114020002", "gw-simeng-02"),)),
    Group(kind="observation_ends", found=(found("5114020002", "gw-simeng-01"),)),
    Group(
        kind="observed",
        found=(
            found("5114020002", "b1-101", count=4, cause=Cause.PORT_BELOW_REQUIRED),
            found("5114020002", "gw-simeng-03", cause=Cause.UPLINK_BELOW_REQUIRED),
        ),
    ),
    Group(kind="unlisted", found=(found("5114020001", "c3-301", "c3-302", "c3-303", count=8),)),
    Group(
        kind="unproven",
        found=(
            found("5114020001", "b2-301", count=26, new_count=0, next_step=NextStep.SHOW_LINK),
            found("5114020003", "b1-101", count=9, new_count=0, next_step=NextStep.ADD_TEST),
        ),
    ),
)
CUT = Meanwhile(
    office="511402", school="5114020003", school_name=SCHOOLS["5114020003"], gateway="gw-5114020003", at=AT - 70_000,
    episodes=(
        Episode(
            subject=Subject("platform", "gw-5114020003", "national"), cause=Cause.PLATFORM_UNREACHABLE,
            first_at=AT - 80_000, last_at=AT - 72_000, count=26,
        ),
    ),
)  # fmt: skip
ON_IT = Acknowledgement(by="王工", note="", at=AT - 3_600)


def over(member: AlertChange, **fields: object) -> AlertChange:
    return replace(member, change="closed", at=AT - 60, **fields)


def elsewhere(member: AlertChange) -> AlertChange:
    return replace(member, school="5114210001", school_name="文林镇小学", office="511421")


def fault(*members: AlertChange, **fields: object) -> Notice:
    return notice(*members, **{"office": "", "actor": "platform", "incident": "000120", **fields})


def storm(language: Language) -> str:
    """As a WeCom group reads it: its three parts."""
    members = [replace(silent("5114020001", 20), school=f"s{n:03}", school_name=f"第{n}小学") for n in range(1, 201)]
    whole = render(notice(*members, actor="bureau"), language, NAMES)
    parts = split(whole, within(MARKDOWN_MAX_BYTES, lambda part: write(part, MARKDOWN)))
    return "\n\n".join(_shortened(part) for part in parts)


def _shortened(part: Message) -> str:
    lines = write(part).splitlines()
    items = [number for number, line in enumerate(lines) if line.startswith("- ")]
    return "\n".join([*lines[: items[0] + 1], "- ...", *lines[items[-1] :]])


EXAMPLES: tuple[Example, ...] = (
    of("opened: one room", "Where to go, what was measured, what to do, who does it.", notice(PORT)),
    of(
        "several: where messages are about to run out",
        "What would be messages of their own goes together; each keeps its number and who is to act.",
        together(
            [
                notice(PORT),
                notice(silent("5114020003", 9), incident="000124"),
                notice(
                    *(replace(line, change="closed", at=AT - 60) for line in LINES),
                    kind="resolved",
                    incident="000119",
                    remaining_classrooms=0,
                ),
            ]
        ),
    ),
    of("opened: lines", "Two schools; both lines were measured, at different times.", notice(*LINES)),
    of(
        "opened: a gateway is silent",
        "Power, line, or the box itself; the rooms behind it are unknown.",
        notice(silent("5114020003", 9)),
    ),
    of(
        "opened: an operator",
        "Several schools of one operator at once: it is asked, by name, and no school.",
        notice(
            silent("5114020001", 18),
            silent("5114020002", 12),
            silent("5114020003", 9),
            actor="operator",
            root_name="中国电信眉山分公司",
        ),
    ),
    of(
        "opened: half of an office",
        "No school can mend that.",
        notice(*(silent(school, 12) for school in SCHOOLS), actor="bureau"),
    ),
    of(
        "opened: a platform, from one school",
        "All others reach it: the school's own resolver or proxy is asked for.",
        notice(PLATFORM, actor="school"),
    ),
    of(
        "a platform's own fault",
        "One message for all offices; nobody here can do anything, and it says so.",
        fault(PLATFORM, elsewhere(PLATFORM), joined=("000121",), joined_classrooms=2),
    ),
    of(
        "a platform's own fault, missed by many",
        "By office, where they are more than ten schools.",
        fault(
            *(replace(PLATFORM, school=f"s{n}") for n in range(40)),
            *(replace(elsewhere(PLATFORM), school=f"t{n}") for n in range(12)),
        ),
    ),
    of(
        "a platform is back",
        "One message for all offices; who still does not reach it has a trouble of his own.",
        fault(
            over(PLATFORM),
            elsewhere(over(PLATFORM, why="withdrawn", still=True)),
            kind="resolved",
            remaining_classrooms=0,
        ),
    ),
    of(
        "opened: the exit",
        "The school's own line is good; what comes through the exit is not enough.",
        notice(
            alert(
                Cause.EXIT_BELOW_REQUIRED,
                Subject("exit", name="眉山教育城域网出口"),
                "5114020001",
                "b2-301",
                "b2-302",
                measured=60 * MBIT,
                limit=100 * MBIT,
            )
        ),
    ),
    of(
        "opened: a switch",
        "",
        notice(alert(Cause.SWITCH_UNREACHABLE, Subject("switch", "gw1", "sw-3"), "5114020001", "b2-301", "b2-302")),
    ),
    of(
        "opened: a trunk",
        "",
        notice(
            alert(
                Cause.SEGMENT_BELOW_REQUIRED,
                Subject("segment", "gw1", "二楼"),
                "5114020001",
                "b2-301",
                "b2-302",
                measured=100 * MBIT,
                limit=1_000 * MBIT,
                place="Gi0/0/24",
            )
        ),
    ),
    of(
        "opened: a port is down",
        "",
        notice(
            alert(Cause.PORT_DOWN, Subject("classroom", name="b2-302"), "5114020001", "b2-302", place="sw-3:Gi0/0/8")
        ),
    ),
    of(
        "opened: half duplex",
        "",
        notice(
            alert(
                Cause.PORT_HALF_DUPLEX,
                Subject("classroom", name="b2-302"),
                "5114020001",
                "b2-302",
                place="sw-3:Gi0/0/8",
                half_duplex=True,
            )
        ),
    ),
    of(
        "opened: boards that went off together",
        "Told at once: a switch, a trunk, a port that several rooms share, or else the gateway by name.",
        notice(
            alert(Cause.DEVICE_OFFLINE, Subject("gateway", "gw-gongyi-01"), "5114020002", "a1-105", "a1-106", "a1-107")
        ),
    ),
    of(
        "opened: boards that stay off",
        "All of an office in one message, in the morning.",
        notice(alert(Cause.DEVICE_OFFLINE, Subject("classroom", name="a1-105"), "5114020002", "a1-105")),
    ),
    of(
        "opened: no board",
        "",
        notice(alert(Cause.DEVICE_ABSENT, Subject("classroom", name="a1-105"), "5114020002", "a1-105")),
    ),
    of(
        "opened: kept back",
        "Observation or maintenance is over, and it fails as before.",
        notice(replace(PORT, still=True, since=AT - 7_200)),
    ),
    of(
        "updated",
        "Combined: one joined and one is well again, in one message; the total is what fails now.",
        notice(silent("5114020002", 12), over(silent("5114020003", 9)), kind="updated", remaining_classrooms=30),
    ),
    of("partial recovery", "", notice(over(silent("5114020003", 9)), kind="resolved", remaining_classrooms=30)),
    of(
        "resolved",
        "The duration counts from the first bad evidence.",
        notice(over(PORT, measured=1_000 * MBIT, half_duplex=False), kind="resolved", remaining_classrooms=0),
    ),
    of(
        "withdrawn",
        "Exempt, moved or no longer listed: nobody knows whether it is well, so nobody says so.",
        notice(over(PORT, why="withdrawn"), kind="withdrawn", remaining_classrooms=0),
    ),
    of(
        "withdrawn: to another office",
        "",
        notice(over(PORT, why="withdrawn", office="511421"), kind="withdrawn", remaining_classrooms=0),
    ),
    of(
        "reminder",
        "In the morning of a school day: told, and not fixed.",
        notice(replace(PORT, since=AT - 90_000), kind="reminder", at=AT),
    ),
    of(
        "escalated",
        "To others, once: nobody said to be on it for so many hours of lessons.",
        notice(silent("5114020002", 12), kind="escalated", remaining_classrooms=12),
    ),
    of(
        "digest",
        "Once a school day: what can wait, what was told and is not fixed, what was fixed, and what no alert tells of.",
        digest(
            "511402",
            AT,
            [
                notice(alert(Cause.DEVICE_OFFLINE, Subject("classroom", name="a1-105"), "5114020002", "a1-105"), at=AT),
                notice(replace(PORT, since=AT - 90_000), kind="reminder", acknowledgement=ON_IT),
                notice(replace(LINES[1], since=AT - 180_000), kind="reminder", incident="000117"),
            ],
            Since(
                began_count=3,
                ended_count=2,
                fixed=(fixed("5114020003", 2.5), fixed("5114020004", 0.7)),
                meanwhile=(CUT,),
            ),
            CENSUS,
        ),
    ),
    of(
        "digest: three hundred schools",
        "Of what the office was told already the largest are named; the board has them all.",
        digest(
            "511402",
            AT,
            [
                notice(
                    replace(
                        silent("5114020001", number % 20 + 1, since=AT - 90_000),
                        school=f"s{number:03}",
                        school_name=f"第{number}小学",
                    ),
                    kind="reminder",
                    incident=f"{number:06}",
                )
                for number in range(1, 301)
            ],
            Since(began_count=300),
        ),
    ),
    of(
        "checkup: before a term",
        "On the last working day before it: how many rooms are ready, and what each school has to do first.",
        Notice(
            kind="checkup",
            incident="",
            office="511402",
            cause=None,
            at=AT,
            since=AT,
            term="2026-09-01",
            surveys=(
                Surveyed(
                    school="5114020003",
                    school_name="尚义小学",
                    unknown={NextStep.CHECK_GATEWAY: 9},
                    silent=("gw-5114020003",),
                ),
                Surveyed(
                    school="5114020001",
                    school_name="城关小学",
                    ready_count=20,
                    short_count=2,
                    unknown={NextStep.WAKE_DEVICE: 3, NextStep.WAIT_FOR_TEST: 1},
                    switch_count=1,
                ),
                Surveyed(school="5114020002", school_name="思蒙镇中心小学", ready_count=12),
            ),
        ),
    ),
    of(
        "moved",
        "No fault: a board was connected to another port.",
        Notice(
            kind="moved",
            incident="",
            office="511402",
            cause=None,
            at=AT,
            since=AT,
            moves=(
                DeviceMoved(
                    office="511402",
                    school="5114020001",
                    school_name="城关小学",
                    classroom="b2-302",
                    before="sw-1:Gi0/0/2",
                    after="sw-2:Gi0/0/7",
                    at=AT,
                ),
            ),
        ),
    ),
    Example(
        title="longer than a robot takes",
        about="Three parts at most; lines left out here are shown as `- ...`.",
        text=storm,
    ),
    Example(
        title="test",
        about="`classready-collector notify-test`.",
        text=lambda language: write(trial_message("dongpo", language)),
    ),
    Example(
        title="configuration error",
        about="On the board, while a robot takes nothing.",
        text=lambda language: say(
            "board.misconfigured", language, receiver="dongpo", reason=delivery_problem(SIGNATURE, language)
        ),
    ),
)


def table() -> Iterator[str]:
    for example in EXAMPLES:
        yield f"### {example.title}\n"
        if example.about:
            yield f"{example.about}\n"
        for language in LANGUAGES:
            yield f"```text\n{example.text(language)}\n```\n"
