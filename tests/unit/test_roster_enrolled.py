"""Gateways that enrolled beside those of the roster: the files win, and no name serves two schools."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core.roster import SchoolRoster
from collector.roster.enrolled import gateways_of, may_speak_for, with_enrolled
from collector.roster.files import GatewayEntry
from collector.roster.loading import Roster, load_roster
from tests.support.collecting import ROSTER, write_roster

UNLISTED = ROSTER.replace("  - {id: gw-two, token_sha256: TWO, schools: [s3]}\n", "")


@pytest.fixture
def roster(tmp_path):
    return load_roster(write_roster(tmp_path, UNLISTED), {})


def test_it_stands_beside_those_of_the_files(roster):
    """At its school and by its name; nothing else is touched, and what the files list stays as it is."""
    merged = with_enrolled(roster, [("gw-s3", "s3"), ("gw-one", "s3"), ("gw-s9", "s9")])
    assert merged.gateways.keys() == {"gw-one", "gw-s3"}
    assert merged.gateways["gw-s3"].schools == ("s3",)
    assert merged.gateways["gw-one"] is roster.gateways["gw-one"]
    assert merged.schools["s3"].gateways == ("gw-s3",)
    assert merged.schools["s1"] is roster.schools["s1"]
    assert roster.schools["s3"].gateways == (), "the files' own is not changed"


def test_nobody_enrolled_changes_nothing(roster):
    assert with_enrolled(roster, [("gw-one", "s1")]) is roster


def test_a_second_gateway_of_a_school(roster):
    merged = with_enrolled(roster, [("gw-s1", "s1"), ("gw-s1-b", "s1")])
    assert merged.schools["s1"].gateways == ("gw-one", "gw-s1", "gw-s1-b")


@pytest.mark.parametrize(
    ("gateway", "school", "may"),
    [
        ("gw-s3", "s3", True),  # of no file: as it was given
        ("gw-one", "s1", True),
        ("gw-one", "s3", False),  # a file says whose it is
        ("gw-s9", "s9", False),  # the school is gone
    ],
)
def test_for_whom_a_token_speaks(roster, gateway, school, may):
    assert may_speak_for(roster, gateway, school) is may


def test_a_name_for_a_new_gateway(tmp_path):
    """By its school, in small letters; another one where it is taken, or where schools differ by capitals only."""
    text = UNLISTED.replace("id: s3", "id: S-3").replace("  - id: s2", "  - id: s-3").replace("[s1, s2]", "[s1]")
    text = text.replace("id: gw-one", "id: gw-s-3")
    roster = load_roster(write_roster(tmp_path, text), {})
    names = gateways_of(roster, ["s1", "S-3", "s-3"])
    assert names == {"s1": ("gw-s-3",), "S-3": ("gw-s-3-23fa",), "s-3": ("gw-s-3-8252",)}
    merged = with_enrolled(roster, [(gateway, school) for school, (gateway,) in names.items()])
    assert gateways_of(merged, names) == names


@given(st.sets(st.from_regex(r"[aAbB-]{1,3}(-2|x)?", fullmatch=True), max_size=12), st.data())
def test_no_name_serves_two_schools(schools, data):
    """Whichever schools there are, and whatever files call their own: the code of one would end the other's."""
    listed = data.draw(st.sets(st.sampled_from(sorted(f"gw-{school.lower()}" for school in schools) or ["gw-x"])))
    of_files = {name: GatewayEntry(id=name, schools=()) for name in listed}
    known = {school: SchoolRoster(office="o", school=school) for school in schools}
    names = gateways_of(replace(Roster(), schools=known, gateways=of_files), schools)
    told = [name for each in names.values() for name in each]
    assert len({*told, *listed}) == len(told) + len(listed)
    assert all(re.fullmatch("[a-z0-9][a-z0-9-]{2,39}", name) for name in told)


def test_a_province_is_named_in_a_moment():
    """Ids are compared once, and not with each other for each of them: 20,000 schools took a quarter of an hour."""
    known = {f"S{number}": SchoolRoster(office="o", school=f"S{number}") for number in range(20_000)}
    began_s = time.process_time()
    assert len(gateways_of(replace(Roster(), schools=known), known)) == len(known)
    assert time.process_time() - began_s < 2.0


def test_a_token_by_hand_may_be_left_out(tmp_path):
    """Of several gateways, too: none of them is another's double for it."""
    text = ROSTER.replace("token_sha256: ONE, ", "").replace("token_sha256: TWO, ", "")
    roster = load_roster(write_roster(tmp_path, text), {})
    assert [gateway.token_sha256 for gateway in roster.gateways.values()] == [None, None]
