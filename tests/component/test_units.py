"""The systemd units: hardened as far as systemd itself measures it, and free of mistakes it can find."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = {"agent": 14, "acceptance": 14, "broker": 12, "collector": 12, "responder": 12, "upgrade": 18}
"""Highest exposure allowed, in tenths, as ``systemd-analyze security`` counts it."""


def _unit(program: str) -> Path:
    return ROOT / "systemd" / f"classready-{program}.service"


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.servers("systemd-analyze")
@pytest.mark.parametrize(("program", "threshold"), UNITS.items())
def test_exposure(program: str, threshold: int) -> None:
    """A unit that loses one of its protections is noticed here."""
    done = _run("systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", _unit(program))
    assert done.returncode == 0, done.stdout


@pytest.mark.servers("systemd-analyze")
@pytest.mark.parametrize("program", UNITS)
def test_verify(program: str, tmp_path: Path) -> None:
    """systemd knows every setting; tried on a copy, because the installed program is not here."""
    copy = tmp_path / _unit(program).name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", _unit(program).read_text(), flags=re.MULTILINE))
    done = _run("systemd-analyze", "verify", copy)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.servers("systemd-analyze")
def test_the_month_has_one_sheet() -> None:
    """The agent starts the timer and stops it; its moments are the first Tuesdays' noon, in allowed hours."""
    timer = (ROOT / "systemd" / "classready-acceptance.timer").read_text()
    assert "Wants=classready-acceptance.timer\n" in _unit("agent").read_text()
    assert "PartOf=classready-agent.service\n" in timer
    (when,) = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    command = ("systemd-analyze", "calendar", "--base-time=2026-12-02", "--iterations=3", when)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"}, timeout=60)
    assert re.findall(r"Tue (\S+ \S+) UTC", done.stdout) == [
        "2027-01-05 04:05:00",
        "2027-02-02 04:05:00",
        "2027-03-02 04:05:00",
    ]
    assert re.search(r"^RandomizedDelaySec=45min$", timer, re.MULTILINE)


def test_acceptance_is_as_hardened_as_the_agent() -> None:
    """One sandbox, one user, one state directory; what differs is how it starts."""
    ours, theirs = (_sandbox(_unit(program).read_text()) for program in ("acceptance", "agent"))
    assert ours - theirs == {"User=classready-agent", "SyslogIdentifier=classready-acceptance"}
    assert theirs - ours == {"SyslogIdentifier=classready-agent"}
    assert "SuccessExitStatus=1" in _unit("acceptance").read_text().splitlines()


def _sandbox(unit: str) -> set[str]:
    settings = unit[unit.index("DynamicUser=") :].partition("[Install]")[0].splitlines()
    return {line for line in settings if line and not line.startswith("#")}


@pytest.mark.parametrize("program", ["agent", "collector"])
def test_contract(program: str) -> None:
    """The unit starts the command that the project installs, waits for its readiness, and gives up only on 78."""
    lines = _unit(program).read_text().splitlines()
    settings_file = f"/etc/classready/{program}.yml"
    assert f"ExecStart=/opt/classready/{program}/current/bin/classready-{program} run -c {settings_file}" in lines
    assert {"Type=notify", "Restart=always", "RestartPreventExitStatus=78", "WatchdogSec=120s"} <= set(lines)
    assert not [line for line in lines if line.startswith("IPAddress")], "an address list would block the platforms"


def test_broker_contract() -> None:
    """The broker's own user, by a command that there is, is handed the API's token as the settings name it."""
    text = _unit("broker").read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert start == (
        "/opt/classready/collector/current/bin/classready-collector broker-sync -c /etc/classready/collector.yml"
    )
    assert {"User=mosquitto", "Restart=always", "RestartPreventExitStatus=78"} <= set(text.splitlines())
    assert re.findall(r"^LoadCredential=(\S+)$", text, re.MULTILINE) == [
        "secrets_api-token:/etc/classready/secrets/api-token"
    ]


def test_upgrade_contract() -> None:
    """The path unit waits where agent and installer leave what it waits for; both units come with the bundle."""
    from agent.upgrading import kept
    from bundle.make import COPIED

    lines = (ROOT / "systemd/classready-upgrade.path").read_text().splitlines()
    asked = f"/var/lib/classready-agent/{kept.FOLDER}/{kept.REQUEST}"
    assert {line for line in lines if line.startswith("PathExists=")} == {
        f"PathExists={asked}", "PathExists=/opt/classready/agent/requested",
    }  # fmt: skip
    assert "ExecStart=/bin/sh /opt/classready/agent/current/install.sh --requested" in _unit("upgrade").read_text()
    assert "Wants=classready-upgrade.path" in _unit("agent").read_text()
    assert {"systemd/classready-upgrade.path", "systemd/classready-upgrade.service"} <= set(COPIED["agent"])


def test_responder_contract() -> None:
    """It is given its one secret and nothing else, and options that the command has."""
    text = _unit("responder").read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert start.startswith("/opt/classready/responder/current/bin/classready-collector responder ")
    told = _run(Path(sys.executable).parent / "classready-collector", "responder", "--help").stdout
    assert [option for option in re.findall(r"--[a-z-]+", start) if option not in told] == []
    names = set(re.findall(r"\$\{(\w+)\}", start)) - {"CREDENTIALS_DIRECTORY"}
    settings = (ROOT / "configs" / "responder.example.conf").read_text()
    assert names == set(re.findall(r"^(\w+)=", settings, re.MULTILINE))
    assert re.findall(r"^LoadCredential=(\S+)$", text, re.MULTILINE) == [
        "responder-key:/etc/classready/secrets/responder-key"
    ]
