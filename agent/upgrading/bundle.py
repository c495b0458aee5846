"""What a bundle says of itself: its files, whether the key that this box trusts signed them, which of them it needs.

install.sh checks all of it again, as root and on a copy: this check spares the line and the disk what would be refused.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
SUMS_MAX_BYTES: Final = 1_048_576
SIGNATURE_MAX_BYTES: Final = 64
KEY_MAX_BYTES: Final = 10_000
FILES_MAX: Final = 1_000
LOCKS: Final = ("agent.lock", "pip.lock")
MACHINES: Final = ("x86_64", "aarch64", "loongarch64", "riscv64")

_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9_+@-][A-Za-z0-9._+@-]*(?:/[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*){0,7})")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9._+!-]+)", re.MULTILINE)


class Listed(NamedTuple):
    name: str
    sha256: str


class RefusedError(Exception):
    """The bundle cannot be used; ``reason`` is one of ``outcome``'s."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def listed(sums: bytes) -> list[Listed]:
    """Take ``SHA256SUMS`` apart. A name that leads out of the folder, or back into it, is none.

    Raises:
        RefusedError: damaged.
    """
    try:
        lines = sums.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise RefusedError("damaged", f"{SUMS} is no list of files") from None
    found = [Listed(match[2], match[1]) for line in lines if (match := _LINE.fullmatch(line))]
    if len(found) != len(lines) or not 0 < len(found) <= FILES_MAX:
        raise RefusedError("damaged", f"{SUMS} names a file oddly, or too many")
    return found


def check_signature(sums: bytes, signature: bytes, key_file: Path) -> None:
    """See that the key which this box remembers signed ``sums``.

    Raises:
        RefusedError: unsigned; also where there is no key to trust.
    """
    # some megabytes of memory, for a few minutes a year
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        with key_file.open("rb") as file:
            key = load_pem_public_key(file.read(KEY_MAX_BYTES))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise RefusedError("unsigned", f"{key_file} cannot be used: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise RefusedError("unsigned", f"{key_file} holds no Ed25519 key")
    try:
        key.verify(signature, sums)
    except InvalidSignature:
        raise RefusedError("unsigned", f"not signed by the key in {key_file}") from None


def needed(files: Sequence[Listed], locks: Sequence[str], machine: str) -> Iterator[Listed]:
    """Yield those that an agent on ``machine`` is installed from; ``locks``: the texts of its lock files."""
    pins = {(_plain(name), version) for text in locks for name, version in _PIN.findall(text)}
    others = tuple(other for other in MACHINES if other != machine)
    for file in files:
        folder, _, name = file.name.rpartition("/")
        if folder == "python" and name.startswith(others):
            continue
        if folder == "wheels" and (name.endswith(tuple(f"_{o}.whl" for o in others)) or not _is_pinned(name, pins)):
            continue
        yield file


def is_whole(path: Path, file: Listed) -> bool:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _is_pinned(wheel: str, pins: set[tuple[str, str]]) -> bool:
    """The program's own wheel is in no lock: a collector's wheels in the same bundle are not for this box."""
    name, version = (*wheel.split("-"), "")[:2]
    return name == "classready" or (_plain(name), version) in pins


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
