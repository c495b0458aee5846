"""E-mail against a server that speaks the real protocol: encrypted or not at all, and every refusal by its meaning."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

import pytest

from collector.notify import NOTIFIERS, mail
from collector.notify.contract import Deferred, Misconfigured, Notifier, Refused
from collector.notify.message import Message, render
from collector.notify.robot.budget import Budgets
from collector.notify.robot.tools import Tools
from collector.settings import EmailReceiver
from collector.text import Names
from tests.support.chains import make, pem, showing
from tests.support.mail_server import Post, serving
from tests.support.samples import NAMES, alert, notice

PASSWORD = "canary +/code"
NOW = 1_760_000_400.0


def message(schools: int = 1, names: Names = NAMES) -> Message:
    members = [alert(f"s{n}", f"第{n}中心小学", rooms=30) for n in range(schools)]
    return render(notice(*members, remaining_classrooms=30), "zh", names)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Return (what the server shows, whom a client trusts, whom it should not)."""
    folder = tmp_path_factory.mktemp("mail")
    root, foreign = make("authority"), make("foreign")
    leaf = make("mail", root, hosts=["127.0.0.1"])
    trusted = ssl.create_default_context(cafile=str(pem(folder / "root.pem", root)))
    distrusted = ssl.create_default_context(cafile=str(pem(folder / "foreign.pem", foreign)))
    return showing(folder, leaf), trusted, distrusted


@asynccontextmanager
async def mailer(
    post: Post, shown: ssl.SSLContext | None, trusted: ssl.SSLContext, *, tls: str = "tls", password: str = PASSWORD
) -> AsyncIterator[Notifier]:
    async with serving(post, shown, implicit=tls == "tls" and shown is not None) as port:
        receiver = EmailReceiver(
            name="mail",
            host="127.0.0.1",
            port=port,
            tls=tls,  # type: ignore[arg-type]
            user=post.user or None,
            sender="classready@edu.example",
            to="admin@edu.example",
        )
        tools = Tools(session=None, budgets=Budgets(), clock=lambda: NOW, tls={"mail": trusted})  # type: ignore[arg-type]
        secrets = {"password_file": password} if post.user else {}
        yield NOTIFIERS[EmailReceiver](receiver, tools, secrets)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
@pytest.mark.parametrize("user", ["", "classready"])
async def test_a_mail_arrives(chain, tls, user):
    """Encrypted, as one address to one other, with the facts as text and a subject that says what is the matter."""
    shown, trusted, _ = chain
    post = Post(user, PASSWORD)
    async with mailer(post, shown, trusted, tls=tls) as send_to:
        said = await send_to.send(message(schools=60))
    assert "queued as 1" in said
    [taken], [envelope] = post.received, post.envelopes
    assert post.was_encrypted == [True]
    assert envelope == ("classready@edu.example", ["admin@edu.example"])
    assert taken["Subject"] == "【告警】东坡区教育和体育局:学校上联带宽低于要求"
    assert parsedate_to_datetime(taken["Date"]).timestamp() == NOW
    assert taken["Message-ID"].endswith("@edu.example>")
    assert taken["Auto-Submitted"] == "auto-generated"
    assert taken.get_content_type() == "text/plain"
    assert "60 所学校 1800 间教室" in taken.get_content()
    assert taken.get_content().count("中心小学") == 60


async def test_a_storm_is_cut_between_schools(chain):
    """A mail stays readable: what is longer comes in parts, with the number in the subject."""
    shown, trusted, _ = chain
    post = Post()
    async with mailer(post, shown, trusted) as send_to:
        for part in send_to.parts(message(schools=1_500)):
            await send_to.send(part)
    texts = [taken.get_content() for taken in post.received]
    assert [taken["Subject"][-5:] for taken in post.received] == ["(1/2)", "(2/2)"]
    assert 90_000 < len(texts[0].encode()) <= mail.TEXT_MAX_BYTES + 1
    assert sum(text.count("中心小学") for text in texts) == 1_500


@pytest.mark.parametrize(
    "office", ["x\r\nBcc: all@edu.example", "x\nSubject: y", "=?utf-8?b?eA==?=", "@all <b>", "\u2028\u202e"]
)
async def test_a_name_adds_no_header(chain, office):
    """Nothing that a name holds becomes a header, a recipient or markup."""
    shown, trusted, _ = chain
    post = Post()
    async with mailer(post, shown, trusted) as send_to:
        await send_to.send(message(names=Names(offices={"511402": office})))
    [taken] = post.received
    assert post.envelopes == [("classready@edu.example", ["admin@edu.example"])]
    ours = "Auto-Submitted Content-Transfer-Encoding Content-Type Date From MIME-Version Message-ID Subject To"
    assert sorted(taken.keys()) == ours.split()
    assert taken["Subject"] == message(names=Names(offices={"511402": office})).title


@pytest.mark.parametrize(
    ("command", "answer", "error", "reason"),
    [
        ("RCPT", "550 5.1.1 no such user", Misconfigured, "bad_recipient"),
        ("RCPT", "450 4.2.1 try later", Deferred, "busy"),
        ("MAIL", "553 5.7.1 sender not owned by user", Misconfigured, "bad_sender"),
        ("MAIL", "451 4.3.0 try later", Deferred, "busy"),
        ("DATA", "554 5.7.1 looks like spam", Refused, "rejected"),
        ("DATA", "552 5.3.4 message too big", Refused, "too_long"),
        ("DATA", "452 4.3.1 no space", Deferred, "busy"),
        ("AUTH", "535 5.7.8 wrong, said canary +/code", Misconfigured, "bad_login"),
        ("AUTH", "454 4.7.0 try later", Deferred, "busy"),
    ],
)
async def test_refusals(chain, command, answer, error, reason):
    """4xx passes, 5xx is the message, the address or the login; what the server repeats is no password."""
    shown, trusted, _ = chain
    post = Post("classready", PASSWORD)
    post.answers[command] = answer
    async with mailer(post, shown, trusted) as send_to:
        with pytest.raises((Deferred, Refused)) as raised:
            await send_to.send(message())
    assert (type(raised.value), raised.value.reason) == (error, reason)
    assert answer[:3] in raised.value.said
    assert "canary" not in f"{raised.value.said} {raised.value!r} {raised.value.__context__!r}"
    assert post.received == []


async def test_a_wrong_password(chain):
    """Told as what it is."""
    shown, trusted, _ = chain
    post = Post("classready", "another")
    async with mailer(post, shown, trusted, tls="starttls") as send_to:
        with pytest.raises(Misconfigured) as raised:
            await send_to.send(message())
    assert raised.value.reason == "bad_login"


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_nothing_goes_in_the_clear_or_to_strangers(chain, tls):
    """A server without TLS, or with a certificate that is not trusted, gets neither password nor message."""
    shown, trusted, distrusted = chain
    post = Post("classready", PASSWORD)
    for served, believed in ((None, trusted), (shown, distrusted)):
        async with mailer(post, served, believed, tls=tls) as send_to:
            with pytest.raises(Deferred) as raised:
                await send_to.send(message())
        assert raised.value.reason in {"unreachable", "timeout"}
    assert (post.received, post.login_count) == ([], 0)
    assert "certificate" in raised.value.said.lower()


async def test_nobody_there_or_silent(chain, monkeypatch):
    """A closed port and a server that says nothing come back in time."""
    _, trusted, _ = chain
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.2)
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    receiver = EmailReceiver(name="mail", host="127.0.0.1", port=port, sender="a@b.example", to="c@d.example")
    tools = Tools(session=None, budgets=Budgets(), tls={"mail": trusted})  # type: ignore[arg-type]
    send_to = NOTIFIERS[EmailReceiver](receiver, tools, {})
    with pytest.raises(Deferred) as raised:
        await send_to.send(message())
    assert raised.value.reason == "timeout"
    silent.close()
    for writer in writers:
        writer.close()
    with pytest.raises(Deferred) as raised:
        await send_to.send(message())
    assert raised.value.reason == "unreachable"


async def test_at_most_twenty_a_minute(chain):
    """Providers close accounts that send in bursts."""
    shown, trusted, _ = chain
    post = Post()
    async with mailer(post, shown, trusted) as send_to:
        for _ in range(20):
            await send_to.send(message())
        with pytest.raises(Deferred) as raised:
            await send_to.send(message())
    assert raised.value.reason == "rate"
    assert len(post.received) == 20
