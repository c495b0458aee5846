"""The body of a robot's answer: its own code, and its words for a log."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from classready.codec import UNDECODABLE
from collector.notify.contract import Deferred

SAID_MAX_CHARACTERS = 200


def own_code(body: bytes, codes: Sequence[str], texts: Sequence[str], secrets: Iterable[str]) -> tuple[int, str]:
    """Return a robot's code and words. ``codes`` and ``texts`` are the fields where they may stand.

    Raises:
        Deferred: it is no answer of a robot, a login page for example; it may be one next time.
    """
    reply = _object(body)
    found = [reply[name] for name in codes if name in reply]
    if not found or type(found[0]) is not int:
        raise Deferred("bad_reply", retry_after_s=60)
    code = next((code for code in found if type(code) is int and code != 0), 0)
    words = next((reply[name] for name in texts if isinstance(reply.get(name), str)), "")
    return code, quoted(f"{codes[0]} {code} {words}", secrets)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except UNDECODABLE:
        return {}


def quoted(said: str, secrets: Iterable[str]) -> str:
    """Make a robot's words fit for a log: one short line, without the secrets that it may repeat to us."""
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        for form in (secret, quote(secret, safe="")):
            said = said.replace(form, "***")
    shown = "".join(c if c.isprintable() else " " for c in said[: 4 * SAID_MAX_CHARACTERS])
    return " ".join(shown.split())[:SAID_MAX_CHARACTERS]
