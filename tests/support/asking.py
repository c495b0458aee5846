"""The SNMP session of a test: through the driver that it chooses, else the one that is installed."""

from agent import snmp
from agent.snmp.contract import Driver
from classready.devices import Snmp

_sessions: list[snmp.Session] = []


def use(driver: Driver) -> None:
    """Ask through ``driver`` until ``close``."""
    close()
    _sessions.append(snmp.Session(lambda: driver))


def session() -> snmp.Session:
    if not _sessions:
        _sessions.append(snmp.Session(snmp.installed))
    return _sessions[0]


def device(host: str, settings: Snmp) -> snmp.Device:
    return session().device(host, settings)


def close() -> None:
    """The next request is one of a new session."""
    for each in _sessions:
        each.close()
    _sessions.clear()
