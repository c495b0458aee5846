"""The fleet through the program itself: the API, the page, the table and the commands, with a bundle that it has."""

import csv
import hashlib
import json
import shutil
from io import StringIO

import pytest

from classready.box import Box
from collector.fleet_api import CSV_PATH, PATH, UPGRADE_PATH
from tests.component.test_enrolment_command import say
from tests.support.collecting import TOKENS, Collector, body, pings, wait_until
from tests.unit.test_collector_cli import call

HELD, BESIDE = "0.1.0-aaaaaaaa", "0.2.0-bbbbbbbb"


def write_bundle(folder, version):
    folder.mkdir()
    text = f"{version}\n"
    (folder / "VERSION").write_text(text)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  VERSION\n")
    (folder / "SHA256SUMS.sig").write_bytes(b"signature")


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """Two bundles, one of them half copied; one gateway that told of its box, and one that never reported."""
    folder = tmp_path_factory.mktemp("collector")
    bundles = folder / "bundles"
    bundles.mkdir()
    write_bundle(bundles / f"classready-{HELD}", HELD)
    write_bundle(bundles / f"classready-{BESIDE}", BESIDE)
    shutil.copytree(bundles / f"classready-{BESIDE}", bundles / "classready-half")
    (bundles / "classready-half/VERSION").write_text("0.3.0-half\n")
    (bundles / "classready-half/SHA256SUMS.sig").unlink()
    made = Collector(folder, f"enrolment: {{bundle_dir: bundles/classready-{HELD}}}\n")
    made.start()
    sent = body(pings([1]), box=Box(release=HELD, certificate_expires_at=1.0), spool_records=1)
    headers = {"Authorization": f"Bearer {TOKENS['gw-one']}"}
    assert say(made, "/api/v1/reports", "POST", sent, **headers)[0] == 200
    yield made
    made.stop()


def get(collector, path):
    status, text, _ = say(collector, path)
    return status, json.loads(text)


def test_list(collector):
    """The worst first, filtered, in pages; what a gateway told of its box is there."""
    status, found = get(collector, f"{PATH}?lang=en")
    assert (status, found["total"], found["next_offset"]) == (200, 2, None)
    one, two = found["gateways"]
    assert (one["gateway"], one["release"], one["certificate_expires_at"], one["spool_records"]) == (
        "gw-one", HELD, 1.0, 1,
    )  # fmt: skip
    assert (one["schools"], one["school_names"]) == (["s1", "s2"], ["示例中心校", "示例教学点"])
    assert "certificate_expired" in [t["trouble"] for t in one["troubles"]]
    assert (two["last_heard_at"], two["enrolment"]) == (None, "by_hand")
    assert found["troubles"]["never_heard"] == 1
    assert get(collector, f"{PATH}?trouble=never_heard")[1]["gateways"][0]["gateway"] == "gw-two"
    page = get(collector, f"{PATH}?offset=1&limit=1")[1]
    assert (page["next_offset"], [row["gateway"] for row in page["gateways"]]) == (None, [two["gateway"]])
    assert get(collector, f"{PATH}?office=511402")[1]["total"] == 2


@pytest.mark.parametrize(("query", "status"), [("office=none", 404), ("trouble=none", 400), ("limit=0", 400)])
def test_wrong_questions(collector, query, status):
    assert get(collector, f"{PATH}?{query}")[0] == status


def test_table(collector):
    """One line a gateway, with a heading; the page's own table is the same."""
    status, text, headers = say(collector, f"{CSV_PATH}?lang=zh")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    heading, *lines = csv.reader(StringIO(text.decode("utf-8-sig")))
    assert (heading[0], {line[0] for line in lines}) == ("网关", {"gw-one", "gw-two"})
    assert all(len(line) == len(heading) for line in lines)
    assert say(collector, "/fleet.csv?lang=zh")[1] == text


def test_page(collector):
    """Chinese, with every gateway, and where to go on; a wrong filter is no page."""
    status, text, _ = say(collector, "/fleet")
    page = text.decode()
    assert status == 200
    for expected in (
        "网关设备",
        "示例中心校",
        "采集服务证书已过期",
        "从未上报",
        HELD,
        "/fleet.csv",
        "trouble=never_heard",
    ):
        assert expected in page, expected
    assert 'href="/fleet"' in say(collector, "/")[1].decode()
    assert say(collector, "/fleet?office=511402&trouble=never_heard")[0] == 200
    assert say(collector, "/fleet?trouble=<b>")[0] == 400


def test_commands(collector, tmp_path):
    """The list, a table, and an upgrade from its order to its end; only what the collector has can be a target."""
    done = call("fleet", "-c", str(collector.settings), "--lang", "zh")
    assert (done.exit_code, "gw-one  东坡区  " + HELD in done.output) == (0, True), done.output
    done = call("fleet", "-c", str(collector.settings), "--csv", str(tmp_path / "fleet.csv"))
    assert (done.exit_code, (tmp_path / "fleet.csv").read_text("utf-8-sig").count("\n")) == (0, 3), done.output
    everything = json.loads(call("fleet", "-c", str(collector.settings), "--json").output)
    assert [row["gateway"] for row in everything["gateways"]] == ["gw-one", "gw-two"]

    def upgrade(*words):
        return call("fleet", "upgrade", "-c", str(collector.settings), "--by", "王主任", *words)

    assert "没有进行中的升级" in upgrade("--lang", "zh").output
    refused = upgrade("0.3.0-half", "--percent", "100")
    assert (refused.exit_code, BESIDE in refused.output) == (1, True), refused.output
    assert upgrade(BESIDE).exit_code == 1
    assert upgrade(BESIDE, "--canary", "none").exit_code == 1
    assert upgrade("--pause", "--percent", "5").exit_code == 2
    started = upgrade(BESIDE, "--percent", "100", "--lang", "zh")
    assert (started.exit_code, f"正在升级到 {BESIDE}" in started.output) == (0, True), started.output
    wait_until(lambda: get(collector, UPGRADE_PATH)[1]["waiting"] == 1)
    assert upgrade("--pause").exit_code == 0
    said = json.loads(call("fleet", "-c", str(collector.settings), "upgrade", "--json").output)
    assert (said["state"], said["by"], said["held"]) == ("paused", "王主任", [HELD, BESIDE])
    assert upgrade("--resume").exit_code == 0
    assert upgrade("--abort").exit_code == 0
    assert get(collector, UPGRADE_PATH)[1]["state"] == "aborted"


def test_files_of_every_release_that_it_has(collector):
    """By its name, and nothing that is not in it; a bundle that was half copied is none."""
    for version in (HELD, BESIDE):
        status, text, _ = say(collector, f"/install/release/{version}/VERSION")
        assert (status, text.decode().strip()) == (200, version)
    assert say(collector, f"/install/release/{BESIDE}/key")[0] == 404
    assert say(collector, "/install/release/0.3.0-half/VERSION")[0] == 404
    assert say(collector, f"/install/release/{BESIDE}/..%2f..%2fcollector.yml")[0] == 404
