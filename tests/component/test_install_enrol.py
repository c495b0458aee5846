"""install.sh asks the collector for a name and a token, and shows neither code nor token to anybody."""

import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

import pytest

from agent.loading import load_settings
from agent.settings import MqttLink
from tests.support.bundle import new_key, small_bundle
from tests.support.chains import make, pem
from tests.support.installing import box, install, mode

SECRET = "canary-7f3a"
CODE = "canary-code-51"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return small_bundle(folder, new_key(folder))


@pytest.fixture(scope="module")
def box_there(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    root = box(tmp_path_factory.mktemp("box"))
    assert install(bundle, root).returncode == 0
    return root


@pytest.fixture
def root(box_there: Path) -> Path:
    """A box with the program and nothing else: what was there before is not built again for each test."""
    for name in ("agent.yml", "secrets/token"):
        (box_there / "etc/classready" / name).unlink(missing_ok=True)
    return box_there


class _Desk(http.server.BaseHTTPRequestHandler):
    """Stands for the collector's /api/v1/enroll; looks what of the code can be seen on the box meanwhile."""

    answer: tuple[int, object] = (200, {})
    asked: ClassVar[list[dict]] = []
    seen: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it ended meanwhile
                self.seen.append(path.read_bytes())
        code, said = self.answer
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def _desk(code: int, said: object) -> Iterator[str]:
    _Desk.answer, _Desk.asked, _Desk.seen = (code, said), [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Desk) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_enrolment(bundle: Path, root: Path) -> None:
    """Name and token from a code at standard input; the line typed again asks nobody; nothing shows code or token."""
    given = {
        "gateway": "gw-3251140201",
        "token": SECRET,
        "schools": ["3251140201"],
        "collector_url": "https://c.example",
    }
    with _desk(200, given) as url:
        done = install(bundle, root, "--enroll", url, typed=f"{CODE}\n")
        assert done.returncode == 0, done.stderr
        again = install(bundle, root, "--enroll", url, typed=f"{CODE}\n")
        assert (again.returncode, "has a token already" in again.stdout) == (0, True)
    assert [asked["code"] for asked in _Desk.asked] == [CODE]
    assert not [line for line in _Desk.seen if CODE.encode() in line or SECRET.encode() in line]
    assert not {CODE, SECRET} & set((done.stdout + done.stderr).split())
    etc = root / "etc/classready"
    assert ((etc / "secrets/token").read_text(), mode(etc / "secrets/token")) == (f"{SECRET}\n", 0o600)
    settings = (etc / "agent.yml").read_text()
    assert 'gateway: "gw-3251140201"' in settings
    assert 'url: "https://c.example"' in settings
    check = [Path(sys.executable).parent / "classready-agent", "check", "-c", etc / "agent.yml"]
    checked = subprocess.run(check, capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr


def test_enrolment_over_mqtt(bundle: Path, root: Path, tmp_path: Path) -> None:
    """The answer says where the broker is and whom to trust: the settings are good as they are written."""
    ca = pem(tmp_path / "ca.pem", make("bureau")).read_text()
    link = {"kind": "mqtt", "host": "broker.example", "port": 18_883, "ca": ca}
    with _desk(200, {"gateway": "gw-1", "token": SECRET, "collector_url": "https://c.example", "link": link}) as url:
        done = install(bundle, root, "--enroll", url, typed=CODE)
    assert done.returncode == 0, done.stderr
    etc = root / "etc/classready"
    read = load_settings(etc / "agent.yml").link
    assert isinstance(read, MqttLink)
    assert (read.host, read.port, read.password_file) == ("broker.example", 18_883, str(etc / "secrets/token"))
    assert Path(str(read.ca_file)).read_text() == ca
    (etc / "secrets/broker-ca.pem").unlink()


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        pytest.param(200, {"gateway": "gw", "token": "x", "link": ["mqtt"]}, 13, id="odd-link"),
        pytest.param(409, {"error": "the code was used already", "reason": "used"}, 12, id="used"),
        pytest.param(410, {"error": "expired", "reason": "expired"}, 12, id="expired"),
        pytest.param(422, {"error": "the clock is off", "reason": "clock"}, 8, id="clock"),
        pytest.param(429, b"<html>too many", 12, id="limited"),
        pytest.param(200, {"gateway": "gw"}, 13, id="no-token"),
        pytest.param(200, b"<html>a portal", 13, id="portal"),
        pytest.param(200, ["gw"], 13, id="list"),
        pytest.param(200, b"[" * 60_000, 13, id="deep"),
        pytest.param(403, b"[" * 60_000, 12, id="refused-deep"),
        pytest.param(502, b"<html>nginx", 13, id="proxy-alone"),
        pytest.param(403, {"error": "\x1b[31mred\nsecond line"}, 12, id="control-characters"),
        pytest.param(200, {"token": SECRET, "gateway": '../../x"\n'}, 13, id="odd-name"),
        pytest.param(200, {"gateway": "gw-1", "token": "two\nlines"}, 13, id="odd-token"),
    ],
)
def test_refused_enrolment(bundle: Path, root: Path, code: int, said: object, expected: int) -> None:
    """One sentence with the collector's own words; no token, no settings of nobody; the next code is taken."""
    with _desk(code, said) as url:
        done = install(bundle, root, "--enroll", url, typed=CODE)
    assert (done.returncode, done.stderr.count("\n")) == (expected, 1), done.stderr
    assert CODE not in done.stderr
    assert "\x1b" not in done.stderr
    if isinstance(said, dict) and "error" in said:
        assert said["error"].replace("\x1b", " ").replace("\n", " ") in done.stderr
    assert not (root / "etc/classready/secrets/token").exists()
    tried = _Desk.asked[0]["attempt"]
    with _desk(200, {"gateway": "gw-1", "token": SECRET}) as url:
        assert install(bundle, root, "--enroll", url, typed=CODE).returncode == 0
    assert _Desk.asked[0]["attempt"] == tried, "if the answer was lost, the code is still good for this box"
    assert [path.name for path in (root / "etc/classready/secrets").iterdir()] == ["token"]


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_another_service_at_that_address(bundle: Path, root: Path, said: bytes) -> None:
    """One sentence, and no traceback of ours."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        done = install(bundle, root, "--enroll", f"http://127.0.0.1:{port}", typed=CODE)
    assert (done.returncode, done.stderr.count("\n")) == (13, 1), done.stderr


def test_no_network(bundle: Path, root: Path) -> None:
    """Nobody at that address: said, and the code was not used up."""
    with _desk(200, {}) as url:
        pass
    done = install(bundle, root, "--enroll", url, typed=CODE)
    assert (done.returncode, "was not reached" in done.stderr) == (13, True), done.stderr
