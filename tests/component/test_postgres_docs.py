"""docs/postgresql.md on a real server: role, database, address with a password file, backup and restore."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.support.collecting import Collector, body, pings
from tests.support.mosquitto import free_port
from tests.support.postgres import running_postgres

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "postgresql.md").read_text("utf-8")

pytestmark = pytest.mark.servers("postgres")


@pytest.fixture(scope="module")
def server():
    with running_postgres(tcp_port=free_port()) as postgres:
        yield postgres


def block(name: str) -> str:
    [found] = re.findall(rf"^```{name}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


def test_as_it_stands(server, tmp_path):
    """What the page says makes a collector at work, and what was backed up is there after a restore."""
    server.sql("DROP ROLE classready")
    make_role, make_database = block("sql").strip().splitlines()
    server.sql(make_role)
    server.sql(make_database)
    (tmp_path / "store-password").write_text("change-me\n")
    (tmp_path / "store-password").chmod(0o600)
    lines = block("yaml").replace(":5432/", f":{server.port}/").replace("%d/", "")
    collector = Collector(tmp_path, lines)
    collector.start()
    try:
        assert collector.ask("/api/v1/reports", body(pings([1, 2]))) == 200
        backup(server, "backup")
        assert collector.ask("/api/v1/reports", body(pings([3]))) == 200
    finally:
        assert collector.stop() == 0
    assert "change-me" not in collector.log
    server.sql("DROP DATABASE classready WITH (FORCE)")
    server.sql(make_database)
    backup(server, "restore")
    collector.start()
    try:
        assert json.loads(server.sql("SELECT ranges FROM ledger", "classready")) == [[1, 2]]
        assert collector.ask("/api/v1/reports", body(pings([3]))) == 200
        assert json.loads(server.sql("SELECT ranges FROM ledger", "classready")) == [[1, 3]]
    finally:
        assert collector.stop() == 0


def backup(server, name: str) -> None:
    program, *arguments = shlex.split(block(f"sh {name}"))
    server.call(program, f"--host={server.folder}", f"--port={server.port}", *arguments)


def test_a_wrong_password_is_said(server, tmp_path):
    """Who may not come in hears why, at the start, without the password."""
    address = f"store: {server.tcp_url('postgres', server.port).set(password=None)}\n"
    (tmp_path / "password").write_text("wrong-secret")
    (tmp_path / "password").chmod(0o600)
    collector = Collector(tmp_path, address + "store_password_file: password\n")
    with pytest.raises(RuntimeError, match="password authentication failed"):
        collector.start()
    assert "wrong-secret" not in collector.log
