"""The command line: quick help, every problem with file and line, nothing started on a mistake."""

import json
import os
import pty
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from classready.settings import EXIT_CONFIG
from collector.__main__ import main
from tests.support.collecting import ROSTER, TOKENS, Collector, body, pings, write_roster
from tests.support.headers import bash, until_run

EXAMPLES = Path(__file__).resolve().parents[2] / "configs" / "examples"


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def settings(folder: Path, text: str) -> Path:
    write_roster(folder)
    path = folder / "collector.yml"
    path.write_text(text)
    return path


def secret(folder: Path, name: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text("s3cret-canary\n")
    path.chmod(mode)
    return path


def test_help_is_quick():
    """``--help`` imports nothing heavy."""
    command = [sys.executable, "-X", "importtime", "-m", "collector", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "roster" in done.stdout
    heavy = (
        "sqlalchemy",
        "aiohttp",
        "aiomqtt",
        "alembic",
        "chinese_calendar",
        "jinja2",
        "openpyxl",
        "prometheus_client",
    )
    assert not [line for line in done.stderr.splitlines() if line.split("|")[-1].strip() in heavy]


@pytest.mark.parametrize("program", ["collector", "agent"])
@pytest.mark.parametrize("example", ["one-school", "bureau"])
def test_examples(example, program, tmp_path):
    """After the commands of its heading each example is in order, without a note."""
    folder = tmp_path / example
    shutil.copytree(EXAMPLES / example, folder)
    files = [folder / f"{program}.yml", folder / "collector.yml"]
    script = next(script for file in files if "secrets" in (script := until_run(file)))
    done = bash(script, folder)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"{program}.yml: " in done.stdout


@pytest.mark.parametrize("example", ["demo", "one-school", "bureau"])
def test_check_finds_what_run_would(example, monkeypatch, tmp_path):
    """Without secrets, or with some of them: the same problems, with file and line, and the same exit code."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / example
    shutil.copytree(EXAMPLES / example, folder)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "api-token").write_text("secret")
    (folder / "secrets" / "api-token").chmod(0o600)
    checked = call("check", "-c", folder / "collector.yml")
    if example == "one-school":  # the collector of one school has no secrets
        assert checked.exit_code == 0
        return
    started = call("run", "-c", folder / "collector.yml")
    assert (checked.exit_code, started.exit_code) == (EXIT_CONFIG, EXIT_CONFIG)
    assert checked.output == started.output
    missing = {"demo": 1, "bureau": 4}[example]
    assert checked.output.count(f"{folder}/secrets/") == missing
    assert checked.output.count(": No such file or directory") == missing


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        pytest.param(
            "store: sqlite+aiosqlite:////no/such/x.db\n", "1: store: there is no folder /no/such", id="folder"
        ),
        pytest.param(
            "store: sqlite+aiosqlite:///junk.db\n", "1: store: {}/junk.db is something else", id="no database"
        ),
        pytest.param("store: sqlite+aiosqlite:///roster\n", "1: store: {}/roster: Is a directory", id="a folder"),
        pytest.param(
            "store_password_file: junk.db\n",
            "1: store_password_file: a file needs no password",
            id="password of a file",
        ),
        pytest.param(
            "listen: {host: 127.0.0.1, behind_proxy: true}\n",
            "1: listen.host: behind a proxy needs tokens: metrics_file, api_file, board_file",
            id="a proxy without tokens",
        ),
    ],
)
def test_check_finds_what_run_would_in_the_world_around(settings, problem, tmp_path):
    """The same words from both, before anything is opened."""
    write_roster(tmp_path)
    (tmp_path / "junk.db").write_text("no database at all")
    path = tmp_path / "collector.yml"
    path.write_text(settings)
    for command in ("check", "run"):
        done = call(command, "-c", path)
        assert done.exit_code == EXIT_CONFIG
        assert f"{path}:{problem.format(tmp_path)}" in done.output


def test_check_advises_against_what_may_be_a_mistake(tmp_path):
    """Plain HTTP beside the proxy, and an address that is another machine's."""
    write_roster(tmp_path)
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    tokens = "tokens: {metrics_file: token, api_file: token, board_file: token}"
    path = tmp_path / "collector.yml"
    path.write_text(
        f"listen: {{host: 0.0.0.0, behind_proxy: true, {tokens}}}\nresponder: {{host: 192.0.2.7}}\n", encoding="utf-8"
    )
    done = call("check", "-c", path)
    assert done.exit_code == 0
    assert f"note: {path}:2: responder.host: 192.0.2.7 is no address of this machine" in done.output
    assert f"note: {path}:1: listen.host: whoever reaches 0.0.0.0 port 9711 beside the proxy" in done.output


def test_example_settings(tmp_path):
    """The annotated example is good as it stands."""
    shutil.copy(EXAMPLES.parent / "collector.example.yml", tmp_path / "collector.yml")
    write_roster(tmp_path)
    assert call("check", "-c", tmp_path / "collector.yml").exit_code == 0


BAD = [
    pytest.param("policy: {basis: guess}\n", "1: policy.basis: must be one of: port, reach, share", id="value"),
    pytest.param("a: 1\nb: 2\n", "2: b: unknown setting", id="unknown"),
    pytest.param(
        "policy:\n  reminder_after_s: 86400\n",
        "2: policy.reminder_after_s: removed, take it out: the digest is the only reminder; `digest_at` says when",
        id="removed",
    ),
    pytest.param(
        "listen: {host: 0.0.0.0}\n", "1: listen.host: off loopback needs tls, or behind_proxy: true", id="no tls"
    ),
    pytest.param(
        "listen:\n  behind_proxy: true\n  host: 0.0.0.0\n",
        "3: listen.host: off loopback needs tokens: metrics_file, api_file, board_file",
        id="no tokens",
    ),
    pytest.param(
        "\nlisten:\n  tokens:\n    api_file: open\n",
        "4: listen.tokens.api_file: open: readable or writable by everyone; run: chmod o-rw",
        id="open secret",
    ),
    pytest.param("listen: {tokens: {api_file: gone}}\n", "listen.tokens.api_file: gone: No such file", id="no secret"),
    pytest.param("listen: {tls: {cert_file: a, key_file: b}}\n", "1: listen.tls: No such file", id="no certificate"),
    pytest.param(
        "receivers:\n  - {kind: console, name: a}\n  - {kind: console, name: a}\n",
        "3: receivers[1].name: 'a' is given twice",
        id="receiver twice",
    ),
    pytest.param(
        'receivers:\n  - {kind: console, name: a, offices: ["9"]}\n',
        "2: receivers[0].offices[0]: no office '9' in the roster",
        id="no office",
    ),
    pytest.param(
        'receivers:\n  - kind: console\n    name: a\n    hubs: ["5114029999"]\n',
        "4: receivers[0].hubs[0]: no school '5114029999' in the roster",
        id="no hub",
    ),
    pytest.param(
        'receivers:\n  - {kind: console, name: a, schools: ["5114029999"]}\n',
        "2: receivers[0].schools[0]: no school '5114029999' in the roster",
        id="no school",
    ),
    pytest.param(
        "receivers:\n  - {kind: console, name: a, least: loud}\n",
        "2: receivers[0].least: must be one of: info, normal, urgent",
        id="no severity",
    ),
    pytest.param(
        "receivers:\n  - {kind: email, name: a, host: h, user: u, sender: a@b, to: c@d}\n",
        "2: receivers[0].user: user and password_file go together: give both, or none",
        id="a user without a password",
    ),
    pytest.param(
        "receivers:\n  - {kind: email, name: a, host: h, sender: a@b, to: 'c@d, e@f'}\n",
        "2: receivers[0].to: must look like admin@edu.example (one address, without a name)",
        id="two addresses",
    ),
    pytest.param(
        "receivers:\n  - {kind: email, name: a, host: h, sender: a@b, to: c@d, ca_file: gone}\n",
        "2: receivers[0].ca_file: No such file",
        id="no authority",
    ),
    pytest.param(
        "receivers:\n  - {kind: console, name: a, fallback: b}\n",
        "2: receivers[0].fallback: no receiver 'b'",
        id="a fallback to nowhere",
    ),
    pytest.param(
        "receivers:\n  - {kind: console, name: a, fallback: a}\n",
        "2: receivers[0].fallback: it leads back to 'a': messages would circle",
        id="a fallback to itself",
    ),
    pytest.param(
        "receivers:\n  - {kind: console, name: a, fallback: b}\n  - {kind: console, name: b, fallback: c}\n"
        "  - {kind: console, name: c, fallback: b}\n",
        "4: receivers[2].fallback: it leads back to 'c': messages would circle",
        id="a circle that does not begin at the first",
    ),
    pytest.param(
        "receivers:\n  - {kind: console, name: a, standby: true}\n",
        "2: receivers[0].standby: no receiver has fallback: a",
        id="nobody to stand by for",
    ),
    pytest.param(
        "receivers:\n  - {kind: console, name: a, escalation: true}\n",
        "2: receivers[0].escalation: nothing is ever escalated: give policy.escalate_after_lesson_hours, such as 4",
        id="nothing is ever escalated",
    ),
    pytest.param(
        "policy: {escalate_after_lesson_hours: 4}\nreceivers:\n  - {kind: console, name: a}\n",
        "1: policy.escalate_after_lesson_hours: no receiver has escalation: true",
        id="nobody to escalate to",
    ),
    pytest.param(
        "policy: {escalate_after_lesson_hours: 4}\nreceivers:\n"
        "  - {kind: console, name: a, standby: true, escalation: true}\n"
        "  - {kind: console, name: b, fallback: a}\n",
        "3: receivers[0].escalation: a receiver is either standby or for escalation",
        id="one receiver for two things",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, urls: []}\n",
        "2: receivers[0].urls: must have at least one entry",
        id="an Alertmanager nowhere",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, urls: ['h:9093']}\n",
        "2: receivers[0].urls[0]: must look like http://127.0.0.1:9093",
        id="an Alertmanager without http",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, urls: ['http://h:99999']}\n",
        "2: receivers[0].urls[0]: 'http://h:99999' is no address like https://host:9093",
        id="an Alertmanager on no port",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, user: u, urls: ['https://h']}\n",
        "2: receivers[0].user: user and password_file go together: give both, or none",
        id="a user of an Alertmanager without a password",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, token_file: own, urls: ['http://127.0.0.1:1', 'http://h']}\n",
        "2: receivers[0].urls[1]: its secret would travel in the clear: https:// is needed",
        id="a token in the clear",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, token_file: own, user: u, password_file: own, urls: ['https://h']}\n",
        "2: receivers[0].token_file: token_file stands in place of user: leave one of them out",
        id="a token and a password",
    ),
    pytest.param(
        "receivers:\n  - {kind: alertmanager, name: a, urls: ['http://h']}\n"
        "  - {kind: console, name: b, fallback: a}\n",
        "3: receivers[1].fallback: 'a' is an Alertmanager: it would hand back what this one refuses",
        id="an Alertmanager as fallback",
    ),
    pytest.param(
        "mqtt:\n  host: broker\n  password_file: p\n  user: gw-one\n",
        "4: mqtt.user: a gateway of the roster is called 'gw-one', too: rename one of them",
        id="gateway with the collector's name",
    ),
    pytest.param("store: mysql://x\n", "1: store: must be sqlite+aiosqlite:///FILE or", id="store"),
    pytest.param("calendar: {days_off: [2026-02-30]}\n", "calendar.days_off[0]: no such day", id="no such day"),
    pytest.param("roster: nowhere\n", "nowhere:1: no roster file", id="no roster"),
]


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("text", "expected"), BAD)
def test_wrong_settings(tmp_path, command, text, expected):
    """Every command refuses wrong settings with 78 and the line, and starts nothing."""
    secret(tmp_path, "open", 0o644)
    done = call(command, "-c", settings(tmp_path, text))
    assert done.exit_code == EXIT_CONFIG
    assert expected in done.output.replace(f"{tmp_path}/", "")
    assert not (tmp_path / "collector.db").exists()
    assert "s3cret-canary" not in done.output


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cret-canary"),
        ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=s3cret-canary"),
        ("feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/s3cret-canary"),
    ],
)
def test_a_whole_address_for_a_key(tmp_path, kind, address):
    """What the vendors show to copy is not the key: said with the line, and without the key."""
    secret(tmp_path, "robot").write_text(f"{address}\n")
    text = f"receivers:\n  - kind: {kind}\n    name: a\n    key_file: robot\n"
    done = call("check", "-c", settings(tmp_path, text))
    assert done.exit_code == EXIT_CONFIG
    assert "4: receivers[0].key_file: the file holds a whole address: leave only" in done.output
    assert "s3cret-canary" not in done.output


NO_ADDRESSES = """s3cret-canary|ftp://h/s3cret-canary|https://h/a b|https://h/é|http:///s3cret-canary|https://
http://h:99999/s3cret-canary|http://[::1/s3cret-canary|http://h:x/s3cret-canary|http://u@/s3cret-canary"""


@pytest.mark.parametrize("address", NO_ADDRESSES.replace("\n", "|").split("|"))
def test_what_is_no_address_for_a_webhook(tmp_path, address):
    """A path alone, another scheme, a blank inside: said with the line before anything is sent."""
    secret(tmp_path, "robot").write_text(f"{address}\n", "utf-8")
    done = call("check", "-c", settings(tmp_path, "receivers:\n  - {kind: webhook, name: a, url_file: robot}\n"))
    assert done.exit_code == EXIT_CONFIG
    assert "2: receivers[0].url_file: the file must hold one address like https://host/path" in done.output
    assert "s3cret-canary" not in done.output


MANY_LINES = [
    pytest.param("receivers: [{kind: wecom, name: a, key_file: own}]", 4, 0, id="a key and three others"),
    pytest.param("receivers: [{kind: wecom, name: a, key_file: own}]", 5, 4, id="a file of something else"),
    pytest.param("listen: {tokens: {metrics_file: own}}", 2, 0, id="two tokens"),
    pytest.param("receivers: [{kind: webhook, name: a, url_file: own}]", 2, 0, id="two addresses"),
    pytest.param(
        "receivers: [{kind: alertmanager, name: a, urls: ['http://127.0.0.1:1'], token_file: own}]", 2, 1, id="x"
    ),
    pytest.param("mqtt: {host: h, password_file: own, tls: false}", 2, 1, id="a password that two cannot be"),
]


@pytest.mark.parametrize(("text", "lines", "most"), MANY_LINES)
def test_secrets_side_by_side(tmp_path, text, lines, most):
    """Where old and new can hold together, up to four; blank lines do not count; elsewhere `check` says it."""
    secret(tmp_path, "own").write_text(
        "\n\n".join(f"https://h/s3cret-canary{n}" if "url_file" in text else f"s3cret-canary{n}" for n in range(lines))
    )
    done = call("check", "-c", settings(tmp_path, f"{text}\n"))
    assert done.exit_code == (EXIT_CONFIG if most else 0), done.output
    assert (f"the file holds {lines} secrets, one a line; at most {most} can be used" in done.output) == bool(most)
    assert "s3cret-canary" not in done.output


def test_every_problem_at_once(tmp_path):
    """One run tells the problems of settings, secrets and roster together."""
    path = settings(tmp_path, "listen: {tokens: {api_file: gone}}\nstore: x\n")
    (tmp_path / "roster" / "z.yml").write_text("office: z\n")
    done = call("check", "-c", path)
    assert done.exit_code == EXIT_CONFIG
    assert len(done.output.splitlines()) == 3
    assert "z.yml:1: missing setting 'name'" in done.output


def test_not_running(tmp_path):
    """Asking a collector that does not run is a finding, said in one line."""
    done = call("explain", "s1", "-c", settings(tmp_path, "listen: {port: 1}\n"))
    assert (done.exit_code, "no answer from the collector" in done.output) == (1, True)


# --- the running program --------------------------------------------------------------------------------------------


@pytest.fixture
def collector(tmp_path):
    running = Collector(tmp_path)
    running.start()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0


def test_explain(collector):
    """``explain`` says of a school and of a classroom what the running collector thinks."""
    headers = {"Authorization": f"Bearer {TOKENS['gw-one']}"}
    request = Request(f"{collector.url}/api/v1/reports", body(pings([1])), headers)
    with urlopen(request) as answer:
        assert answer.status == 200
    school = call("explain", "s1", "-c", collector.settings)
    assert (school.exit_code, "示例中心校 (s1), 东坡区" in school.output) == (0, True), school.output
    assert "r2" in school.output
    room = call("explain", "s1/r1", "-c", collector.settings, "--lang", "en")
    assert (room.exit_code, "→" in room.output) == (0, True)
    as_json = call("explain", "s1/r1", "-c", collector.settings, "--json")
    assert json.loads(as_json.output)["classroom"] == "r1"
    assert call("explain", "s1/none", "-c", collector.settings).exit_code == 1
    assert call("explain", "none", "-c", collector.settings).exit_code == 1


def test_object(collector):
    """It says what is tested again, or why nothing can be; what the collector refuses is said, too."""
    asked = partial(call, "object", "-c", collector.settings, "--by", "李校长", "--note", "我们测得 100M")
    done = asked("s1/r1")
    assert (done.exit_code, done.output) == (
        0,
        "s1/r1: 未能复测:没有测速对象,请在该校的模板(或 agent.yml)里加一个 bandwidth 目标\n",
    )
    assert (asked("none").exit_code, asked("none").output) == (1, "no such school in the roster\n")
    assert call("object", "s1", "-c", collector.settings, "--by", "x").exit_code == 2


def test_rectifications(collector, tmp_path):
    """Asked of the running collector: lines for people, the API's records for scripts, a table for Excel."""
    asked = partial(call, "rectifications", "-c", collector.settings)
    assert (asked().exit_code, asked().output) == (0, "")
    assert json.loads(asked("--json").output) == []
    table = tmp_path / "整改.csv"
    done = asked("--office", "511402", "--from", "2026-09-01", "--csv", str(table))
    assert (done.exit_code, done.output) == (0, f"{table}: 0 records\n")
    assert table.read_bytes().startswith("\ufeff事件编号,单位,".encode())
    assert "state must be one of" in asked("--state", "shut").output
    assert asked("--csv", str(tmp_path / "none" / "x.csv")).exit_code == 1


def test_explain_speaks_of_the_schools_own_time(tmp_path):
    """Each time has its date; that of a school in another zone than the bureau's says so."""
    running = Collector(tmp_path)
    write_roster(tmp_path, ROSTER.replace("  - id: s2\n", "  - id: s2\n    timezone: Asia/Urumqi\n"))
    running.start()
    try:
        west, here = (call("explain", school, "-c", running.settings).output for school in ("s2", "s1"))
    finally:
        assert running.stop() == 0
    assert re.search(r"更新于 \d+月\d+日 \d\d:\d\d\(UTC\+6\)$", west, re.MULTILINE), west
    assert re.search(r"更新于 \d+月\d+日 \d\d:\d\d$", here, re.MULTILINE), here


def schools(collector) -> list[str]:
    with urlopen(f"{collector.url}/api/v1/schools") as answer:
        return [school["school"] for school in json.load(answer)["schools"]]


def test_import_is_in_force(collector, tmp_path):
    """An import is in force when the command returns; a wrong one changes nothing."""
    source = tmp_path / "new.csv"
    source.write_text("office,school,classroom\nszs,n1,r1\n")
    done = call("roster", "import", source, "-c", collector.settings)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "in force"), done.output
    assert schools(collector) == ["n1", "s1", "s2", "s3"]
    source.write_text("office,school,classroom\nszs,s1,r1\n")
    assert call("roster", "import", source, "-c", collector.settings).exit_code == EXIT_CONFIG
    assert schools(collector) == ["n1", "s1", "s2", "s3"]


def roster_without_s3(folder: Path) -> Path:
    """A list of the small roster without its third school, and without a room of the second."""
    text = (folder / "roster" / "511402.yml").read_text("utf-8").replace("schools: [s3]", "schools: [s1]")
    (folder / "roster" / "511402.yml").write_text(text, "utf-8")
    source = folder / "rooms.csv"
    source.write_text("区县代码,学校代码,教室\n511402,s1,r1\n511402,s1,r2\n511402,s2,r3\n", encoding="gb18030")
    return source


LOSSES = ["  leaves: school s3 (示例小学, with 1 rooms)", "  leaves: room s2/r2"]


def test_import_without_a_terminal_needs_a_yes(tmp_path):
    """A script that has not said --yes loses no school and no room: it is told which would leave."""
    config = settings(tmp_path, "listen: {port: 1}\n")
    source = roster_without_s3(tmp_path)
    before = (tmp_path / "roster" / "511402.yml").read_bytes()
    done = call("roster", "import", source, "-c", config)
    assert done.exit_code == 1
    assert [line for line in done.output.splitlines() if "leaves" in line and line.startswith("  ")] == LOSSES
    assert "nothing written" in done.output.splitlines()[-1]
    assert "--yes" in done.output.splitlines()[-1]
    dry = call("roster", "import", source, "-c", config, "--dry-run")
    assert (dry.exit_code, [line for line in dry.output.splitlines() if "leaves" in line]) == (0, LOSSES)
    assert (tmp_path / "roster" / "511402.yml").read_bytes() == before
    assert [path.name for path in (tmp_path / "roster").iterdir()] == ["511402.yml"]


def test_import_with_a_yes(collector, tmp_path):
    """With --yes what leaves is said, and gone."""
    done = call("roster", "import", roster_without_s3(tmp_path), "-c", collector.settings, "--yes")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "in force"), done.output
    assert set(LOSSES) < set(done.output.splitlines())
    assert schools(collector) == ["s1", "s2"]
    again = call("roster", "import", tmp_path / "rooms.csv", "-c", collector.settings)
    assert (again.exit_code, again.output.splitlines()[-2:]) == (0, ["nothing changes", "in force"])


@pytest.mark.parametrize(("answer", "is_gone"), [("n", False), ("", False), ("y", True)])
def test_import_asks_at_a_terminal(tmp_path, answer, is_gone):
    """At a terminal the question is asked; only a yes writes."""
    config = settings(tmp_path, "listen: {port: 1}\n")
    command = [sys.executable, "-m", "collector", "roster", "import", roster_without_s3(tmp_path), "-c", config]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        os.write(ours, f"{answer}\n".encode())
        output, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Write this? [y/N]" in output.decode()
    assert (b"nothing written" in output) is not is_gone
    assert ("s3" not in (tmp_path / "roster" / "511402.yml").read_text("utf-8")) is is_gone
    assert process.returncode == 1, "no collector runs here: what was written is not in force"


def test_import_of_a_workbook(collector, tmp_path):
    """The template of an office, edited in a spreadsheet, comes back as what was edited."""
    rooms = tmp_path / "rooms.xlsx"
    done = call("roster", "template", rooms, "--office", "511402", "-c", collector.settings)
    assert (done.exit_code, done.output) == (0, f"{rooms}: written\n")
    book = load_workbook(rooms)
    sheet = book.worksheets[0]
    sheet.append([None] * 8 + ["r77", "新班"])
    book.save(rooms)
    done = call("roster", "import", rooms, "-c", collector.settings)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "in force"), done.output
    assert "  new: room s3/r77" in done.output.splitlines()
    sheet.cell(2, 9, "1-Mar")
    book.save(rooms)
    wrong = call("roster", "import", rooms, "-c", collector.settings)
    assert wrong.exit_code == EXIT_CONFIG
    assert f"{rooms}:2: 教室!I2 教室代码 classroom: '1-Mar' is a date" in wrong.output


def test_template_refusals(tmp_path):
    """A template overwrites nothing, and says which offices and endings there are."""
    config = settings(tmp_path, "listen: {port: 1}\n")
    assert call("roster", "template", tmp_path / "a.csv").exit_code == 0
    assert "File exists" in call("roster", "template", tmp_path / "a.csv").output
    assert call("roster", "template", tmp_path / "a.xls").exit_code == 2
    done = call("roster", "template", tmp_path / "b.csv", "--office", "9", "-c", config)
    assert (done.exit_code, "no office '9'" in done.output, "511402" in done.output) == (1, True, True)


def test_a_text_list_needs_no_openpyxl():
    """The library for workbooks is loaded only for a workbook."""
    code = "import sys; import collector.roster.importing; sys.exit('openpyxl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def reload_result(collector) -> float:
    with urlopen(f"{collector.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    name = "classready_collector_config_last_reload_successful "
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def wait_until(condition) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_hangup(collector, tmp_path):
    """SIGHUP applies a good roster; with a bad one the old stays in force, and a metric says so."""
    extra = tmp_path / "roster" / "szs.yml"
    extra.write_text("office: szs\nname: [\n")
    os.kill(collector.process.pid, signal.SIGHUP)
    wait_until(lambda: reload_result(collector) == 0)
    assert schools(collector) == ["s1", "s2", "s3"]
    extra.write_text("office: szs\nname: 市直属\nschools: [{id: n1, name: 市一小}]\n")
    os.kill(collector.process.pid, signal.SIGHUP)
    wait_until(lambda: reload_result(collector) == 1)
    assert schools(collector) == ["n1", "s1", "s2", "s3"]


def test_port_taken(collector, tmp_path):
    """A port that is taken is said, not retried."""
    other = tmp_path / "other"
    other.mkdir()
    write_roster(other)
    (other / "collector.yml").write_text(f"listen: {{port: {collector.port}}}\nresponder: null\n")
    command = [sys.executable, "-m", "collector", "run", "-c", str(other / "collector.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "address already in use" in done.stderr) == (1, True), done.stderr


def test_tls_and_tokens(tmp_path):
    """With TLS and tokens nobody reads without one, and ``explain`` finds its way."""
    subject = ["-subj", "/CN=classready.example.org", "-keyout", tmp_path / "key", "-out", tmp_path / "crt"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run(command, check=True, capture_output=True)
    secret(tmp_path, "token")
    running = Collector(tmp_path)
    tokens = "metrics_file: token, api_file: token, board_file: token"
    listen = f"host: 0.0.0.0, port: {running.port}, tls: {{cert_file: crt, key_file: key}}, tokens: {{{tokens}}}"
    running.settings.write_text(f"listen: {{{listen}}}\nresponder: null\n")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "crt"))
    trusting.check_hostname = False
    running.url = running.url.replace("http:", "https:")
    running.context = trusting
    running.start()
    try:
        done = call("explain", "s1", "-c", running.settings)
        assert (done.exit_code, "示例中心校" in done.output) == (0, True), done.output
        for path in ("/metrics", "/metrics/all", "/sd/prometheus", "/api/v1/schools", "/"):
            assert status(running, path) == 401
        assert status(running, "/healthz") == 200
    finally:
        assert running.stop() == 0
    assert "s3cret-canary" not in running.log


def status(running, path: str) -> int:
    try:
        with urlopen(f"{running.url}{path}", context=running.context) as answer:
            return answer.status
    except HTTPError as error:
        error.close()
        return error.code
