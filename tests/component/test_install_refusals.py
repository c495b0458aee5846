"""What install.sh refuses before it changes anything: bundles that were tampered with, boxes that lack something."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundle import new_key, small_bundle
from tests.support.installing import box, install, path_with, tree

Tampering = Callable[[Path], object]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """What an operator carries to a gateway; tests change copies of it only."""
    return small_bundle(tmp_path_factory.mktemp("bundle"), key)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return box(tmp_path / "box")


def _copy(bundle: Path, folder: Path) -> Path:
    return Path(shutil.copytree(bundle, folder / bundle.name))


def _append(name: str) -> Tampering:
    def append(bundle: Path) -> None:
        (path,) = bundle.glob(name)
        path.write_bytes(path.read_bytes() + b"x")

    return append


def _resign(bundle: Path) -> None:
    """Everything fits together, but another key signed it."""
    other = new_key(bundle.parent, "other.pem")
    command = ["openssl", "pkeyutl", "-sign", "-inkey", other, "-rawin", "-in", bundle / "SHA256SUMS"]
    subprocess.run([*command, "-out", bundle / "SHA256SUMS.sig"], check=True, timeout=30)


@pytest.mark.servers("openssl")
@pytest.mark.parametrize(
    ("tamper", "code", "text"),
    [
        pytest.param(_append("wheels/classready-*.whl"), 10, "not what was signed: wheels/classready-", id="own-wheel"),
        pytest.param(_append("wheels/icmplib-*.whl"), 10, "not what was signed: wheels/icmplib-", id="wheel"),
        pytest.param(_append("systemd/*agent.service"), 10, "not what was signed: systemd/", id="unit"),
        pytest.param(_append("VERSION"), 10, "not what was signed: VERSION", id="version"),
        pytest.param(_append("agent.lock"), 10, "not what was signed: agent.lock", id="lock"),
        pytest.param(_append("SHA256SUMS"), 11, "not signed by the key", id="sums"),
        pytest.param(_append("SHA256SUMS.sig"), 11, "not signed by the key", id="signature"),
        pytest.param(_resign, 11, "not signed by the key", id="other-key"),
        pytest.param(lambda b: (b / "wheels/evil-1-py3-none-any.whl").touch(), 10, "not signed is in", id="added"),
        pytest.param(lambda b: (b / "wheels/link").symlink_to("/etc/passwd"), 10, "signed: wheels/link", id="link"),
        pytest.param(lambda b: (b / "SHA256SUMS.sig").unlink(), 10, "SHA256SUMS.sig is missing", id="unsigned"),
        pytest.param(lambda b: (b / "BUILT_AT").write_text(""), 10, "BUILT_AT is missing", id="empty-file"),
    ],
)
def test_what_was_tampered_with_changes_nothing(  # noqa: PLR0917 - a table
    bundle: Path, root: Path, tmp_path: Path, tamper: Tampering, code: int, text: str
) -> None:
    """One byte in any file, a file more, a file less, another key: each is named, and not a file is written."""
    before = tree(root)
    mine = _copy(bundle, tmp_path)
    tamper(mine)
    done = install(mine, root)
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert tree(root) == before


@pytest.mark.parametrize("instead", ["link", "pipe"])
def test_what_is_no_file_is_refused_before_it_is_read(bundle: Path, root: Path, tmp_path: Path, instead: str) -> None:
    """In the place of a signed file: what a link leads to may be another thing after it was verified."""
    mine = _copy(bundle, tmp_path)
    part = mine / "LICENSE"
    if instead == "link":
        part.rename(tmp_path / "elsewhere")
        part.symlink_to(tmp_path / "elsewhere")
    else:
        part.unlink()
        os.mkfifo(part)
    before = tree(root)
    done = install(mine, root)
    assert (done.returncode, "so not signed: LICENSE" in done.stderr) == (10, True), done.stderr
    assert tree(root) == before


def test_no_room_to_unpack(bundle: Path, root: Path, tmp_path: Path) -> None:
    """The archive is whole: to copy it again would not help. One that is not whole is told as that."""
    path = path_with(tmp_path / "bin", tar='[ "$1" = -tzf ] && exec /bin/tar "$@"; exit 2')
    packed = bundle.with_name(f"{bundle.name}.tar.gz")
    done = install(bundle, root, "--offline", packed, PATH=path)
    assert (done.returncode, "set TMPDIR" in done.stderr) == (7, True), done.stderr
    torn = tmp_path / "torn.tar.gz"
    torn.write_bytes(packed.read_bytes()[:-1_000])
    assert install(bundle, root, "--offline", torn).returncode == 10


@pytest.mark.servers("unshare")
@pytest.mark.parametrize("place", ["etc", "opt", "usr"])
def test_a_disk_that_cannot_be_written(bundle: Path, root: Path, tmp_path: Path, place: str) -> None:
    """As the kernel leaves a card that fails: said before anything is built."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec sh "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, root / place, bundle / "install.sh", "--root", root]
    before = tree(root)
    done = subprocess.run(
        [*command, "--python", sys.executable], capture_output=True, text=True, timeout=60, check=False
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, "read-only" in done.stderr) == (7, True), done.stderr
    assert tree(root) == before


def test_the_signature_without_openssl(bundle: Path, root: Path, tmp_path: Path) -> None:
    """A box with no OpenSSL, or an old one: Python finds the same good and the same bad."""
    path = path_with(tmp_path / "bin", openssl="echo OpenSSL 1.1.1k")
    assert install(bundle, root, "--check", PATH=path).returncode == 0
    mine = _copy(bundle, tmp_path)
    good = (mine / "SHA256SUMS.sig").read_bytes()
    order = 2**252 + 27742317777372353535851937790883648493
    same_again = (int.from_bytes(good[32:], "little") + order).to_bytes(32, "little")
    for bad in (b"\0" * 64, good[:63], good[32:] + good[:32], good[:32] + same_again, bytes([good[0] ^ 1]) + good[1:]):
        (mine / "SHA256SUMS.sig").write_bytes(bad)
        assert install(mine, root, "--check", PATH=path).returncode == 11


@pytest.mark.parametrize(
    ("instead", "code", "english", "chinese"),
    [
        pytest.param(
            {"date": "[ $1 = +%s ] && echo 5 || echo 1970-01-01"}, 8, "1970-01-01, TLS would refuse", "时钟", id="clock"
        ),
        pytest.param(
            {"uname": "echo loongarch64"}, 9, "this machine is loongarch64", "本机是 loongarch64", id="machine"
        ),
        pytest.param({"df": "echo; echo x 1 1 2048 1% /"}, 7, "only 2 MiB free", "只剩 2 MiB", id="space"),
        pytest.param({"id": "echo 1000"}, 3, "run it as root", "请用 root 运行", id="root"),
    ],
)
def test_a_box_that_lacks_something(  # noqa: PLR0917 - a table
    bundle: Path, root: Path, tmp_path: Path, instead: dict[str, str], code: int, english: str, chinese: str
) -> None:
    """One sentence, in the reader's language; its own exit code; not a file is written."""
    before = tree(root)
    path = path_with(tmp_path / "bin", **instead)
    place: tuple[str | Path, ...] = ("--root", "") if code == 3 else ()
    for language, sentence in (("C.UTF-8", english), ("zh_CN.UTF-8", chinese)):
        done = install(bundle, root, *place, PATH=path, LANG=language)
        assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
        assert done.stderr.count("\n") == 1
    assert tree(root) == before


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ('ID=debian\nVERSION_ID="12"', "apt-get install python3"),
        ('ID=ubuntu\nVERSION_ID="22.04"', "apt-get install python3.11"),
        ('ID="openEuler"\nVERSION_ID="24.03"', "dnf install python3"),
        ('ID="openEuler"\nVERSION_ID="20.03"', "a bundle that brings a Python"),
        ('ID=kylin\nVERSION_ID="V10"', "a bundle that brings a Python"),
        ("ID=uos\nVERSION_ID=20", "a bundle that brings a Python"),
        ("ID=unheard-of", "the package of Python 3.11 or later"),
    ],
)
def test_no_python(bundle: Path, root: Path, system: str, command: str) -> None:
    """What to run, for this system."""
    (root / "etc/os-release").write_text(f"{system}\n")
    done = install(bundle, root, "--python", "/bin/false")
    assert (done.returncode, command in done.stderr) == (6, True), done.stderr


def test_a_python_in_the_bundle(key: Path, root: Path, tmp_path: Path) -> None:
    """Where the box has none that fits, the one brought is used, and goes with the last release that needs it."""
    brought = tmp_path / "brought"
    (brought / "python/bin").mkdir(parents=True)
    stand_in = brought / "python/bin/python3"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    stand_in.chmod(0o755)
    with tarfile.open(brought / f"{os.uname().machine}.tar.gz", "w:gz") as archive:
        archive.add(brought / "python", "python")
    made = small_bundle(tmp_path, key, brought_pythons=brought)
    done = install(made, root, "--python", "/bin/false")
    assert done.returncode == 0, done.stderr
    assert len(list((root / "opt/classready/agent/python").iterdir())) == 1
    next(made.glob("python/*")).write_bytes(b"not what was signed")
    assert install(made, root).returncode == 10
