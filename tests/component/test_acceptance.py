"""The acceptance sheet of a school: a simulated switch, a real snmpd as board, the collector's own responder."""

import asyncio
import contextlib
import hashlib
import json
import re
import sys
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from agent.acceptance import command, document, gather, html, ports
from agent.acceptance import sheet as sheets
from agent.acceptance.gather import Listener
from agent.acceptance.sheet import Sheet
from agent.doctor.run import Check
from agent.findings import Finding
from agent.probes import PROBES
from agent.probes.contract import forgetful
from agent.settings import AgentSettings, HttpLink, SpoolSettings
from agent.spool import FILE_NAME, Spool
from bench.demo.snmp_devices import Devices, Switch, Whiteboard
from classready.codec import encode
from classready.observation import Bandwidth, Device, Outcome, Port, Reason
from classready.targets import BandwidthTarget, SwitchTarget, WhiteboardTarget
from collector import responder
from collector.settings import Responder
from tests.support.bandwidth_ends import DIRECTIVES
from tests.support.chromium import chromium
from tests.support.mosquitto import free_port
from tests.support.records import ping_record
from tests.support.sheets import SHEET
from tests.support.snmpd import running_snmpd

ZONE = ZoneInfo("Asia/Shanghai")
QUIET = Listener(expect=lambda _count: None, begin=lambda _code: None, done=lambda _check, _found: None)


async def _well():
    """A gateway on which nothing is wrong: what doctor looks at has tests of its own."""
    return [
        Finding(check="python", result="ok", code="python_ok", values={"python": "3", "agent": "1"}),
        Finding(check="clock", result="ok", code="clock_ok", values={"now": "noon"}),
    ]


ALL_DAY = [["00:00", "24:00"]]


@contextlib.asynccontextmanager
async def responding():
    port = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(responder.serve(Responder(port=0), None, on_ready=port.set_result))
    try:
        yield await asyncio.wait_for(port, 5)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class School:
    """A folder with agent.yml, a switch whose ports 1, 2 and 24 are in use, and a board."""

    def __init__(self, folder, switch, board, targets):
        self.folder, self.switch, self.board = folder, switch, board
        self.state = folder / "state"
        self.state.mkdir()
        (self.state / "directives.json").write_bytes(encode(DIRECTIVES))
        (folder / "token").write_text("x\n")
        (folder / "token").chmod(0o600)
        settings = {
            "gateway": "gw-dongpo-01",
            "link": {"kind": "http", "url": f"http://127.0.0.1:{free_port()}", "token_file": "token"},
            "page": None,
            "state_dir": str(self.state),
            "targets": targets,
        }
        (folder / "agent.yml").write_text(json.dumps(settings))

    async def acceptance(self, *options):
        """Exit code, standard output, standard error."""
        arguments = ["-m", "agent", "acceptance", "-c", str(self.folder / "agent.yml"), *options]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 150)
        return process.returncode, out, err.decode()


@contextlib.asynccontextmanager
async def school(folder, snmpd):
    async with Devices() as devices, responding() as responder_port:
        switch, board = Switch(), Whiteboard()
        for number in range(3, 24):
            switch.ports[number].up = False
        switch.ports[2].alias = "音乐教室"
        host, port = await devices.add("sw1", switch)
        _, board_port = await devices.add("b2-302-board", board)
        snmp = {"timeout_s": 2.0, "retry_count": 1}
        targets = [
            {
                "name": "sw1",
                "kind": "switch",
                "host": host,
                "snmp": {"port": port, **snmp},
                "ports": {"GE0/0/1": "b2-301", "音乐教室": "b2-302"},
                "trunks": ["GE0/0/24"],
            },
            _panel("b2-301", {"port": snmpd.port, "community": "not-public", **snmp}),
            _panel("b2-302", {"port": board_port, **snmp}),
            {
                "name": "uplink",
                "kind": "bandwidth",
                "host": "127.0.0.1",
                "port": responder_port,
                "allowed_hours": ALL_DAY,
            },
        ]
        yield School(folder, switch, board, targets)


def _panel(room, snmp):
    return {
        "name": f"{room}-board",
        "kind": "whiteboard",
        "host": "127.0.0.1",
        "classroom": room,
        "icmp": False,
        "snmp": snmp,
    }


@pytest.mark.servers("snmpd")
async def test_a_school_is_accepted_and_looked_at_again(tmp_path):
    """Beside an agent that holds the spool: two sheets, the second with what is otherwise; the spool stays."""
    with running_snmpd(tmp_path) as snmpd:
        async with school(tmp_path, snmpd) as there:
            spool = await Spool.open(there.state, SpoolSettings(), live_s=180)
            await spool.append([ping_record()])
            before = _files(there.state)
            code, out, err = await there.acceptance(
                "--json", "--school", "苏南小学\n<b>", "--output", str(tmp_path / "usb")
            )
            first = msgspec.json.decode(out, type=Sheet)
            there.switch.command("GE0/0/1", ["speed", "100", "half"])
            there.switch.command("GE0/0/8", ["up"])
            there.board.on = False
            code_again, out_again, _ = await there.acceptance("--lang", "zh")
            assert _files(there.state) == before
            held = await spool.heartbeat()
            await spool.close()
    assert held.held_count == 1
    # No collector answers and no agent runs here: that is a finding.
    assert (code, code_again) == (1, 1)
    _first_sheet(first, out, err, tmp_path / "usb")
    told = out_again.decode()
    assert f"与 {first.number} 相比:" in told
    # What loopback carries beside busy processors, and which agents run on this machine, is another thing each time.
    assert [row for row in told.splitlines() if row.startswith(("· b2-", "· 交换机"))] == [
        "· b2-301 的端口速率:1000 Mbit/s → 100 Mbit/s",
        "· b2-301 的端口变为半双工",
        "· b2-302 的大屏上次有应答,这次没有(可能关机或搬走)",
        "· 交换机 sw1 新接入 1 个没有绑定的端口:GE0/0/8",
    ]
    assert "苏南小学 <b>" in told
    assert len(list((there.state / "acceptance").iterdir())) == 6


def _files(state):
    """What lies in the state directory but for the sheets, byte by byte."""
    return {
        path.name: path.read_bytes() for path in state.iterdir() if path.is_file() and path.name != f"{FILE_NAME}-shm"
    }


def _first_sheet(sheet, out, err, usb):
    """Who asked for JSON got the bytes whose digest stands on the paper; a line was said of each check."""
    digest = hashlib.sha256(out).hexdigest()
    page, plain = (usb / f"{sheet.number}.html").read_text(), (usb / f"{sheet.number}.txt").read_text()
    assert (usb / f"{sheet.number}.json").read_bytes() == out
    assert digest in page
    assert digest in plain
    assert "苏南小学 &lt;b&gt;" in page
    assert "\x1b" not in err
    assert re.search(r"^\[\d+/\d+\] \S+ switch sw1$", err, re.MULTILINE)
    assert len(re.findall(r"^\[\d+/", err, re.MULTILINE)) == int(re.search(r"/(\d+)\]", err)[1])
    rooms = {room.classroom: room for room in sheets.rooms(sheet)}
    assert [port.if_name for port in rooms["b2-302"].ports] == ["GE0/0/2"]
    assert [board.outcome for board in rooms["b2-301"].boards] == [Outcome.ANSWERED]
    [switch] = sheet.switches
    assert switch.description == "Demo switch, 24 ports"
    assert len(switch.ports) == 24
    assert sheets.unbound(sheet, switch) == []
    [line] = sheets.lines(sheet)
    assert line.outcome is not None
    assert sheet.theta == DIRECTIVES.theta
    assert (sheet.before, sheet.changes, sheet.forced) == (None, (), None)


@pytest.mark.servers("snmpd")
async def test_all_well_is_zero(tmp_path, monkeypatch, capsys):
    """Where nothing is left to do."""
    monkeypatch.setattr(gather.run, "of_gateway", lambda _settings: [Check("python", _well)])
    with running_snmpd(tmp_path) as snmpd:
        settings = _settings(
            tmp_path, WhiteboardTarget(name="b", host="127.0.0.1", classroom="b2-301", snmp=snmpd.v2c())
        )
        options = {"as_json": True, "output": None, "school": "", "force": False, "language": "en"}
        code = await asyncio.to_thread(command.main, settings, **options)
    assert code == 0
    sheet = msgspec.json.decode(capsys.readouterr().out, type=Sheet)
    assert [(found.check, found.result) for found in sheet.findings] == [
        ("python", "ok"),
        ("clock", "ok"),
        ("whiteboard", "ok"),
    ]


def _settings(folder, *targets):
    link = HttpLink(url=f"http://127.0.0.1:{free_port()}", token_file=str(folder / "token"))
    return AgentSettings(gateway="gw-dongpo-01", link=link, targets=targets, state_dir=str(folder), page=None)


async def test_a_folder_that_cannot_be_written(tmp_path):
    """The sheet is shown where only the copy beside the spool fails; a folder asked for must be written."""
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="--output") as failed:
        command._write({".txt": b""}, SHEET, tmp_path / "file" / "x", tmp_path / "file", "en")
    assert failed.type.__name__ == "ClickException"
    command._write({".txt": b""}, SHEET, tmp_path / "usb", tmp_path / "file", "en")
    assert [path.name for path in (tmp_path / "usb").iterdir()] == [f"{SHEET.number}.txt"]


# --- when lines are tested


def _elsewhen():
    """Allowed hours that are not now: an hour of the other half of the day."""
    now = datetime.now(ZONE)
    return tuple(f"{now + timedelta(hours=hours):%H:%M}" for hours in (11, 12))


@pytest.mark.parametrize(
    ("hours", "spans", "force", "tested", "in_lessons"),
    [
        ("any", (), False, True, None),
        ("any", (), True, True, None),
        ("others", (), False, False, None),
        ("others", (), True, True, False),
        ("any", ("quiet",), False, False, None),
        ("any", ("quiet",), True, True, True),
        ("any", ("quiet", "no_load"), False, False, None),
        ("any", ("quiet", "no_load"), True, False, None),
    ],
)
async def test_lines_are_tested_in_their_hours(tmp_path, monkeypatch, hours, spans, force, tested, in_lessons):  # noqa: PLR0917
    """Outside them and in lessons only where somebody insists, which the sheet says; in examinations never."""
    monkeypatch.setattr(gather.run, "of_gateway", lambda _settings: [Check("python", _well)])
    now_s = time.time()
    given = replace(DIRECTIVES, **dict.fromkeys(spans, ((now_s - 600, now_s + 3_600),)))
    (tmp_path / "directives.json").write_bytes(encode(given))
    allowed = (("00:00", "24:00"),) if hours == "any" else (_elsewhen(),)
    begun = []
    listener = Listener(expect=QUIET.expect, begin=begun.append, done=QUIET.done)
    async with responding() as port:
        target = BandwidthTarget(name="uplink", host="127.0.0.1", port=port, allowed_hours=allowed)
        found = await gather.gather(_settings(tmp_path, target), PROBES, force=force, listener=listener)
    [seen] = found.observations
    assert (seen.reason is not Reason.OUTSIDE_HOURS) is tested
    assert bool(seen.bytes) is tested
    assert (found.forced.in_lessons if found.forced else None) is in_lessons
    assert ("no_load" in begun) is (force and "no_load" in spans)
    assert [name.name for name in tmp_path.iterdir()] == ["directives.json"], "a person's test leaves no trace"


async def test_a_busy_responder_is_asked_again(tmp_path, monkeypatch):
    """The agent beside us may be the one that tests at the moment."""
    monkeypatch.setattr(gather, "BUSY_S", 0.0)
    monkeypatch.setattr(gather.run, "of_gateway", lambda _settings: [Check("python", _well)])
    answers = [Reason.PEER_BUSY, Reason.PEER_BUSY, None]

    async def observe(target, _context):
        reason = answers.pop(0)
        outcome = Outcome.PASS if reason is None else Outcome.UNMEASURED
        return [Bandwidth(target=target.name, direction="down", outcome=outcome, reason=reason)]

    table = {BandwidthTarget: lambda target, _tools: forgetful(target, observe, lambda *_: ())}
    target = BandwidthTarget(name="uplink", host="127.0.0.1")
    found = await gather.gather(_settings(tmp_path, target), table, force=False, listener=QUIET)
    assert [seen.outcome for seen in found.observations] == [Outcome.PASS]
    assert answers == []


async def test_a_switch_that_is_away_is_waited_for_once(tmp_path, monkeypatch):
    """Its ports are not asked for after it did not answer; each room behind it still has its row."""
    monkeypatch.setattr(gather.run, "of_gateway", lambda _settings: [Check("python", _well)])
    asked = []
    monkeypatch.setattr(ports, "_read", asked.append)
    async with Devices() as devices:
        away = Switch()
        host, port = await devices.add("sw1", away)
        away.on = False
        snmp = {"port": port, "timeout_s": 0.2, "retry_count": 0}
        target = msgspec.convert(
            {"name": "sw1", "host": host, "kind": "switch", "snmp": snmp, "ports": {"1": "r-1"}}, SwitchTarget
        )
        found = await gather.gather(_settings(tmp_path, target), PROBES, force=False, listener=QUIET)
    assert asked == []
    [switch] = found.switches
    assert switch.problem
    assert [(seen.classroom, seen.outcome) for seen in found.observations] == [("r-1", Outcome.NO_ANSWER)]
    assert [finding.result for finding in found.findings] == ["ok", "ok", "failed"]


# --- on paper


@pytest.mark.servers("chromium")
async def test_it_is_printed_on_a4(tmp_path):
    """Nothing is cut off at the right, on paper and on a telephone; hostile names run nothing and fetch nothing."""
    hostile = "<img src=x onerror='document.title=1'><script>document.title=2</script>" + "宽" * 90
    rooms = [Port(classroom=f"b2-{i}", switch="sw1", if_name=hostile[:64], outcome=Outcome.ANSWERED) for i in range(60)]
    boards = [Device(classroom="b2-1", outcome=Outcome.ANSWERED, facts={"firmware": hostile[:200]})]
    sheet = replace(SHEET, school=hostile, observations=(*SHEET.observations, *rooms, *boards))
    shown = document.document(sheet, sheets.digest(sheets.packed(sheet)), "zh")
    file = tmp_path / "sheet.html"
    file.write_text(html.render(shown))
    async with chromium(tmp_path) as page:
        for width in (794, 390):
            await page.resize(width, 1_123)
            await page.open(file.as_uri())
            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
        assert await page.evaluate("document.title") == f"{shown.title} {sheet.number}"
        assert await page.evaluate("performance.getEntriesByType('resource').length") == 0
        assert await page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
        printed = await page.call("Page.printToPDF", preferCSSPageSize=True)
    pdf = msgspec.json.decode(f'"{printed["data"]}"', type=bytes)
    sizes = set(re.findall(rb"/MediaBox\s*\[0 0 (\d+)\.?\d* (\d+)", pdf))
    assert sizes <= {(b"594", b"841"), (b"595", b"842"), (b"595", b"841")}
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
