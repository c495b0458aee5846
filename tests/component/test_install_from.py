"""install.sh --from: a bundle over the network, from a web server of files, or from a collector's /install/bundle."""

import hashlib
import http.server
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import chains
from tests.support.bundle import ROOT, new_key, small_bundle
from tests.support.installing import box, install, tree

LINE = ROOT / "collector/templates/install.sh"
pytestmark = pytest.mark.servers("curl", "openssl")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return small_bundle(folder, new_key(folder))


@pytest.fixture
def root(tmp_path: Path, bundle: Path) -> Path:
    """A box that knows the key."""
    made = box(tmp_path / "box")
    (made / "etc/classready").mkdir()
    shutil.copy(bundle / "bundle.pub", made / "etc/classready")
    return made


class _Shelf(http.server.BaseHTTPRequestHandler):
    """Gives files, with ranges where it has them; ``cut`` names one whose line breaks once, in the middle."""

    folder: Path
    has_ranges = True
    cut = ""
    asked: list[str]
    given_bytes: int

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        file = self.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        whole = file.read_bytes()
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1]) if self.has_ranges else 0
        if begin >= len(whole) > 0:
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
        body = whole[begin:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.cut and self.cut in self.path:
            type(self).cut = ""
            body = body[: len(body) // 2]
            self.close_connection = True
        type(self).given_bytes += len(body)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def _served(folder: Path, tls: ssl.SSLContext | None = None, **how: object) -> Iterator[tuple[str, type[_Shelf]]]:
    shelf = type("Shelf", (_Shelf,), {"folder": folder, "asked": [], "given_bytes": 0, **how})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), shelf) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}", shelf
        server.shutdown()


def test_installed_and_then_left_alone(bundle: Path, root: Path) -> None:
    """What is fetched is installed and not kept; again, little more than the list is asked for and nothing changes."""
    with _served(bundle) as (url, shelf):
        done = install(bundle, root, "--from", url)
        assert done.returncode == 0, done.stderr
        assert not (root / "var/cache/classready-agent").exists()
        as_it_is = tree(root)
        shelf.asked.clear()
        again = install(bundle, root, "--from", url)
        assert (again.returncode, "everything is in place already" in again.stdout) == (0, True), again.stderr
        assert shelf.asked == ["/SHA256SUMS", "/SHA256SUMS.sig", "/VERSION"]
    now = tree(root)
    assert {path for path in as_it_is | now if as_it_is.get(path) != now.get(path)} <= {"var", "var/cache"}


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_line_that_breaks(bundle: Path, root: Path, *, has_ranges: bool) -> None:
    """Said, and nothing installed; the same command goes on where it broke, or from the start without ranges."""
    (wheel,) = (path for path in bundle.glob("wheels/icmplib-*"))
    total = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    with _served(bundle, cut=wheel.name, has_ranges=has_ranges) as (url, shelf):
        broken = install(bundle, root, "--from", url)
        assert (broken.returncode, "run it again" in broken.stderr) == (13, True), broken.stderr
        assert not (root / "opt/classready").exists()
        done = install(bundle, root, "--from", url)
        assert done.returncode == 0, done.stderr
        again_bytes = 0 if has_ranges else 2 * wheel.stat().st_size
        assert shelf.given_bytes <= total + again_bytes + 20_000, "the lists twice, every other byte once"


def test_only_what_the_known_key_signed(bundle: Path, root: Path, tmp_path: Path) -> None:
    """Another key: nothing but the list is fetched. No key: nothing at all. Another file: refused."""
    others = small_bundle(tmp_path / "others", new_key(tmp_path))
    with _served(others) as (url, shelf):
        refused = install(bundle, root, "--from", url)
        assert (refused.returncode, shelf.asked) == (11, ["/SHA256SUMS", "/SHA256SUMS.sig"]), refused.stderr
        shelf.asked.clear()
        (root / "etc/classready/bundle.pub").unlink()
        unknown = install(bundle, root, "--from", url)
        assert (unknown.returncode, shelf.asked) == (11, []), unknown.stderr
        assert install(bundle, root, "--from", url, "--key", others / "bundle.pub", "--check").returncode == 0
    (others / "wheels" / "more.txt").write_text("not listed, not asked for")
    (wheel,) = others.glob("wheels/icmplib-*")
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
    fresh = box(tmp_path / "fresh")
    with _served(others) as (url, _):
        changed = install(bundle, fresh, "--from", url, "--key", others / "bundle.pub")
    assert (changed.returncode, "not what was signed" in changed.stderr) == (10, True), changed.stderr
    assert not (fresh / "opt/classready").exists()


OUT_OF_TIME = pytest.mark.parametrize("days", [(-400, -1), (1, 90)], ids=["expired", "not-yet"])


@OUT_OF_TIME
def test_a_certificate_out_of_its_time(bundle: Path, root: Path, tmp_path: Path, days: tuple[int, int]) -> None:
    """Told as that, with the date of the machine, for its clock may be wrong: by --from and by --enroll."""
    authority = chains.make("bureau", days=(-900, 900))
    leaf = chains.make("collector", authority, hosts=["127.0.0.1"], days=days)
    ca = chains.pem(tmp_path / "ca.pem", authority)
    with _served(bundle, chains.showing(tmp_path, leaf)) as (url, shelf):
        for how in (("--from", url), ("--enroll", url)):
            done = install(bundle, root, *how, "--ca-file", ca, typed="7K3M-Q2ZD-0XWV-91TB")
            assert done.returncode == 8, done.stderr
            assert "check the clock" in done.stderr
    assert shelf.asked == []


@OUT_OF_TIME
@pytest.mark.netns
def test_the_one_line_to_such_a_collector(tmp_path: Path, days: tuple[int, int]) -> None:
    """The same exit code and sentence, if the certificate went out of its time after the script was fetched."""
    authority = chains.make("bureau", days=(-900, 900))
    leaf = chains.make("collector", authority, hosts=["127.0.0.1"], days=days)
    (tmp_path / "install").mkdir()
    ca = chains.pem(tmp_path / "install/ca.pem", authority)
    with _served(tmp_path, chains.showing(tmp_path, leaf)) as (url, _):
        script = LINE.read_text("utf-8").replace("@URL@", url).replace("@NOW@", str(int(time.time())))
        digest = hashlib.sha256(ca.read_bytes()).hexdigest()
        words = ["sh", "-s", "--", "--ca-sha256", digest, "7K3M-Q2ZD-0XWV-91TB"]
        done = subprocess.run(words, input=script, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "check the clock" in done.stderr) == (8, True), done.stderr
