"""Loss, round-trip time and jitter by ICMP echo."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from agent.probes.contract import Context, Probe, forgetful, patience_s
from agent.probes.icmp import Echoes, Unanswered, echo
from agent.probes.tools import Tools
from classready.observation import Observation, Outcome, Ping, Reason, Rtt, clean_text
from classready.targets import PingTarget


def make(target: PingTarget, _tools: Tools) -> Probe:
    return forgetful(target, observe, unmeasured)


async def observe(target: PingTarget, context: Context) -> Sequence[Observation]:
    """One ``Ping``: ANSWERED as soon as one echo came back, from whichever address of the host."""
    context.explain(
        f"{target.host}: {target.count} echoes, one each {target.packet_interval_s:g} s, waiting {target.timeout_s:g} s"
        f" for each; faster where all that would not end within {patience_s(target):g} s"
    )
    try:
        echoes = await echo(
            target.host,
            count=target.count,
            interval_s=target.packet_interval_s,
            timeout_s=target.timeout_s,
            patience_s=patience_s(target),
        )
    except Unanswered as error:
        context.explain(error.detail)
        return [_failed(target, error)]
    kind = "raw" if echoes.privileged else "datagram"
    context.explain(f"{echoes.address} by {kind} ICMP: {_summary(echoes)} {echoes.others}")
    return [observation(target, echoes)]


def observation(target: PingTarget, echoes: Echoes) -> Ping:
    rtts_s = echoes.rtts_s
    return Ping(
        target=target.name,
        outcome=Outcome.ANSWERED if rtts_s else Outcome.NO_ANSWER,
        reason=None if rtts_s else Reason.TIMEOUT,
        detail=clean_text(_by_whom(target, echoes)) or None,
        sent_count=echoes.sent_count,
        received_count=len(rtts_s),
        rtt_s=Rtt(min=min(rtts_s), median=median(rtts_s), max=max(rtts_s)) if rtts_s else None,
        # The mean difference of neighbours (as RFC 3550, 6.4.1, without its smoothing); an echo that was lost makes the
        # two beside it neighbours.
        jitter_s=fmean(abs(b - a) for a, b in pairwise(rtts_s)) if len(rtts_s) > 1 else None,
    )


def unmeasured(target: PingTarget, reason: str, detail: str) -> Sequence[Observation]:
    return [Ping(target=target.name, outcome=Outcome.UNMEASURED, reason=Reason(reason), detail=clean_text(detail))]


def _failed(target: PingTarget, error: Unanswered) -> Ping:
    outcome = Outcome.UNMEASURED if error.reason is Reason.PERMISSION else Outcome.NO_ANSWER
    return Ping(target=target.name, outcome=outcome, reason=error.reason, detail=clean_text(error.detail))


def _by_whom(target: PingTarget, echoes: Echoes) -> str:
    """Empty where the host of the target is the address that answered: then there is nothing more to tell."""
    if not echoes.rtts_s:
        return "; ".join(filter(None, [f"no answer: {echoes.address}", echoes.others]))
    others = f" ({echoes.others})" if echoes.others else ""
    return "" if echoes.address == target.host else f"answered by {echoes.address}{others}"


def _summary(echoes: Echoes) -> str:
    answered = f"{len(echoes.rtts_s)} of {echoes.sent_count} answered"
    return f"{answered}, median {median(echoes.rtts_s) * 1000:.3f} ms" if echoes.rtts_s else answered
