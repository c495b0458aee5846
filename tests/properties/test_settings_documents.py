"""Whatever the bureau sends, and whenever the box starts again: the last settings that it could use are in force."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.bureau import FILE_NAME
from agent.inforce import InForce
from classready.codec import decode_document, encode
from classready.measuring import document_of

AGENT_YML = """\
gateway: gw-1
link: {kind: http, url: "http://127.0.0.1:1", token_file: token}
concurrency: 7
targets:
  - {name: own, kind: ping, host: 127.0.0.1}
"""
NAMES = st.sampled_from(["own", "a", "b", "c"])
PING = st.builds(lambda name, host: {"kind": "ping", "name": name, "host": host}, NAMES, st.sampled_from(["h", "i"]))
WRONG = st.sampled_from(
    [
        {"kind": "ping", "name": "x"},
        {"kind": "ping", "name": "x", "host": "a b"},
        {"kind": "later", "name": "x"},
        {"kind": "http", "name": "x", "url": "https://p.example", "ca_file": "nowhere.pem"},
        {"kind": "http", "name": "x", "url": "https://p.example", "ca_file": "/etc/passwd"},
        {"kind": "whiteboard", "name": "x", "host": "h", "classroom": "r1", "mqtt": {"id": "p"}},
        {"kind": "bandwidth", "name": "x", "host": "h", "later": 1},
    ]
)
SETTINGS = st.dictionaries(
    st.sampled_from(["timezone", "report_interval_s", "concurrency", "gateway", "link", "state_dir", "later"]),
    st.sampled_from(["Asia/Urumqi", "Nowhere/None", 5, 0, None, {}]),
    max_size=2,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    targets = draw(st.lists(PING, max_size=4, unique_by=lambda target: target["name"]))
    if draw(st.booleans()):
        targets.append(draw(WRONG))
    return draw(SETTINGS) if draw(st.booleans()) else {}, targets


def is_good(settings: dict[str, Any], targets: list[dict[str, Any]]) -> bool:
    """Told apart by what was drawn, not by the code that is tried."""
    good = {("timezone", "Asia/Urumqi"), ("report_interval_s", 5), ("concurrency", 5)}
    return all(target["name"] != "x" for target in targets) and all(
        not isinstance(value, dict) and (name, value) in good for name, value in settings.items()
    )


@given(st.lists(st.one_of(documents(), st.sampled_from(["restart", "reload", "torn"])), max_size=12))
def test_the_last_settings_that_it_could_use_are_in_force(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "agent.yml").write_text(AGENT_YML)
        (folder / "token").write_text("t")
        (folder / "token").chmod(0o600)
        (folder / "state").mkdir()
        in_force, last = InForce(folder / "agent.yml"), None
        for step in steps:
            if step == "restart":
                in_force = InForce(folder / "agent.yml")
            elif step == "reload":
                in_force.reload()
            elif step == "torn":
                (folder / "state" / FILE_NAME).with_suffix(".new").write_bytes(b"{")  # power was cut while it was kept
            else:
                document = document_of(*step)
                body = encode(document)
                assert in_force.take(decode_document(body), body) is is_good(*step)
                if is_good(*step):
                    last = document
                else:
                    assert in_force.bureau.refused is not None
                    assert in_force.bureau.refused.version == document.version
                    assert in_force.bureau.refused.problems
            settings, said = in_force.settings, in_force.bureau.report()
            assert said.version == (last and last.version)
            assert (settings.gateway, settings.concurrency) == ("gw-1", 7), "the box's own win"
            names = {target["name"] for target in last.targets} if last else set()
            assert {target.name for target in settings.targets} == names | {"own"}
            assert next(t for t in settings.targets if t.name == "own").host == "127.0.0.1"
            assert settings.timezone == (last.settings if last else {}).get("timezone", "Asia/Shanghai")
