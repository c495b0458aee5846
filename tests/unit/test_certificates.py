"""The words for certificates that were refused, however strange these are."""

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.certificates import Refused, explain
from classready.observation import Reason
from tests.support.chains import Made, make

ROOT = make("Root")
LEAF = make("platform", ROOT, hosts=["platform.test"], public=True)
CODES = [7, 9, 10, 18, 19, 20, 21, 24, 26, 62, 64, 66, 68]
"""X509_V_ERR_*: signatures, dates, issuers, purposes, names, weak keys and digests."""


def case(verify_code: int, *, public_store: bool = False) -> Refused:
    now = dt.datetime.now(dt.UTC)
    return Refused(verify_code=verify_code, openssl="no", host="platform.test", now=now, public_store=public_store)


def der(*made: Made) -> list[bytes]:
    return [one.certificate.public_bytes(Encoding.DER) for one in made]


def swapped(made: Made, what: bytes, other: bytes) -> bytes:
    (whole,) = der(made)
    assert what in whole
    return whole.replace(what, other)


FOUND = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.lan/issuer.cer")
        )
    ]
)
VERSION_3, VERSION_4 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"
KEY_ID, BASIC = b"\x55\x1d\x0e", b"\x55\x1d\x13"
"""The last bytes of subjectKeyIdentifier's and basicConstraints' OIDs (RFC 5280)."""


@pytest.mark.parametrize(
    "shown",
    [[], [b""], [b"no certificate"], [swapped(LEAF, VERSION_3, VERSION_4)], [swapped(LEAF, KEY_ID, BASIC)]],
    ids=["none", "empty", "garbage", "version 4", "an extension twice"],
)
@pytest.mark.parametrize("verify_code", CODES)
def test_what_cannot_be_read(shown: list[bytes], verify_code: int) -> None:
    """OpenSSL's words remain, and that dates decided."""
    refusal = explain(case(verify_code), shown)
    assert (refusal.reason, refusal.by_clock) == (Reason.TLS_INVALID, verify_code in {9, 10})
    assert refusal.detail


def test_a_companion_that_cannot_be_read() -> None:
    """It is passed over."""
    refusal = explain(case(20), [*der(make("platform", ROOT, hosts=["h"])), b"garbage", *der(ROOT)])
    assert (refusal.reason, refusal.detail[:36]) == (Reason.AUTHORITY_UNKNOWN, 'signed by another authority, "Root":')


@pytest.mark.parametrize("verify_code", [7, 24, 26, 66, 68, 10_000])
def test_other_refusals(verify_code: int) -> None:
    """Whatever else OpenSSL minds is told in its words, with the certificate."""
    assert explain(case(verify_code), der(LEAF)).detail == "no: certificate for platform.test"


def test_a_circle_of_issuers() -> None:
    """Two that signed for each other end the search."""
    one = make("One", ROOT)
    other = make("Root", one, key=ROOT.key)
    refusal = explain(case(20, public_store=True), der(make("h", one, hosts=["h"]), one, other))
    assert refusal.reason is Reason.AUTHORITY_UNKNOWN
    assert '"One"' in refusal.detail


@pytest.mark.parametrize(
    "extension",
    [
        x509.PrecertificateSignedCertificateTimestamps([]),
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.2"), None)]),
        FOUND,
    ],
    ids=["logged", "policy", "where its issuer is found"],
)
def test_marks_of_a_kept_authority(extension: Any) -> None:
    """Each of them shows that the missing issuer is the platform's to send."""
    leaf = make("platform", make("Public Intermediate", ROOT), hosts=["h"], extensions=[extension])
    refusal = explain(case(20, public_store=True), der(leaf))
    assert (refusal.reason, refusal.expires_at) == (Reason.TLS_INVALID, leaf.ends_at)
    assert refusal.detail.startswith('the intermediate certificate "Public Intermediate" was not sent')


@pytest.mark.parametrize("public_store", [True, False])
def test_a_mark_that_private_authorities_set_too(*, public_store: bool) -> None:
    """Where the issuer is found is written by a school's own authority as well: its root, shown, is another one."""
    root = make("School AD CA")
    leaf = make("platform", root, hosts=["h"], extensions=[FOUND])
    refusal = explain(case(19, public_store=public_store), der(leaf, root))
    assert (refusal.reason, refusal.expires_at) == (Reason.AUTHORITY_UNKNOWN, None)


@pytest.mark.filterwarnings("ignore")  # cryptography warns of odd serial numbers and long names
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: st.DataObject) -> None:
    """Certificates with bytes turned over are explained, in one way or the other."""
    shown = [bytearray(one) for one in der(LEAF, ROOT)]
    for one in shown:
        for at in data.draw(st.lists(st.integers(0, len(one) - 1), max_size=3)):
            one[at] = data.draw(st.integers(0, 255))
    verify_code, public_store = data.draw(st.sampled_from(CODES)), data.draw(st.booleans())
    assert explain(case(verify_code, public_store=public_store), [bytes(one) for one in shown]).detail
