"""docs/bureau.md, typed as it stands: a bureau with its proxy, and the first gateway."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import booted, machines
from tests.support.booted import Booted, why_not
from tests.support.bundle import ROOT, whole_bundle
from tests.support.machines import Machine

PAGE = (ROOT / "docs" / "bureau.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROBOT_KEY = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa\n"
SETTLE_S = 90.0
Box = Machine | Booted
PACKAGES = "make bundle"
"""The line that fetches packages; what is installed here takes their place."""


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[dict[str, Box]]:
    """Both machines as a person finds them: with a checkout, and a name for the collector; a real systemd if it can."""
    shutil.copytree(ROOT / "configs", tmp_path / "collector" / "configs")
    made = whole_bundle(tmp_path, ("agent", "collector"))
    shutil.copytree(made, tmp_path / "collector" / "dist" / made.name)
    shutil.copytree(made, tmp_path / "gateway" / made.name)
    boxes: Callable[..., AbstractContextManager[Sequence[Box]]] = machines.machines if why_not() else booted.machines
    with boxes(tmp_path, collector="10.77.0.1", gateway="10.77.0.2") as (collector, gateway):
        collector.bash("systemctl start nginx")  # as its package does
        for machine in (collector, gateway):
            machine.bash("echo 10.77.0.1 classready.example.org >> /etc/hosts")
        yield {"collector": collector, "gateway": gateway}


def _typed(script: str, python: str) -> str:
    """The block without the line that fetches packages; installed for this Python, for which the wheels are."""
    lines = [line for line in script.splitlines() if PACKAGES not in line]
    return "\n".join(lines).replace("/install.sh", f"/install.sh --python {python}")


@pytest.mark.netns
@pytest.mark.servers("nginx", "openssl", "curl", "unshare", "nsenter")
def test_the_page(bureau: dict[str, Box]) -> None:
    """Every command succeeds, and in the end the collector hears the school through TLS and its proxy."""
    collector, gateway = bureau["collector"], bureau["gateway"]
    told = ""
    for name, script in BLOCK.findall(PAGE):
        if "--token-file" in script:  # "brought over"
            for file in ("tls/server.crt", "secrets/responder-key"):
                collector.bash(f"cp /etc/classready/{file} .")
                shutil.copy(collector.folder / Path(file).name, gateway.folder)
        if "gateway-token.sha256)" in script:
            shutil.copy(gateway.folder / "gateway-token.sha256", collector.folder)
        told += bureau[name].bash(_typed(script, bureau[name].python), ROBOT_KEY)
    assert "示例中心校" in told
    until_s = time.monotonic() + SETTLE_S
    while _school(collector)["gateways"][0]["state"] != "up":
        assert time.monotonic() < until_s, gateway.log()
        time.sleep(1)
    assert collector.bash("stat -c %a /etc/classready/secrets/*").split() == ["600"] * 5
    refused = "curl -s -o /dev/null -w %{http_code} --cacert server.crt https://classready.example.org/metrics"
    assert gateway.bash(refused) == "401"
    assert gateway.bash(f"{refused} --data-binary @<(head -c 70000 /dev/zero)") == "413"
    assert "curl: (7)" in gateway.bash("curl -sS http://10.77.0.1:9711/readyz 2>&1 || true")
    _install_by_one_line(collector, gateway)


def _install_by_one_line(collector: Box, gateway: Box) -> None:
    """The gateway as if it were new, and the line that `enroll` prints: the box reaches nothing but the collector."""
    gateway.bash("sh /opt/classready/agent/current/install.sh --uninstall; rm -rf classready-* server.crt")
    assert gateway.bash("ls -A /etc/classready /opt/classready 2>/dev/null || true") == ""
    printed = collector.bash("classready-collector enroll 3251140201 --url https://classready.example.org")
    (line,) = (line for line in printed.splitlines() if "/install" in line)
    gateway.bash(f"ln -sf $(command -v {gateway.python}) /usr/local/bin/python3")
    told = gateway.bash(line.replace("sudo sh", "sh"))
    assert "classready-agent.service runs" in told, told
    code = line.split()[-1]
    assert code not in told + gateway.log() + gateway.bash("grep -rs . /etc/classready || true")
    health = json.loads(gateway.bash("curl -fsS http://127.0.0.1:9712/healthz"))
    assert health["last_ack_at"] >= health["started_at"]
    again = gateway.bash(line.replace("sudo sh", "sh"))
    assert "has a token already" in again
    assert "everything is in place already" in again


def _school(collector: Box) -> dict:
    return json.loads(collector.bash("classready-collector explain --json 3251140201"))


def test_every_block_is_typed_or_said_not_to_be() -> None:
    """Only the line with apt-get stands in a block of no machine."""
    assert {name for name, _ in BLOCK.findall(PAGE)} == {"collector", "gateway"}
    rest = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [block.split()[0] for block in rest] == ["apt-get"]
