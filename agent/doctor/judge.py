"""What the facts that doctor gathers mean. Pure: each function is a decision table."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from agent.findings import Finding, Result
from classready.observation import Device, Observation, Outcome, Reason

PYTHON_MIN = (3, 11)
DISK_FAILED_BYTES, DISK_WARNING_BYTES = 16 * 2**20, 128 * 2**20
"""Room of the file system: the spool needs 64 MiB as it is set, and its log as much as one transaction."""
MEMORY_FAILED_BYTES, MEMORY_WARNING_BYTES = 48 * 2**20, 128 * 2**20
"""The agent takes 40 MiB; its unit may take 128 MiB."""
MSS_WARNING_BYTES = 1_220
"""What IPv6 needs at least (RFC 8200, section 5: 1,280): with less, a tunnel or a broken router is on the way."""
EXPIRY_WARNING_DAYS = 14
_MIB = 2**20


def python(version: tuple[int, int, int], agent_version: str) -> Finding:
    values = {"python": ".".join(map(str, version)), "agent": agent_version}
    well = version[:2] >= PYTHON_MIN
    return _found("python", "ok" if well else "failed", "python_ok" if well else "python_old", **values)


def settings(path: str, problems: Sequence[str], notes: Sequence[str], target_count: int) -> list[Finding]:
    if problems:
        return [_found("settings", "failed", "settings_wrong", problem=problem) for problem in problems]
    well = _found("settings", "ok", "settings_ok", path=path, count=target_count)
    return [well, *(_found("settings", "warning", "settings_doubt", note=note) for note in notes)]


def icmp(kind: str | None, detail: str = "") -> Finding:
    """``kind``: of the socket that could be opened; None = none."""
    if kind is None:
        return _found("icmp", "failed", "icmp_denied", detail=detail)
    return _found("icmp", "ok", "icmp_ok", kind=kind)


def disk(free_bytes: int, error: str | None, folder: str) -> Finding:
    values = {"free_mib": free_bytes // _MIB, "folder": folder, "error": error or ""}
    if error is not None:
        return _found("disk", "failed", "disk_unwritable", **values)
    if free_bytes < DISK_FAILED_BYTES:
        return _found("disk", "failed", "disk_full", **values)
    if free_bytes < DISK_WARNING_BYTES:
        return _found("disk", "warning", "disk_full", **values)
    return _found("disk", "ok", "disk_ok", **values)


def memory(available_bytes: int | None) -> Finding:
    if available_bytes is None:
        return _found("memory", "not_checked", "memory_unknown")
    values = {"free_mib": available_bytes // _MIB}
    if available_bytes < MEMORY_FAILED_BYTES:
        return _found("memory", "failed", "memory_low", **values)
    if available_bytes < MEMORY_WARNING_BYTES:
        return _found("memory", "warning", "memory_low", **values)
    return _found("memory", "ok", "memory_ok", **values)


def running(pids: Sequence[int]) -> Finding:
    """Agents that run on this machine: two with one identity take each other's records."""
    if not pids:
        return _found("agents", "warning", "agent_none")
    if len(pids) > 1:
        return _found("agents", "failed", "agent_twice", pids=", ".join(map(str, pids)))
    return _found("agents", "ok", "agent_one", pid=pids[0])


def secret(path: str, mode: int) -> Finding:
    values = {"path": path, "mode": f"{mode & 0o777:04o}"}
    if mode & 0o007:
        return _found("secrets", "failed", "secret_open", path, **values)
    if mode & 0o070:
        return _found("secrets", "warning", "secret_open", path, **values)
    return _found("secrets", "ok", "secret_ok", path, **values)


def name(host: str, addresses: Sequence[str], error: str | None, *, public: bool, resolver: str) -> Finding:
    """``public``: the host is one of the world, which private addresses cannot be: a portal or a firewall answers."""
    values = {"addresses": ", ".join(addresses[:3]), "error": error or "", "resolver": resolver, "host": host}
    if error is not None or not addresses:
        return _found("dns", "failed", "dns_none", host, **values)
    if public and any(not _is_global(address) for address in addresses):
        return _found("dns", "warning", "dns_private", host, **values)
    return _found("dns", "ok", "dns_ok", host, **values)


def _is_global(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False


def reached(what: str, subject: str, error: str | None) -> Finding:
    """A TCP connection, or the answer of a UDP port."""
    if error is not None:
        return _found(what, "failed", f"{what}_unreached", subject, error=error, subject=subject)
    return _found(what, "ok", f"{what}_ok", subject, subject=subject)


def certificate(subject: str, days_left: float | None) -> Finding:
    values = {"days": "?" if days_left is None else f"{days_left:.0f}", "subject": subject}
    if days_left is not None and days_left < EXPIRY_WARNING_DAYS:
        return _found("tls", "warning", "tls_expires", subject, **values)
    return _found("tls", "ok", "tls_ok", subject, **values)


def credential(status: int | None, body: Mapping[str, Any] | None) -> Finding:
    """Of an empty report: a collector that knows us says 400, with the reason as JSON, and has stored nothing."""
    if status == 400 and body is not None and "reason" in body:
        return _found("credential", "ok", "credential_ok")
    if status in {401, 403}:
        why = str((body or {}).get("reason", status))
        if why == "revoked":
            return _found("credential", "failed", "link_revoked")
        return _found("credential", "failed", "credential_refused", why=why)
    if status is not None and (status >= 500 or status == 429):
        return _found("credential", "warning", "collector_busy", status=status)
    return _found("credential", "failed", "not_a_collector", status=status or "-")


def segments(subject: str, mss_bytes: int) -> Finding:
    small = mss_bytes < MSS_WARNING_BYTES
    values = {"mss": mss_bytes, "subject": subject}
    return _found("mtu", "warning" if small else "ok", "mtu_small" if small else "mtu_ok", subject, **values)


def switch(name: str, observations: Sequence[Observation], *, pings: bool | None) -> Finding:
    """``pings``: whether it answers an echo; None = not asked or not known."""
    bad = next((o for o in observations if o.outcome is Outcome.NO_ANSWER or o.reason in _REFUSALS), None)
    if bad is None:
        missing = sum(o.outcome is not Outcome.ANSWERED for o in observations)
        if missing:
            return _target("switch", name, "warning", "switch_parts", observations)
        return _found("switch", "ok", "switch_ok", name, count=len(observations))
    if bad.reason is Reason.AUTH_FAILED:
        return _target("switch", name, "failed", "switch_auth", [bad])
    if bad.outcome is Outcome.NO_ANSWER and bad.reason is Reason.TIMEOUT:
        codes = {True: "switch_deaf", False: "switch_away", None: "switch_silent"}
        return _target("switch", name, "failed", codes[pings], [bad])
    return _target("switch", name, "failed", "target_failed", [bad])


_REFUSALS = {Reason.AUTH_FAILED, Reason.PERMISSION, Reason.TOOL_MISSING}


_WAITS = {Reason.OUTSIDE_HOURS: "target_waits", Reason.NO_POLICY: "target_unasked"}
"""What only time mends: for these ``probe`` would explain nothing."""


def target(kind: str, name: str, observations: Sequence[Observation]) -> Finding:
    """Whiteboards sleep outside lessons: one that does not answer is worth a look, and no fault."""
    first = next(iter(observations), None)
    if first is None:
        return _found(kind, "not_checked", "no_result", name)
    if first.outcome in {Outcome.ANSWERED, Outcome.PASS}:
        if isinstance(first, Device) and first.reason is Reason.AUTH_FAILED:
            return _target(kind, name, "warning", "switch_auth", [first])
        return _found(kind, "ok", "target_ok", name)
    if first.outcome is Outcome.UNMEASURED:
        code = _WAITS.get(first.reason, "target_unmeasured") if first.reason is not None else "target_unmeasured"
        return _target(kind, name, "not_checked", code, [first])
    sleeps = kind == "whiteboard"
    return _target(
        kind, name, "warning" if sleeps else "failed", "board_silent" if sleeps else "target_failed", [first]
    )


def unfinished(check: str, subject: str, seconds: float) -> Finding:
    return _found(check, "not_checked", "unfinished", subject, seconds=f"{seconds:.0f}")


def _target(check: str, name: str, result: Result, code: str, observations: Sequence[Observation]) -> Finding:
    bad = next((o for o in observations if o.outcome is not Outcome.ANSWERED or o.reason is not None), observations[0])
    return _found(check, result, code, name, reason=f"reason.{bad.reason or 'no_data'}", detail=_detail(bad), name=name)


def _detail(observation: Observation) -> str:
    return "" if observation.detail in {None, observation.reason} else str(observation.detail)


def _found(check: str, result: Result, code: str, subject: str = "", /, **values: Any) -> Finding:
    return Finding(check=check, result=result, code=code, subject=subject, values=values)
