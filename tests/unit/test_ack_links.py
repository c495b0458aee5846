"""The link of a message: good for its incident, its time and by its collector's secret alone, which is kept."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from collector.ack_links import FILE_NAME, VALID_S, keep_key, link, standing
from collector.core.bureau.words import Acknowledgement
from collector.notify.message import render
from collector.notify.robot.fitting import split, within, write
from collector.notify.wecom import MARKDOWN
from tests.support.samples import NAMES, NOW, alert, notice

KEY = bytes(range(32))
BOARD = "https://board.edu.example/ops/"
NAMED = replace(NAMES, board_url=BOARD, acknowledge_url=lambda number, at: link(BOARD, number, at, KEY))


def asked(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return parts.path, query["until"][0], query["key"][0]


def test_it_holds_for_its_incident_until_it_expires() -> None:
    """To the second; and the same message has the same link each time."""
    path, until, key = asked(link(BOARD, "000012", NOW + 0.9, KEY))
    assert (path, int(until)) == ("/ops/incidents/000012/ack", int(NOW) + VALID_S)
    assert link(BOARD, "000012", NOW, KEY) == link(BOARD, "000012", NOW + 0.5, KEY)
    assert standing("000012", until, key, KEY, int(until) - 0.1) == "good"
    assert standing("000012", until, key, KEY, int(until)) == "expired"


@pytest.mark.parametrize("change", ["incident", "until", "key", "secret", "empty", "odd", "long", "sign", "digits"])
def test_everything_else_is_forged(change: str) -> None:
    """Another incident, a later date, another collector's secret, what is no date or no signature at all."""
    _, until, key = asked(link(BOARD, "000012", NOW, KEY))
    given: dict[str, str] = {"incident": "000012", "until": until, "signature": key}
    secret = KEY
    match change:
        case "incident":
            given["incident"] = "000013"
        case "until":
            given["until"] = str(int(until) + 1)
        case "key":
            given["signature"] = key[:-1] + ("0" if key[-1] != "0" else "1")
        case "secret":
            secret = bytes(32)
        case "empty":
            given |= {"until": "", "signature": ""}
        case "odd":
            given["signature"] = "\udc80王"
        case "long":
            given["until"] = "9" * 5_000
        case "sign":
            given["until"] = f"+{until}"
        case "digits":
            given["until"] = until.translate({ord("1"): "\u0661"}) + "\u0661"
    assert standing(given["incident"], given["until"], given["signature"], secret, NOW) == "forged"


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """A start finds it again; a damaged one is replaced; a folder that is away is no crash."""
    made = keep_key(tmp_path)
    assert (len(made), (tmp_path / FILE_NAME).stat().st_mode & 0o777) == (32, 0o600)
    assert keep_key(tmp_path) == made
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
    (tmp_path / FILE_NAME).write_bytes(b"short")
    again = keep_key(tmp_path)
    assert again not in {made, b"short"}
    assert keep_key(tmp_path) == again
    assert len(keep_key(tmp_path / "missing")) == 32


def test_messages_of_open_incidents_have_it() -> None:
    """As the robot writes links, in the last part; not where it is over, taken, or no board is known."""
    url = link(BOARD, "000012", NOW, KEY)
    told = notice(alert(), incident="000012", at=NOW)
    assert f"\n我在处理:{url}\n看板:" in write(render(told, "zh", NAMED))
    assert f"\n[I am on it]({url})\n[Open the board](" in write(render(told, "en", NAMED), MARKDOWN)
    many = [alert(f"s{n}") for n in range(90)]
    parts = split(
        render(replace(told, members=tuple(many)), "zh", NAMED), within(4_096, lambda part: write(part, MARKDOWN))
    )
    assert [part.acknowledge_link for part in parts] == [None] * (len(parts) - 1) + [url]
    taken = Acknowledgement(by="王工", note="", at=NOW)
    assert render(replace(told, acknowledgement=taken), "zh", NAMED).acknowledge_link is None
    for kind in ("resolved", "withdrawn"):
        over = replace(told, kind=kind, remaining_classrooms=0)
        assert render(over, "zh", NAMED).acknowledge_link is None
        assert render(replace(over, remaining_classrooms=2), "zh", NAMED).acknowledge_link == url
    assert not re.search("/ack|我在处理", write(render(told, "zh", NAMES)))
