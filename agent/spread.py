"""How a county's gateways come back when all of them lost the same thing at the same moment: power, broker, collector.

2,000 of them are 44 connections a second over three quarters of the usual interval (60 s), and none is away for long
beside the time between two of its reports.
"""

START_RATIO = 0.2
START_MAX_S = 20.0
"""A program that was started again, by a person or an upgrade, is alone with that, or nearly; and install.sh waits for
its first report, however rarely it is to report."""
JUST_BOOTED_S = 180.0
"""A machine that young has just got its power back, and its neighbours with it."""
RETURN_RATIO = 0.75
RETURN_MAX_S = 60.0
AWAY_MAX_S = 120.0
"""Whatever was tried in vain, and however often: within that after the end of an outage everybody has come back."""


def return_span_s(report_interval_s: float) -> float:
    """Return the time over which those spread who lost the same thing just now."""
    return min(RETURN_MAX_S, max(1.0, RETURN_RATIO * report_interval_s))


def start_span_s(report_interval_s: float, uptime_s: float) -> float:
    """Return the time over which the first reports of programs that start are spread."""
    if uptime_s < JUST_BOOTED_S:
        return return_span_s(report_interval_s)
    return min(START_MAX_S, START_RATIO * report_interval_s)
