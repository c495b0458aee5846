"""TLS as far as a person must understand it: why a handshake failed, and until when the certificates are good."""

import asyncio
import math
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import dial
from agent.settings import HttpLink, MqttLink
from classready.observation import error_text

if TYPE_CHECKING:
    from agent.certificates import Refusal

_DER = 2
"""``_ssl.ENCODING_DER``"""

_ENDED = "the other side ended the handshake without a word, as some firewalls do for names that they block"
_NO_TLS = "it answers, but not in TLS: is this a port for plain http?"
_OLD = "no version of TLS in common: it may have none after 1.1"
_NOTHING_IN_COMMON = "no cipher, curve or signature in common"
_WANTS_OURS = "it demands a certificate from us"
_HANDSHAKE = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": _ENDED,
    "UNSUPPORTED_PROTOCOL": _OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NOTHING_IN_COMMON,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NOTHING_IN_COMMON,
    "TLSV1_UNRECOGNIZED_NAME": "it does not know the name that it was asked for (SNI)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTS_OURS,
    "SSLV3_ALERT_BAD_CERTIFICATE": _WANTS_OURS,
}
"""OpenSSL's reason -> what it means here. Others are told in its own words."""


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """What trusts ``ca_file`` as it is now, or the system's store as it was at first.

    Raises:
        OSError: it cannot be read, or holds no certificate.
    """
    if ca_file is None:
        return _trusting(None)
    state = Path(ca_file).stat()
    return _trusting(ca_file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _trusting(ca_file: str | None, *_state: int) -> ssl.SSLContext:
    """Loading takes 20 ms of everybody's time, so it is done once for each file that it was."""
    return ssl.create_default_context(cafile=ca_file)


def of_link(link: HttpLink | MqttLink) -> ssl.SSLContext:
    """What a link trusts, and what it shows of its own where that is asked for.

    Raises:
        OSError: a file cannot be read, or holds not what it should.
    """
    if link.cert_file is None:
        return trusting(link.ca_file)
    context = ssl.create_default_context(cafile=link.ca_file)
    # see ``loading``: a key with a password was refused
    context.load_cert_chain(link.cert_file, link.key_file, password="")
    return context


def server_name(host: str) -> str:
    """The name to ask for and to find in the certificate: no dot at its end (RFC 6066, section 3), and no zone."""
    return host.partition("%")[0].removesuffix(".")


def expires_at(connection: ssl.SSLObject | ssl.SSLSocket) -> float | None:
    """When the first certificate of the verified chain ends, its root in our store included: OpenSSL heeds that, too.

    What was sent and not needed (an old cross-signature) does not count.
    """
    end = min(map(_ends_at, _verified(connection)), default=math.inf)
    return None if end == math.inf else end


def _ends_at(info: dict[str, Any]) -> float:
    """Infinity for a date that no calendar can name: beyond the year 9999, or none."""
    try:
        return float(ssl.cert_time_to_seconds(info["notAfter"]))
    except (KeyError, ValueError):
        return math.inf


def handshake_text(error: OSError) -> str:
    """Why a handshake failed. Never empty, as asyncio's error for an end without a word is."""
    if isinstance(error, ssl.SSLZeroReturnError):  # a close_notify, and nothing else
        return _ENDED
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        alert = reason.partition("_ALERT_")[2].replace("_", " ").lower()
        said = f"the other side ended the handshake: {alert}" if alert else reason.replace("_", " ").lower()
        return _HANDSHAKE.get(reason) or said or error_text(error)
    return _ENDED if isinstance(error, ConnectionError) else error_text(error)


async def refusal(
    error: ssl.SSLCertVerificationError, peer: dial.Address, host: str, *, public_store: bool, timeout_s: float
) -> "Refusal":
    """Explain why the certificates of ``peer`` were refused.

    It is asked once more, verifying nothing, for asyncio keeps nothing of a failed handshake; no request follows.
    """
    from agent.certificates import Refused, explain

    shown: Sequence[bytes] = ()
    with suppress(OSError, dial.Unreached):
        async with asyncio.timeout(timeout_s):
            shown = await _shown(peer, server_name(host), timeout_s)
    case = Refused(
        verify_code=error.verify_code,
        openssl=error.verify_message or error_text(error),
        host=server_name(host),
        now=datetime.now(UTC),
        public_store=public_store,
    )
    return explain(case, shown)


async def _shown(peer: dial.Address, name: str, timeout_s: float) -> list[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Must come first: with it on, ssl refuses CERT_NONE (ValueError).
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock = (await dial.connect([peer], timeout_s)).sock
    _, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
    try:
        return _unverified(writer.get_extra_info("ssl_object"))
    finally:
        writer.transport.abort()


def _verified(connection: ssl.SSLObject | ssl.SSLSocket) -> Iterable[dict[str, Any]]:
    """What ``getpeercert`` gives, of each: ``_ssl`` has had it since 3.10, ``ssl`` has it since 3.13, as bytes only."""
    get_chain = getattr(getattr(connection, "_sslobj", None), "get_verified_chain", None)
    if get_chain is None:
        return [dict(connection.getpeercert() or {})]
    return [certificate.get_info() for certificate in get_chain()]


def _unverified(connection: ssl.SSLObject) -> list[bytes]:
    get_chain = getattr(getattr(connection, "_sslobj", None), "get_unverified_chain", None)
    if get_chain is None:
        leaf = connection.getpeercert(binary_form=True)
        return [leaf] if leaf else []
    return [certificate.public_bytes(_DER) for certificate in get_chain() or ()]
