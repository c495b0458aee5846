"""The table of probes, and what importing it must not cost."""

import subprocess
import sys
import typing

import pytest

from agent.probes import PROBES
from agent.probes.contract import patience_s
from agent.settings import (
    BandwidthTarget,
    HttpTarget,
    PingTarget,
    Snmp,
    SwitchTarget,
    TargetSettings,
    WhiteboardTarget,
)
from classready.observation import Outcome, Reason
from tests.support.probing import wired

TARGETS = (
    PingTarget(name="ping", host="h"),
    HttpTarget(name="http", url="https://h/"),
    SwitchTarget(name="switch", host="h", ports={"1": "r1", "2": "r2"}, trunks=("24",)),
    WhiteboardTarget(name="board", host="h", classroom="r1"),
    BandwidthTarget(name="wan", host="h"),
)


def test_the_table_and_the_settings_agree() -> None:
    """Every kind of target has a probe, and there is no probe without its kind."""
    assert set(PROBES) == set(typing.get_args(TargetSettings))


def test_importing_the_table_loads_no_driver() -> None:
    """``--help`` and an agent without switches pay nothing for SNMP, ICMP, certificates or the other link."""
    code = "import sys, agent.probes; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["gufo", "pysnmp", "pyasn1", "aiohttp", "aiomqtt", "icmplib", "cryptography"]
    found = subprocess.run([sys.executable, "-c", code, *heavy], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_unmeasured_names_every_subject(target: TargetSettings) -> None:
    """What a probe could not finish is UNMEASURED with its reason, for each classroom and trunk, fit for the wire."""
    observations = wired(PROBES[type(target)][1](target, "deadline", "no result\nwithin 30 s" * 40))
    assert len(observations) == (3 if isinstance(target, SwitchTarget) else 1)
    assert {o.outcome for o in observations} == {Outcome.UNMEASURED}
    assert {o.reason for o in observations} == {Reason.DEADLINE}


def test_patience_ends_before_the_deadline() -> None:
    """Silence must be reported as silence, so a probe stops waiting before the runner cuts it off."""
    assert patience_s(PingTarget(name="p", host="h", interval_s=2)) < 2
    assert patience_s(PingTarget(name="p", host="h", interval_s=600)) < 30
    assert patience_s(PingTarget(name="p", host="h", deadline_s=90)) > 60


def test_targets_have_defaults_that_fit_their_deadline() -> None:
    """With default settings a silent SNMP device takes less than half of a probe's patience."""
    snmp = Snmp()
    assert snmp.timeout_s * (snmp.retry_count + 1) < patience_s(TARGETS[3]) / 2
