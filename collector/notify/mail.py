"""E-mail, over TLS only: from the first byte (submissions, RFC 8314) or by STARTTLS, never in the clear.

One address per receiver: a list belongs to the mail server, and half of a message that is taken could neither be tried
again nor be given up.
"""

import ssl
from collections.abc import Mapping, Sequence
from email.header import Header
from email.mime.text import MIMEText
from email.utils import formatdate, make_msgid

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPTimeoutError,
)

from collector.notify.contract import Deferred, Refused, SettingReason
from collector.notify.message import Message
from collector.notify.robot.budget import Limit
from collector.notify.robot.codes import Later, Meaning, Mend, Never, failure
from collector.notify.robot.fitting import split, within, write
from collector.notify.robot.post import MINUTE_S
from collector.notify.robot.reply import quoted
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import EmailReceiver

TEXT_MAX_BYTES = 100_000
LIMITS = (Limit(20, MINUTE_S),)
TIMEOUT_S = 10.0
PORTS: Mapping[str, int] = {"tls": 465, "starttls": 587}
TOO_LARGE = 552


class Email:
    def __init__(self, settings: EmailReceiver, tools: Tools, secrets: Secrets) -> None:
        self._settings = settings
        self._port = settings.port or PORTS[settings.tls]
        self._password = secrets.get("password_file")
        self._tls = tools.tls.get(settings.name) or ssl.create_default_context()
        self._clock = tools.clock
        self._budget = tools.budgets.of(("email", settings.host, self._port, settings.user), LIMITS)

    def parts(self, message: Message) -> Sequence[Message]:
        return split(message, within(TEXT_MAX_BYTES, write))

    async def send(self, message: Message) -> str:
        mail = self._mail(message)
        self._budget.take()
        problem: Deferred | Refused
        try:
            return self._quoted(await self._submit(mail))
        except SMTPRecipientsRefused as error:
            problem = self._recipient_problem(error.recipients[0])
        except SMTPResponseException as error:
            problem = self._problem(error)
        except (SMTPTimeoutError, TimeoutError):
            problem = Deferred("timeout", retry_after_s=60)
        except (SMTPException, OSError) as error:
            problem = Deferred("unreachable", retry_after_s=60, said=self._quoted(str(error.__cause__ or error)))
        raise problem  # here, so that no exception with the server's words, or the password, hangs on it

    async def _submit(self, mail: MIMEText) -> str:
        implicit, domain = self._settings.tls == "tls", self._settings.sender.rpartition("@")[2]
        _, said = await aiosmtplib.send(
            mail,
            hostname=self._settings.host,
            port=self._port,
            username=self._settings.user,
            password=self._password,
            use_tls=implicit,
            start_tls=not implicit,
            tls_context=self._tls,
            local_hostname=domain,  # else it asks the DNS for this machine's name, which may take half a minute
            timeout=TIMEOUT_S,
        )
        return str(said)

    def _mail(self, message: Message) -> MIMEText:
        # EmailMessage loses spaces between the encoded words of a long subject (Python issue 92081); Header does not
        mail = MIMEText(write(message))
        mail["Subject"] = Header(message.title, "utf-8")  # type: ignore[assignment]
        mail["From"] = self._settings.sender
        mail["To"] = self._settings.to
        mail["Date"] = formatdate(self._clock())
        mail["Message-ID"] = make_msgid(domain=self._settings.sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes, please
        return mail

    def _recipient_problem(self, error: SMTPRecipientRefused) -> Deferred | Refused:
        return failure(error.code, self._quoted(f"{error.code} {error.message}"), _meaning(error.code, "bad_recipient"))

    def _problem(self, error: SMTPResponseException) -> Deferred | Refused:
        said = self._quoted(f"{error.code} {error.message}")
        if isinstance(error, SMTPAuthenticationError):
            return failure(error.code, said, _meaning(error.code, "bad_login"))
        if isinstance(error, SMTPSenderRefused):
            return failure(error.code, said, _meaning(error.code, "bad_sender"))
        if error.code == TOO_LARGE:
            return failure(error.code, said, Never("too_long"))
        return failure(error.code, said, _meaning(error.code))

    def _quoted(self, said: str) -> str:
        return quoted(said, [self._password or ""])


def _meaning(code: int, setting: SettingReason | None = None) -> Meaning:
    """4xx passes by itself, 5xx does not (RFC 5321, 4.2.1)."""
    if not 500 <= code < 600:
        return Later("busy", 60)
    return Never("rejected") if setting is None else Mend(setting)
