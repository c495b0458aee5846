"""Whatever stands in a table of what was found: it is read, or every mistake is named; never anything else."""

import csv
import io
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from collector import found_csv
from collector.found_csv import SheetError
from collector.views.found import FoundDeviceView, FoundGatewayView, FoundPortView, FoundSwitchView

HEAD = ["网关", "地址", "端口", "教室", "处理"]
cell = st.text(max_size=20) | st.sampled_from(
    ["确认", "忽略", "confirm", "gw-one", "10.0.0.2", "3-1", "1-Mar", "=1+1", '="x"']
)
names = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=20) | st.sampled_from(
    ["1/2", "3-1", "1E5", "0012", "=cmd()", "+1", "@x", "'q", '="1"', "GE0/0/1", "-", "2024-1-1"]
)


def written(rows: list[list[str]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


@given(st.lists(st.lists(cell, min_size=5, max_size=5), max_size=6))
@settings(max_examples=200)
def test_any_table_is_read_or_refused(rows: list[list[str]]) -> None:
    try:
        said = found_csv.read(written([HEAD, *rows]), "zh")
    except SheetError:
        return
    assert len(said.choices) + len(said.ignored) <= len(rows)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_table_or_none(raw: bytes) -> None:
    with suppress(SheetError):
        found_csv.read(raw, "en")


def gateway(port: str, room: str, name: str) -> FoundGatewayView:
    ports = (FoundPortView(name=port, label=name, up=True, trunk=False, classroom=room, why="id", text=name, hosts=()),)
    switch = FoundSwitchView(
        host="10.0.0.2", name=name, description="", mac=None, observed_at=0, is_gone=False, is_proposed=True,
        problem=None, ports_left_out_count=0, ports=ports,
    )  # fmt: skip
    device = FoundDeviceView(
        what="device", host="10.0.0.3", name=name, description="", mac=None, switch=None, if_name=None,
        speaks_snmp=False, observed_at=0, is_gone=False, classroom=room, why="id", text=name,
    )  # fmt: skip
    return FoundGatewayView(
        gateway="gw-one", schools=("s1",), is_allowed=True, searched_at=None, search_text="", search_detail="",
        asked_at=None, open_count=2, switches=(switch,), devices=(device,), others=(), ignored=(), assigned=(),
    )  # fmt: skip


@given(names, st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True), names)
@settings(max_examples=200)
def test_what_goes_out_comes_back(port: str, room: str, name: str) -> None:
    """Of a table in which every row is confirmed: the same ports and rooms; and no cell of it is a formula that does
    anything.
    """
    rows = list(csv.reader(io.StringIO(found_csv.table([gateway(port, room, name)], {}, "zh").removeprefix("\ufeff"))))
    for row in rows:
        for each in row:
            assert not each.startswith(("=", "+", "-", "@", "\t", "\r")) or each == f'="{each[2:-1]}"'
            assert not each.startswith("=") or not set(each[2:-1]) & set("\"'()!|,;&+*")
    confirmed = written([rows[0], *([*row[:-1], "确认"] for row in rows[1:])])
    try:
        said = found_csv.read(confirmed, "zh")
    except SheetError:
        return  # a port that looks like a date: refused by its line, and never taken for another
    switch, device = said.choices
    assert (device.host, device.classroom) == ("10.0.0.3", room)
    assert dict(switch.ports) == {port: room}
