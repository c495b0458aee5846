"""The acceptance sheet without a network: what follows from what was seen, what has changed, and how it is said."""

import hashlib
import html as stdlib_html
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from agent.acceptance import cells, document, drift, html, kept, text
from agent.acceptance import sheet as sheets
from agent.acceptance.sheet import Change, Room, Sheet, Switch, SwitchPort
from agent.words import LANGUAGES, SENTENCES
from agent.words.columns import width
from classready.observation import Bandwidth, Outcome, Reason, Segment
from classready.report import Thetas
from classready.units import MBIT
from tests.support.sheets import SHEET, THETA, board, exchanged, found, line, otherwise, port

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def rendered(sheet, language="zh"):
    return document.document(sheet, sheets.digest(sheets.packed(sheet)), language)


def changed(before, now):
    return [(change.code, change.subject) for change in drift.changes(before, now)]


def test_the_same_a_month_later_is_no_change():
    assert changed(SHEET, otherwise()) == []
    # Through the disk, as it is compared in earnest.
    assert changed(msgspec.json.decode(sheets.packed(SHEET), type=Sheet), otherwise()) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (port("b2-301", "GE0/0/1", 100), ("port_speed", "b2-301")),
        (port("b2-301", "GE0/0/1", full_duplex=False), ("duplex_half", "b2-301")),
        (port("b2-302", "GE0/0/2", 100, full_duplex=True), ("duplex_full", "b2-302")),
        (port("b2-301", "GE0/0/9"), ("port_moved", "b2-301")),
        (port("b2-301", "GE0/0/1", None, oper_up=False, full_duplex=None), ("port_down", "b2-301")),
        (port("b2-304", "GE0/0/4", 1_000), ("port_up", "b2-304")),
        (port("b2-301", "GE0/0/1", None, oper_up=False, admin_up=False), ("port_disabled", "b2-301")),
        (port("b9-101", "GE0/0/5"), ("room_new", "b9-101")),
        (board("b2-301", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), ("board_silent", "b2-301")),
        (board("b2-302"), ("board_back", "b2-302")),
        (board("b2-305", 100), ("board_speed", "b2-305")),
        (board("b2-301", facts={"firmware": "HiteVision 3.3.0", "temperature_c": "44"}), ("board_fact", "b2-301")),
        (line(outcome=Outcome.FAIL, at_most_bps=60.0 * MBIT), ("line_worse", "uplink")),
        (line(outcome=Outcome.PASS, at_most_bps=96.0 * MBIT), ("line_slower", "uplink")),
        (Segment(name="sw1:uplink", if_name="GE0/0/23", outcome=Outcome.ANSWERED), ("trunk_moved", "sw1:uplink")),
        (
            Segment(name="sw1:uplink", if_name="GE0/0/24", outcome=Outcome.ANSWERED, speed_bps=100 * MBIT),
            ("port_speed", "sw1:uplink"),
        ),
    ],
)
def test_what_was_seen_otherwise_is_a_change(now, expected):
    """One thing is otherwise: it is told, and nothing else is."""
    assert changed(SHEET, exchanged(SHEET, now)) == [expected]


@pytest.mark.parametrize(
    "now",
    [
        port("b2-301", "GE0/0/1", None, full_duplex=None),
        port("b2-301", None, None, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT, admin_up=None, oper_up=None),
        board("b2-301", None, outcome=Outcome.UNMEASURED, reason=Reason.AUTH_FAILED, state=None),
        board("b2-301", facts={"firmware": "HiteVision 3.2.1", "temperature_c": "55", "uptime_s": "7"}),
        line(outcome=Outcome.UNMEASURED, reason=Reason.PEER_BUSY),
        line(outcome=Outcome.PASS, at_least_bps=95.5 * MBIT, estimate_bps=200.0 * MBIT),
        line(outcome=Outcome.PASS, at_most_bps=97.0 * MBIT),
        Segment(name="sw1:uplink", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT),
    ],
)
def test_what_is_not_known_now_is_no_change(now):
    """Nor are temperatures, and estimates whose intervals touch."""
    assert changed(SHEET, exchanged(SHEET, now)) == []


def switch(*used, **more):
    ports = tuple(SwitchPort(name=f"GE0/0/{i}", up=i in used) for i in range(1, 25))
    return Switch(name="sw1", host="192.168.1.2", ports=ports, **more)


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (switch(1, 2), switch(1, 2), []),
        (switch(1), switch(1, 2, 8), [("port_new", "sw1")]),
        (switch(1, 8), switch(1), []),
        (switch(1), switch(1, 4, 24), []),
        (switch(description="V1"), switch(description="V2"), [("switch_firmware", "sw1")]),
        (switch(description="V1"), switch(), []),
        (switch(), switch(problem="no answer"), [("switch_silent", "sw1")]),
        (switch(problem="no answer"), switch(8), [("switch_back", "sw1")]),
        (switch(problem="no answer"), switch(problem="another"), []),
    ],
)
def test_switches(was, now, expected):
    """Ports 4 and 24 are a room's and the trunk: they are bound."""
    assert changed(otherwise(switches=(was,)), otherwise(switches=(now,))) == expected


def test_new_ports_are_named():
    [change] = drift.changes(otherwise(switches=(switch(1),)), otherwise(switches=(switch(1, 8, 9),)))
    assert document.changed(change, "zh") == "交换机 sw1 新接入 2 个没有绑定的端口:GE0/0/8, GE0/0/9"


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ("ok", "failed", [("check_worse", "c:443")]),
        ("warning", "ok", [("check_better", "c:443")]),
        ("failed", "warning", []),
        ("not_checked", "failed", []),
    ],
)
def test_checks(was, now, expected):
    of = [otherwise(findings=(found("tcp", result, "tcp_ok", "c:443", subject="c:443"),)) for result in (was, now)]
    assert changed(*of) == expected


@pytest.mark.parametrize(("subject", "words"), [("", "时间:上次"), ("c:443", "时间 c:443:上次")])
def test_checks_are_named(subject, words):
    assert document.changed(Change(code="check_worse", subject=subject, values={"check": "clock"}), "zh").startswith(
        words
    )


def test_a_release_and_a_room_that_went():
    gone = tuple(seen for seen in SHEET.observations if getattr(seen, "classroom", None) != "b2-303")
    assert changed(SHEET, otherwise(agent_version="0.2.0", observations=gone)) == [
        ("version", ""),
        ("room_gone", "b2-303"),
    ]


def test_every_change_has_its_sentence():
    """Codes stand in the source as literals; values that a sentence asks for are given."""
    codes = set(re.findall(r'code="(\w+)"', Path(drift.__file__).read_text()))
    codes |= set(re.findall(r'"(\w+)" if [^"]* else "(\w+)", subject', Path(drift.__file__).read_text()).pop())
    assert len(codes) > 20
    assert {f"change.{code}" for code in codes} <= set(SENTENCES)
    values = dict.fromkeys(("was", "now", "port", "fact", "ports", "count", "check"), "x")
    for code in codes:
        assert document.changed(Change(code=code, subject="s", values=values), "zh")


@pytest.mark.parametrize(
    ("seen", "theta", "expected"),
    [
        (port("r", "1"), THETA, True),
        (port("r", "1", 95), THETA, True),
        (port("r", "1", 94), THETA, False),
        (port("r", "1", 1_000, full_duplex=False), THETA, False),
        (port("r", "1", None), THETA, None),
        (port("r", "1", None, oper_up=False, full_duplex=None), THETA, None),
        (port("r", "1"), None, None),
        (port("r", "1", 10), Thetas(), None),
    ],
)
def test_ports_are_compared_only_with_what_the_collector_said(seen, theta, expected):
    assert sheets.enough(Room(classroom="r", ports=(seen,), boards=()), theta) is expected


def test_one_end_that_is_too_slow_decides():
    room = Room(classroom="r", ports=(port("r", "1"),), boards=(board("r", 10),))
    assert sheets.enough(room, THETA) is False


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([found("tcp", "ok", "x")], True),
        ([found("tcp", "warning", "x")], False),
        ([found("http", "failed", "x")], False),
        ([found("credential", "not_checked", "x")], True),
        ([found("bandwidth", "not_checked", "x")], False),
    ],
)
def test_what_is_left_to_do(findings, expected):
    assert sheets.is_well(findings) is expected


def test_rooms_in_the_order_in_which_people_count():
    observations = [port(room, "1") for room in ("b2-10", "b10-1", "b2-9", "s-2/b2-1")]
    assert [room.classroom for room in sheets.rooms(otherwise(observations=observations))] == [
        "b2-9",
        "b2-10",
        "b10-1",
        "s-2/b2-1",
    ]


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ({}, "没有数值"),
        ({"at_least_bps": 97e6}, "至少 97 Mbit/s"),
        ({"at_most_bps": 60.04e6}, "至多 60.04 Mbit/s"),
        ({"at_least_bps": 90e6, "at_most_bps": 97e6}, "90 至 97 Mbit/s"),
        ({"at_least_bps": 97e6, "estimate_bps": 1e9}, "约 1000 Mbit/s(至少 97 Mbit/s)"),
    ],
)
def test_intervals(interval, words):
    assert cells.interval(Bandwidth(target="up", **interval), "zh") == words


def test_a_line_without_requirement_is_not_judged():
    """Even where the observation says pass: it was compared with nothing that the sheet could show."""
    row = cells.line(Bandwidth(target="up", outcome=Outcome.PASS, at_least_bps=97e6), "zh")
    assert [cell.text for cell in row][-2:] == ["未判定", "未判定"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sheet", [SHEET, otherwise(before="gw-dongpo-01-1", changes=(Change(code="board_silent"),))])
def test_everything_is_on_the_paper(sheet, language):
    """In both forms: parties, number, digest, each room, each check's next step; and no code instead of words."""
    shown = rendered(sheet, language)
    page, plain = html.render(shown), text.render(shown)
    digest = hashlib.sha256(sheets.packed(sheet)).hexdigest()
    texts = Text.of(page), plain
    for told in texts:
        assert digest in told
        assert sheet.number in told
        assert all(room.classroom in told for room in sheets.rooms(sheet))
        assert all(party in told for _, (party, _, _) in zip(range(3), shown.parties, strict=True))
        assert all(finding.seen(language) in told for finding in sheet.findings)
        assert all(finding.remedy(language) in told for finding in sheet.findings if finding.result != "ok")
    assert not re.findall(r"\b(?:sheet|change|reason|result|check|state|duplex|mode)\.[a-z_]+", texts[0])


def test_both_languages_have_the_same_digest():
    assert rendered(SHEET, "zh").foot.split("。")[0].endswith(sheets.digest(sheets.packed(SHEET)))
    assert sheets.digest(sheets.packed(SHEET)) in rendered(SHEET, "en").foot


def test_what_was_forced_is_said():
    notes = [rendered(otherwise(forced=sheets.Forced(in_lessons=lessons))).notes[-1] for lessons in (False, True)]
    assert "允许时段之外" in notes[0]
    assert "上课时间" in notes[1]


def test_a_clock_that_nobody_confirms_is_said():
    assert "未经核实" in dict(rendered(otherwise(clock_good=False)).facts)["检测时间"]


class Text(HTMLParser):
    """Names of elements, their attributes, and the text of a page as a browser reads it."""

    def __init__(self):
        super().__init__()
        self.elements, self.attributes, self.said = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.said.append(data)

    @classmethod
    def of(cls, page):
        reader = cls()
        reader.feed(page)
        return " ".join(reader.said)


def hostile_sheet():
    """What a device or a person can name, named as an attacker would."""
    return otherwise(
        school=HOSTILE,
        observations=(
            port("b2-301", HOSTILE[:64], detail=HOSTILE),
            board("b2-301", facts={"firmware": HOSTILE, "model": HOSTILE}, detail=HOSTILE),
            line(detail=HOSTILE, outcome=Outcome.UNMEASURED, reason=Reason.PROTOCOL),
        ),
        switches=(
            Switch(
                name="sw1", host="h", description=HOSTILE, ports=(SwitchPort(name=HOSTILE, alias=HOSTILE, up=True),)
            ),
            Switch(name="sw2", host="h", problem=HOSTILE),
        ),
        findings=(found("http", "failed", "target_failed", "x", reason="reason.timeout", detail=HOSTILE, name="x"),),
        before=HOSTILE,
        changes=(Change(code="switch_firmware", subject=HOSTILE, values={"was": HOSTILE, "now": HOSTILE}),),
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_names_stay_text(language):
    page = html.render(rendered(hostile_sheet(), language))
    reader = Text()
    reader.feed(page)
    assert {"script", "img"} & set(reader.elements) == set()
    assert not [name for name in reader.attributes if name.startswith("on")]
    assert page.count(stdlib_html.escape(HOSTILE)) >= 8
    assert "<script" not in page


def test_columns_of_the_text_stand_below_each_other():
    """Chinese characters take two columns of a terminal."""
    plain = text.render(rendered(SHEET)).splitlines()
    head = next(i for i, row in enumerate(plain) if row.startswith("教室  "))
    at = width(plain[head].partition("大屏")[0])
    for row in plain[head + 1 : head + 3]:
        before = next(i for i in range(len(row)) if width(row[:i]) == at)
        assert row[before - 2 : before] == "  "


# --- on the disk


def keep(folder, number, sheet=SHEET):
    sheet = replace(sheet, number=f"{sheet.gateway}-{number}")
    files = {".json": sheets.packed(sheet), ".html": b"h", ".txt": b"t"}
    return kept.keep(folder, sheet.gateway, sheet.number, files)


def test_the_last_ones_are_kept(tmp_path):
    """The oldest go with all their files; those of another gateway, and what else lies there, are nobody's business."""
    (tmp_path / "acceptance").mkdir()
    (tmp_path / "acceptance" / "notes.txt").write_text("mine")
    for gateway in ("gw-other", "gw-dongpo-01-2"):
        keep(tmp_path, "20250101-000000", replace(SHEET, gateway=gateway))
    for i in range(kept.KEPT_COUNT + 2):
        keep(tmp_path, f"20260101-{i:06}")
    names = sorted(path.name for path in (tmp_path / "acceptance").glob("gw-dongpo-01-2026*"))
    assert len(names) == 3 * kept.KEPT_COUNT
    assert names[0].startswith("gw-dongpo-01-20260101-000002")
    assert (tmp_path / "acceptance" / "notes.txt").exists()
    assert (tmp_path / "acceptance" / "gw-other-20250101-000000.json").exists()
    assert (tmp_path / "acceptance" / "gw-dongpo-01-2-20250101-000000.json").exists()
    assert kept.last(tmp_path, "gw-dongpo-01").number == f"gw-dongpo-01-20260101-{kept.KEPT_COUNT + 1:06}"


def test_sheets_leave_the_spool_its_room(tmp_path, monkeypatch):
    """By size, too, the oldest go; where little is left, all but the last; then none is kept, and nothing half."""
    size = sum(map(len, (sheets.packed(SHEET), b"h", b"t")))
    monkeypatch.setattr(kept, "KEPT_BYTES", 3 * size + 60)
    for day in range(1, 6):
        keep(tmp_path, f"202601{day:02}-000000")
    folder = tmp_path / "acceptance"
    names = sorted(path.stem[-15:-7] for path in folder.glob("*.json"))
    assert names == ["20260103", "20260104", "20260105"]
    monkeypatch.setattr(kept, "SPARE_BYTES", 2**60)
    with pytest.raises(OSError, match="No space left"):
        keep(tmp_path, "20260106-000000")
    assert {path.stem[-15:] for path in folder.iterdir()} == {"20260105-000000"}
    assert len(list(folder.iterdir())) == 3


def test_what_was_not_written_whole_is_taken_away(tmp_path):
    """A disk that is full says so once a part is written."""
    for name in ("n.txt", "n.html"):
        (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError):
        kept.write(tmp_path, "n", {".json": b"1", ".txt": b"2"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.html", "n.json", "n.txt"]


def test_two_in_one_second_are_two(tmp_path):
    """A sheet that was signed is never written over; the later one is the last."""
    numbers = []
    for _ in range(3):
        numbers.append(kept.free_number(tmp_path, "gw-dongpo-01-20260101-000000"))
        keep(tmp_path, numbers[-1].removeprefix("gw-dongpo-01-"))
    assert numbers == [f"gw-dongpo-01-20260101-000000{end}" for end in ("", "-2", "-3")]
    assert kept.last(tmp_path, "gw-dongpo-01").number == numbers[-1]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"format": 1}', sheets.packed(replace(SHEET, format=2)), b'"' + b"x" * 5_000_000],
)
def test_a_sheet_that_cannot_be_read_is_passed_over(tmp_path, content):
    """The one before it is compared with."""
    folder = keep(tmp_path, "20260101-000000")
    (folder / "gw-dongpo-01-20260201-000000.json").write_bytes(content)
    (folder / "gw-dongpo-01-20260301-000000.json").mkdir()
    (folder / "gw-dongpo-01-20260401-000000.json.new").write_bytes(sheets.packed(replace(SHEET, number="half")))
    assert kept.last(tmp_path, "gw-dongpo-01").number == "gw-dongpo-01-20260101-000000"
    assert kept.last(tmp_path / "nowhere", "gw-dongpo-01") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_the_service_can_write(tmp_path):
    """The service has a user of its own, and owns its state directory."""
    os.chown(tmp_path, 61_184, 61_184)
    folder = keep(tmp_path, "20260101-000000")
    assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {61_184}
