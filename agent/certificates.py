"""Why OpenSSL refused a chain of certificates, in words: which one it was, who made it, and who can mend it.

The chain is what the other side showed, the server's own certificate first. Names in it are chosen by whoever answers.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from cryptography.x509 import (
    AuthorityInformationAccess,
    Certificate,
    CertificatePolicies,
    DNSName,
    DuplicateExtension,
    ExtensionNotFound,
    InvalidVersion,
    IPAddress,
    Name,
    PrecertificateSignedCertificateTimestamps,
    SubjectAlternativeName,
    UnsupportedGeneralNameType,
    load_der_x509_certificate,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from msgspec import Struct

from classready.observation import Reason

NAME_MAX_CHARACTERS = 48
_NAMED_MAX_COUNT = 3

_NOT_YET_VALID, _EXPIRED = 9, 10
_UNTRUSTED = {2, 18, 19, 20, 21}
_OTHER_NAME = {62, 64}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h: dates; an issuer that is missing or not trusted; host name and address."""

_PUBLIC_POLICIES = "2.23.140.1.2."
"""What a public authority writes into each certificate (CA/Browser Forum, Baseline Requirements, 7.1.6.1)."""


_UNREADABLE = (ValueError, TypeError, InvalidVersion, DuplicateExtension, UnsupportedGeneralNameType)
"""What cryptography raises of certificates that OpenSSL can read; names and extensions are read late."""


class Refusal(Struct, frozen=True):
    """Why the chain was refused. ``expires_at`` None: it is not known, or the chain is not the platform's.

    ``by_clock``: dates decided, so that a wrong clock of ours may be all there is to it.
    """

    reason: Reason
    detail: str
    expires_at: float | None
    by_clock: bool = False


class Refused(Struct, frozen=True, kw_only=True):
    """What there is to explain. ``openssl``: its own words. ``public_store``: only public authorities were trusted."""

    verify_code: int
    openssl: str
    host: str
    now: datetime
    public_store: bool


def explain(case: Refused, shown: Sequence[bytes]) -> Refusal:
    """Put the refusal of the certificates ``shown`` (DER) into words; OpenSSL's, where they cannot be read."""
    try:
        return _explained(case, _path(_read(shown))) if shown else _unexplained(case)
    except _UNREADABLE:
        return _unexplained(case)


def _unexplained(case: Refused) -> Refusal:
    return Refusal(Reason.TLS_INVALID, case.openssl, None, by_clock=case.verify_code in {_EXPIRED, _NOT_YET_VALID})


def _explained(case: Refused, path: Sequence[Certificate]) -> Refusal:
    ends_at = min(certificate.not_valid_after_utc for certificate in path).timestamp()
    if case.verify_code in _UNTRUSTED:
        return _untrusted(case, path, ends_at)
    if case.verify_code in _OTHER_NAME:
        detail = f"the certificate is for {_names_of(path[0])}, not for {case.host}"
    elif case.verify_code == _EXPIRED:
        return Refusal(Reason.TLS_INVALID, _expired(case, path), ends_at, by_clock=True)
    elif case.verify_code == _NOT_YET_VALID:
        return Refusal(Reason.TLS_INVALID, _not_yet_valid(case, path), ends_at, by_clock=True)
    else:
        detail = f"{case.openssl}: {_which(path[0], path)}"
    return Refusal(Reason.TLS_INVALID, detail, ends_at)


def _read(shown: Sequence[bytes]) -> list[Certificate]:
    """The server's own, and what else can be read: one that nobody needs may be anything."""
    certificates = [load_der_x509_certificate(shown[0])]
    for der in shown[1:]:
        with suppress(*_UNREADABLE):
            certificates.append(load_der_x509_certificate(der))
    return certificates


def _path(shown: Sequence[Certificate]) -> list[Certificate]:
    """The server's certificate, its issuer, and so on as far as they were shown, in whatever order."""
    path = [shown[0]]
    while above := next((c for c in shown if c.subject == path[-1].issuer and c not in path), None):
        path.append(above)
    return path


def _untrusted(case: Refused, path: Sequence[Certificate], ends_at: float) -> Refusal:
    """Nobody in the store has signed it. A foreign authority was *seen*; one that was not sent may be either."""
    leaf, top = path[0], path[-1]
    issuer, self_issued = _quoted(top.issuer), top.subject == top.issuer
    if self_issued and leaf is top:
        detail = f"the certificate of {issuer} is signed by itself, for {_names_of(leaf)}"
    elif leaf is top and (_is_public(leaf) or _names_its_issuer(leaf)):
        detail = f"the intermediate certificate {issuer} was not sent: the platform's set-up is incomplete"
    elif _is_public(leaf):
        missing = "a firewall imitates it" if self_issued else "an intermediate is missing"
        detail = f"{issuer}, a public authority, is not in this gateway's store: the store is old, or {missing}"
    elif self_issued or (case.public_store and leaf is not top):
        ours = "a private one that ca_file should name" if case.public_store else "one that ca_file does not have yet"
        detail = f"signed by another authority, {issuer}: a firewall that inspects, or {ours}"
        return Refusal(Reason.AUTHORITY_UNKNOWN, detail, None)
    elif case.public_store:
        detail = f"signed by {issuer}, no public authority: a firewall that inspects, or one that ca_file should name"
    else:
        detail = (
            f"signed by {issuer}, which was not sent: an intermediate is missing, or another authority stands between"
        )
    return Refusal(Reason.TLS_INVALID, detail, ends_at)


def _is_public(leaf: Certificate) -> bool:
    """Whether a log has signed it (RFC 6962), or it names a public policy: firewalls make theirs without."""
    with suppress(ExtensionNotFound):
        leaf.extensions.get_extension_for_class(PrecertificateSignedCertificateTimestamps)
        return True
    with suppress(ExtensionNotFound):
        policies = leaf.extensions.get_extension_for_class(CertificatePolicies).value
        return any(policy.policy_identifier.dotted_string.startswith(_PUBLIC_POLICIES) for policy in policies)
    return False


def _names_its_issuer(leaf: Certificate) -> bool:
    """Whether it says where its issuer is to be found, as public authorities and well-kept private ones do."""
    with suppress(ExtensionNotFound):
        access = leaf.extensions.get_extension_for_class(AuthorityInformationAccess).value
        return any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access)
    return False


def _expired(case: Refused, path: Sequence[Certificate]) -> str:
    late = next((c for c in path if c.not_valid_after_utc < case.now), None)
    if late is None:
        return f"an authority in this gateway's store has expired: {_quoted(path[-1].issuer)}{_by_our_clock(case)}"
    return f"{_which(late, path)} expired at {_utc(late.not_valid_after_utc)}{_by_our_clock(case)}"


def _not_yet_valid(case: Refused, path: Sequence[Certificate]) -> str:
    early = next((c for c in path if c.not_valid_before_utc > case.now), path[0])
    return f"{_which(early, path)} is good only from {_utc(early.not_valid_before_utc)}{_by_our_clock(case)}"


def _which(certificate: Certificate, path: Sequence[Certificate]) -> str:
    """The server's own is known by its hosts: a common name in it is out of use (RFC 9110, section 4.3.4)."""
    if certificate is path[0]:
        return f"certificate for {_names_of(certificate)}"
    kind = "root" if certificate.subject == certificate.issuer else "intermediate"
    return f"{kind} certificate {_quoted(certificate.subject)}"


def _by_our_clock(case: Refused) -> str:
    return f" (this gateway's clock: {_utc(case.now)})"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _names_of(leaf: Certificate) -> str:
    """Whom it is for: a few of the names, for there may be a hundred."""
    names: list[str] = []
    with suppress(ExtensionNotFound):
        alternatives = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
        names += alternatives.get_values_for_type(DNSName)
        names += map(str, alternatives.get_values_for_type(IPAddress))
    if not names:
        return _quoted(leaf.subject)
    more = len(names) - _NAMED_MAX_COUNT
    return ", ".join(n[:NAME_MAX_CHARACTERS] for n in names[:_NAMED_MAX_COUNT]) + (
        f" and {more} more" if more > 0 else ""
    )


def _quoted(name: Name) -> str:
    """The common name, else the organisation, else all there is."""
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if values := name.get_attributes_for_oid(oid):
            return f'"{str(values[0].value)[:NAME_MAX_CHARACTERS]}"'
    return f'"{name.rfc4514_string()[:NAME_MAX_CHARACTERS]}"'
