"""Stand-ins for the smart-education platforms: HTTPS on loopback, with certificates of a throw-away authority.

Used by ``make demo`` and the tests. From another process, by the control socket::

    platform national off | on        platform national status 503        list
"""

import argparse
import asyncio
import datetime as dt
import ipaddress
import json
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Self

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from bench.demo import control

DAY = dt.timedelta(days=1)


class Authority(Struct, frozen=True):
    """A certificate authority of one run; trust it by ``ca_file``."""

    directory: Path
    ca_file: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


class Certificate(Struct, frozen=True):
    certificate_file: Path
    key_file: Path
    expires_at: float

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


def make_authority(directory: Path) -> Authority:
    """Make a new authority; ``ca.pem`` in ``directory`` is what clients trust."""
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("classready throw-away CA")
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 400 * DAY)
        .not_valid_after(now + 400 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_signs_certificates(), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca_file = directory / "ca.pem"
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(directory, ca_file, key, certificate)


def issue(authority: Authority, *names: str, expired: bool = False, label: str | None = None) -> Certificate:
    """A server certificate for host names and addresses, valid for 90 days, or expired since yesterday."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    expires = now - DAY if expired else now + 90 * DAY
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(names[0]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 100 * DAY)
        .not_valid_after(expires)
        .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    stem = label or names[0].replace(":", "_")
    certificate_file, key_file = authority.directory / f"{stem}.pem", authority.directory / f"{stem}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate(certificate_file, key_file, expires.timestamp())


def _signs_certificates() -> x509.KeyUsage:
    unused = (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **dict.fromkeys(unused, False))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Platform:
    """One site. Off = its port is closed; on again = the same port."""

    def __init__(self, certificate: Certificate | None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.certificate = certificate
        self.host, self.port = host, port
        self.status = 200
        self.request_count = 0
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{self.host}:{self.port}/"

    async def switch_on(self) -> None:
        if self._site:
            return
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        context = self.certificate.context() if self.certificate else None
        self._site = web.TCPSite(self._runner, self.host, self.port, ssl_context=context, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def switch_off(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._runner = self._site = None

    async def _answer(self, _request: web.Request) -> web.Response:
        self.request_count += 1
        headers = {"Location": "/elsewhere"} if 300 <= self.status < 400 else None
        return web.Response(status=self.status, text="<!doctype html><title>platform</title>\n" * 20, headers=headers)


class Platforms:
    """Platforms by name. Use as ``async with Platforms() as platforms``."""

    def __init__(self) -> None:
        self.platforms: dict[str, Platform] = {}
        self._control: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._control:
            self._control.close()
        for platform in self.platforms.values():
            await platform.switch_off()

    async def add(self, name: str, platform: Platform) -> Platform:
        await platform.switch_on()
        self.platforms[name] = platform
        return platform

    async def control(self, port: int = 0) -> int:
        """Open the control socket; returns its port."""
        self._control = await control.serve(self.command, port)
        return control.port_of(self._control)

    async def command(self, words: list[str]) -> str | None:
        """One line of the control socket, in words."""
        match words:
            case ["list"]:
                return json.dumps({name: platform.url for name, platform in self.platforms.items()})
            case ["platform", name, "status", status]:
                self.platforms[name].status = int(status)
            case ["platform", name, "off"]:
                await self.platforms[name].switch_off()
            case ["platform", name, "on"]:
                await self.platforms[name].switch_on()
            case _:
                raise ValueError("list | platform NAME off|on|status CODE")
        return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.demo.platforms", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    where = "NAME=HOST:PORT"
    parser.add_argument("--directory", type=Path, required=True, help="where ca.pem and the certificates go")
    parser.add_argument("--platform", action="append", default=[], metavar=where, help="port 0 takes a free one")
    parser.add_argument("--expired", action="append", default=[], metavar=where, help="one with an expired certificate")
    parser.add_argument("--name", action="append", default=[], help="a further host name in every certificate")
    parser.add_argument("--control", type=int, default=0, metavar="PORT", help="control socket on 127.0.0.1")
    return parser.parse_args()


async def main() -> None:
    options = _arguments()
    authority = make_authority(options.directory)
    async with Platforms() as platforms:
        for text in (*options.platform, *options.expired):
            name, _, address = text.rpartition("=")
            host, port = control.parse_address(address)
            certificate = issue(authority, host, *options.name, expired=text in options.expired, label=name)
            await platforms.add(name, Platform(certificate, host, port))
        control_port = await platforms.control(options.control)
        urls = {name: platform.url for name, platform in platforms.platforms.items()}
        print(json.dumps({"control": control_port, "ca_file": str(authority.ca_file), "platforms": urls}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
