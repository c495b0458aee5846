"""Findings about what several classrooms share: gateways, lines, exits, switches, trunks, platforms."""

from collections.abc import Collection, Iterator, Mapping

from collector.core.age import is_fresh
from collector.core.case import Shared
from collector.core.evidence import SwitchReading
from collector.core.findings import BAD, Finding, required_bps
from collector.core.link import Line, Tested, divided, exits_of, legs_interval, link_bps, part_state, segment_interval
from collector.core.mute import silence_held_until
from collector.core.platforms import reached
from collector.core.power import of_groups
from collector.core.subject import Subject
from collector.core.wiring import switch_of, switches_before
from collector.core.words import Cause, Direction, LinkState, VerdictValue

_NOT: dict[VerdictValue, VerdictValue] = {"yes": "no", "no": "yes", "unknown": "unknown"}


def of_school(common: Shared) -> tuple[Finding, ...]:
    """Everything that is not about one classroom."""
    return (
        *_gateways(common),
        *_uplinks(common),
        *_exits(common),
        *_switches(common),
        *_segments(common),
        *of_groups(common),
        *_platforms(common),
    )


def _gateways(common: Shared) -> Iterator[Finding]:
    for name in common.school.roster.gateways:
        if (heard := common.school.state.gateways.get(name)) is not None:
            yield Finding(
                subject=Subject("gateway", name),
                cause=Cause.GATEWAY_SILENT,
                bad="yes" if heard.silent else "no",
                gateway=name,
                evidence_at=heard.last_committed_at,
                in_doubt=heard.silent and common.now <= silence_held_until(common.school, heard, common.policy),
                classrooms=common.upstream[name].rooms,
            )


def _uplinks(common: Shared) -> Iterator[Finding]:
    targets = {leg.gateway for leg in common.school.state.uplinks.values()}
    for gateway, up in common.upstream.items():
        if gateway in targets:
            # where upload is required and nobody tests it, the download is told as it is; of none the first is told
            tested_lines = [line for line in up.lines if line.uplink.was_tested] or up.lines
            states = [(line, _uplink_state(common, gateway, line)) for line in tested_lines]
            yield _of_lines(common, Subject("uplink", gateway), Cause.UPLINK_BELOW_REQUIRED, gateway, states)


def _uplink_state(common: Shared, gateway: str, line: Line) -> LinkState:
    """The line alone, or what is left of it for each room where the policy asks for a share.

    Outside lessons a share is nobody's: a line that is too small for all at once is then neither bad nor good.
    """
    state = line.uplink.state
    if common.policy.basis != "share" or state != "enough":
        return state
    rooms = common.upstream[gateway].rooms
    share = part_state(divided(line.uplink.interval, max(1, len(rooms))), line.thetas)
    return share if common.in_lesson or share == "enough" else "unknown"


def _of_lines(
    common: Shared, subject: Subject, cause: Cause, gateway: str, states: list[tuple[Line, LinkState]]
) -> Finding:
    """One finding for both directions: the first that is short, else the first that is not known."""
    line, state = next((found for wish in ("short", "unknown") for found in states if found[1] == wish), states[0])
    bad = BAD[state] if _is_asked(common, gateway) else "unknown"
    return Finding(
        subject=subject,
        cause=cause,
        bad=bad,
        gateway=gateway,
        evidence_at=line.uplink.decided_at,
        late=line.uplink.is_late,
        since=line.uplink.failing_since,
        in_doubt=line.uplink.is_in_doubt(common.policy),
        classrooms=common.upstream[gateway].rooms,
        measured=link_bps(line.uplink.interval),
        limit=required_bps(common.policy, line.direction),
        direction=line.direction,
    )


def _is_asked(common: Shared, gateway: str) -> bool:
    """Whether capacities beyond the port count, and are told: not where the port alone decides, nor in silence."""
    heard = common.school.state.gateways.get(gateway)
    return common.policy.basis != "port" and heard is not None and not heard.silent


def _exits(common: Shared) -> Iterator[Finding]:
    """One exit for the whole school: short if it is from any of its gateways, for the rooms of those."""
    school = common.school
    names = sorted({name for gateway in school.roster.gateways for name in exits_of(school, gateway)})
    for name in names:
        parts = [
            (gateway, line.direction, line.exits[name])
            for gateway, up in common.upstream.items()
            for line in up.lines
            if name in line.exits
        ]
        if parts:
            yield _exit(common, name, parts)
        else:
            # asked for, and nothing it found is young enough to say anything
            yield Finding(
                subject=Subject("exit", name=name), cause=Cause.EXIT_BELOW_REQUIRED, bad="unknown", gateway=""
            )


def _exit(common: Shared, name: str, parts: list[tuple[str, Direction, Tested]]) -> Finding:
    # one gateway that sees the exit well does not clear it for the rooms of another
    states = {part.state if _is_asked(common, gateway) else "unknown" for gateway, _, part in parts}
    worst: LinkState = "short" if "short" in states else "enough" if states == {"enough"} else "unknown"
    concerned = [found for found in parts if found[2].state == worst]
    gateway, direction, _ = next(iter(concerned), parts[0])
    gateways = dict.fromkeys(gateway for gateway, way, _ in concerned if way == direction)
    legs = [leg for g, way, part in concerned if way == direction for leg in part.legs]
    return Finding(
        subject=Subject("exit", name=name),
        cause=Cause.EXIT_BELOW_REQUIRED,
        bad=BAD[worst],
        gateway=gateway,
        evidence_at=max((at for _, _, part in concerned if (at := part.decided_at) is not None), default=None),
        late=bool(concerned) and all(part.is_late for _, _, part in concerned),
        since=min((at for _, _, part in concerned if (at := part.failing_since) is not None), default=None),
        in_doubt=bool(concerned) and all(part.is_in_doubt(common.policy) for _, _, part in concerned),
        classrooms=tuple(room for g in gateways for room in common.upstream[g].rooms),
        measured=link_bps(legs_interval(legs)),
        limit=required_bps(common.policy, direction),
        direction=direction,
    )


def _switches(common: Shared) -> Iterator[Finding]:
    """A switch that serves no judged room any more is nobody's trouble: there is no finding."""
    readings = common.school.state.switches.values()
    bad = {reading: _unreachable(common, reading) for reading in readings}
    roots = {reading: _explained_by(common, reading, bad) for reading in readings}
    for reading in readings:
        explained = [r for r, root in roots.items() if root == reading.switch]
        through = {reading.switch, *(r.switch for r in explained if r.gateway == reading.gateway)}
        rooms = [room for room in _judged(common, reading.gateway) if switch_of(common.school, room) in through]
        if rooms:
            yield Finding(
                subject=Subject("switch", reading.gateway, reading.switch),
                cause=Cause.SWITCH_UNREACHABLE,
                bad=bad[reading],
                gateway=reading.gateway,
                evidence_at=reading.observed_at,
                late=reading.late,
                classrooms=tuple(rooms),
                explained=roots[reading] is not None,
            )


def _unreachable(common: Shared, reading: SwitchReading) -> VerdictValue:
    if not is_fresh(common.school, reading.observed_at, reading.gateway, common.now, common.policy):
        return "unknown"
    return "no" if reading.reachable else "yes"


def _explained_by(common: Shared, reading: SwitchReading, bad: Mapping[SwitchReading, VerdictValue]) -> str | None:
    """The switch that it is reached through and that failed with it: the furthest of these, or none."""
    if bad[reading] != "yes":
        return None
    alerts = {a.subject: a for a in common.school.state.alerts if a.cause is Cause.SWITCH_UNREACHABLE}
    own = alerts.get(Subject("switch", reading.gateway, reading.switch))
    if own is not None and (own.bad_streak or own.opened_at is not None):
        return None  # it failed first, and was counted
    failed = {r.switch for r, value in bad.items() if value == "yes" and r.gateway == reading.gateway}
    root = _furthest(common, reading, failed)
    told = alerts.get(Subject("switch", reading.gateway, root)) if root is not None else None
    # one whose management alone was lost long ago passes traffic: what fails behind it now is news of its own
    return None if own is None and told is not None and told.opened_at is not None else root


def _furthest(common: Shared, reading: SwitchReading, failed: Collection[str]) -> str | None:
    """Of the failed switches before it, one behind the other without a gap: what answers passes traffic on."""
    passed = [reading.switch]
    while nearest := [n for n in switches_before(common.school, reading.gateway, passed[-1]) if n in failed]:
        if nearest[0] in passed:
            return None  # they name each other: neither explains the other
        passed.append(nearest[0])
    return passed[-1] if len(passed) > 1 else None


def _segments(common: Shared) -> Iterator[Finding]:
    """As with switches: a trunk behind which no judged room hangs bounds nobody."""
    theta_bps = common.policy.theta_down_bps
    for segment in common.school.state.segments.values():
        rooms = [room for room in _judged(common, segment.gateway) if segment.serves(switch_of(common.school, room))]
        if rooms:
            is_valid = segment.observed_at >= common.ports_valid_from
            state = part_state(segment_interval(segment), theta_bps) if is_valid else "unknown"
            yield Finding(
                subject=Subject("segment", segment.gateway, segment.seen.name),
                cause=Cause.SEGMENT_BELOW_REQUIRED,
                bad=BAD[state] if _is_asked(common, segment.gateway) else "unknown",
                gateway=segment.gateway,
                evidence_at=segment.observed_at,
                late=segment.late,
                classrooms=tuple(rooms),
                measured=segment.seen.speed_bps,
                limit=required_bps(common.policy, "down"),
                place=segment.seen.if_name,
                half_duplex=segment.seen.full_duplex is False,
            )


def _judged(common: Shared, gateway: str) -> tuple[str, ...]:
    up = common.upstream.get(gateway)
    return up.rooms if up else ()


def _platforms(common: Shared) -> Iterator[Finding]:
    school = common.school
    for platform, targets in school.roster.platforms.items():
        for gateway in school.roster.gateways:
            found = [school.state.platforms.get(f"{gateway}/{target}") for target in targets]
            fetched = [reading.http for reading in found if reading and reading.http]
            if not fetched:
                continue
            # a platform is looked at by several pages, and each new look counts
            newest = max(fetched, key=lambda reading: reading.observed_at)
            yield Finding(
                subject=Subject("platform", gateway, platform),
                cause=Cause.PLATFORM_UNREACHABLE,
                bad=_missed(common, platform, gateway),
                gateway=gateway,
                evidence_at=newest.observed_at,
                late=newest.late,
                classrooms=common.upstream[gateway].rooms,
            )


def _missed(common: Shared, platform: str, gateway: str) -> VerdictValue:
    """A platform's own fault opens nothing, and closes where the platform is reached again."""
    if platform not in common.school.state.platform_faults:
        return _NOT[common.upstream[gateway].platforms[platform]]
    is_back = reached(common.school, platform, gateway, common.now, common.policy) == "yes"
    return "no" if is_back else "unknown"
