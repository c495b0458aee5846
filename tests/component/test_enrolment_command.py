"""The command, the page ``/install`` and its script against the program itself: what is typed, and what comes of it."""

import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import time
from contextlib import closing
from functools import partial

import pytest

from collector.app.enrolling import sheet, span_s
from collector.releases import listed_file
from tests.support.chains import make, pem, showing
from tests.support.collecting import ROSTER, Collector, body, pings, write_roster
from tests.support.installing import path_with
from tests.support.mosquitto import free_port
from tests.unit.test_collector_cli import call

UNLISTED = ROSTER.replace("  - {id: gw-two, token_sha256: TWO, schools: [s3]}\n", "")
STAND_IN = """\
#!/bin/sh
cd "$(dirname "$0")"
{ printf 'argv: %s\\n' "$*"; printf 'stdin: '; cat; find . -type f | sort; } > "$RECORD"
"""
"""For the bundle's install.sh, which has its own tests: writes down how it was called."""


def write_bundle(folder):
    """A bundle with a nested file, and a file beside it that is not in it."""
    folder.mkdir()
    foreign = "wheels/x-1-cp311-cp311-manylinux_2_28_loongarch64.whl"
    files = {
        foreign: "x",
        "install.sh": STAND_IN,
        "wheels/classready-1.0-py3-none-any.whl": "wheel",
        "VERSION": "1.0\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    sums = [f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in files.items()]
    (folder / "SHA256SUMS").write_text("".join(sums))
    (folder / "SHA256SUMS.sig").write_bytes(b"signature")
    (folder / "key").write_text("not listed")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One for all: to start it takes longer than most tests."""
    folder = tmp_path_factory.mktemp("collector")
    (folder / "api-token").write_text("api-canary\n")
    (folder / "api-token").chmod(0o600)
    made = Collector(folder, "enrolment: {bundle_dir: bundle}\n")
    listen = f"listen: {{port: {made.port}, tokens: {{api_file: api-token, board_file: api-token}}}}\n"
    made.settings.write_text(listen + made.settings.read_text().partition("\n")[2])
    write_roster(folder, UNLISTED)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def collector(running):
    shutil.rmtree(running.folder / "bundle", ignore_errors=True)
    write_bundle(running.folder / "bundle")
    return running


def say(collector, path, method="GET", data=None, **headers):
    """Return (status, body, headers)."""
    with closing(http.client.HTTPConnection("127.0.0.1", collector.port, timeout=10)) as connection:
        connection.request(method, path, data, headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read(), answer.headers


def post(collector, path, data, token=None):
    """As a box does; return (status, what it said)."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    status, said, _ = say(collector, path, "POST", data, **headers)
    return status, json.loads(said)


def enroll(collector, *arguments):
    done = call("enroll", "-c", collector.settings, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def typed(line, tmp_path, **env):
    """Run what stands on a slip, as root would; return (exit code, what it said, how install.sh was called)."""
    record = tmp_path / "record"
    record.unlink(missing_ok=True)
    line = line.replace("sudo sh", "sh")
    done = subprocess.run(
        ["sh", "-c", line],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "RECORD": str(record), **env},
    )
    return done.returncode, done.stderr, record.read_text() if record.exists() else None


def test_the_line_of_a_slip_starts_the_installer(collector, tmp_path):
    """Every file is fetched and checked; the code comes to install.sh by a pipe; no file stays."""
    out = enroll(collector, "s3", "--by", "wang")
    line = out.splitlines()[1]
    assert line.startswith(f"curl -fsS {collector.url}/install | sudo sh -s -- ")
    code = line.split()[-1]
    status, said, called = typed(line, tmp_path, TMPDIR=str(tmp_path))
    assert (status, called.splitlines()[:2]) == (0, [f"argv: --enroll {collector.url}", f"stdin: {code}"]), said
    assert called.splitlines()[2:] == [
        "./SHA256SUMS",
        "./SHA256SUMS.sig",
        "./VERSION",
        "./install.sh",
        "./wheels/classready-1.0-py3-none-any.whl",
    ], "a wheel for another machine stays there"
    assert not list(tmp_path.glob("tmp.*"))
    assert "open, made" in enroll(collector, "--list")


@pytest.mark.parametrize(
    ("changed", "status", "sentence"),
    [
        ({"VERSION": "2.0\n"}, 10, "下载的文件有损坏"),
        ({"SHA256SUMS": f"{'0' * 64}  ../../etc/passwd\n"}, 10, "安装包中有异常文件名"),
        ({"SHA256SUMS": f"{'0' * 64}  $(id)\n"}, 10, "安装包中有异常文件名"),
        ({"SHA256SUMS": f"{'0' * 64}  gone\n"}, 13, "没能从采集服务"),
    ],
)
def test_a_bundle_that_is_not_whole_starts_nothing(collector, tmp_path, changed, status, sentence):
    """One clear sentence, its exit code, and no installer."""
    for name, text in changed.items():
        (collector.folder / "bundle" / name).write_text(text)
    line = f"curl -fsS {collector.url}/install | sh -s -- AAAA-BBBB-CCCC-DDDD"
    found, said, called = typed(line, tmp_path, LANG="zh_CN.UTF-8")
    assert (found, called) == (status, None), said
    assert sentence in said.splitlines()[-1]


def test_a_code_typed_in_groups_is_one(collector, tmp_path):
    """With spaces, as it is read out on the telephone: the last group alone would be a wrong code."""
    line = f"curl -fsS {collector.url}/install | sh -s -- AAAA BBBB CCCC DDDD"
    status, said, called = typed(line, tmp_path)
    assert (status, "stdin: AAAABBBBCCCCDDDD" in called.splitlines()) == (0, True), said


def test_no_room_for_the_bundle(collector, tmp_path):
    """The collector gave it; what lacks is here."""
    path = path_with(tmp_path / "bin", curl='case "$*" in */bundle/*) exit 23 ;; esac; PATH=${PATH#*:} exec curl "$@"')
    line = f"curl -fsS {collector.url}/install | sh -s -- AAAA-BBBB-CCCC-DDDD"
    status, said, called = typed(line, tmp_path, PATH=path, TMPDIR=str(tmp_path))
    assert (status, called) == (7, None), said
    assert f"no room in {tmp_path} for what is fetched" in said.splitlines()[-1]


def test_a_script_that_was_cut_does_nothing(collector):
    """Wherever the download ends, but for its last line."""
    text = say(collector, "/install")[1].decode()
    assert text.endswith('main "$@"\n')
    whole = text.removesuffix('main "$@"\n')
    for length in range(0, len(whole), 211):
        done = subprocess.run(
            ["sh", "-s", "--", "CODE"], input=whole[:length], capture_output=True, text=True, env={}, check=False
        )
        assert done.stdout == ""
        assert "install:" not in done.stderr


def test_a_box_whose_clock_is_wrong_is_told_first(collector, tmp_path):
    """Before anything is fetched."""
    (tmp_path / "bin").mkdir()
    date = tmp_path / "bin" / "date"
    date.write_text('#!/bin/sh\n[ "$1" = +%s ] && echo 7 || echo 1970-01-01\n')
    date.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    status, said, called = typed(
        f"curl -fsS {collector.url}/install | sh -s -- CODE", tmp_path, PATH=path, LANG="zh_CN.UTF-8"
    )
    assert (status, called) == (8, None)
    assert said.strip() == "install: 本机日期为 1970-01-01,请先校准时钟;登记码仍然有效"


def test_only_what_the_sums_list_is_served(collector):
    """No other file, no way out of the folder, and no way to what asks for a token."""
    get = partial(say, collector)
    bundle = collector.folder / "bundle"
    status, sent, headers = get("/install/bundle/wheels/classready-1.0-py3-none-any.whl")
    assert (status, sent, headers["Cache-Control"]) == (200, b"wheel", "no-cache")
    assert get("/install/bundle/VERSION", **{"If-None-Match": get("/install/bundle/VERSION")[2]["ETag"]})[0] == 304
    assert get("/install/bundle/VERSION", Range="bytes=1-")[:2] == (206, b".0\n")
    (bundle / "VERSION").unlink()
    (bundle / "VERSION").symlink_to(collector.folder / "api-token")
    for path in (
        "key", "VERSION", "../api-token", "%2e%2e/api-token", "..%2fapi-token", "/etc/passwd", "wheels", "x%00y", "",
        "../../metrics", "../../api/v1/schools", "..%2f..%2fapi%2fv1%2fschools",
    ):  # fmt: skip
        status, sent, _ = get(f"/install/bundle/{path}")
        assert status in {400, 401, 404}, path
        assert b"canary" not in sent
    assert get("/api/v1/enrolments")[0] == 401
    assert get("/install", Host="x$(id)")[0] == 400


def test_a_sheet_that_others_could_read_is_replaced(collector, tmp_path):
    """Not written into; and where none can be written no code is made, which would end those of slips handed out."""
    slips = tmp_path / "slips.csv"
    slips.write_text("of last year")
    slips.chmod(0o644)
    with slips.open() as reading:
        enroll(collector, "s3", "--sheet", str(slips))
        assert reading.read() == "of last year"
    assert (stat.S_IMODE(slips.stat().st_mode), list(tmp_path.iterdir())) == (0o600, [slips])
    before = enroll(collector, "--list")
    (tmp_path / "folder.csv").mkdir()
    for place in (tmp_path / "folder.csv", tmp_path / "none" / "slips.csv"):
        assert call("enroll", "-c", collector.settings, "s3", "--sheet", str(place)).exit_code != 0
    assert enroll(collector, "--list") == before


@pytest.mark.parametrize(
    "address",
    ["classready.example", "http://classready.example", "http://127.0.0.1.evil.example", "https://a b", "https://a'b",
     "https://u@a", "http://[::1]:9711", "file:///etc", ""],
)  # fmt: skip
def test_a_line_leads_to_https_alone(collector, address):
    """curl takes a bare name for http://, where anybody on the way could put another script in the place of ours."""
    done = call("enroll", "-c", collector.settings, "s3", "--url", address)
    assert (done.exit_code, "sudo sh" in done.output) == (0 if not address else 2, not address), done.output


def test_from_the_command_to_a_report_and_back(collector, tmp_path):
    """Codes, slips, a restart, a rotation, a revocation, and no secret where others can read."""
    sheets = tmp_path / "slips.html", tmp_path / "slips.csv"
    for slips in sheets:
        said = json.loads(
            enroll(collector, "--office", "511402", "--url", collector.url, "--json", "--sheet", str(slips))
        )
        assert stat.S_IMODE(slips.stat().st_mode) == 0o600
        assert said[0]["code"] in slips.read_text("utf-8")
        assert said[0]["line"].split()[-1] == said[0]["code"]
    assert "示例小学" in sheets[0].read_text("utf-8")
    collector.kill()
    collector.start()

    box = partial(post, collector)
    sent = json.dumps({"code": said[0]["code"], "name": "box-1", "clock": time.time()})
    status, given = box("/api/v1/enroll", sent)
    assert (status, given["gateway"]) == (200, "gw-s3")
    assert box("/api/v1/enroll", sent)[0] == 409
    report = body(pings([1]), gateway="gw-s3")
    assert box("/api/v1/reports", report, given["token"])[0] == 200
    collector.kill()
    collector.start()
    assert box("/api/v1/reports", report, given["token"])[0] == 200
    rotated = json.loads(enroll(collector, "--rotate", "gw-s3", "--url", collector.url, "--json"))
    new = box("/api/v1/enroll", json.dumps({"code": rotated[0]["code"]}))[1]["token"]
    assert "used " in enroll(collector, "--list")
    assert enroll(collector, "--revoke", "s3") == "gw-s3: 0 codes and 2 tokens taken back\n"
    for token in (given["token"], new):
        assert box("/api/v1/reports", report, token)[1]["reason"] == "revoked"
    secrets = [said[0]["code"], rotated[0]["code"], given["token"], new, "api-canary"]
    assert not [secret for secret in secrets if secret in collector.log]
    assert "gw-s3" in collector.log


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "--list, or --revoke"),
        (["s3", "--list"], 2, "--list, or --revoke"),
        (["s3"], 2, "Say --url"),
        (["s3", "--url", "https://c.example", "--valid-for", "soon"], 2, "such as 72h"),
        (["s3", "--url", "https://c.example", "--sheet", "slips.docx"], 2, ".html or .csv"),
        (["s3", "--url", "https://c.example"], 1, "no answer from the collector"),
    ],
)
def test_mistakes_on_the_command_line(tmp_path, arguments, status, words):
    """Said before anything is asked for."""
    write_roster(tmp_path)
    settings = tmp_path / "collector.yml"
    settings.write_text(f"listen: {{port: {free_port()}, behind_proxy: true}}\n")
    done = call("enroll", "-c", settings, *arguments)
    assert done.exit_code == status
    assert words in done.output


def test_check_says_that_there_is_no_bundle(tmp_path):
    """A folder that is not there, or that is no bundle, with its line."""
    write_roster(tmp_path)
    settings = tmp_path / "collector.yml"
    settings.write_text("enrolment:\n  bundle_dir: bundle\n")
    done = call("check", "-c", settings)
    assert f"{settings}:2: enrolment.bundle_dir: no SHA256SUMS in {tmp_path / 'bundle'}" in done.stderr
    write_bundle(tmp_path / "bundle")
    assert "SHA256SUMS" not in call("check", "-c", settings).stderr


def test_slips_are_text_whatever_a_school_is_called():
    """No markup in a page, no formula in a table."""
    odd = {
        "school_name": "=1+1<b>&",
        "school": "s",
        "office_name": "o",
        "gateway": "gw-s",
        "code": "C",
        "line": "a && b",
    }
    page = sheet([{**odd, "expires_at": 0.0}], ".html", "zh")
    assert "=1+1&lt;b&gt;&amp;" in page
    assert "a &amp;&amp; b" in page
    assert "登记码" in page
    assert "\n'=1+1<b>&," in sheet([{**odd, "expires_at": 0.0}], ".csv", "zh").replace("\r", "")


@pytest.mark.parametrize("given", ["folder", "nothing", "key"])
def test_an_authority_that_cannot_be_shown_is_a_mistake(tmp_path, given):
    """A file with the key beside the certificate, as some web servers want it, would be given to everybody."""
    file = tmp_path / "ca.pem"
    if given == "folder":
        file.mkdir()
    elif given == "nothing":
        file.write_text("nothing")
    else:
        showing(tmp_path, make("Bureau"))
        (both,) = tmp_path.glob("server-*.pem")
        both.rename(file)
    here = Collector(tmp_path, "enrolment: {ca_file: ca.pem}\n")
    done = call("check", "-c", here.settings)
    assert done.exit_code == 78
    words = {"folder": "Is a directory", "nothing": "holds no certificate", "key": "holds a private key"}[given]
    assert f"enrolment.ca_file: ca.pem: {words}" in done.output


def test_spans():
    assert [span_s(text) for text in ("30m", "72h", " 3D ")] == [1_800, 259_200, 259_200]


def test_a_bundle_that_is_not_there(tmp_path):
    """No folder, no sums, odd sums: nothing is served, and nothing fails."""
    assert listed_file(tmp_path / "none", "VERSION") is None
    assert listed_file(tmp_path, "SHA256SUMS") is None
    (tmp_path / "SHA256SUMS").write_bytes(b"\xff\xfe")
    assert listed_file(tmp_path, "VERSION") is None


def test_a_bureau_with_an_authority_of_its_own(tmp_path):
    """The line carries its digest: the real collector is trusted by it, and whoever stands in its place is not."""
    authority, other = make("Bureau"), make("Somebody")
    server = make("127.0.0.1", authority, hosts=["127.0.0.1"])
    pem(tmp_path / "ca.crt", authority)
    (tmp_path / "ca.crt").write_text(f"某市教育局\r\n{(tmp_path / 'ca.crt').read_text()}", "utf-8", newline="")
    showing(tmp_path, server)
    (both,) = tmp_path.glob("server-*.pem")
    both.chmod(0o600)
    write_bundle(tmp_path / "bundle")
    here = Collector(tmp_path, "enrolment: {bundle_dir: bundle, ca_file: ca.crt}\n")
    tls = f"listen: {{port: {here.port}, tls: {{cert_file: {both.name}, key_file: {both.name}}}}}\n"
    here.settings.write_text(tls + here.settings.read_text().partition("\n")[2])
    here.url = here.url.replace("http:", "https:")
    here.context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    write_roster(tmp_path, UNLISTED)
    here.start()
    try:
        line = enroll(here, "s3", "--url", here.url).splitlines()[1]
        (tmp_path / "box").mkdir()
        status, said, called = typed(line, tmp_path / "box")
        assert status == 0, said
        argv = called.splitlines()[0]
        assert re.fullmatch(rf"argv: --enroll {here.url} --ca-file /\S+/ca\.pem", argv)
        pem(tmp_path / "ca.crt", other)
        status, said, called = typed(line, tmp_path / "box")
        assert (status != 0, called) == (True, None)
        digest = line.split()[-2]
        script = f"curl -fsSk {here.url}/install | sh -s -- --ca-sha256 {digest} CODE"
        status, said, called = typed(script, tmp_path / "box")
        assert (status, called) == (10, None), said
        (tmp_path / "ca.crt").write_bytes(both.read_bytes())
        shown = subprocess.run(["curl", "-sk", f"{here.url}/install/ca.pem"], capture_output=True, check=False).stdout
        assert b"PRIVATE" not in shown, "a key that somebody puts there later goes to nobody"
    finally:
        here.stop()
