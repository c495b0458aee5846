"""Puts the agent together: settings with the checks across entries, the running parts, signals, and systemd."""

import asyncio
import contextlib
import functools
import ipaddress
import os
import signal
import socket
import ssl
import time
import zoneinfo
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import structlog
from msgspec import Struct

from agent import metrics
from agent.clock import Clock, boot_id
from agent.courier import Courier
from agent.links import open_link
from agent.probes.bandwidth.meter import Meter
from agent.probes.contract import Context, Heard, deadline_s, deaf, silent
from agent.probes.whiteboard.profile import HOME_ASSISTANT
from agent.runner import Probes, Runner, observe
from agent.settings import (
    AgentSettings,
    BandwidthTarget,
    HttpLink,
    HttpTarget,
    MqttLink,
    Snmp,
    SwitchTarget,
    TargetSettings,
    WhiteboardTarget,
)
from agent.spool import Spool
from classready import __version__
from classready.codec import encode
from classready.hosts import is_loopback
from classready.ids import canonical_mac
from classready.observation import Observation
from classready.report import Directives
from classready.settings import (
    Loaded,
    Problem,
    SettingsError,
    load_with_lines,
    read_secret,
    resolve,
)

if TYPE_CHECKING:
    from agent.hearing import Hearing

LIVE_INTERVALS = 3
"""Records younger than this many report intervals travel before the backlog: for so long the collector values them."""
DRAIN_S = 2.0
ARP_DEADLINE_S = 20.0
LISTEN_S = 5.0
"""How long a single probe waits for what the school's broker tells."""
LAST_REPORT_S = 5.0
DIRECTIVES_FILE = "directives.json"
DIRECTIVES_MAX_BYTES = 1_000_000

_log = structlog.get_logger()


# --- settings -------------------------------------------------------------------------------------------------------


def load_settings(path: Path) -> AgentSettings:
    """Read agent.yml with every path in it made absolute.

    Raises:
        SettingsError: with every problem of the file, or every problem across its entries.
    """
    loaded = load_with_lines(path, AgentSettings)
    settings: AgentSettings = _with_absolute_paths(loaded.value, path.absolute())
    if problems := sorted(_problems(loaded, settings), key=lambda p: p.line):
        raise SettingsError(problems)
    return settings


def advice(path: Path) -> list[Problem]:
    """What is allowed in agent.yml and may still be a mistake."""
    loaded = load_with_lines(path, AgentSettings)
    valid_s = LIVE_INTERVALS * loaded.value.report_interval_s
    return [
        loaded.problem(f"targets[{i}]{field}", text)
        for i, target in enumerate(loaded.value.targets)
        for field, text in _doubts(target, valid_s)
    ]


def _doubts(target: TargetSettings, valid_s: float) -> Iterator[tuple[str, str]]:
    if isinstance(target, HttpTarget | WhiteboardTarget) and target.interval_s > valid_s:
        yield ".interval_s", f"longer than device and platform evidence is valid ({valid_s:g} s): unknown in between"
    if isinstance(target, SwitchTarget) and not (target.ports or target.devices or target.trunks):
        yield "", "no classroom in ports or devices: only the trunk on its way out is read"
    if isinstance(target, HttpTarget) and target.expect and target.expect.lower() in target.url.lower():
        yield ".expect", "stands in the address, which portals repeat in their pages: choose another text"
    if isinstance(target, HttpTarget) and target.url.startswith("http://") and not target.expect:
        yield ".url", "plain http shows not who answers, so a good answer stays unknown: use https, or set expect"


def _with_absolute_paths(value: Any, base: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_with_absolute_paths(each, base) for each in value)
    if not isinstance(value, Struct):
        return value
    changed = {name: _with_absolute_paths(getattr(value, name), base) for name in value.__struct_fields__}
    for name, setting in changed.items():
        if name.endswith("_file") and setting is not None:
            changed[name] = str(resolve(base, setting))
    if isinstance(value, AgentSettings):
        under_systemd = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        changed["state_dir"] = under_systemd or str(resolve(base, value.state_dir))
    return msgspec.structs.replace(value, **changed)


def _problems(loaded: Loaded, settings: AgentSettings) -> Iterator[Problem]:
    """Yield what only shows across entries, or outside the file."""
    checks = (_link_problems, _name_problems, _timezone_problems, _device_problems, _file_problems)
    for check in checks:
        for path, text in check(settings):
            yield loaded.problem(path, text)


Found = Iterator[tuple[str, str]]


def _link_problems(settings: AgentSettings) -> Found:
    match settings.link:
        case HttpLink(url=url):
            try:
                parts = urlsplit(url)
                clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
            except ValueError:
                yield "link.url", "not a URL"
            else:
                if clear:
                    yield "link.url", "http:// would show the token to everybody on the way; use https://"
        case MqttLink(tls=False, host=host) if not is_loopback(host):
            yield "link.tls", "without TLS the password could be read by everybody on the way; remove this line"


def _file_problems(settings: AgentSettings) -> Found:
    for path, file in _files(settings, ""):
        name = path.rpartition(".")[2]
        if name == "metrics_file":
            continue
        try:
            _ = ssl.create_default_context(cafile=file) if name == "ca_file" else read_secret(Path(file))
        except ssl.SSLError:
            yield path, f"{file} holds no certificate in PEM form"
        except OSError as error:
            yield path, f"{file} cannot be used: {error.strerror or error} (one line of text, mode 0600)"


def _files(value: Any, path: str) -> Found:
    """Yield path and value of every ``..._file`` setting that is given."""
    if isinstance(value, tuple):
        for i, each in enumerate(value):
            yield from _files(each, f"{path}[{i}]")
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            setting, inner = getattr(value, name), f"{path}.{name}".lstrip(".")
            if name.endswith("_file") and setting is not None:
                yield inner, setting
            else:
                yield from _files(setting, inner)


def _name_problems(settings: AgentSettings) -> Found:
    first: dict[str, int] = {}
    for i, target in enumerate(settings.targets):
        if target.name in first:
            yield f"targets[{i}].name", f"{target.name!r} is already the name of targets[{first[target.name]}]"
        first.setdefault(target.name, i)


def _timezone_problems(settings: AgentSettings) -> Found:
    try:
        zoneinfo.ZoneInfo(settings.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield "timezone", f"no time zone is called {settings.timezone!r}; write one like Asia/Shanghai"


def _device_problems(settings: AgentSettings) -> Found:
    for i, target in enumerate(settings.targets):
        snmp = getattr(target, "snmp", None)
        if isinstance(target, WhiteboardTarget):
            yield from _whiteboard_problems(settings, target, f"targets[{i}]")
        if isinstance(target, SwitchTarget):
            yield from _switch_problems(target, f"targets[{i}]")
        yield from _snmp_problems(snmp, f"targets[{i}].snmp")
        if isinstance(target, BandwidthTarget) and target.uplink_port is not None:
            yield from _snmp_problems(target.uplink_port.snmp, f"targets[{i}].uplink_port.snmp")


def _whiteboard_problems(settings: AgentSettings, target: WhiteboardTarget, path: str) -> Found:
    if target.arp and not target.icmp:
        yield f"{path}.arp", "needs icmp: true, whose packets make the kernel ask by ARP"
    if target.arp and deadline_s(target) < ARP_DEADLINE_S:
        yield f"{path}.arp", f"takes 9 s of waiting: set interval_s and deadline_s to {ARP_DEADLINE_S:g} or more"
    if target.mqtt is None:
        if target.snmp is None and not target.icmp:
            yield f"{path}.icmp", "with snmp: null and icmp: false there is nothing to ask the device by"
    elif settings.broker is None:
        yield f"{path}.mqtt", "needs broker: the school's MQTT broker"
    elif target.mqtt.profile not in {HOME_ASSISTANT, *settings.profiles}:
        known = ", ".join(sorted({HOME_ASSISTANT, *settings.profiles}))
        yield f"{path}.mqtt.profile", f"no profile of that name; there are {known}"


def _switch_problems(target: SwitchTarget, path: str) -> Found:
    if not (target.ports or target.devices) and target.trunks == ():
        yield path, "nothing to observe: name a classroom in ports or devices, or a port in trunks"
    rooms: set[str] = set()
    addresses: set[str] = set()
    for ref, classroom in target.devices.items():
        address = canonical_mac(ref) or ref
        if address in addresses:
            yield f"{path}.devices.{ref}", f"{ref} is here already, in another notation"
        if classroom in target.ports.values() or classroom in rooms:
            yield f"{path}.devices.{ref}", f"{classroom} has a port or device here already"
        if not canonical_mac(ref) and not _is_address(ref):
            yield f"{path}.devices.{ref}", "neither a MAC nor an IPv4 address"
        addresses.add(address)
        rooms.add(classroom)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _snmp_problems(snmp: Snmp | None, path: str) -> Found:
    if snmp is not None and snmp.version == "3":
        for name in ("user", "auth_key_file", "priv_key_file"):
            if getattr(snmp, name) is None:
                yield f"{path}.version", f"version 3 needs {name}"


# --- the collector's last directives --------------------------------------------------------------------------------


def load_directives(state_dir: Path) -> Directives | None:
    """Return the directives kept beside the spool; None when there are none that can be read."""
    path = state_dir / DIRECTIVES_FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(DIRECTIVES_MAX_BYTES), type=Directives)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("directives_unreadable", path=str(path), error=str(error))
        return None


def save_directives(state_dir: Path, directives: Directives) -> None:
    """Keep ``directives`` for the next start. Failing is no harm: the first ack brings them again."""
    path = state_dir / DIRECTIVES_FILE
    new = path.with_suffix(".new")
    try:
        new.write_bytes(encode(directives))
        new.replace(path)
    except OSError as error:
        _log.warning("directives_not_saved", path=str(path), error=str(error))


# --- one probe for a person -----------------------------------------------------------------------------------------


async def probe_once(
    settings: AgentSettings, target: TargetSettings, explain: Callable[[str], None] = silent
) -> Sequence[Observation]:
    """Probe ``target`` now, with the directives of the last run; nothing is written."""
    from agent.probes import PROBES

    clock = Clock(boot_id())
    async with _listening(settings, target) as hear:
        context = Context(
            settings=settings,
            directives=load_directives(Path(settings.state_dir)),
            clock_good=clock.read().quality == "good",
            on_demand=True,
            hear=hear,
            explain=explain,
        )
        return await observe(PROBES, target, context, clock)


@contextlib.asynccontextmanager
async def _listening(
    settings: AgentSettings, target: TargetSettings
) -> AsyncIterator[Callable[[WhiteboardTarget], Heard]]:
    """Listen to the broker until it has told something of ``target``, but not for long."""
    ear = _ear(settings, metrics.Metrics())
    if ear is None or not isinstance(target, WhiteboardTarget) or target.mqtt is None:
        yield deaf
        return
    listening = asyncio.create_task(ear.run())
    try:
        await ear.until_heard(target, LISTEN_S)
        yield ear.hear
    finally:
        listening.cancel()
        await asyncio.wait([listening])


def _ear(settings: AgentSettings, numbers: metrics.Metrics) -> "Hearing | None":
    """What listens to the school's broker. The MQTT library is imported only where there is one."""
    if settings.broker is None:
        return None
    from agent.hearing import hearing

    return hearing(settings, numbers)


# --- running --------------------------------------------------------------------------------------------------------


async def run(path: Path, settings: AgentSettings, probes: Probes) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP loads the settings again; wrong ones are logged and change nothing."""
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    numbers = metrics.Metrics()
    numbers.put("classready_agent_start_time_seconds", time.time())
    numbers.put("classready_agent_config_last_reload_successful", 1)
    clock = Clock(boot_id())
    following: AgentSettings | None = settings
    while following is not None:
        following = await _session(following, probes, clock, numbers, lambda: _next_settings(path, signals, numbers))


async def _next_settings(
    path: Path, signals: "asyncio.Queue[signal.Signals]", numbers: metrics.Metrics
) -> AgentSettings | None:
    """Wait for a reason to end the present session; None = to stop."""
    while await signals.get() is signal.SIGHUP:
        try:
            settings = load_settings(path)
        except SettingsError as error:
            numbers.put("classready_agent_config_last_reload_successful", 0)
            for problem in error.problems:
                _log.error("reload_refused", problem=str(problem))
        else:
            numbers.put("classready_agent_config_last_reload_successful", 1)
            _log.info("reloaded", path=str(path))
            return settings
    return None


async def _session(
    settings: AgentSettings,
    probes: Probes,
    clock: Clock,
    numbers: metrics.Metrics,
    next_settings: Callable[[], Awaitable[AgentSettings | None]],
) -> AgentSettings | None:
    """Run everything with one set of settings, until there are other ones or none."""
    state_dir = Path(settings.state_dir)
    async with contextlib.AsyncExitStack() as stack:
        spool = await Spool.open(state_dir, settings.spool, live_s=LIVE_INTERVALS * settings.report_interval_s)
        stack.push_async_callback(spool.close)
        link = await stack.enter_async_context(open_link(settings.link, settings.gateway, __version__))
        runner = Runner(settings, probes, clock, spool.append, numbers)
        runner.directives = load_directives(state_dir)
        courier = Courier(
            settings=settings,
            spool=spool,
            link=link,
            clock=clock,
            metrics=numbers,
            on_directives=functools.partial(_direct, runner, state_dir),
        )
        runner.on_bandwidth = courier.hurry
        meter = Meter(settings.targets, clock.now_s)
        runner.samples_since = meter.since
        ear = _ear(settings, numbers)
        runner.hear = ear.hear if ear else deaf
        async with asyncio.TaskGroup() as group:
            probing = group.create_task(runner.run(), name="runner")
            rest = [group.create_task(courier.run(), name="courier")]
            rest.append(group.create_task(meter.run(), name="meter"))
            if ear is not None:
                rest.append(group.create_task(ear.run(), name="hearing"))
            if settings.traps is not None:
                from agent.traps import Receiver

                receiver = Receiver(settings.traps, settings.targets, runner.hurry)
                rest.append(group.create_task(receiver.run(), name="traps"))
            rest.append(group.create_task(_feed_watchdog(runner, spool), name="watchdog"))
            if settings.metrics_file is not None:
                rest.append(group.create_task(_keep_writing(settings, spool, clock, numbers), name="metrics"))
            notify("READY=1")
            _log.info("ready", gateway=settings.gateway, targets=len(settings.targets))
            following = await next_settings()
            notify("RELOADING=1" if following else "STOPPING=1")
            await _drain(runner, probing)
            for task in rest:
                task.cancel()
        await _report_last(courier, clock)
    return following


def _direct(runner: Runner, state_dir: Path, directives: Directives, asked_at_s: float) -> None:
    if directives != runner.directives:
        save_directives(state_dir, directives)
    runner.direct(directives, asked_at_s)


async def _drain(runner: Runner, probing: "asyncio.Task[None]") -> None:
    """Let running probes finish, but not for long; what is cancelled was never observed."""
    runner.stop()
    await asyncio.wait([probing], timeout=DRAIN_S)
    probing.cancel()


async def _report_last(courier: Courier, clock: Clock) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_REPORT_S):
            await courier.report(until_s=clock.now_s())


# --- systemd and metrics --------------------------------------------------------------------------------------------


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); outside of it, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def _feed_watchdog(runner: Runner, spool: Spool) -> None:
    """Feed systemd's watchdog as long as the spool answers and no target is stuck."""
    period_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 / 3
    while period_s:
        await spool.statistics()
        if not runner.is_stalled():
            notify("WATCHDOG=1")
        await asyncio.sleep(period_s)


async def _keep_writing(settings: AgentSettings, spool: Spool, clock: Clock, numbers: metrics.Metrics) -> None:
    while True:
        await _gather(spool, clock, numbers)
        try:
            metrics.write(numbers, Path(str(settings.metrics_file)))
        except OSError as error:
            _log.warning("metrics_not_written", path=settings.metrics_file, error=str(error))
        await asyncio.sleep(settings.report_interval_s)


async def _gather(spool: Spool, clock: Clock, numbers: metrics.Metrics) -> None:
    held = await spool.statistics()
    numbers.put("classready_agent_spool_records", held.held_count)
    numbers.put("classready_agent_spool_bytes", held.held_bytes)
    numbers.put("classready_agent_spool_limit_bytes", held.limit_bytes)
    numbers.put("classready_agent_spool_degraded", held.degraded)
    numbers.put("classready_agent_clock_synchronized", clock.read().quality == "good")
    for reason, count in held.dropped.items():
        numbers.put("classready_agent_records_dropped_total", count, reason)
    for reason, count in held.rejected.items():
        numbers.put("classready_agent_records_rejected_total", count, reason)
