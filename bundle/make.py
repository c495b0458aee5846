"""Puts a bundle together, and signs it. What is in it is listed in docs/install.md."""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import classready
from bundle import wheels
from bundle.sbom import sbom

PIP_LOCK = Path(__file__).parent / "pip.lock"
COPIED = {
    "agent": (
        "systemd/classready-agent.service",
        "systemd/classready-acceptance.service",
        "systemd/classready-acceptance.timer",
        "systemd/classready-upgrade.path",
        "systemd/classready-upgrade.service",
        "configs/agent.example.yml",
        "configs/agent.enrolled.yml",
    ),
    "collector": (
        "systemd/classready-collector.service",
        "systemd/classready-broker.service",
        "systemd/classready-responder.service",
        "configs/collector.example.yml",
        "configs/responder.example.conf",
        "configs/examples",
        "configs/nginx",
    ),
}
ALWAYS = ("install.sh", "docs/install.md", "docs/install.zh-CN.md", "LICENSE")


class BundleError(Exception):
    """What the person who makes the bundle has to mend."""


class Choice(NamedTuple):
    """For whom. ``wheels``: where dependencies come from, None = the index that pip is set up with."""

    roles: tuple[str, ...]
    platforms: tuple[str, ...] = wheels.PLATFORMS
    pythons: tuple[str, ...] = wheels.PYTHONS
    wheels: Path | None = None
    brought_pythons: Path | None = None


def make(key_file: Path, out: Path, choice: Choice) -> Path:
    """Return the folder of the bundle; its .tar.gz lies beside it.

    Raises:
        BundleError: the key, or what is to be brought, is not usable.
        subprocess.CalledProcessError: a wheel is not to be had.
    """
    key = _load(key_file)
    built_at = _built_at()
    os.environ["SOURCE_DATE_EPOCH"] = str(built_at)
    folder = out / "bundle.tmp"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    _copy(folder, choice)
    _gather(folder, choice)
    version = f"{classready.__version__}-{_fingerprint(folder)}"
    _describe(folder, choice, version, built_at, key)
    _sign(folder, key)
    final = out / f"classready-{version}"
    shutil.rmtree(final, ignore_errors=True)
    folder.rename(final)
    _pack(final, built_at)
    return final


def _load(key_file: Path) -> Ed25519PrivateKey:
    if not key_file.exists():
        hint = f"openssl genpkey -algorithm ed25519 -out {key_file}"
        raise BundleError(f"{key_file}: no such key. Make it once, and keep it: boxes trust no other. {hint}")
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (TypeError, ValueError) as error:
        raise BundleError(f"{key_file}: not a private key in PEM without a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{key_file}: not an Ed25519 key")
    return key


def _built_at() -> int:
    """Unix time of this version; twice the same for one commit. A box whose clock is before it is wrong."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(wheels.ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603 - git, and nothing that was given


def _copy(folder: Path, choice: Choice) -> None:
    for part in (*ALWAYS, *(part for role in choice.roles for part in COPIED[role])):
        source, target = wheels.ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            source, target, ignore=shutil.ignore_patterns("secrets", "__pycache__")
        ) if source.is_dir() else shutil.copy2(source, target)
    for platform in choice.platforms if choice.brought_pythons else ():
        archive = Path(str(choice.brought_pythons)) / f"{platform}.tar.gz"
        if not archive.is_file():
            raise BundleError(f"{archive}: no such file; a Python for {platform} was to be brought")
        (folder / "python").mkdir(exist_ok=True)
        shutil.copy2(archive, folder / "python")


def _gather(folder: Path, choice: Choice) -> None:
    for role in choice.roles:
        (folder / f"{role}.lock").write_text(wheels.lock_of(role), "utf-8")
    shutil.copy2(PIP_LOCK, folder / "pip.lock")
    if choice.wheels is not None:
        for wheel in choice.wheels.glob("*.whl"):
            shutil.copy2(wheel, folder / "wheels")
        for own_lock in choice.wheels.glob("*.lock"):
            shutil.copy2(own_lock, folder)
    else:
        for lock in ("pip.lock", *(f"{role}.lock" for role in choice.roles)):
            for platform in choice.platforms:
                for python in choice.pythons:
                    wheels.download(folder / lock, folder / "wheels", platform, python)
    wheels.build_own(folder / "wheels")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fingerprint(folder: Path) -> str:
    """Equal contents, equal version: what differs in one byte is another release."""
    listed = "".join(f"{_digest(path)} {path.relative_to(folder)}\n" for path in _files(folder))
    return hashlib.sha256(listed.encode()).hexdigest()[:8]


def _describe(folder: Path, choice: Choice, version: str, built_at: int, key: Ed25519PrivateKey) -> None:
    """One word a file, where a shell has to read it."""
    said = {
        "VERSION": version,
        "BUILT_AT": str(built_at),
        "PLATFORMS": " ".join(choice.platforms),
        "PYTHONS": " ".join(choice.pythons),
    }
    for name, text in said.items():
        (folder / name).write_text(f"{text}\n", "utf-8")
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "bundle.pub").write_bytes(public)
    (folder / "sbom.cdx.json").write_text(sbom((folder / "wheels").glob("*.whl"), version, built_at), "utf-8")


def _sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Last of all: SHA256SUMS names every other file but its signature."""
    sums = "".join(f"{_digest(path)}  {path.relative_to(folder)}\n" for path in _files(folder))
    (folder / "SHA256SUMS").write_text(sums, "utf-8")
    (folder / "SHA256SUMS.sig").write_bytes(key.sign(sums.encode()))


def _pack(folder: Path, built_at: int) -> None:
    """With nothing of this machine in it: no owner, no time but the version's."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = built_at
        entry.mode = 0o755 if entry.isdir() or entry.name.endswith("install.sh") else 0o644
        return entry

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, folder.name, recursive=False, filter=plain)
        for path in sorted(folder.rglob("*")):
            archive.add(path, f"{folder.name}/{path.relative_to(folder)}", recursive=False, filter=plain)
    target = folder.with_name(f"{folder.name}.tar.gz")
    target.write_bytes(gzip.compress(packed.getvalue(), compresslevel=1, mtime=built_at))  # wheels are packed already
