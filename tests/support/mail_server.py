"""A mail server that speaks the real protocol, over TLS or with STARTTLS, and refuses as it is told."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Post:
    """``answers`` maps a command (RCPT, DATA, MAIL, AUTH) to what is said instead of yes."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.user, self.password = user, password
        self.answers: dict[str, str] = {}
        self.received: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.was_encrypted: list[bool] = []
        self.login_count = 0

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.login_count += 1
        if "AUTH" in self.answers:
            return AuthResult(success=False, handled=False, message=self.answers["AUTH"])
        assert isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == (self.user, self.password)
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - its name there
        if "MAIL" not in self.answers:
            envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.was_encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK queued as 1"


@asynccontextmanager
async def serving(
    post: Post, tls: ssl.SSLContext | None, *, implicit: bool = True, size_max: int = 10_000_000
) -> AsyncIterator[int]:
    """Serve on loopback; yield the port. ``tls`` None = a server that cannot encrypt."""
    loop = asyncio.get_running_loop()
    by_command = tls is not None and not implicit

    def made() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it wants AUTH behind STARTTLS, and does not know of TLS from the start
            return SMTP(
                post,
                hostname="mail.example",
                data_size_limit=size_max,
                tls_context=tls if by_command else None,
                require_starttls=by_command,
                authenticator=post.authenticate if post.user else None,
                auth_required=bool(post.user),
                auth_require_tls=by_command,
                loop=loop,
            )

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls if implicit else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
