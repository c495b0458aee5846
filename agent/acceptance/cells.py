"""What stands in the cells of a sheet's tables: observations in words. Pure."""

from msgspec import Struct

from agent.acceptance.sheet import Room, SwitchPort, enough
from agent.findings import Finding
from agent.words import Language, say
from classready.observation import Bandwidth, Device, ObservationBase, Outcome, Port, Segment
from classready.report import Thetas
from classready.units import MBYTE, bps_to_mbps

FACTS_MAX_COUNT = 4
"""Of one board: the first ones that its settings name."""
_TONES = {"ok": "well", "warning": "doubt", "failed": "bad", "not_checked": "faint"}
_ENOUGH = {True: ("sheet.enough", "well"), False: ("sheet.short", "bad"), None: ("sheet.unjudged", "faint")}
_OUTCOMES = {Outcome.PASS: True, Outcome.FAIL: False}
_SHOWN_FACTS = ("firmware", "version", "model", "description")


class Cell(Struct, frozen=True):
    """``more``: in small letters below. ``tone``: well, doubt, bad, faint; the words say the same without colours.

    ``whole``: short words of ours, never broken; a name that somebody gave may be as long as it likes.
    """

    text: str
    more: str = ""
    tone: str = ""
    whole: bool = False


def required(theta: Thetas | None, language: Language) -> str:
    if theta is None or (theta.down is None and theta.up is None):
        return say(language, "sheet.required_unknown")
    return say(language, "sheet.required_line", down=_theta(theta.down, language), up=_theta(theta.up, language))


def _theta(theta: tuple[float, float] | None, language: Language) -> str:
    if theta is None:
        return say(language, "sheet.required_none")
    return say(language, "sheet.required_one", theta=f"{mbps(theta[0])}–{mbps(theta[1])}")


def mbps(speed_bps: float) -> str:
    return f"{bps_to_mbps(speed_bps):.4g}" if speed_bps < 1e10 else f"{bps_to_mbps(speed_bps):.0f}"


def line(seen: Bandwidth, language: Language) -> tuple[Cell, ...]:
    """The agent's own test against what the collector asked for; where it asked for nothing, nothing is compared."""
    where = seen.classroom and say(language, "sheet.to_room", room=seen.classroom)
    where = where or (seen.beyond and say(language, "sheet.beyond", exit=seen.beyond)) or ""
    theta = None if seen.theta0_bps is None or seen.theta1_bps is None else (seen.theta0_bps, seen.theta1_bps)
    verdict = _OUTCOMES.get(seen.outcome) if seen.outcome is not None and theta is not None else None
    code, tone = _ENOUGH[verdict]
    return (
        Cell(seen.target, where),
        Cell(say(language, f"direction.{seen.direction}") if seen.direction else "", whole=True),
        Cell(interval(seen, language), _cost(seen, language)),
        Cell(_theta(theta, language) if theta is not None else say(language, "sheet.unjudged")),
        Cell(say(language, code), _why(seen, language), tone),
    )


def interval(seen: Bandwidth, language: Language) -> str:
    least, most = (None if bps is None else mbps(bps) for bps in (seen.at_least_bps, seen.at_most_bps))
    if least is not None and most is not None:
        told = say(language, "interval.between", least=least, most=most)
    elif least is not None:
        told = say(language, "interval.least", least=least)
    elif most is not None:
        told = say(language, "interval.most", most=most)
    else:
        told = say(language, "interval.none")
    if seen.estimate_bps is None:
        return told
    return say(language, "interval.about", about=mbps(seen.estimate_bps), interval=told)


def _cost(seen: Bandwidth, language: Language) -> str:
    if not seen.bytes:
        return say(language, "mode.none")
    mode = say(language, f"mode.{seen.mode}") if seen.mode else ""
    seconds, mbytes = f"{seen.seconds or 0.0:.1f}", f"{seen.bytes / MBYTE:.1f}"
    return say(language, "sheet.cost", mode=mode, seconds=seconds, mbytes=mbytes)


def _why(seen: ObservationBase, language: Language) -> str:
    """The reason in words; the detail as the probe gave it."""
    reason = say(language, f"reason.{seen.reason}") if seen.reason is not None else ""
    detail = seen.detail if seen.detail != seen.reason else None
    return "\n".join(filter(None, (reason, say(language, "original", text=detail) if detail else "")))


def room(seen: Room, theta: Thetas | None, language: Language) -> tuple[Cell, ...]:
    code, tone = _ENOUGH[enough(seen, theta)]
    return (
        Cell(seen.classroom),
        Cell("\n".join(_place(port, language) for port in seen.ports) or say(language, "sheet.port_unbound")),
        Cell(
            "\n".join(link(port, language) for port in seen.ports),
            "\n".join(say(language, "original", text=port.detail) for port in seen.ports if _has_detail(port)),
        ),
        Cell(
            "\n".join(board(each, language) for each in seen.boards) or say(language, "sheet.board_unbound"),
            "\n".join(facts for each in seen.boards if (facts := _facts(each, language))),
        ),
        Cell(say(language, code), tone=tone),
    )


def _has_detail(port: Port) -> bool:
    return port.detail is not None and port.detail != port.reason


def _place(port: Port, language: Language) -> str:
    if port.if_name is None:
        return say(language, "sheet.port_unknown", switch=port.switch or "?")
    return f"{port.switch}:{port.if_name}"


def link(port: Port | SwitchPort | Segment, language: Language) -> str:
    """State, speed and duplex of a port."""
    if isinstance(port, Port | Segment) and port.outcome in {Outcome.UNMEASURED, Outcome.NO_ANSWER}:
        return _unknown(port, language)
    if isinstance(port, Port) and port.admin_up is False:
        return say(language, "sheet.link_disabled")
    if isinstance(port, Port) and port.oper_up is False:
        return say(language, "sheet.link_down")
    duplex = {True: "full", False: "half", None: "unknown"}[port.full_duplex]
    return say(
        language, "sheet.link_up", speed=speed(port.speed_bps, language), duplex=say(language, f"duplex.{duplex}")
    )


def speed(speed_bps: float | None, language: Language) -> str:
    return f"{mbps(speed_bps)} Mbit/s" if speed_bps else say(language, "sheet.speed_unknown")


def _unknown(seen: ObservationBase, language: Language) -> str:
    code = "sheet.no_answer" if seen.outcome is Outcome.NO_ANSWER else "sheet.unmeasured"
    return say(language, code, reason=say(language, f"reason.{seen.reason or 'no_data'}"))


def board(seen: Device, language: Language) -> str:
    if seen.outcome in {Outcome.UNMEASURED, Outcome.NO_ANSWER}:
        return _unknown(seen, language)
    state = say(language, f"state.{seen.state or 'unknown'}")
    if seen.nic_speed_bps is None:
        return state
    return say(language, "sheet.nic", state=state, speed=speed(seen.nic_speed_bps, language))


def _facts(seen: Device, language: Language) -> str:
    """What tells which device it is: a temperature is none of a sheet."""
    chosen = [(name, value) for name, value in (seen.facts or {}).items() if any(w in name for w in _SHOWN_FACTS)]
    return "\n".join(say(language, "sheet.fact", name=name, value=value) for name, value in chosen[:FACTS_MAX_COUNT])


def trunk(seen: Segment, language: Language) -> str:
    name = seen.if_name or seen.name.partition(":")[2]
    return f"{name}: {link(seen, language)}"


def unbound(port: SwitchPort, language: Language) -> str:
    named = f"{port.name} ({port.alias})" if port.alias else port.name
    return f"{named}: {link(port, language)}"


def check(found: Finding, language: Language) -> tuple[Cell, ...]:
    remedy = found.remedy(language) if found.result != "ok" else ""
    seen = found.seen(language)
    return (
        Cell(say(language, f"result.{found.result}"), tone=_TONES[found.result], whole=True),
        Cell(say(language, f"check.{found.check}"), whole=True),
        Cell("" if found.subject in seen else found.subject),
        Cell(seen, say(language, "sheet.step", text=remedy) if remedy else ""),
    )
