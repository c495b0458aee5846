"""The command line and the settings checks behind it."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from operator import attrgetter
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent import directives as kept
from agent.__main__ import main
from agent.loading import load_settings
from classready.report import Directives, Thetas
from classready.settings import SettingsError

REPOSITORY = Path(__file__).resolve().parents[2]

GOOD = """\
gateway: gw-1
link:
  kind: http
  url: http://127.0.0.1:9711
  token_file: token
targets:
  - name: here
    kind: ping
    host: 127.0.0.1
    count: 1
    timeout_s: 0.5
  - name: door
    kind: http
    url: http://127.0.0.1:1/
  - name: window
    kind: http
    url: http://127.0.0.1:1/
  - name: uplink
    kind: bandwidth
    host: 127.0.0.1
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    path = tmp_path / "agent.yml"
    path.write_text(GOOD)
    return path


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="classready-agent")


def problems(path, text):
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def test_help_teaches_and_is_quick():
    """``--help`` shows examples and exit codes, and takes less than 0.3 s on an idle machine."""
    began = time.monotonic()
    args = [sys.executable, "-m", "agent", "--help"]
    text = subprocess.run(args, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout
    assert time.monotonic() - began < 3
    assert "probe uplink --explain" in text
    assert "78 wrong settings" in text
    assert "classready-agent doctor" in text
    assert "classready-agent acceptance" in text


@pytest.mark.parametrize(
    "command",
    [
        ("agent", "acceptance", "--help"),
        ("agent", "doctor", "--lang", "zh", "-c", "nowhere.yml"),
        ("collector", "check", "-c", "没有.yml"),
    ],
    ids=" ".join,
)
def test_a_terminal_that_cannot_show_chinese(command):
    """Escapes, and no traceback."""
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    args = [sys.executable, "-m", *command]
    done = subprocess.run(args, check=False, capture_output=True, cwd=REPOSITORY, env=environment, timeout=60)
    assert b"Traceback" not in done.stderr, done.stderr
    assert rb"\u" in done.stdout + done.stderr


def test_help_imports_nothing_heavy():
    """What makes a start slow is imported by the command that needs it."""
    code = "import sys, agent.__main__; print(*sys.modules)"
    args = [sys.executable, "-c", code]
    modules = subprocess.run(args, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout.split()
    assert not {"asyncio", "aiohttp", "aiomqtt", "msgspec", "gufo.snmp", "pysnmp", "structlog", "yaml"} & set(modules)


def test_the_app_imports_only_what_is_configured():
    """Links, SNMP and the metrics library wait until the settings ask for them."""
    code = "import sys, agent.app; print(*sys.modules)"
    args = [sys.executable, "-c", code]
    modules = subprocess.run(args, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout.split()
    assert not {"aiohttp", "aiomqtt", "gufo.snmp", "pysnmp", "prometheus_client"} & set(modules)


@pytest.mark.parametrize(("hidden", "used"), [([], "gufo.snmp"), (["gufo.snmp"], "pysnmp")])
def test_one_snmp_library_is_imported(hidden, used):
    """gufo-snmp where its wheel is installed, pysnmp elsewhere; never both, for memory's sake."""
    code = (
        "import asyncio, sys; sys.modules.update(dict.fromkeys(sys.argv[1:]))\n"
        "from agent import snmp; from classready.devices import Snmp\n"
        "device = snmp.Session(snmp.installed).device('no-such-host.invalid', Snmp())\n"
        "try: asyncio.run(snmp.get(device, []))\n"
        "except snmp.SnmpError: pass\n"
        "print(*(name for name in ('gufo.snmp', 'pysnmp') if sys.modules.get(name)))"
    )
    args = [sys.executable, "-c", code, *hidden]
    assert subprocess.run(args, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout.split() == [used]


SWITCH = (
    GOOD
    + """
  - name: sw1
    kind: switch
    host: 127.0.0.1
"""
)


TWICE = """
    ports: {GE1: r1}
    devices:
      a45d-3600-1122: r1
      A4:5D:36:00:11:22: r2
      1.2.3.400: r3
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("    trunks: []\n", [": nothing to observe: name a classroom in ports or devices, or a port in trunks"]),
        (
            TWICE,
            [
                ".devices.a45d-3600-1122: r1 has a port or device here already",
                ".devices.A4:5D:36:00:11:22: A4:5D:36:00:11:22 is here already, in another notation",
                ".devices.1.2.3.400: neither a MAC nor an IPv4 address",
            ],
        ),
    ],
)
def test_switch_problems(config, lines, expected):
    """A switch without anything to observe, rooms and devices given twice, and addresses that are none."""
    assert [problem.partition("]")[2] for problem in problems(config, SWITCH + lines)] == expected


@pytest.mark.parametrize(
    "lines", ["    trunks: [GE1]\n", "    devices: {a4:5d:36:00:11:22: r1, 10.51.2.31: r2}\n", "    ports: {GE1: r1}\n"]
)
def test_switch_settings(config, lines):
    """Ports, devices or trunks alone are enough."""
    config.write_text(SWITCH + lines)
    assert load_settings(config).targets[-1].name == "sw1"


@pytest.fixture
def example(tmp_path):
    """The commented example as a person would install it, with its secrets."""
    path = tmp_path / "agent.yml"
    path.write_text((REPOSITORY / "configs" / "agent.example.yml").read_text())
    (tmp_path / "secrets").mkdir()
    for name in ("token", "community", "snmp-auth", "snmp-priv", "responder-key"):
        (tmp_path / "secrets" / name).write_text("secret")
        (tmp_path / "secrets" / name).chmod(0o600)
    return path


def test_the_example_file_is_in_order(example):
    """It loads as it stands."""
    result = invoke("check", "-c", example)
    assert result.exit_code == 0, result.output
    assert "in order: gateway dongpo-gw1, 8 targets" in result.output


def test_the_examples_of_bandwidth_are_in_order(example):
    """What stands in comments below the bandwidth targets loads as well, once it is wanted."""
    before, begin, rest = example.read_text().partition("  - name: uplink\n")
    bandwidth, end, after = rest.partition("  # A managed switch")
    wanted = re.sub(r"^( +)# ( *(?:- )?[a-z_]+:.*)$", r"\1\2", bandwidth, flags=re.MULTILINE)
    example.write_text(before + begin + wanted + end + after)
    targets = {target.name: target for target in load_settings(example).targets}
    assert len(targets) == 10
    assert (targets["uplink"].group, targets["uplink"].max_day_bytes) == ("olt-dongpo-3", 50_000_000)
    assert targets["uplink"].uplink_port.snmp.community_file == str(example.parent / "secrets" / "community")
    assert targets["uplink"].interface == "eth1"
    assert (targets["uplink-up"].direction, targets["exit-cernet"].beyond) == ("up", "cernet")
    assert targets["way-b2-301"].classroom == "b2-301"


@pytest.mark.parametrize("example", ["demo", "one-school", "bureau"])
def test_check_finds_what_run_would(example, monkeypatch):
    """As it stands in a fresh checkout each example lacks its secrets: both say which, where, and leave with 78."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = REPOSITORY / "configs" / "examples" / example / "agent.yml"
    checked, started = invoke("check", "-c", path), invoke("run", "-c", path)
    assert (checked.exit_code, started.exit_code) == (78, 78)
    assert checked.output == started.output
    missing = path.parent / "secrets" / "gateway-token"
    assert f"link.token_file: {missing} cannot be used: No such file or directory" in checked.output


def test_check_advises_against_evidence_that_is_always_too_old(config):
    """A platform asked every five minutes and valid for three is allowed, with a note that names the line."""
    text = config.read_text() + "  - {kind: http, name: page, url: 'https://page.example/', interval_s: 300}\n"
    config.write_text(text)
    checked = invoke("check", "-c", config)
    assert checked.exit_code == 0, checked.output
    line = len(text.splitlines())
    assert f"note: {config}:{line}: targets" in checked.output
    assert "valid (180 s)" in checked.output


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ("url: 'http://page.example/'", "url", "set expect"),
        ("url: 'http://page.example/', expect: Page.Example", "expect", "choose another text"),
        ("url: 'http://page.example/', expect: 国家中小学智慧教育平台", None, None),
        ("url: 'https://page.example/'", None, None),
    ],
)
def test_check_notes_what_proves_nothing(config, settings, field, words):
    """A page over plain http without expect, or with one that a portal repeats, is allowed, with a note."""
    config.write_text(config.read_text() + f"  - {{kind: http, name: page, interval_s: 60, {settings}}}\n")
    checked = invoke("check", "-c", config)
    assert checked.exit_code == 0, checked.output
    notes = [line for line in checked.output.splitlines() if "targets[4]" in line]
    assert [f"].{field}: " in note and words in note for note in notes] == ([True] if field else [])


def test_check_notes_a_switch_without_rooms(config):
    """A core switch has none, and its trunk matters; elsewhere they were forgotten."""
    config.write_text(SWITCH)
    checked = invoke("check", "-c", config)
    assert checked.exit_code == 0, checked.output
    assert "note: " in checked.output
    assert "targets[4]: no classroom in ports or devices: only the trunk on its way out is read" in checked.output


def test_paths_are_relative_to_the_file_and_systemd_wins(config, monkeypatch):
    """A relative path means the same wherever the program is started; $STATE_DIRECTORY overrides state_dir."""
    monkeypatch.chdir("/")
    settings = load_settings(config)
    assert settings.link.token_file == str(config.parent / "token")
    assert settings.state_dir == str(config.parent / "state")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/classready-agent:/other")
    assert load_settings(config).state_dir == "/var/lib/classready-agent"


def test_every_problem_across_entries_is_named_with_its_line(config):
    """One run shows them all: doubled names, clear text off loopback, missing secrets, unknown zones."""
    found = problems(
        config,
        """\
gateway: gw-1
timezone: Asia/Meishan
link:
  kind: http
  url: http://collector.example/
  token_file: nowhere
targets:
  - {name: a, kind: ping, host: 127.0.0.1}
  - name: a
    kind: whiteboard
    host: 127.0.0.1
    classroom: b2-301
    snmp: null
    icmp: false
  - name: b
    kind: whiteboard
    host: 127.0.0.1
    classroom: b2-301
    snmp:
      version: "3"
      user: x
      auth_key_file: open
""",
    )
    assert [line.partition(" ")[0] for line in found] == [":2:", ":5:", ":6:", ":9:", ":14:", ":20:", ":22:"]
    assert "no time zone is called 'Asia/Meishan'" in found[0]
    assert "use https://" in found[1]
    assert "link.token_file" in found[2]
    assert "No such file or directory" in found[2]
    assert "'a' is already the name of targets[0]" in found[3]
    assert "nothing to ask the device by" in found[4]
    assert "version 3 needs priv_key_file" in found[5]


def test_two_whiteboards_in_one_classroom_are_allowed(config):
    """A room may have two devices."""
    board = "  - {{name: {0}, kind: whiteboard, host: 127.0.0.1, classroom: b2-301}}\n"
    config.write_text(GOOD + board.format("left") + board.format("right"))
    assert len(load_settings(config).targets) == 6


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("token_file: token", "token_file: agent.yml", "chmod o-rw"),
        ("token_file: token", "token_file: token\n  ca_file: token", "no certificate"),
        ("http://127.0.0.1:9711", "http://[::1", "not a URL"),
        ("kind: http\n  url: http://127.0.0.1:9711\n  token_file: token",
         "kind: mqtt\n  host: broker.example\n  tls: false\n  password_file: token", "without TLS"),
    ],
)  # fmt: skip
def test_one_problem_each(config, old, new, text):
    """Each mistake says what to do instead."""
    [found] = problems(config, GOOD.replace(old, new))
    assert text in found


def test_wrong_settings_start_nothing(config):
    """Exit 78 with every problem on standard error, and no state is made."""
    config.write_text(GOOD.replace("gateway: gw-1", "gateway: GW"))
    for command in (["check"], ["run"], ["probe", "here"]):
        result = invoke(*command, "-c", config)
        assert result.exit_code == 78
        assert f"{config}:1: gateway" in result.stderr
        assert result.stdout == ""
    assert invoke("check", "-c", config.parent / "missing.yml").exit_code == 78
    assert not (config.parent / "state").exists()


def test_probe_needs_one_target(config):
    """A name, or a kind with exactly one target; anything else lists the choices and exits 2."""
    for wanted, said in (("http", "door, window"), ("nothing", "here, door, window, uplink")):
        result = invoke("probe", wanted, "-c", config)
        assert result.exit_code == 2
        assert said in result.stderr


def test_probe_prints_for_people_and_for_scripts(config):
    """A closed door is a finding (exit 1): a table for people, a JSON line for scripts, and nothing is kept."""
    result = invoke("probe", "door", "-c", config)
    assert result.exit_code == 1
    assert result.stdout.startswith("http       no_answer\n")
    assert "reason" in result.stdout
    result = invoke("probe", "door", "-c", config, "--json")
    [line] = result.stdout.splitlines()
    found = json.loads(line)
    assert (found["kind"], found["outcome"], found["reason"]) == ("http", "no_answer", "refused")
    assert not (config.parent / "state").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="ICMP may need root")
def test_probe_by_kind_and_with_steps(config):
    """The only ping target answers: exit 0, steps above the table."""
    result = invoke("probe", "ping", "-c", config, "--explain")
    assert result.exit_code == 0, result.output
    assert "ping       answered" in result.stdout
    assert "received_count" in result.stdout


def test_probe_of_the_line_without_directives_says_so(config):
    """Before the collector ever answered there is no threshold to test against."""
    result = invoke("probe", "bandwidth", "-c", config, "--json")
    found = json.loads(result.stdout.splitlines()[0])
    assert (result.exit_code, found["outcome"], found["reason"]) == (1, "unmeasured", "no_policy")


RESPONDER = """\
import asyncio
from collector.responder import serve
from collector.settings import Responder

asyncio.run(serve(Responder(host="127.0.0.1", port=0), None, on_ready=lambda port: print(port, flush=True)))
"""


@pytest.fixture
def responder():
    """One on loopback, as a process of its own; its port."""
    with subprocess.Popen(
        [sys.executable, "-c", RESPONDER], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def ask_for(config, port):
    """Let the settings name the responder, and the collector have said what is required."""
    config.write_text(f"{GOOD}    port: {port}\n    mode: drain\n")
    (config.parent / "state").mkdir()
    kept.save(config.parent / "state", Directives(policy_version="1", theta=Thetas(down=(95e6, 100e6))))


def decided(test):
    """Test until there is a verdict: what a busy machine held up may have had nothing to show."""
    for _ in range(6):
        seen = test()
        if "unmeasured" not in seen[0]:
            break
    return seen


def explained(config, port, *options, columns=80):
    """(standard output, what a terminal on standard error was told) of a bandwidth test step by step."""
    ask_for(config, port)
    return decided(lambda: explained_once(config, options, columns))


def explained_once(config, options, columns):
    master, slave = pty.openpty()
    args = [sys.executable, "-m", "agent", "probe", "uplink", "--explain", "-c", str(config), *options]
    env = os.environ | {"COLUMNS": str(columns)}
    with os.fdopen(master, "rb", buffering=0) as terminal:
        try:
            done = subprocess.run(
                args, stdout=subprocess.PIPE, stderr=slave, text=True, cwd=REPOSITORY, env=env, check=False, timeout=60
            )
        finally:
            os.close(slave)
        told = b""
        with contextlib.suppress(OSError):  # the far side of a terminal is gone
            while piece := terminal.read(65_536):
                told += piece
    return done.stdout, told.decode()


def test_a_terminal_sees_the_test_run(config, responder):
    """One line that is written over and over on standard error; the steps and the plot stay on standard output."""
    stdout, told = explained(config, responder)
    assert re.search(r"\rdraining 0\.\d\d s +\d+\.\d\d MB  arrived .* lost \d+ *\r", told)
    assert "\n" not in told
    assert max(map(len, told.split("\r"))) == 79
    assert "\r" not in stdout
    assert "hello answered" in stdout
    assert stdout.index("granted") < stdout.index("# arrived") < stdout.index("bandwidth  ")
    assert "draining" not in stdout
    assert max(len(line) for line in stdout.splitlines() if "#" in line) <= 80


def test_json_stays_clean_beside_the_steps(config, responder):
    """Steps, progress and plot go to standard error: what a script reads is one observation."""
    stdout, told = explained(config, responder, "--json", columns=60)
    (line,) = stdout.splitlines()
    assert json.loads(line)["kind"] == "bandwidth"
    assert "hello answered" in told
    assert "draining" in told
    assert "# arrived" in told
    assert all(len(part) <= 60 for row in told.split("\n") for part in row.split("\r") if "#" in part)


def test_without_a_terminal_progress_is_plain_lines(config, responder):
    """In a file each line stands for itself, and the plot follows."""
    ask_for(config, responder)
    stdout, output = decided(
        lambda: attrgetter("stdout", "output")(invoke("probe", "uplink", "-c", config, "--explain"))
    )
    assert "\r" not in output
    lines = stdout.splitlines()
    progress = [number for number, line in enumerate(lines) if line.startswith("draining")]
    assert progress
    assert progress[-1] < next(number for number, line in enumerate(lines) if "# arrived" in line)


def test_directives_survive_a_restart_and_garbage_does_no_harm(tmp_path):
    """The last directives are read again; a torn file is as good as none."""
    directives = Directives(policy_version="1", theta=Thetas(down=(95e6, 100e6)), retest=("uplink",))
    assert kept.load(tmp_path) is None
    kept.save(tmp_path, directives)
    assert kept.load(tmp_path) == directives
    (tmp_path / "directives.json").write_bytes(b'{"policy_version"')
    assert kept.load(tmp_path) is None
    kept.save(tmp_path / "missing", directives)


BOARD = (
    GOOD
    + """
  - name: board
    kind: whiteboard
    host: 127.0.0.1
    classroom: r1
    snmp: null
    icmp: false
"""
)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", ".icmp: with snmp: null and icmp: false there is nothing to ask the device by"),
        (
            "    arp: true\n    mqtt: {id: '301'}\nbroker: {host: h}\n",
            ".arp: needs icmp: true, whose packets make the kernel ask by ARP",
        ),
        ("    mqtt: {id: '301'}\n", ".mqtt: needs broker: the school's MQTT broker"),
        (
            "    mqtt: {id: '301', profile: panle}\nbroker: {host: 10.1.2.3}\nprofiles: {panel: {}}\n",
            ".mqtt.profile: no profile of that name; there are homeassistant, panel",
        ),
    ],
)
def test_whiteboard_problems(config, more, told):
    """Nothing to ask by, no broker, and a profile that is not there."""
    assert [problem.partition("]")[2] for problem in problems(config, BOARD + more)] == [told]
