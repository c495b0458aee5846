"""Who is on an incident: decision table of what an acknowledgement changes, and what takes it away."""

import pytest

from collector.core.bureau.acks import inherited
from collector.core.bureau.words import Acknowledged, Acknowledgement, Incident
from collector.core.words import Cause
from tests.support.offices import Bureau, change


def said(by: str = "王工", incident: str = "000001", at: float = 40.0) -> Acknowledged:
    return Acknowledged(incident=incident, by=by, note="", at=at)


def on_it(bureau: Bureau) -> list[str | None]:
    return [i.acknowledgement.by if i.acknowledgement else None for i in bureau.incidents]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], [None], id="nobody"),
        pytest.param([said()], ["王工"], id="somebody"),
        pytest.param([said(), said()], ["王工"], id="twice the same counts once"),
        pytest.param([said(), said("李工")], ["李工"], id="handed on"),
        pytest.param([said(at=9e9), said("李工")], ["李工"], id="a clock that was ahead bars nobody"),
        pytest.param([said(incident="000009")], [None], id="no such incident"),
        pytest.param([said(), change("s1", classrooms=("r1", "r2", "r3"))], ["王工"], id="more rooms"),
        pytest.param([change("s1", "closed"), said()], ["王工"], id="over, its office not told yet"),
        pytest.param([said(), change("s1", "closed"), change("s1", at=50.0)], ["王工"], id="back before that was told"),
    ],
)
def test_what_an_acknowledgement_changes(events, expected):
    """In one step, or in one step for each event."""
    together, singly = Bureau(), Bureau()
    for bureau in (together, singly):
        bureau.step(0, change("s1"))
        bureau.step(30)
    together.step(40, *events)
    for event in events:
        singly.step(40, event)
    assert on_it(together) == on_it(singly) == expected


def test_one_that_begins_in_the_same_step_can_be_acknowledged():
    bureau = Bureau()
    bureau.step(0, change("s1"), said())
    assert on_it(bureau) == ["王工"]


def test_each_office_is_its_own():
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2", office="511421"))
    bureau.step(40, said(incident="000002"))
    assert on_it(bureau) == [None, "王工"]


def test_the_next_message_says_it_and_none_is_sent_for_it():
    """Who is on it is no news by itself; closed and opened again, it is a new one."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    (first,) = bureau.step(30)
    assert first.acknowledgement is None
    assert bureau.step(40, said()) == []
    bureau.step(50, change("s1", "closed"))
    (over,) = bureau.wait(80)
    assert (over.kind, over.acknowledgement) == ("resolved", Acknowledgement(by="王工", note="", at=40.0))
    bureau.step(100, change("s1", at=100.0), said("李工", at=100.0))
    (again,) = bureau.wait(130)
    assert (again.incident, again.acknowledgement) == ("000002", None)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(None, None, None), (1, None, 1), (None, 2, 2), (1, 2, 2), (3, 2, 3)]
)
def test_two_that_are_one_are_both_handled(one, other, expected):
    """An incident that takes over another one has who is on either; the later word counts."""

    def incident(at: float | None) -> Incident:
        known = None if at is None else Acknowledgement(by="王工", note="", at=at)
        return Incident(
            id="000001",
            scope="school",
            office="o1",
            cause=Cause.GATEWAY_SILENT,
            opened_at=0,
            since=0,
            acknowledgement=known,
        )

    found = inherited(incident(one), incident(other)).acknowledgement
    assert (found.at if found else None) == expected
