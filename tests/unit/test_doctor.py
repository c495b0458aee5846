"""Doctor's judgement as decision tables, and what a person sees of it."""

import asyncio
import json
import socket
import struct

import pytest
from click.testing import CliRunner

from agent.__main__ import main
from agent.doctor import alive, dns, judge, machine, run
from agent.findings import Finding
from agent.words import LANGUAGES
from classready.observation import Device, Outcome, Port, Reason

MIB = 2**20
RESULTS = {"ok", "warning", "failed", "not_checked"}


def told(found):
    return found.result, found.code


def sound(found):
    """It says something in both languages, and what is wrong has a remedy of one line."""
    assert found.result in RESULTS
    for language in LANGUAGES:
        assert found.seen(language)
        remedy = found.remedy(language)
        assert (found.result == "ok") or remedy
        assert "\n" not in remedy
    return told(found)


@pytest.mark.parametrize(
    ("found", "result", "code"),
    [
        (judge.python((3, 11, 0), "1"), "ok", "python_ok"),
        (judge.python((3, 10, 14), "1"), "failed", "python_old"),
        (judge.icmp("raw"), "ok", "icmp_ok"),
        (judge.icmp(None, "why"), "failed", "icmp_denied"),
        (judge.disk(128 * MIB, None, "/x"), "ok", "disk_ok"),
        (judge.disk(128 * MIB - 1, None, "/x"), "warning", "disk_full"),
        (judge.disk(16 * MIB - 1, None, "/x"), "failed", "disk_full"),
        (judge.disk(128 * MIB, "Read-only file system", "/x"), "failed", "disk_unwritable"),
        (judge.memory(128 * MIB), "ok", "memory_ok"),
        (judge.memory(128 * MIB - 1), "warning", "memory_low"),
        (judge.memory(48 * MIB - 1), "failed", "memory_low"),
        (judge.memory(None), "not_checked", "memory_unknown"),
        (judge.running([]), "warning", "agent_none"),
        (judge.running([7]), "ok", "agent_one"),
        (judge.running([7, 9]), "failed", "agent_twice"),
        (judge.secret("/s", 0o100600), "ok", "secret_ok"),
        (judge.secret("/s", 0o100400), "ok", "secret_ok"),
        (judge.secret("/s", 0o100640), "warning", "secret_open"),
        (judge.secret("/s", 0o100604), "failed", "secret_open"),
        (judge.reached("tcp", "a:1", None), "ok", "tcp_ok"),
        (judge.reached("tcp", "a:1", "refused"), "failed", "tcp_unreached"),
        (judge.reached("tls", "a:1", "expired"), "failed", "tls_unreached"),
        (judge.reached("responder_udp", "a:1", "no answer"), "failed", "responder_udp_unreached"),
        (judge.reached("responder_tcp", "a:1", "refused"), "failed", "responder_tcp_unreached"),
        (judge.certificate("a:1", 14.0), "ok", "tls_ok"),
        (judge.certificate("a:1", 13.9), "warning", "tls_expires"),
        (judge.certificate("a:1", None), "ok", "tls_ok"),
        (judge.segments("a:1", 1_460), "ok", "mtu_ok"),
        (judge.segments("a:1", 1_219), "warning", "mtu_small"),
        (judge.credential(400, {"reason": "json"}), "ok", "credential_ok"),
        (judge.credential(401, {"reason": "unknown_agent"}), "failed", "credential_refused"),
        (judge.credential(403, {"reason": "revoked"}), "failed", "link_revoked"),
        (judge.credential(403, None), "failed", "credential_refused"),
        (judge.credential(503, None), "warning", "collector_busy"),
        (judge.credential(429, {"reason": "rate"}), "warning", "collector_busy"),
        (judge.credential(400, None), "failed", "not_a_collector"),
        (judge.credential(400, {"error": "bad"}), "failed", "not_a_collector"),
        (judge.credential(200, {}), "failed", "not_a_collector"),
        (judge.credential(302, None), "failed", "not_a_collector"),
        (judge.credential(None, None), "failed", "not_a_collector"),
        (judge.unfinished("switch", "sw1", 18), "not_checked", "unfinished"),
    ],
)
def test_one_machine_and_its_way(found, result, code):
    assert sound(found) == (result, code)


@pytest.mark.parametrize(
    ("addresses", "error", "public", "result", "code"),
    [
        (["8.8.8.8"], None, True, "ok", "dns_ok"),
        (["10.1.2.3"], None, False, "ok", "dns_ok"),
        (["10.1.2.3"], None, True, "warning", "dns_private"),
        (["127.0.0.1"], None, True, "warning", "dns_private"),
        (["100.64.0.1"], None, True, "warning", "dns_private"),
        (["0.0.0.0"], None, True, "warning", "dns_private"),
        (["8.8.8.8", "192.168.1.1"], None, True, "warning", "dns_private"),
        (["fd00::1"], None, True, "warning", "dns_private"),
        (["fe80::1%eth0"], None, True, "warning", "dns_private"),
        ([], "no such name", True, "failed", "dns_none"),
        ([], None, False, "failed", "dns_none"),
    ],
)
def test_names_and_resolvers_that_lie(addresses, error, public, result, code):
    found = judge.name("basic.example", addresses, error, public=public, resolver="10.0.0.1")
    assert sound(found) == (result, code)


def port(outcome, reason=None, detail=None):
    return Port(classroom="r1", outcome=outcome, reason=reason, detail=detail)


SILENT = port(Outcome.NO_ANSWER, Reason.TIMEOUT, "no answer")


@pytest.mark.parametrize(
    ("observations", "pings", "result", "code"),
    [
        ([port(Outcome.ANSWERED)], None, "ok", "switch_ok"),
        ([], None, "ok", "switch_ok"),
        ([port(Outcome.ANSWERED), port(Outcome.UNMEASURED, Reason.NOT_FOUND)], None, "warning", "switch_parts"),
        ([SILENT], True, "failed", "switch_deaf"),
        ([SILENT], False, "failed", "switch_away"),
        ([SILENT], None, "failed", "switch_silent"),
        ([port(Outcome.UNMEASURED, Reason.AUTH_FAILED)], None, "failed", "switch_auth"),
        ([port(Outcome.NO_ANSWER, Reason.NAME_UNRESOLVED)], None, "failed", "target_failed"),
        ([port(Outcome.UNMEASURED, Reason.PERMISSION)], None, "failed", "target_failed"),
    ],
)
def test_switches(observations, pings, result, code):
    """Silence over SNMP is told apart by a ping: the community or access list, or power and address."""
    assert sound(judge.switch("sw1", observations, pings=pings)) == (result, code)


@pytest.mark.parametrize(
    ("kind", "outcome", "reason", "result", "code"),
    [
        ("http", Outcome.ANSWERED, None, "ok", "target_ok"),
        ("bandwidth", Outcome.PASS, None, "ok", "target_ok"),
        ("bandwidth", Outcome.FAIL, None, "failed", "target_failed"),
        ("bandwidth", Outcome.UNMEASURED, Reason.NO_POLICY, "not_checked", "target_unasked"),
        ("bandwidth", Outcome.UNMEASURED, Reason.OUTSIDE_HOURS, "not_checked", "target_waits"),
        ("bandwidth", Outcome.UNMEASURED, Reason.PEER_BUSY, "not_checked", "target_unmeasured"),
        ("whiteboard", Outcome.NO_ANSWER, Reason.TIMEOUT, "warning", "board_silent"),
        ("whiteboard", Outcome.ANSWERED, Reason.AUTH_FAILED, "warning", "switch_auth"),
        ("ping", Outcome.NO_ANSWER, Reason.TIMEOUT, "failed", "target_failed"),
    ],
)
def test_other_targets(kind, outcome, reason, result, code):
    found = judge.target(kind, "t", [Device(classroom="r1", outcome=outcome, reason=reason)])
    assert sound(found) == (result, code)


def test_a_target_without_a_result_is_not_well():
    assert sound(judge.target("ping", "t", [])) == ("not_checked", "no_result")


@pytest.mark.parametrize(
    ("health", "result", "code"),
    [
        (alive.Health(1_000, None, 5), "failed", "acks_none"),
        (alive.Health(1_000, 820, 0), "ok", "acks_ok"),
        (alive.Health(1_000, 819, 9), "failed", "acks_late"),
        (alive.Health(1_000, 2_000, 0), "ok", "acks_ok"),
    ],
)
def test_the_running_agents_acknowledgements(health, result, code):
    assert sound(alive.judged(health, 60)) == (result, code)


@pytest.mark.parametrize(
    ("words", "is_agent"),
    [
        (["/v/bin/python", "/v/bin/classready-agent", "run", "-c", "x"], True),
        (["classready-agent", "run"], True),
        (["python3", "-m", "agent", "run"], True),
        (["/v/bin/python", "/v/bin/classready-agent", "doctor"], False),
        (["/opt/x/bin/python", "-I", "-m", "agent", "run"], True),
        (["sudo", "classready-agent", "run"], False),
        (["timeout", "10", "/v/bin/classready-agent", "run"], False),
        (["vi", "/etc/classready/agent.yml", "run"], False),
        (["grep", "run", "classready-agent"], False),
        (["python3", "-m", "agents", "run"], False),
        ([""], False),
        ([], False),
    ],
)
def test_what_is_an_agent(words, is_agent):
    assert machine.is_agent(words) is is_agent


def test_agents_are_found_by_their_command_lines(tmp_path):
    for pid, line in (("12", b"python\0classready-agent\0run\0"), ("13", b"sh\0"), ("self", b"classready-agent\0run")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(line)
    (tmp_path / "14").mkdir()
    assert list(machine.agents(tmp_path)) == [12]


@pytest.mark.parametrize("text", ["MemAvailable:  204800 kB\n", "MemFree: 1 kB\n", "", "MemAvailable: x\n", None])
def test_memory_that_nobody_tells_is_not_known(tmp_path, text):
    path = tmp_path / "meminfo"
    if text is not None:
        path.write_text(text)
    [found] = machine.memory(path)
    assert found.result == ("ok" if text and "2048" in text else "not_checked")


def answer(flags=0x8180, count=1, rest=b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3"):
    return struct.pack("!6H", 7, flags, 1, count, 0, 0) + b"\5basic\7example\0\0\1\0\1" + rest


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (answer(), ["10.1.2.3"]),
        (answer(count=2, rest=b"\xc0\x0c\0\5\0\1\0\0\0\1\0\3\1a\0" + answer()[-16:]), ["10.1.2.3"]),
        (answer(flags=0x8183, count=0, rest=b""), "no such name"),
        (answer(flags=0x8182, count=0, rest=b""), "code 2"),
        (answer(count=9), "not DNS"),
        (answer()[:20], "not DNS"),
        (b"\0\7", "not DNS"),
        (answer(count=1, rest=b"\x3f" * 5), "not DNS"),
    ],
)
def test_answers_of_dns(packet, found):
    if isinstance(found, list):
        assert dns.addresses(packet) == found
    else:
        with pytest.raises(dns.Failed, match=found):
            dns.addresses(packet)


def test_name_servers(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_bytes(
        b"search x\n# \xc0\xc3\xba\xc3\nnameserver 10.0.0.1\n#nameserver 9.9.9.9\nnameserver\nnameserver fe80::1%eth0\n"
    )
    assert dns.servers(path) == ["10.0.0.1", "fe80::1%eth0"]
    assert dns.servers(tmp_path / "none") == []


def test_a_router_that_is_a_name_server_on_its_link_is_asked_by_its_interface():
    """As glibc asks ``fe80::1%eth0``; without the interface the kernel refuses, and one that is well had failed."""
    assert dns._address("fe80::1%lo", 53) == (socket.AF_INET6, ("fe80::1", 53, 0, socket.if_nametoindex("lo")))
    assert dns._address("10.0.0.1", 53) == (socket.AF_INET, ("10.0.0.1", 53))


@pytest.mark.parametrize("server", ["fe80::1%none", "ns.example", "1.1.1.1.1", "\udc80"])
async def test_a_name_server_that_is_no_address_has_failed(server):
    with pytest.raises(dns.Failed):
        await dns.ask(server, "x.example")


async def test_a_check_that_hangs_or_fails_ends_no_other():
    """What is not done by the deadline is told as that; a fault of ours names itself; the order stays."""

    async def well():
        return [Finding(check="a", result="ok", code="target_ok")]

    async def broken():
        raise ZeroDivisionError("x")

    done = []
    todo = [run.Check("a", well), run.Check("b", lambda: asyncio.sleep(60), "sw1"), run.Check("c", broken)]
    found = await run.run(todo, 0.2, done.append)
    assert [told(each) for each in found] == [
        ("ok", "target_ok"),
        ("not_checked", "unfinished"),
        ("not_checked", "check_fault"),
    ]
    assert "ZeroDivisionError" in found[2].seen("en")
    assert done


def invoke(*args, **environment):
    return CliRunner(env=environment).invoke(main, ["doctor", *map(str, args)])


def test_wrong_settings_are_78_and_the_rest_is_still_checked(tmp_path):
    path = tmp_path / "agent.yml"
    path.write_text("gateway: X\n")
    found = invoke("-c", path, "--json")
    assert found.exit_code == 78
    rows = json.loads(found.stdout)
    assert {"python", "icmp", "memory", "clock", "settings"} <= {row["check"] for row in rows}
    assert any("agent.yml:1" in row["seen"] and row["remedy"] for row in rows)
    assert set(rows[0]) == {"check", "subject", "result", "code", "seen", "remedy"}


@pytest.mark.parametrize(
    ("args", "environment", "text"),
    [
        ((), {"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "故障"),
        (("--lang", "en"), {"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "FAILED"),
        (("--lang", "zh"), {"LC_ALL": "C"}, "故障"),
    ],
)
def test_the_table_speaks_the_persons_language(tmp_path, args, environment, text):
    found = invoke("-c", tmp_path / "none.yml", *args, **environment)
    assert found.exit_code == 78
    assert text in found.stdout
    assert "\x1b[" not in found.stdout
    assert "→" in found.stdout
