"""docs/mqtt.md, typed as it stands after docs/bureau.md: a gateway that enrols by one line reports over the broker."""

import json
import re
import time

import pytest

from tests.e2e.test_bureau_page import BLOCK, PAGE, ROBOT_KEY, SETTLE_S, Box, _school, _typed, bureau  # noqa: F401
from tests.support.bundle import ROOT

MQTT_PAGE = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
FIRST_GATEWAY = "gateway-token.sha256"


@pytest.mark.netns
@pytest.mark.servers("nginx", "openssl", "curl", "unshare", "nsenter", "mosquitto")
def test_the_page(bureau: dict[str, Box]) -> None:  # noqa: F811 - the fixture
    """The broker runs as its own user; a slip's line makes a gateway of it; taken back, it is out within seconds."""
    collector, gateway = bureau["collector"], bureau["gateway"]
    for name, script in BLOCK.findall(PAGE) + BLOCK.findall(MQTT_PAGE):
        if name == "collector" and FIRST_GATEWAY not in script:
            collector.bash(_typed(script, collector.python), ROBOT_KEY)
    assert collector.bash("ps -o ruser:20= -p $(cat /run/mosquitto/mosquitto.pid)").split() == ["mosquitto"]
    assert "mosquitto.conf.before" in collector.bash("ls /etc/mosquitto")
    printed = collector.bash("classready-collector enroll 3251140201 --url https://classready.example.org")
    (line,) = (line for line in printed.splitlines() if "/install" in line)
    gateway.bash(f"ln -sf $(command -v {gateway.python}) /usr/local/bin/python3")
    told = gateway.bash(line.replace("sudo sh", "sh"))
    assert "classready-agent.service runs" in told, told
    assert "kind: mqtt" in gateway.bash("cat /etc/classready/agent.yml")
    health = json.loads(gateway.bash("curl -fsS http://127.0.0.1:9712/healthz"))
    assert health["last_ack_at"] >= health["started_at"]
    (known,) = _school(collector)["gateways"]
    assert known["state"] == "up"
    collector.bash(f"classready-collector enroll --revoke {known['gateway']}")
    until_s = time.monotonic() + SETTLE_S
    while "ot authori" not in gateway.log():
        assert time.monotonic() < until_s, collector.log()
        time.sleep(0.5)


def test_every_block_is_typed_or_said_not_to_be() -> None:
    """Only the line with apt-get stands in a block of no machine."""
    assert {name for name, _ in BLOCK.findall(MQTT_PAGE)} == {"collector"}
    rest = re.findall(r"^```sh\n(.*?)^```$", MQTT_PAGE, re.MULTILINE | re.DOTALL)
    assert [block.split()[0] for block in rest] == ["apt-get"]
