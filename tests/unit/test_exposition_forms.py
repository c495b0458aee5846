"""The forms of a page: which one is asked for, and gzip that every reader takes."""

import gzip
import subprocess
import zlib

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from collector import web as pages
from collector.core.policy import Policy
from collector.exposition import Exposition
from collector.exposition.negotiation import OPENMETRICS, TEXT, wants_gzip, wants_openmetrics
from collector.exposition.pieces import STORED_MAX_BYTES, Deflater, gzipped, plain
from collector.views import Bureau, Kept
from tests.support.samples import NAMES, NOW, demo_school

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
VICTORIA = "text/plain;version=0.0.4;q=1,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,*/*;q=0.8", False),
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        (VICTORIA, False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; Version=1.0.0", True),
        ('application/openmetrics-text; version="1.0.0"', True),
        ("application/openmetrics-text; version=2.0.0", False),
        ("application/openmetrics-text; version=2.0.0, application/openmetrics-text; version=1.0.0; q=0.1", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.4,text/plain", False),
        ("application/openmetrics-text;q=1,text/plain;q=1", True),
        ("application/openmetrics-text;q=nan", False),
        ("application/openmetrics-text;q=7", False),
        ("application/openmetrics-text;q=", False),
        (";;,,=;q", False),
    ],
)
def test_openmetrics_is_sent_to_who_names_it(accept: str, expected: bool) -> None:  # noqa: FBT001
    """By the weights of RFC 9110: liked no less than the text that everybody reads."""
    assert wants_openmetrics(accept) is expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, br", False),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q = 0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("identity;q=0.5, gzip;q=0.1", False),
        ("identity;q=0.1, gzip;q=0.5", True),
        ("identity;q=0, gzip", True),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_sent_to_who_takes_it(accept_encoding: str, expected: bool) -> None:  # noqa: FBT001
    """A weight of 0 is a refusal; without the header nothing is compressed."""
    assert wants_gzip(accept_encoding) is expected


@pytest.mark.parametrize(
    ("headers", "content_type", "is_gzip"),
    [
        ({"Accept": PROMETHEUS_2, "Accept-Encoding": "gzip"}, OPENMETRICS, True),
        ({"Accept": VICTORIA, "Accept-Encoding": "gzip"}, TEXT, True),
        ({"Accept": "*/*", "Accept-Encoding": "identity"}, TEXT, False),
        ({"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip;q=0"}, OPENMETRICS, False),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/metrics/office/511402", "/metrics/office/511421", "/metrics/all"])
async def test_a_page_comes_as_it_is_asked_for(
    path: str,
    headers: dict[str, str],
    content_type: str,
    is_gzip: bool,  # noqa: FBT001
) -> None:
    """Content type, coding and what caches must know go together on every page, an office without schools included."""
    async with TestClient(TestServer(application()), auto_decompress=False) as client:
        answer = await client.get(path, headers=headers)
        body = await answer.read()
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers.get("Content-Encoding") == ("gzip" if is_gzip else None)
    text = gzip.decompress(body) if is_gzip else body
    assert text.endswith(b"# EOF\n") == (content_type == OPENMETRICS)
    assert (b"classready_" in text) == (path != "/metrics/office/511421")


def application() -> web.Application:
    policy = Policy()
    exposition = Exposition(policy)
    school = demo_school()
    exposition.update(school, NOW)
    bureau = Bureau(
        schools=lambda: {"s": school},
        kept=lambda: Kept([school]),
        names=lambda: NAMES,
        policy=lambda: policy,
        clock=lambda: NOW,
    )
    app = web.Application()
    app.add_routes(pages.routes(bureau, exposition, lambda: True))
    return app


@pytest.mark.parametrize("length", [0, 1, STORED_MAX_BYTES, STORED_MAX_BYTES + 1, 100_000])
def test_pieces_of_every_size_join(length: int) -> None:
    """Nothing, stored and deflated pieces in any neighbourhood are one member, which says its length and checksum."""
    deflater = Deflater()
    texts = [b"x" * length, b"a" * 300, b"x" * length, b"", b"b"]
    joined = gzipped(deflater.piece(text) for text in texts)
    assert gzip.decompress(joined) == b"".join(texts)
    assert plain(deflater.piece(text) for text in texts) == b"".join(texts)


def test_a_damaged_page_is_noticed() -> None:
    """The checksum is of what was meant: a reader refuses other bytes."""
    piece = Deflater().piece(b"classready_school_info 1.0\n")
    joined = gzipped([piece])
    assert zlib.crc32(gzip.decompress(joined)) == piece.crc
    with pytest.raises(gzip.BadGzipFile, match="CRC"):
        gzip.decompress(joined.replace(b"1.0\n", b"2.0\n"))


@pytest.mark.parametrize("command", [["gzip", "-t"], ["gzip", "-lv"], ["zcat"], ["python3", "-m", "gzip", "-d", "-"]])
def test_usual_programs_read_it(command: list[str]) -> None:
    """One plain member without anything unusual in it."""
    exposition = Exposition(Policy())
    for n in range(70):
        exposition.update(demo_school(school=f"s{n}"), NOW)
    done = subprocess.run(
        command, input=gzipped(exposition.office("511402", NOW)), capture_output=True, check=True, timeout=30
    )
    if "-t" not in command and "-lv" not in command:
        assert done.stdout == plain(exposition.office("511402", NOW))
