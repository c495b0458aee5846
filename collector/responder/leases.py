"""Who may load the line now: one lease per source address and per group, and all together within the share.

The id of a lease is its owner's token: whoever wants to start or end a lease names it by that, never by its group or
address. So what comes late from the owner of an expired lease cannot touch the lease of the next one.
"""

import ipaddress
import os
import time
from typing import Final

from msgspec import Struct

from classready.bandwidth import pacing
from classready.bandwidth.packets import (
    NO_GROUP,
    NONCE_BYTES,
    PAYLOAD_MAX_BYTES,
    PAYLOAD_MIN_BYTES,
    SECRET_BYTES,
    Direction,
    Grant,
    Refuse,
    RefuseReason,
    Request,
    encode,
    lease_key,
    parse,
    seal,
    unseal,
)
from classready.units import MBIT, MBYTE
from collector.responder import counters
from collector.responder.allowance import LAPSE_S, Allowances

LEASE_MAX_BYTES: Final = 50 * MBYTE
LEASE_MAX_SECONDS: Final = 4.0
LEASE_MIN_BPS: Final = 1 * MBIT
LEASES_MAX: Final = 32
CLAIM_S: Final = 1.0
"""A lease that nobody starts is given up after this."""
_RETRY_MIN_S = 0.1
_SPENT_MAX = 65_536


class Lease(Struct, kw_only=True):
    """What one test may do, from its grant until it is ended or expires."""

    id: bytes
    key: bytes
    grant: bytes
    """As sent, to be sent again."""
    nonce: bytes
    line: str
    group: bytes
    direction: int
    payload_bytes: int
    rate_bps: float
    max_bytes: int
    max_seconds: float
    expires_s: float
    started_s: float | None = None

    @property
    def loading(self) -> bool:
        return self.started_s is not None


class Leases:
    """All leases of this responder, over UDP and TCP alike."""

    def __init__(self, share_bps: float, key: bytes, allowances: Allowances | None = None) -> None:
        self._share_bps = share_bps
        self._key = key
        self._allowances = allowances or Allowances()
        self._live: dict[bytes, Lease] = {}
        self._spent: dict[bytes, None] = {}

    def ask(self, datagram: bytes, address: str) -> Lease | bytes | str:
        """Return a new lease for the request of a proven address, the refusal to send, or why there is no answer."""
        self._forget()
        request = unseal(Request, datagram, self._key)
        if request is None:
            unsealed = parse(Request, datagram)
            return "foreign" if unsealed is None else _refuse(unsealed, RefuseReason.KEY)
        if request.nonce in self._spent:
            return "replayed"
        if not _supported(request):
            return _refuse(request, RefuseReason.UNSUPPORTED)
        rate_bps = min(request.rate_bps, self._share_bps)
        if (retry_after_s := self._busy_s(rate_bps, line_of(address), request.group)) is not None:
            return _refuse(request, RefuseReason.BUSY, retry_after_s)
        return self._grant(request, rate_bps, address)

    def granted(self, nonce: bytes) -> Lease | None:
        """Return the lease that nobody has started yet: its grant may have got lost."""
        return next((h for h in self._live.values() if h.nonce == nonce and not h.loading), None)

    def start(self, lease: Lease) -> bool:
        """Begin the load; False = too late, the place may be another's by now."""
        self._forget()
        if lease.id not in self._live or lease.loading:
            return False
        lease.started_s = time.monotonic()
        lease.expires_s = lease.started_s + lease.max_seconds + CLAIM_S
        return True

    def end(self, lease: Lease) -> None:
        """Free what this lease held, and nothing else."""
        if self._live.pop(lease.id, None) is not None:
            held_s = LAPSE_S if lease.started_s is None else time.monotonic() - lease.started_s
            self._allowances.pay(lease.line, held_s)

    def _busy_s(self, rate_bps: float, line: str, group: bytes) -> float | None:
        """Seconds until it is worth asking again; None = there is room now."""
        if wait_s := self._allowances.wait_s(line):
            return wait_s
        live = list(self._live.values())
        in_the_way = [h for h in live if h.line == line or (group != NO_GROUP and h.group == group)]
        if not in_the_way and (len(live) >= LEASES_MAX or sum(h.rate_bps for h in live) + rate_bps > self._share_bps):
            in_the_way = live
        if not in_the_way:
            return None
        return max(_RETRY_MIN_S, min(h.expires_s for h in in_the_way) - time.monotonic())

    def _grant(self, request: Request, rate_bps: float, address: str) -> Lease:
        grant = Grant(
            nonce=request.nonce,
            lease=os.urandom(NONCE_BYTES),
            salt=os.urandom(SECRET_BYTES),
            rate_bps=int(rate_bps),
            max_bytes=min(request.max_bytes, LEASE_MAX_BYTES),
            max_ms=min(request.max_ms, int(LEASE_MAX_SECONDS * 1_000)),
        )
        lease = Lease(
            id=grant.lease,
            key=lease_key(self._key, grant.salt),
            grant=seal(grant, self._key),
            nonce=request.nonce,
            line=line_of(address),
            group=request.group,
            direction=request.direction,
            payload_bytes=request.payload_bytes,
            rate_bps=rate_bps,
            max_bytes=grant.max_bytes,
            max_seconds=grant.max_ms / 1_000,
            expires_s=time.monotonic() + CLAIM_S,
        )
        self._live[lease.id] = lease
        self._spent[request.nonce] = None
        if len(self._spent) > _SPENT_MAX:
            del self._spent[next(iter(self._spent))]
        return lease

    def _forget(self) -> None:
        """A load that runs keeps its lease: its own limits end it."""
        now = time.monotonic()
        for lease in [h for h in self._live.values() if not h.loading and h.expires_s <= now]:
            self.end(lease)


def line_of(address: str) -> str:
    """Say whose line it is: in IPv6 a site has a /64 at least, and one host of it any number of addresses."""
    if not pacing.extra_bytes(address):
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))


def _supported(request: Request) -> bool:
    return (
        request.direction in (Direction.DOWN, Direction.UP)
        and PAYLOAD_MIN_BYTES <= request.payload_bytes <= PAYLOAD_MAX_BYTES
        and request.rate_bps >= LEASE_MIN_BPS
        and request.max_bytes >= request.payload_bytes
        and request.max_ms > 0
    )


def _refuse(request: Request, reason: RefuseReason, retry_after_s: float = 0.0) -> bytes:
    counters.refusals.labels(reason.name.lower()).inc()
    return encode(Refuse(nonce=request.nonce, reason=reason, retry_after_ms=int(retry_after_s * 1_000)))
