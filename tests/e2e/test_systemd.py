"""The units under a real systemd: a collector and a gateway, each with systemd as its first process."""

import itertools
import json
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.booted import Booted, why_not
from tests.support.booted import machines as machines_of
from tests.support.bundle import ROOT, whole_bundle

pytestmark = [
    pytest.mark.netns,
    pytest.mark.servers("systemd-analyze", "openssl", "curl", "unshare", "nsenter"),
]
COLLECTOR, GATEWAY = "10.79.0.1", "10.79.0.2"
AGENT, JUDGE, RESPONDER = (f"classready-{role}" for role in ("agent", "collector", "responder"))
SHEET = "classready-acceptance"
SCHOOL = "3251140201"
SETTINGS = f"""\
listen:
  host: {COLLECTOR}
  tls: {{cert_file: "%d/server.crt", key_file: "%d/server.key"}}
  public_url: https://classready.example.org:9711
  tokens: {{metrics_file: "%d/metrics-token", api_file: "%d/api-token", board_file: "%d/board-password"}}
roster: roster
responder: null
enrolment: {{bundle_dir: /opt/classready/bundle, ca_file: ca.pem}}
platforms: [{{id: bureau, name: 教育局, targets: [bureau-ping]}}]
"""
SET_UP = f"""
echo {COLLECTOR} classready.example.org >> /etc/hosts
bundle=$(echo classready-*)
cp -r $bundle /opt/classready-bundle
sh $bundle/install.sh --role collector
mv /opt/classready-bundle /opt/classready/bundle
install -d -m 700 /etc/classready/secrets
cd /etc/classready
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=classready.example.org \
  -addext subjectAltName=DNS:classready.example.org -keyout secrets/server.key -out secrets/server.crt 2>&1
umask 077
for name in metrics-token api-token board-password; do head -c 32 /dev/urandom | base64 > secrets/$name; done
umask 022
install -m 644 secrets/server.crt ca.pem
cp -r "$OLDPWD/roster" .
cat > collector.yml
classready-collector check
systemctl enable --now classready-collector
"""
METRICS = (
    'curl -fsS --cacert /etc/classready/ca.pem -H "Authorization: Bearer $(cat /etc/classready/secrets/metrics-token)" '
    "https://classready.example.org:9711/metrics/all"
)
PATIENCE_S = 60.0
_numbers = itertools.count()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Booted, Booted]]:
    """A collector that runs, and a gateway on which nothing is yet but the collector's name."""
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no systemd can be booted here: {reason}")
    folder = tmp_path_factory.mktemp("systemd")
    bundle = whole_bundle(folder, ("agent", "collector"))
    with machines_of(folder, collector=COLLECTOR, gateway=GATEWAY) as (collector, gateway):
        shutil.copytree(bundle, collector.folder / bundle.name)
        shutil.copytree(ROOT / "configs/examples/bureau/roster", collector.folder / "roster")
        collector.bash(SET_UP, SETTINGS)
        gateway.bash(f"echo {COLLECTOR} classready.example.org >> /etc/hosts")
        gateway.bash(_line(collector))
        yield collector, gateway


def _line(collector: Booted) -> str:
    printed = collector.bash(f"classready-collector enroll {SCHOOL}")
    (line,) = (line for line in printed.splitlines() if "/install" in line)
    return line.replace("sudo sh", "sh")


@pytest.fixture
def collector(machines: tuple[Booted, Booted]) -> Booted:
    return machines[0]


@pytest.fixture
def gateway(machines: tuple[Booted, Booted]) -> Booted:
    return machines[1]


def _until(what: str, holds: Callable[[], object], machine: Booted) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, f"{what}\n{machine.bash('journalctl --no-pager | tail -n 60')}"
        time.sleep(0.2)


def _status(machine: Booted, unit: str, *names: str) -> dict[str, str]:
    """Lines of the process's /proc/PID/status, by name."""
    lines = machine.bash(f"cat /proc/{machine.shown(unit, 'MainPID')}/status").splitlines()
    found = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return {name: found[name].strip() for name in names}


def _health(gateway: Booted) -> dict:
    return json.loads(gateway.bash("curl -fsS http://127.0.0.1:9712/healthz"))


@pytest.mark.parametrize(("unit", "capabilities"), [(AGENT, 1 << 13), (JUDGE, 0)], ids=["agent", "collector"])
def test_runs_in_its_sandbox(machines: tuple[Booted, Booted], unit: str, capabilities: int) -> None:
    """Ready by its own word, as a user of its own, with the one privilege it has (echo requests) and filtered calls."""
    machine = machines[unit == AGENT]
    assert machine.shown(unit, "ActiveState") == "active"
    status = _status(machine, unit, "Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "VmHWM")
    assert 61184 <= int(status["Uid"].split()[0]) <= 65519, "systemd.exec(5): DynamicUser"
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16)) == (capabilities, capabilities)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["VmHWM"].split()[0]) * 1024 < int(machine.shown(unit, "MemoryMax"))
    owner = machine.bash(f"stat -c '%a %u' /var/lib/private/{unit}; ls /var/lib/{unit}/")
    assert owner.splitlines()[0] == f"700 {status['Uid'].split()[0]}"
    assert ("spool.db" if unit == AGENT else "collector.db") in owner


SANDBOX = {
    "memory that can be written and run": ("import mmap; mmap.mmap(-1, 4096, prot=7)", "PermissionError"),
    "write settings": ("open('/etc/classready/x', 'w')", "Read-only file system"),
    "read secrets where they lie": ("open('/etc/classready/secrets/' + NAME)", "PermissionError"),
    "see others": ("import os; os.stat('/proc/1')", "FileNotFoundError"),
    "run what was written": (
        "import os, shutil as s; p = os.environ['STATE_DIRECTORY'] + '/x'; s.copy('/bin/true', p); os.execv(p, [p])",
        "PermissionError",
    ),
    "make namespaces": (
        "import ctypes as c; raise SystemExit(c.CDLL(None).unshare(1 << 28) and 'refused')",
        "refused",
    ),
    "listen to the wire": ("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "not supported"),
    "set the clock": ("import time; time.clock_settime(0, time.time())", "PermissionError"),
    "see disks": ("import os; [os.stat('/dev/' + n) for n in ('kmsg', 'mem')]", "FileNotFoundError"),
    "give way to others": ("import os; os.setpriority(os.PRIO_PROCESS, 0, 19)", "PermissionError"),
    "reach /root": ("import os; os.listdir('/root')", "PermissionError"),
}


@pytest.mark.parametrize("what", SANDBOX)
@pytest.mark.parametrize("unit", [AGENT, JUDGE], ids=["agent", "collector"])
def test_is_kept_from(machines: tuple[Booted, Booted], unit: str, what: str) -> None:
    """Each is refused to the unit's own settings: the sandbox is there, and not only written down."""
    code, expected = SANDBOX[what]
    name = "token" if unit == AGENT else "api-token"
    code = code.replace("NAME", repr(name))
    assert expected in _inside(machines[unit == AGENT], unit, code)


@pytest.mark.parametrize("unit", [AGENT, JUDGE], ids=["agent", "collector"])
def test_every_library_works_in_it(machines: tuple[Booted, Booted], unit: str) -> None:
    """All compiled modules of the bundle load where no memory may be both written and run."""
    load = textwrap.dedent("""
        import importlib, pathlib, ssl, sysconfig
        folder = pathlib.Path(sysconfig.get_paths()["purelib"])
        names = {".".join(p.relative_to(folder).with_name(p.name.split(".")[0]).parts) for p in folder.rglob("*.so")}
        names = {name for name in names if ".tests." not in name}
        for name in sorted(names):
            importlib.import_module(name)
        ssl.create_default_context()
        print("loaded", len(names))
    """)
    told = _inside(machines[unit == AGENT], unit, load)
    assert "loaded " in told, told
    assert int(told.split("loaded ")[1].split()[0]) > 3


def _inside(machine: Booted, unit: str, code: str) -> str:
    """What Python code says that runs once with all settings of the unit, but with a state directory of its own."""
    program = Path("/opt/classready") / unit.removeprefix("classready-") / "current/bin/python"
    trial = f"trial-{next(_numbers)}"
    given = machine.bash(f"cat /etc/systemd/system/{unit}.service")
    for place in ("StateDirectory=", "/var/lib/"):
        given = given.replace(f"{place}{unit}", f"{place}{trial}")
    own = ("ExecStart=", "ExecReload=", "Type=", "Restart", "WatchdogSec=", "Wants=", "After=", "SyslogIdentifier=")
    lines = [line for line in given.splitlines() if not line.startswith(own)]
    at = lines.index("[Service]") + 1
    lines[at:at] = ["Type=oneshot", f"ExecStart={program} -I /usr/local/{trial}.py"]
    (machine.folder / f"{trial}.service").write_text("\n".join(lines))
    (machine.folder / f"{trial}.py").write_text(code)
    machine.bash(f"cp {trial}.py /usr/local/; cp {trial}.service /run/systemd/system/; systemctl daemon-reload")
    machine.bash(f"systemctl start {trial} || true; journalctl --sync")
    return machine.journal(trial)


def test_echoes(collector: Booted, gateway: Booted) -> None:
    """A target added by hand, a reload, and the collector has round-trip times: the one privilege is enough.

    The kernel of the box grants echo requests to nobody (ping_group_range).
    """
    low, high = map(int, gateway.bash("cat /proc/sys/net/ipv4/ping_group_range").split())
    assert low > high
    pid = gateway.shown(AGENT, "MainPID")
    gateway.bash(
        f"mkdir -p /etc/classready/agent.d; printf 'targets:\\n  - {{kind: ping, name: bureau-ping, host: {COLLECTOR}, "
        "interval_s: 5}\\nreport_interval_s: 5\\n' > /etc/classready/agent.d/10-ping.yml; "
        "classready-agent check; systemctl reload classready-agent"
    )
    _until("rtt", lambda: "platform_ping_rtt_seconds{" in collector.bash(METRICS), gateway)
    assert gateway.shown(AGENT, "MainPID") == pid


def test_the_months_sheet(gateway: Booted) -> None:
    """Its timer waits while the agent runs; made by the service, by root and by the service again, all are the agent's.

    The collector answers and has said what it requires, so the sheet compares.
    """
    pid, folder = gateway.shown(AGENT, "MainPID"), f"/var/lib/private/{AGENT}"
    assert gateway.shown(f"{SHEET}.timer", "ActiveState") == "active"
    by_hand = "classready-agent acceptance --lang zh --school 苏南小学 > by-hand.txt || test $? = 1"
    gateway.bash(f"systemctl start {SHEET}; {by_hand}; systemctl start {SHEET}; journalctl --sync")
    owners = gateway.bash(f"stat -c %u {folder} {folder}/acceptance {folder}/acceptance/*").split()
    assert (len(owners), len(set(owners))) == (2 + 3 * 3, 1)
    assert (gateway.shown(AGENT, "MainPID"), gateway.shown(AGENT, "ActiveState")) == (pid, "active")
    assert gateway.journal(SHEET).count("acceptance/") == 2
    said = (gateway.folder / "by-hand.txt").read_text()
    assert "下行 9" in said
    assert "采集中心认本网关的令牌" in said
    assert "苏南小学" in gateway.bash("curl -fsS http://127.0.0.1:9712/acceptance"), (
        "the service's sheet has root's name"
    )
    gateway.bash(f"systemctl stop {AGENT}")
    assert gateway.shown(f"{SHEET}.timer", "ActiveState") == "inactive"
    gateway.bash(f"touch /etc/classready/no-monthly-acceptance; systemctl start {AGENT}")
    assert gateway.shown(f"{SHEET}.timer", "ActiveState") == "inactive", "nobody wants one"
    gateway.bash(f"rm /etc/classready/no-monthly-acceptance; systemctl restart {AGENT}")
    assert gateway.shown(f"{SHEET}.timer", "ActiveState") == "active"


def test_a_mistake_changes_nothing(gateway: Booted) -> None:
    """A reload with a mistake is told, with its line, and the agent works on with what it had."""
    pid = gateway.shown(AGENT, "MainPID")
    gateway.bash(
        "cd /etc/classready; cp agent.yml kept; echo 'gatway: x' >> agent.yml; systemctl reload classready-agent"
    )
    _until("told", lambda: "gatway" in gateway.journal(AGENT), gateway)
    gateway.bash("cd /etc/classready; mv kept agent.yml; systemctl reload classready-agent")
    assert (gateway.shown(AGENT, "MainPID"), gateway.shown(AGENT, "ActiveState")) == (pid, "active")


def test_what_only_a_person_can_mend(gateway: Booted) -> None:
    """A start with a mistake is not tried again and again; mended, it starts."""
    gateway.bash("cd /etc/classready; cp agent.yml kept; echo 'gatway: x' >> agent.yml")
    gateway.bash("systemctl restart classready-agent || true")
    _until("failed", lambda: gateway.shown(AGENT, "ActiveState") == "failed", gateway)
    assert gateway.shown(AGENT, "ExecMainStatus") == "78"
    gateway.bash("cd /etc/classready; mv kept agent.yml; systemctl restart classready-agent")
    assert gateway.shown(AGENT, "ActiveState") == "active"


@pytest.mark.parametrize("unit", [AGENT, JUDGE], ids=["agent", "collector"])
@pytest.mark.parametrize("fate", ["KILL", "STOP"])
def test_comes_back(machines: tuple[Booted, Booted], unit: str, fate: str) -> None:
    """Killed, or stuck and seen so by the watchdog: it runs again by itself, and the gateway is heard again."""
    machine, gateway = machines[unit == AGENT], machines[1]
    machine.bash(
        f"mkdir -p /run/systemd/system/{unit}.service.d; printf '[Service]\\nWatchdogSec=3s\\nRestartSec=1s\\n' "
        f"> /run/systemd/system/{unit}.service.d/quick.conf; systemctl daemon-reload; systemctl restart {unit}"
    )
    pid, begun_at = machine.shown(unit, "MainPID"), time.time()
    machine.bash(f"kill -{fate} {pid}")
    _until("again", lambda: machine.shown(unit, "MainPID") not in {pid, "0"}, machine)
    _until("ready", lambda: machine.shown(unit, "ActiveState") == "active", machine)
    assert machine.shown(unit, "NRestarts") == "1"
    assert fate == "KILL" or "Watchdog timeout" in machine.bash(f"journalctl --no-pager -u {unit}")
    _until("heard", lambda: (_health(gateway)["last_ack_at"] or 0) > begun_at, gateway)


def test_acceptance(gateway: Booted) -> None:
    """The month's sheet is made beside the agent, as the same user; its timer waits, and the agent reports on."""
    assert gateway.shown("classready-acceptance.timer", "ActiveState") == "active"
    begun_at = time.time()
    gateway.bash("systemctl start classready-acceptance")
    assert gateway.shown("classready-acceptance", "Result") == "success"
    assert gateway.bash("ls /var/lib/classready-agent/acceptance/ | wc -l").strip() != "0"
    assert len(set(gateway.bash("stat -c %u /var/lib/classready-agent/*").split())) == 1
    _until("heard", lambda: (_health(gateway)["last_ack_at"] or 0) > begun_at, gateway)


def test_responder(collector: Booted) -> None:
    """Started with its key and nothing else, it listens over UDP and TCP."""
    collector.bash("sh /opt/classready/bundle/install.sh --role responder")
    collector.bash("(umask 077; echo 0123456789abcdef0123456789abcdef > /etc/classready/secrets/responder-key)")
    collector.bash("systemctl start classready-responder")
    _until("ready", lambda: collector.bash("ss -HlntuA tcp,udp 'sport = 9713' | wc -l").strip() == "2", collector)
    assert collector.shown(RESPONDER, "ActiveState") == "active"
    credentials = collector.bash(f"ls /run/credentials/{RESPONDER}.service").split()
    assert credentials == ["responder-key"]


def test_upgrade_and_removal(machines: tuple[Booted, Booted], tmp_path: Path) -> None:
    """Another release runs, and the one before again by --rollback, each within a minute; then no file stays."""
    collector, gateway = machines
    made = tmp_path / "next"
    made.mkdir()
    shutil.copy(collector.folder.parent / "key.pem", made)
    following = whole_bundle(made, also=("README.md",))
    shutil.copytree(following, gateway.folder / "next")
    before = gateway.bash("readlink /opt/classready/agent/current")
    for command in ("sh next/install.sh", "sh next/install.sh --rollback"):
        begun_s, begun_at = time.monotonic(), time.time()
        said = gateway.bash(command)
        assert "classready-agent.service runs" in said
        assert time.monotonic() - begun_s < PATIENCE_S
        assert _health(gateway)["last_ack_at"] > begun_at
    assert gateway.bash("readlink /opt/classready/agent/current") == before
    _until("none lost", lambda: "lost_unexplained_total 0" in collector.bash(METRICS.replace("/all", "")), collector)
    gateway.bash("sh next/install.sh --uninstall")
    left = "ls -d /opt/classready /etc/classready /var/lib/classready-agent /var/lib/private/classready-agent"
    assert gateway.bash(f"{left} /etc/systemd/system/{AGENT}.service 2>/dev/null || true") == ""
    assert gateway.bash("systemctl list-units --all --no-legend 'classready-*'") == ""
