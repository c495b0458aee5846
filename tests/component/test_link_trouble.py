"""What the links say of a way that is closed: the address, the certificate and its fault, or this gateway's clock."""

import pytest

from agent import clock as clock_module
from agent.links import Keep, open_link
from agent.settings import HttpLink, MqttLink
from tests.support.chains import make, pem, showing
from tests.support.mosquitto import free_port
from tests.support.raw_servers import conversing, saying

ROOT = make("Bureau CA")
CHAINS = {
    "expired": (make("collector", ROOT, hosts=["127.0.0.1"], days=(-9, -2)), "expired at"),
    "other_host": (make("collector", ROOT, hosts=["board.example"]), "is for board.example, not for 127.0.0.1"),
    "foreign": (make("collector", make("Firewall"), hosts=["127.0.0.1"]), "which was not sent"),
    "too_early": (make("collector", ROOT, hosts=["127.0.0.1"], days=(2, 9)), "is good only from"),
}


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return str(path)


async def told(settings, until=bool):
    """What became of one report, and why."""
    async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
        keep = await link.send(b"{}", (1,))
        assert until(link.trouble)
        return keep, link.trouble


@pytest.mark.parametrize("name", CHAINS)
async def test_http_names_the_fault_of_a_certificate(tmp_path, secret, name):
    """`tls` alone sends a technician to guess; whose certificate it is and what is wrong with it does not."""
    leaf, expected = CHAINS[name]
    async with conversing(saying(b""), showing(tmp_path, leaf)) as port:
        ca_file = str(pem(tmp_path / "ca.pem", ROOT))
        settings = HttpLink(url=f"https://127.0.0.1:{port}", token_file=secret, ca_file=ca_file, timeout_s=5)
        keep, why = await told(settings)
    assert keep == Keep(why="tls")
    assert expected in why
    assert "s3cret" not in why


# paho leaves the socket of a failed handshake to the collector of garbage.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("link", ["http", "mqtt"])
async def test_a_box_at_1970_is_told_as_that(tmp_path, secret, monkeypatch, link):
    """No certificate is good then: the clock is the one thing to mend, and is named with its date."""
    leaf, _ = CHAINS["too_early"]
    monkeypatch.setattr(clock_module.time, "time", lambda: 13.0)
    async with conversing(saying(b""), showing(tmp_path, leaf)) as port:
        ca_file = str(pem(tmp_path / "ca.pem", ROOT))
        url = f"https://127.0.0.1:{port}"
        settings = (
            HttpLink(url=url, token_file=secret, ca_file=ca_file, timeout_s=5)
            if link == "http"
            else MqttLink(host="127.0.0.1", port=port, password_file=secret, ca_file=ca_file, timeout_s=1.5)
        )
        _, why = await told(settings)
    assert "this gateway's clock says 1970-01-01 00:00 UTC" in why
    assert "set the clock" in why


async def test_nobody_there_names_who_refused(secret):
    """The address that refused, or the name that nobody knows."""
    keep, why = await told(HttpLink(url=f"http://127.0.0.1:{free_port()}", token_file=secret))
    assert (keep, why) == (Keep(why="disconnected"), "refused: 127.0.0.1")
    _, why = await told(HttpLink(url="https://no-such-host.invalid", token_file=secret, timeout_s=5))
    assert "no-such-host.invalid" in why


async def test_trouble_that_is_over_is_not_told_any_more(secret):
    """A report that gets through takes the last one's trouble away."""
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    async with conversing(saying(answer)) as port:
        settings = HttpLink(url=f"http://127.0.0.1:{port}", token_file=secret, timeout_s=5)
        async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
            link.trouble = "refused: 127.0.0.1"
            assert await link.send(b"{}", (1,)) == Keep(why="denied")
            assert link.trouble == ""


async def test_until_when_the_collectors_certificate_is_good(tmp_path, secret):
    """Told while it is good: when it ends no report gets through any more."""
    leaf = make("collector", ROOT, hosts=["127.0.0.1"], days=(-9, 20))
    async with conversing(saying(b""), showing(tmp_path, leaf)) as port:
        ca_file = str(pem(tmp_path / "ca.pem", ROOT))
        settings = HttpLink(url=f"https://127.0.0.1:{port}", token_file=secret, ca_file=ca_file, timeout_s=5)
        async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
            assert link.certificate_expires_at is None
            await link.send(b"{}", (1,))
            assert link.certificate_expires_at == leaf.ends_at
