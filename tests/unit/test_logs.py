"""Logs: one event, one line; nothing in a value can break it or move a cursor."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from classready import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_one_event_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends and escape sequences in a value stay inside their value."""
    logs.configure()
    structlog.get_logger().info("probe_finished", target="a\nb", detail="\x1b[31m红", count=3)
    (line,) = _lines(capsys)
    assert (line["event"], line["target"], line["detail"], line["count"]) == ("probe_finished", "a\nb", "\x1b[31m红", 3)
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback does not fall apart into lines without context."""
    logs.configure()
    try:
        int("two\nlines")
    except ValueError:
        structlog.get_logger().exception("probe_failed")
    (line,) = _lines(capsys)
    assert "ValueError: invalid literal" in line["exception"]


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    """What lies below the configured level is not written."""
    logs.configure(level="warning")
    structlog.get_logger().info("probe_started")
    structlog.get_logger().warning("probe_late")
    assert [line["event"] for line in _lines(capsys)] == ["probe_late"]


def test_libraries_speak_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's warning is a JSON line, too; its chatter is left out."""
    logs.configure()
    logging.getLogger("aiohttp.server").warning("bad request from %s", "10.1.2.3\n")
    logging.getLogger("aiohttp.access").info("GET /")
    (line,) = _lines(capsys)
    assert (line["event"], line["level"]) == ("bad request from 10.1.2.3\n", "warning")


def test_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal reads columns, in which values are quoted."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.configure()
    structlog.get_logger().info("probe_finished", detail="\x1b]0;title\x07")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "probe_finished" in told
    assert "\\x1b]0;title\\x07" in told


def test_a_traceback_at_a_terminal_shows_no_values(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """What variables held may be a token; drawing all of them would also stop the program for seconds."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.configure()
    token = "t-" + "secret"
    try:
        int(token[:1])
    except ValueError:
        structlog.get_logger().exception("probe_failed")
    told = capsys.readouterr().err
    assert "ValueError: invalid literal" in told
    assert "t-secret" not in told
