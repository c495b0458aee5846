"""What `make bundle` makes."""

import hashlib
import json
from pathlib import Path

import pytest

from bundle import make, wheels
from tests.support.bundle import new_key, small_bundle


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """What an operator carries to a gateway; tests change copies of it only."""
    return small_bundle(tmp_path_factory.mktemp("bundle"), key)


def test_the_bill_of_materials(bundle: Path) -> None:
    """Each wheel is in it, with its hash."""
    said = json.loads((bundle / "sbom.cdx.json").read_text())
    assert said["bomFormat"] == "CycloneDX"
    listed = {
        p["value"]: h["content"] for c in said["components"] for p, h in zip(c["properties"], c["hashes"], strict=True)
    }
    assert listed == {w.name: hashlib.sha256(w.read_bytes()).hexdigest() for w in bundle.glob("wheels/*.whl")}
    assert {"pkg:pypi/classready@0.1.0", "pkg:pypi/icmplib@3.0.4"} <= {c["purl"] for c in said["components"]}


def test_made_twice_it_is_the_same(bundle: Path, key: Path, tmp_path: Path) -> None:
    """Equal contents, equal version, equal bytes: also of what is packed."""
    again = small_bundle(tmp_path, key)
    assert again.name == bundle.name
    packed = [hashlib.sha256(b.with_name(f"{b.name}.tar.gz").read_bytes()).hexdigest() for b in (bundle, again)]
    assert packed[0] == packed[1]


def test_lock_of_the_gateway() -> None:
    """What the whole lock file gives for the agent is the agent's own lock file, to the hash."""
    text = (wheels.ROOT / "requirements-agent.lock").read_text("utf-8")
    own = [line.strip(" \\") for line in text.splitlines() if "#" not in line]
    assert [line.strip(" \\") for line in wheels.lock_of("agent").splitlines()] == own


def test_lock_of_the_collector() -> None:
    """Nothing of the tests, and all that it imports."""
    names = {line.split("==")[0] for line in wheels.lock_of("collector").splitlines() if "==" in line}
    assert {"aiohttp", "sqlalchemy", "greenlet", "msgspec", "uvloop"} <= names
    assert not {"pytest", "mypy", "gufo-snmp", "ruff"} & names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "openssl genpkey -algorithm ed25519"),
        ("no key", "not a private key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", "not a private key in PEM"),
    ],
)
def test_a_key_that_is_none(tmp_path: Path, text: str | None, why: str) -> None:
    """Refused before anything is made; one that is not there is not made in silence: boxes would not trust it."""
    key = tmp_path / "key.pem"
    if text is not None:
        key.write_text(text)
    with pytest.raises(make.BundleError, match=why):
        make.make(key, tmp_path / "out", make.Choice(("agent",)))
    assert not (tmp_path / "out").exists()
