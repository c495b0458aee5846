"""A box that was copied with its spool: two real agents under one name, and the collector between them."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from urllib.request import urlopen

import pytest

from tests.support.collecting import Collector, wait_until

SETTINGS = """\
gateway: gw-one
link: {{kind: http, url: "{url}", token_file: token}}
state_dir: state
page: null
report_interval_s: 1
targets:
  - {{name: p1, kind: http, url: "http://127.0.0.1:9/", interval_s: 0.2}}
  - {{name: p2, kind: http, url: "http://127.0.0.1:9/", interval_s: 0.2}}
"""


class Agent:
    def __init__(self, folder, url):
        self.folder, self.process = folder, None
        folder.mkdir(exist_ok=True)
        (folder / "agent.yml").write_text(SETTINGS.format(url=url))
        (folder / "token").write_text("token-one")
        (folder / "token").chmod(0o600)

    def start(self, boot):
        environment = {**os.environ, "CLASSREADY_BOOT_ID": str(uuid.uuid5(uuid.NAMESPACE_OID, boot))}
        environment.pop("STATE_DIRECTORY", None)
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "agent", "run", "-c", self.folder / "agent.yml"]
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0, (self.folder / "log").read_text()

    def numbers(self):
        """Return (how many numbers it gave away, how many records it holds, its spool id)."""
        file = f"file:{self.folder}/state/spool.db?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True)) as spool:
            (last,) = spool.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone() or (0,)
            (held,) = spool.execute("SELECT count(*) FROM record").fetchone()
            (spool_id,) = spool.execute("SELECT spool_id FROM identity").fetchone()
        return last, held, spool_id


@pytest.fixture
def collector(tmp_path):
    made = Collector(tmp_path)
    made.start()
    yield made
    made.stop()


def refused(collector):
    with urlopen(f"{collector.url}/api/v1/schools/s1", timeout=10) as answer:
        (gateway,) = json.load(answer)["gateways"]
    return {each["reason"]: each["text"] for each in gateway["refused"]}


def ledgers(collector):
    """Spool id -> how many records of it were applied."""
    with contextlib.closing(sqlite3.connect(f"file:{collector.folder}/collector.db?mode=ro", uri=True)) as store:
        return dict(store.execute("SELECT spool_id, applied_records FROM ledger"))


@pytest.mark.parametrize("boots", [("aaaa", "aaaa"), ("aaaa", "bbbb")], ids=["one boot", "two boots"])
def test_two_agents_with_one_spool(tmp_path, collector, boots):
    """What either was told is stored is stored, once for each; the page of the school says that there are two."""
    first, other = Agent(tmp_path / "a", collector.url), Agent(tmp_path / "b", collector.url)
    first.start(boots[0])
    wait_until(lambda: sum(ledgers(collector).values()) >= 10)
    first.stop()
    shutil.copytree(first.folder / "state", other.folder / "state")
    common, common_held, _ = first.numbers()
    first.start(boots[0])
    other.start(boots[1])
    wait_until(lambda: {"copy", "twin"} & refused(collector).keys())
    text = next(text for reason, text in refused(collector).items() if reason in {"copy", "twin"})
    assert "同一身份" in text
    time.sleep(2)
    first.stop()
    other.stop()
    made, held = [sum(pair) for pair in zip(first.numbers()[:2], other.numbers()[:2], strict=True)]
    made, applied = made - common, sum(ledgers(collector).values())
    # an answer may be on its way when an agent ends, and what both held when the disk was copied comes from both
    assert made - held - common_held <= applied <= made + common_held, (made, held, ledgers(collector))
    assert len(ledgers(collector)) >= 2
    assert refused(collector).keys() >= ({"copy"} if boots[0] == boots[1] else {"twin"})
    assert first.numbers()[2] != other.numbers()[2]


def test_a_restored_image(tmp_path, collector):
    """The box goes on where its disk was a while ago: everything arrives, and nobody speaks of two machines."""
    box = Agent(tmp_path / "a", collector.url)
    box.start("aaaa")
    wait_until(lambda: sum(ledgers(collector).values()) >= 6)
    box.stop()
    shutil.copytree(box.folder / "state", tmp_path / "image")
    image, _, _ = box.numbers()
    box.start("bbbb")
    wait_until(lambda: sum(ledgers(collector).values()) >= image + 10)
    box.stop()
    before, before_held, _ = box.numbers()
    shutil.rmtree(box.folder / "state")
    (tmp_path / "image").rename(box.folder / "state")
    box.start("cccc")
    wait_until(lambda: sum(ledgers(collector).values()) >= before + 10)
    assert refused(collector).keys() == {"numbers"}
    box.stop()
    after, held, _ = box.numbers()
    applied = sum(ledgers(collector).values())
    made = before + after - image
    assert made - held - before_held <= applied <= made + before_held, ledgers(collector)
