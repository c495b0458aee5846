"""A release comes to real boxes by the whole way: the canary first, one that is no good goes back, and nothing is lost.

Three boxes of two offices, each a machine of its own with a stand-in for systemd; the real collector over TLS; bundles
of the real agent, one of which reports to where nobody listens.
"""

import hashlib
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundle import changed_bundles
from tests.support.chains import key_pem, make, pem
from tests.support.machines import Machine
from tests.support.namespaces import join, namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("unshare", "nsenter")]

BOXES = {"gw-canary": "511402", "gw-two": "511421", "gw-three": "511421"}
HOST, PORT = "collector.example", 9711
HOME = "/opt/classready/agent"
BACK_WITHIN_S = 60.0
PATIENCE_S = 240.0
"""On a machine with two busy loops beside it; alone it takes a third."""

AGENT = """\
gateway: {gateway}
link: {{kind: http, url: "https://{host}:{port}", token_file: "%d/token", ca_file: "%d/ca.pem"}}
report_interval_s: 1
upgrades: {{rate_bps: 1000000000}}
targets:
{targets}
"""
TARGET = "- {{kind: ping, name: p{n}, host: 127.0.0.1, interval_s: 0.2, count: 1}}"
COLLECTOR = """\
listen:
  host: 0.0.0.0
  port: {port}
  tls: {{cert_file: server.pem, key_file: server.key}}
  tokens: {{metrics_file: token, api_file: token, board_file: token}}
enrolment: {{bundle_dir: bundles/{old}}}
responder: null
tick_s: 0.2
policy: {{observation_school_days: 0}}
receivers: [{{kind: console, name: terminal}}]
"""


class Bureau:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._run = f"cd {Path(__file__).parents[2]}; {sys.executable} -m collector"
        self._config = f"-c {machine.folder}/collector.yml"
        machine.bash(f"{self._run} check {self._config}")
        machine.bash(f"{self._run} run {self._config} > {machine.folder}/log 2>&1 &")

    def fleet(self) -> dict[str, Any]:
        return json.loads(self._machine.bash(f"{self._run} fleet {self._config} --json"))

    def upgrade(self, words: str = "") -> dict[str, Any]:
        """What is said of the upgrade; halted is a finding."""
        return json.loads(self._machine.bash(f"{self._run} fleet upgrade {self._config} --json {words} || test $? = 1"))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The release that runs, one whose reports go nowhere, and one that is good."""
    deaf = {"agent/links/http.py": ('"/api/v1/reports"', '"/api/v1/nowhere"')}
    good = {"classready/__init__.py": ("What the two programs say", "What both programs say")}
    return changed_bundles(tmp_path_factory.mktemp("bundles"), {}, deaf, good)


@pytest.fixture
def place(tmp_path: Path, bundles: list[Path]) -> Iterator[tuple[Bureau, dict[str, Machine]]]:
    names = ["bur", *(f"bo{n}" for n in range(len(BOXES)))]
    with namespaces(*names) as (hub, *others), ExitStack() as stack:
        for n, other in enumerate(others):
            join(hub, f"10.78.{n}.1/24", other, f"10.78.{n}.2/24")

        def machine(name: str, namespace: Any) -> Machine:
            (tmp_path / name).mkdir()
            found = Machine(namespace, tmp_path / name, tmp_path / f"scratch-{name}")
            stack.callback(found.close)
            return found

        bureau = machine("bureau", hub)
        boxes = {}
        for n, (gateway, other) in enumerate(zip(BOXES, others, strict=True)):
            boxes[gateway] = machine(gateway, other)
            boxes[gateway].bash(f"echo 10.78.{n}.1 {HOST} >> /etc/hosts")
        write_bureau(bureau.folder, bundles)
        running = Bureau(bureau)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda gateway: install(boxes[gateway], gateway, bundles[0], bureau.folder), boxes))
        yield running, boxes


def write_bureau(folder: Path, bundles: list[Path]) -> None:
    (folder / "bundles").mkdir()
    for bundle in bundles:
        shutil.copytree(bundle, folder / "bundles" / bundle.name)
    authority = make("Bureau")
    server = make("collector", authority, hosts=[HOST])
    pem(folder / "ca.pem", authority)
    pem(folder / "server.pem", server, authority)
    key_pem(folder / "server.key", server)
    (folder / "token").write_text("api-token\n")
    (folder / "token").chmod(0o600)
    (folder / "collector.yml").write_text(COLLECTOR.format(port=PORT, old=bundles[0].name))
    (folder / "roster").mkdir()
    for office in set(BOXES.values()):
        gateways = [name for name, of in BOXES.items() if of == office]
        schools = [f"  - {{id: s-{name}, name: 校, timetable: never, classrooms: [{{id: r1}}]}}" for name in gateways]
        listed = [f"  - {{id: {name}, token_sha256: {digest(name)}, schools: [s-{name}]}}" for name in gateways]
        text = "\n".join([f'office: "{office}"\nname: 区\nschools:', *schools, "gateways:", *listed, ""])
        (folder / "roster" / f"{office}.yml").write_text(text)


def digest(gateway: str) -> str:
    return hashlib.sha256(f"token-{gateway}".encode()).hexdigest()


def install(box: Machine, gateway: str, bundle: Path, bureau: Path) -> None:
    targets = "\n".join(TARGET.format(n=n) for n in range(5))
    settings = AGENT.format(gateway=gateway, host=HOST, port=PORT, targets=targets)
    box.bash("mkdir -p /etc/classready; cat > /etc/classready/agent.yml", settings)
    box.bash(f"sh {bundle}/install.sh --ca-file {bureau}/ca.pem --token-file -", f"token-{gateway}")


def until(condition: Callable[[], bool], told: Callable[[], object] = lambda: "") -> float:
    """Wait for it; return for how long."""
    begun_s = time.monotonic()
    while not condition():
        assert time.monotonic() < begun_s + PATIENCE_S, told()
        time.sleep(0.2)
    return time.monotonic() - begun_s


def current(box: Machine) -> str:
    return Path(box.bash(f"readlink {HOME}/current").strip()).name


def test_a_release_for_all(place: tuple[Bureau, dict[str, Machine]], bundles: list[Path]) -> None:
    bureau, boxes = place
    old, bad, good = (bundle.name.removeprefix("classready-") for bundle in bundles)
    canary = boxes["gw-canary"]
    until(lambda: all(row["release"] == old for row in bureau.fleet()["gateways"]))

    bureau.upgrade(f"{bad} --canary 511402 --percent 100")
    until(lambda: current(canary) == bad, lambda: (bureau.upgrade(), canary.bash("cat /run/stand-in/*.log")))
    back_s = until(lambda: current(canary) == old)
    until(lambda: bureau.upgrade()["state"] == "halted", bureau.fleet)
    told = {row["gateway"]: row for row in bureau.fleet()["gateways"]}
    assert (told["gw-canary"]["upgrade"]["state"], told["gw-canary"]["upgrade"]["fate"]) == ("rolled_back", "failed")
    assert {current(box) for box in boxes.values()} == {old}, "nobody else was offered it"
    assert [row["upgrade"] for name, row in told.items() if name != "gw-canary"] == [None, None]

    begun_s = time.monotonic()
    bureau.upgrade(f"{good} --canary 511402 --percent 100")
    until(
        lambda: bureau.upgrade()["well"] == len(BOXES), lambda: (bureau.fleet(), canary.bash("cat /run/stand-in/*.log"))
    )
    assert {current(box) for box in boxes.values()} == {good}
    print(f"back after {back_s:.0f} s; three boxes in {time.monotonic() - begun_s:.0f} s")
    assert back_s < BACK_WITHIN_S

    made = {name: last_record(box) for name, box in boxes.items()}
    for name, (last, waiting) in made.items():
        ranges, declared, lost = ledger(Path(boxes[name].folder).parent / "bureau", name)
        assert declared == {}, name
        assert ranges == [[1, last - waiting]], (name, last, waiting, lost)
        assert last > 500, "there was something to lose"


def last_record(box: Machine) -> tuple[int, int]:
    """Stop the agent; return the sequence of its last record, and how many wait to be sent."""
    box.bash("systemctl stop classready-agent")
    ask = "db = sqlite3.connect(sys.argv[1]); print(*(db.execute(q).fetchone()[0] for q in sys.argv[2:]))"
    query = "\"SELECT seq FROM sqlite_sequence WHERE name = 'record'\" 'SELECT count(*) FROM record'"
    last, waiting = box.bash(
        f'python3 -c "import sqlite3, sys; {ask}" /var/lib/classready-agent/spool.db {query}'
    ).split()
    return int(last), int(waiting)


def ledger(folder: Path, gateway: str) -> tuple[Any, Any, Any]:
    """What the collector has of the gateway: settled ranges, declared drops, what was refused."""
    with sqlite3.connect(f"file:{folder}/collector.db?mode=ro", uri=True) as store:
        query = "SELECT ranges, declared_drops, rejected_records FROM ledger WHERE gateway = ?"
        ((ranges, declared, rejected),) = store.execute(query, [gateway]).fetchall()
    return json.loads(ranges), json.loads(declared), rejected
