"""Who enrols is the real broker's user within seconds, who is taken back is out, without a restart; others stay."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request, urlopen

import aiomqtt
import pytest

from agent import tls
from agent.settings import MqttLink
from classready import topics
from classready.mqtt import Client
from classready.report import Ack
from collector.app import broker_watch
from collector.app.broker_sync import merged, reload_broker
from collector.app.notes import OpenQuestions
from collector.broker.accounts import users_of
from collector.broker.config import Broker, acl_text, config_text
from collector.broker.passwords import TOKEN_ITERATIONS, parse, verifier, verifies
from collector.core.roster import SchoolRoster
from collector.engine.enrolment import Claim, digest_of
from collector.ingest.gate import Gate
from collector.ingest.mqtt import ON_ITS_WAY_S
from collector.ingest.mqtt import _Door as Door
from collector.roster import Roster
from collector.roster.files import GatewayEntry
from collector.store.enrolment import Token
from collector.store.tables import metadata
from collector.text import note_text
from tests.support.chains import key_pem, make, pem
from tests.support.collecting import ROSTER, Collector, body, opened, pings, wait_until, write_roster
from tests.support.engines import rows, running
from tests.support.mosquitto import PROGRAM, free_port
from tests.unit.test_collector_cli import call

UNLISTED = ROSTER.replace("  - {id: gw-two, token_sha256: TWO, schools: [s3]}\n", "")
SOON_S = 40.0
"""It takes a second; beside busy neighbours a test waits longer."""
pytestmark = pytest.mark.servers("mosquitto", "mosquitto_passwd")


class Place:
    """Collector, broker and what keeps them together, all on loopback; the broker by what ``broker-config`` wrote."""

    def __init__(self, folder, *config_options):
        self.folder, self.port = folder, free_port()
        self.etc, self.state, self.pid_file = folder / "etc", folder / "var", folder / "pid"
        authority = make("bureau")
        leaf = make("127.0.0.1", authority, hosts=["127.0.0.1"])
        self.authority = authority
        self.ca = pem(folder / "ca.pem", authority)
        self.cert, self.key = pem(folder / "server.crt", leaf), key_pem(folder / "server.key", leaf)
        (folder / "mqtt-password").write_text("collectors-own-canary\n")
        (folder / "mqtt-password").chmod(0o600)
        more = (
            f"mqtt: {{host: 127.0.0.1, port: {self.port}, password_file: mqtt-password, ca_file: ca.pem}}\n"
            f"enrolment: {{broker: {{host: 127.0.0.1, port: {self.port}, ca_file: ca.pem}}}}\n"
        )
        self.collector = Collector(folder, more)
        write_roster(folder, UNLISTED)
        self.where = ["-c", str(self.collector.settings), "--output", str(self.etc), "--state", str(self.state)]
        self.where += ["--pid-file", str(self.pid_file)]
        own = ["--listen", "127.0.0.1", "--port", str(self.port), "--cert-file", str(self.cert)]
        done = call("broker-config", *self.where, *own, "--key-file", str(self.key), *config_options)
        assert done.exit_code == 0, done.output
        self.broker = self.sync = None

    def start_broker(self):
        own = self.folder / "as-root.conf"
        own.write_text((self.etc / "mosquitto.conf").read_text() + "user root\n")
        with (self.folder / "broker.log").open("ab") as log:
            self.broker = subprocess.Popen([PROGRAM, "-c", own], stdout=log, stderr=log)
        wait_until(self._listens)

    def _listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stop_broker(self):
        self.broker.kill()
        self.broker.wait(timeout=10)

    def start_sync(self):
        command = [sys.executable, "-m", "collector", "broker-sync", *self.where]
        with (self.folder / "sync.log").open("ab") as log:
            self.sync = subprocess.Popen(command, stdout=log, stderr=log)

    def sync_log(self):
        return (self.folder / "sync.log").read_text()

    def stop_sync(self):
        self.sync.kill()
        self.sync.wait(timeout=10)

    def close(self):
        for process in (self.sync, self.broker):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(timeout=10)
        if self.collector.process is not None:
            self.collector.stop()

    def post(self, path, **said):
        body = json.dumps(said).encode()
        request = Request(f"{self.collector.url}{path}", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def get(self, path):
        with urlopen(f"{self.collector.url}{path}", timeout=30) as answer:
            return json.load(answer)

    def enroll(self, **asked):
        code = self.post("/api/v1/enrolments", by="w", **asked)["codes"][0]["code"]
        return self.post("/api/v1/enroll", code=code)

    def revoke(self, subject):
        return self.post("/api/v1/enrolments/revoke", subject=subject, by="w")

    def client(self, gateway, password, **more):
        trust = ssl.create_default_context(cafile=str(self.ca))
        return Client(
            "127.0.0.1",
            self.port,
            username=gateway,
            password=password,
            identifier=gateway,
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=5,
            **{"tls_context": trust, **more},
        )

    async def gets_in(self, gateway, password, **more):
        try:
            async with self.client(gateway, password, **more):
                return True
        except aiomqtt.MqttError:
            return False

    async def until(self, wanted, gateway, password):
        """Return after how long the broker says ``wanted`` of a password."""
        began_s = time.monotonic()
        while await self.gets_in(gateway, password) != wanted:
            assert time.monotonic() - began_s < SOON_S, f"not {wanted} in time"
            await asyncio.sleep(0.1)
        return time.monotonic() - began_s


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    try:
        made.collector.start()
        made.start_broker()
        made.start_sync()
        yield made
    finally:
        made.close()


@contextlib.asynccontextmanager
async def staying(place, gateway, password, **more):
    """Connect and stay; yields what says whether the connection is still the first one."""
    ended = asyncio.Event()

    async def stay():
        try:
            async with place.client(gateway, password, **more) as client:
                await client.subscribe(topics.down(gateway, "ack"), qos=1)
                connected.set()
                async for _ in client.messages:
                    pass
        except aiomqtt.MqttError:
            ended.set()

    connected = asyncio.Event()
    task = asyncio.create_task(stay())
    try:
        async with asyncio.timeout(SOON_S):
            await connected.wait()
        yield ended
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_enrolled_rotated_and_taken_back_without_a_restart(place):
    """Each within seconds; a neighbour's connection lasts through all of it; no clear token is in any file."""
    first = place.enroll(schools=["s1"])
    assert first["link"] == {"kind": "mqtt", "host": "127.0.0.1", "port": place.port, "ca": place.ca.read_text()}
    await place.until(True, "gw-one", first["token"])
    async with staying(place, "gw-one", first["token"]) as neighbour_lost:
        other = place.enroll(schools=["s3"])
        await place.until(True, "gw-s3", other["token"])
        newer = place.enroll(gateways=["gw-s3"])
        await place.until(True, "gw-s3", newer["token"])
        assert not await place.gets_in("gw-s3", other["token"]), "a user has one password"
        async with staying(place, "gw-s3", newer["token"]) as lost:
            assert place.revoke("s3")["tokens"] == 1
            async with asyncio.timeout(SOON_S):
                await lost.wait()
            assert not await place.gets_in("gw-s3", newer["token"])
        await asyncio.sleep(0.5)
        assert not neighbour_lost.is_set()
    text = (place.state / "passwords").read_text()
    assert first["token"] not in text
    assert sorted(parse(text)) == ["collector", "gw-one"]
    assert (place.state / "passwords").stat().st_mode & 0o777 == 0o600


async def test_a_broker_that_was_down_is_brought_up_to_date(place):
    """What happened meanwhile is known as soon as it is back; nobody is told twice."""
    kept, gone = place.enroll(schools=["s1"]), place.enroll(schools=["s3"])
    await place.until(True, "gw-s3", gone["token"])
    place.stop_broker()
    place.revoke("s3")
    newer = place.enroll(gateways=["gw-one"])
    wait_until(lambda: "gw-s3" not in (place.state / "passwords").read_text())
    place.start_broker()
    await place.until(True, "gw-one", newer["token"])
    assert not await place.gets_in("gw-one", kept["token"])
    assert not await place.gets_in("gw-s3", gone["token"])


async def test_what_keeps_them_together_was_away(place):
    """It needs no memory; until it is back the collector itself refuses who was taken back, over the broker too."""
    given = place.enroll(schools=["s3"])
    await place.until(True, "gw-s3", given["token"])
    place.stop_sync()
    async with staying(place, "gw-s3", given["token"]) as lost:
        place.revoke("s3")
        await asyncio.sleep(0.5)
        assert not lost.is_set()
        (place.state / "passwords").write_text("")
        place.start_sync()
        async with asyncio.timeout(SOON_S):
            await lost.wait()
    assert sorted(parse((place.state / "passwords").read_text())) == ["collector"]


async def test_without_a_change_nobody_is_reloaded(place):
    """A collector that starts again has the same list: the broker is left in peace."""
    given = place.enroll(schools=["s3"])
    await place.until(True, "gw-s3", given["token"])
    reloads = place.sync_log().count("broker_reloaded")
    began_s = time.monotonic()
    place.collector.stop()
    assert time.monotonic() - began_s < 5, "who waits for news must not hold up the end"
    place.collector.start()
    newer = place.enroll(schools=["s1"])
    await place.until(True, "gw-one", newer["token"])
    assert place.sync_log().count("broker_reloaded") == reloads + 1


@pytest.mark.parametrize("identity", ["password", "certificate"])
async def test_client_certificates(tmp_path, identity):
    """Without one nobody comes as far as a password. Where it is the identity, its name is the user's."""
    here = Place(tmp_path, "--client-ca", str(tmp_path / "ca.pem"), "--identity", identity)
    try:
        own = make("gw-one", here.authority)
        cert, key = pem(tmp_path / "gw-one.crt", own), key_pem(tmp_path / "gw-one.key", own)
        here.start_broker()
        users = here.state / "passwords"
        users.write_text(users.read_text() + f"gw-one:{verifier('right', TOKEN_ITERATIONS)}\n")
        here.broker.send_signal(signal.SIGHUP)
        (tmp_path / "password").write_text("right")
        (tmp_path / "password").chmod(0o600)
        where = {"host": "127.0.0.1", "port": here.port, "ca_file": str(here.ca)}
        files = {"password_file": str(tmp_path / "password"), "cert_file": str(cert), "key_file": str(key)}
        link = MqttLink(**where, **files)
        assert await here.gets_in("gw-one", "right", tls_context=tls.of_link(link))
        assert not await here.gets_in("gw-one", "right"), "no certificate"
        by_name = await here.gets_in("gw-one", "wrong", tls_context=tls.of_link(link))
        assert by_name == (identity == "certificate")
        strange = make("gw-one", make("somebody"))
        files |= {
            "cert_file": str(pem(tmp_path / "x.crt", strange)),
            "key_file": str(key_pem(tmp_path / "x.key", strange)),
        }
        assert not await here.gets_in("gw-one", "right", tls_context=tls.of_link(MqttLink(**where, **files)))
        async with staying(here, "gw-one", "right", tls_context=tls.of_link(link)) as lost:
            here.broker.send_signal(signal.SIGHUP)
            await asyncio.sleep(1)
            assert not lost.is_set(), "a reload ends nobody's connection"
    finally:
        here.close()


def test_a_broker_that_starts_is_not_ended_by_the_reload(tmp_path):
    """Before it has said what SIGHUP means to it, that signal would be its end."""
    program = shutil.copy("/bin/sleep", tmp_path / "mosquitto")
    pid_file = tmp_path / "pid"
    with subprocess.Popen([program, "60"]) as starting:
        pid_file.write_text(f"{starting.pid}\n")
        wait_until(lambda: "mosquitto" in Path(f"/proc/{starting.pid}/comm").read_text())
        assert reload_broker(pid_file) is False
        assert starting.poll() is None
        starting.kill()
    assert reload_broker(pid_file) is True, "it is away, and reads the file when it starts"
    pid_file.write_text(f"{os.getpid()}\n")
    assert reload_broker(pid_file) is True, "a number that is somebody else's by now: this test would end here"
    assert reload_broker(tmp_path / "none") is True


def test_a_verifier_is_what_mosquitto_makes(tmp_path):
    """The broker's own program and ours read each other; with a wrong password neither lets anybody in."""
    file = tmp_path / "passwords"
    file.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", file, "gw-1", "secret"], check=True, capture_output=True)
    made = parse(file.read_text())["gw-1"]
    assert verifies(made, "secret")
    assert not verifies(made, "Secret")
    own = verifier("secret", TOKEN_ITERATIONS)
    assert verifies(own, "secret")
    assert verifier("secret", TOKEN_ITERATIONS) != own, "salted"
    assert not verifies("", "secret")
    assert not verifies("$7$1$x", "secret")


async def test_what_comes_over_the_broker(tmp_path):
    """The new token is in use once the broker knows no other; of who was taken back nothing is taken, told or not."""
    text = UNLISTED.replace("token_sha256: ONE, ", "")
    async with running(tmp_path, text=text) as (engine, _, clock):
        await engine.enrolment.load()
        door = Door(engine, clock, Gate())
        tokens = []
        for _ in range(2):
            ((code, _),) = await engine.enrolment.make([("s1", "gw-one")], 3_600, "w", clock())
            claim = Claim(code, None, None, "10.0.0.1", "")
            tokens.append(digest_of((await engine.enrolment.redeem(claim, engine.roster, clock())).token))
            if len(tokens) == 1:
                await engine.enrolment.note_use(tokens[0], clock())
            clock.now += 1

        async def report(number):
            return await door._answer("gw-one", body(pings([number])))

        assert isinstance(await report(1), Ack)
        assert engine.enrolment.unused("gw-one"), "nobody said that the broker knows"
        assert engine.accounts.behind_count() == 1
        engine.accounts.confirm(engine.accounts.listing().version, clock())
        clock.now += ON_ITS_WAY_S - 1
        assert isinstance(await report(2), Ack)
        assert engine.enrolment.unused("gw-one"), "it may have been on its way"
        clock.now += 2
        assert isinstance(await report(3), Ack)
        assert (engine.enrolment.unused("gw-one"), engine.accounts.behind_count()) == (None, 0)
        assert engine.enrolment.tokens[tokens[0]].ended_by == "replaced"
        await engine.enrolment.revoke(["gw-one"], "w", clock())
        refused = await report(4)
        assert (refused.reason, engine.accounts.behind_count()) == ("revoked", 1)


def test_the_shipped_files_are_what_the_command_writes():
    """As of its defaults; the tests of links and ingest run the real broker with them."""
    shipped = Path(__file__).parents[2] / "configs" / "mosquitto"
    assert (shipped / "mosquitto.conf").read_text() == config_text(Broker())
    assert (shipped / "acl").read_text() == acl_text(Broker())


async def test_the_board_says_that_the_broker_is_behind(monkeypatch):
    """After a while, and no longer than it is so."""
    monkeypatch.setattr(broker_watch, "LATE_S", 0.05)
    behind, questions = [3], OpenQuestions()
    accounts = SimpleNamespace(behind_count=lambda: behind[0])
    watching = asyncio.create_task(broker_watch.show_behind(accounts, questions, 0.01))
    async with asyncio.timeout(10):
        while not questions.shown().notes:
            await asyncio.sleep(0.01)
        (note,) = questions.shown().notes
        assert "3 个网关" in note_text(note.word, note.fields, "zh")
        behind[0] = 0
        while questions.shown().notes:
            await asyncio.sleep(0.01)
    watching.cancel()


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        pytest.param([{"mqtt_verifier": "$7$a"}], {"gw-s3": "$7$a"}, id="enrolled"),
        pytest.param(
            [{"mqtt_verifier": "$7$a"}, {"made_at": 2.0, "mqtt_verifier": "$7$b"}], {"gw-s3": "$7$b"}, id="two"
        ),
        pytest.param(
            [{"mqtt_verifier": "$7$a", "ended_at": 3.0, "ended_by": "revoked"}], {"gw-s3": None}, id="revoked"
        ),
        pytest.param([{"mqtt_verifier": "$7$a", "ended_at": 3.0, "ended_by": "replaced"}], {}, id="replaced"),
        pytest.param([{}], {}, id="of an earlier release: its password by hand stays good"),
        pytest.param([{"school": "s1", "mqtt_verifier": "$7$a"}], {"gw-s3": None}, id="the name is another school's"),
        pytest.param(
            [{"gateway": "gw-one", "school": "s1", "ended_at": 3.0, "ended_by": "revoked"}],
            {},
            id="the roster gives it a token as well",
        ),
        pytest.param([{"gateway": "gw-none", "mqtt_verifier": "$7$a"}], {"gw-none": None}, id="not listed any more"),
    ],
)
def test_who_may_connect(tokens, expected):
    """By the newest token that is good; null bars also what was made by hand."""
    one = GatewayEntry(id="gw-one", schools=("s1",), token_sha256="0" * 64)
    schools = {name: SchoolRoster(office="o", school=name, classrooms={}) for name in ("s1", "s3")}
    roster = Roster(schools=schools, gateways={"gw-one": one, "gw-s3": GatewayEntry(id="gw-s3", schools=("s3",))})
    given = {"token_sha256": "x", "gateway": "gw-s3", "school": "s3", "made_at": 1.0}
    assert users_of(roster, [Token(**{**given, **token}) for token in tokens]) == expected


def test_what_was_made_by_hand_stays_but_for_who_enrolled():
    by_hand = "collector:$7$c\ngw-old:$7$o\ngw-one:$7$hand\ngw-back:$7$hand\n"
    users = {"gw-one": "$7$enrolled", "gw-back": None, "gw-new": "$7$new"}
    assert parse(merged(by_hand, users)) == {
        "collector": "$7$c",
        "gw-old": "$7$o",
        "gw-one": "$7$enrolled",
        "gw-new": "$7$new",
    }


class Watcher(threading.Thread):
    """Reads what everybody on the machine could: command lines; and the environments, which root could."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.ended = set(), threading.Event()

    def run(self):
        while not self.ended.is_set():
            for path in (*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())
            self.ended.wait(0.05)


AGENT = """\
gateway: gw-one
link: {{kind: mqtt, host: 127.0.0.1, port: {port}, password_file: token, ca_file: ca.pem}}
state_dir: state
page: null
log_level: debug
report_interval_s: 1
targets: [{{name: p1, kind: http, url: "http://127.0.0.1:9/", interval_s: 0.5}}]
"""


@pytest.mark.usefixtures("every_store")
async def test_no_secret_is_shown_anywhere(tmp_path):
    """Codes, tokens, passwords: not in a command line, an environment, a log, a page, an answer, the store."""
    watcher = Watcher()
    watcher.start()
    here = Place(tmp_path)
    here.collector.settings.write_text(here.collector.settings.read_text() + "log_level: debug\n")
    code = token = newer = agent = None
    try:
        here.collector.start()
        here.start_broker()
        here.start_sync()
        settings = ["-c", str(here.collector.settings)]
        made = call("enroll", "s1", *settings, "--json", "--url", "https://c.example", "--by", "w")
        code = json.loads(made.output)[0]["code"]
        token = here.post("/api/v1/enroll", code=code)["token"]
        assert await here.until(True, "gw-one", token) < SOON_S
        (tmp_path / "token").write_text(token)
        (tmp_path / "token").chmod(0o600)
        (tmp_path / "agent.yml").write_text(AGENT.format(port=here.port))
        with (tmp_path / "agent.log").open("ab") as log:
            command = [sys.executable, "-m", "agent", "run", "-c", tmp_path / "agent.yml"]
            agent = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: "mqtt_connected" in (tmp_path / "agent.log").read_text())
        again = json.loads(
            call("enroll", *settings, "--rotate", "gw-one", "--json", "--url", "https://c.example").output
        )
        newer = here.post("/api/v1/enroll", code=again[0]["code"])["token"]
        await here.until(True, "gw-one", newer)
        listed = call("enroll", *settings, "--list").output + call("enroll", *settings, "--revoke", "gw-one").output
        await here.until(False, "gw-one", newer)
        wait_until(lambda: "mqtt_disconnected" in (tmp_path / "agent.log").read_text())
        pages = ["/", "/metrics", "/metrics/all", "/school/s1", "/api/v1/schools/s1", "/api/v1/enrolments"]
        shown = {path: urlopen(f"{here.collector.url}{path}", timeout=30).read().decode() for path in pages}
        shown["/api/v1/broker/accounts"] = json.dumps(here.get("/api/v1/broker/accounts"))
    finally:
        if agent is not None:
            agent.kill()
            agent.wait(timeout=10)
        here.close()
        watcher.ended.set()
        watcher.join()
    secrets = [code, code.replace("-", ""), again[0]["code"], token, newer, "collectors-own-canary"]
    logs = {name: (tmp_path / name).read_text() for name in ("log", "sync.log", "broker.log", "agent.log")}
    written = {name: (here.etc / name).read_text() for name in ("mosquitto.conf", "acl", "users")}
    written["passwords"] = (here.state / "passwords").read_text()
    async with opened(tmp_path) as store:
        dump = "\n".join([str(tuple(row)) for table in metadata.sorted_tables for row in await rows(store, table)])
    places = {**shown, **logs, **written, "list": listed, "store": dump}
    places["processes"] = b"\n".join(watcher.seen).decode(errors="replace")
    assert [(name, secret) for name, text in places.items() for secret in secrets if secret in text] == []
    assert "broker-sync" in places["processes"], "it looked"
    assert digest_of(token) in dump
    assert "$7$" in dump
