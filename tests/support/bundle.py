"""Bundles for tests of install.sh: made and signed by the project's own code, of wheels that need no package index.

A whole one has what is installed here, put back into wheels; a small one has a stand-in for the agent, which starts
in a moment and gets well or does not, as its release is told to.
"""

import base64
import functools
import hashlib
import io
import platform
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bundle import make, wheels

ROOT = Path(__file__).parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = platform.machine()


def new_key(folder: Path, name: str = "key.pem") -> Path:
    """A bureau's private key."""
    key = folder / name
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def whole_bundle(folder: Path, roles: tuple[str, ...] = ("agent",), also: tuple[str, ...] = ()) -> Path:
    """The real programs, with all that they need; what else is in it makes another release of it, by the same key."""
    lent = _lent(folder, roles)
    key = folder / "key.pem"
    if not key.exists():
        new_key(folder)
    with mock.patch.object(make, "ALWAYS", make.ALWAYS + also):
        return make.make(key, folder, make.Choice(roles, (MACHINE,), (PYTHON,), lent))


def changed_bundles(folder: Path, *changes: dict[str, tuple[str, str]]) -> list[Path]:
    """Real agents, one a change: file -> (text in it, what stands there instead); signed by one key."""
    key, lent, build_own = new_key(folder), _lent(folder, ("agent",)), wheels.build_own

    def build(place: Path, change: dict[str, tuple[str, str]]) -> None:
        build_own(place)
        (wheel,) = place.glob("classready-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            texts = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}
        for name, (before, after) in change.items():
            assert before.encode() in texts[name], name
            texts[name] = texts[name].replace(before.encode(), after.encode())
        wheel.write_bytes(_wheel("-".join(wheel.name.split("-")[:2]), texts))

    choice = make.Choice(("agent",), (MACHINE,), (PYTHON,), lent)
    made = []
    for change in changes:
        with mock.patch.object(wheels, "build_own", functools.partial(build, change=change)):
            made.append(make.make(key, folder, choice))
    return made


def _lent(folder: Path, roles: tuple[str, ...]) -> Path:
    """Wheels of what is installed here, and what locks them."""
    lent = folder / "lent"
    lent.mkdir(exist_ok=True)
    for role in roles:
        names = [line.split("==")[0] for line in wheels.lock_of(role).splitlines() if "==" in line]
        _lock(lent / f"{role}.lock", [_repacked(name, lent) for name in names])
    _lock(lent / "pip.lock", [_repacked("pip", lent)])
    return lent


def small_bundle(folder: Path, key: Path, behaviour: str = "well", **choice: object) -> Path:
    """One dependency, and an agent that is ``well``, ``deaf`` (no report of it is acknowledged), ``broken`` (does not
    start) or ``choosy`` (takes none of the settings).
    """
    lent = folder / f"lent-{behaviour}"
    lent.mkdir(parents=True)
    _lock(lent / "agent.lock", [_repacked("icmplib", lent)])
    _lock(lent / "pip.lock", [_repacked("pip", lent)])
    taken = {"roles": ("agent",), "platforms": (MACHINE,), "pythons": (PYTHON,), "wheels": lent} | choice
    with mock.patch.object(wheels, "build_own", lambda place: _stand_in(place, behaviour)):
        return make.make(key, folder, make.Choice(**taken))  # type: ignore[arg-type]


def _lock(path: Path, made: list[Path]) -> None:
    pins = [wheel.name.split("-")[:2] for wheel in made]
    sums = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in made]
    path.write_text("".join(f"{n}=={v} --hash=sha256:{s}\n" for (n, v), s in zip(pins, sums, strict=True)))


def _repacked(name: str, folder: Path) -> Path:
    """What is installed as ``name``, as a wheel again."""
    wheel_name, content = _as_wheel(name)
    (folder / wheel_name).write_bytes(content)
    return folder / wheel_name


@functools.cache
def _as_wheel(name: str) -> tuple[str, bytes]:
    found = metadata.distribution(name)
    files = {str(f): found.locate_file(f) for f in found.files or () if ".." not in f.parts and f.suffix != ".pyc"}
    texts = {f: Path(str(path)).read_bytes() for f, path in files.items() if not f.endswith(".dist-info/RECORD")}
    tags = [line.split()[1] for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag:")]
    # A wheel of several tags has them joined, part by part, in its name.
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*(tag.split("-") for tag in tags), strict=True))
    (information,) = {f.split("/")[0] for f in texts if f.split("/")[0].endswith(".dist-info")}
    name_version = information.removesuffix(".dist-info")
    return f"{name_version}-{tag}.whl", _wheel(name_version, texts)


def _wheel(name_version: str, texts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
        record = "".join(f"{name},sha256={_urlsafe(text)},{len(text)}\n" for name, text in texts.items())
        archive.writestr(
            zipfile.ZipInfo(f"{name_version}.dist-info/RECORD"), f"{record}{name_version}.dist-info/RECORD,,\n"
        )
    return packed.getvalue()


def _urlsafe(text: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode().rstrip("=")


def _stand_in(place: Path, behaviour: str) -> None:
    information = "classready-0.1.0.dist-info"
    texts = {
        "agent/__init__.py": b"",
        "agent/__main__.py": _AGENT.replace("@BEHAVIOUR@", behaviour).encode(),
        f"{information}/METADATA": b"Metadata-Version: 2.1\nName: classready\nVersion: 0.1.0\n",
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": b"[console_scripts]\nclassready-agent = agent.__main__:main\n",
    }
    (place / "classready-0.1.0-py3-none-any.whl").write_bytes(_wheel("classready-0.1.0", texts))


_AGENT = """
import http.server, json, os, socket, sys, time

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = {"version": "@BEHAVIOUR@", "last_ack_at": None if "@BEHAVIOUR@" == "deaf" else time.time()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *args):
        pass

def main():
    verb = sys.argv[1]
    if verb == "check":
        sys.exit(78 if "@BEHAVIOUR@" == "choosy" else 0)
    if verb == "run":
        if "@BEHAVIOUR@" == "broken":
            sys.exit(1)
        http.server.HTTPServer.allow_reuse_address = True
        server = http.server.HTTPServer(("127.0.0.1", 9712), Page)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
        server.serve_forever()

if __name__ == "__main__":
    main()
"""
