"""Certificates and their issuers, made in a moment: good, late and foreign ones, and what servers show of them."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from msgspec import Struct

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


class Made(Struct, frozen=True):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def ends_at(self) -> float:
        return self.certificate.not_valid_after_utc.timestamp()


def make(
    name: str,
    issuer: Made | None = None,
    *,
    hosts: Sequence[str] = (),
    days: tuple[float, float] = (-400, 90),
    key: ec.EllipticCurvePrivateKey | None = None,
    public: bool = False,
    extensions: Sequence[x509.ExtensionType] = (),
) -> Made:
    """A certificate for ``hosts``, or without any an authority's; by itself where there is no ``issuer``.

    ``days`` from now it is good. ``public``: with a policy and the place of its issuer in it, as public ones.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + dt.timedelta(days=days[0]))
        .not_valid_after(NOW + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer.key if issuer else key
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(known, critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if public:
        where = x509.UniformResourceIdentifier("http://authority.example/issuer.cer")
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        policy = x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)
        extensions = [x509.AuthorityInformationAccess([access]), x509.CertificatePolicies([policy]), *extensions]
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Made(builder.sign(signer, hashes.SHA256()), key)


def showing(directory: Path, leaf: Made, *others: Made) -> ssl.SSLContext:
    """What a server needs that shows ``leaf`` and ``others``, in this order."""
    file = pem(directory / f"server-{leaf.certificate.serial_number:x}-{len(others)}.pem", leaf, *others)
    with file.open("ab") as more:
        more.write(leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def pem(file: Path, *made: Made) -> Path:
    file.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in made))
    return file


def key_pem(file: Path, made: Made) -> Path:
    file.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    return file


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
