"""What makes a missed platform its own fault, and what ends that: the rules by themselves, each at its edge."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.incidents import founded, opened, recounted
from collector.core.bureau.platforms import about, at_fault, faulty, lasts, missing_count, whole
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Bureau, Desk, Incident
from collector.core.events import AlertChange
from collector.core.roster import Hours
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, change
from tests.support.school import weekdays

MISSED, SILENT = Cause.PLATFORM_UNREACHABLE, Cause.GATEWAY_SILENT
SINCE = 1_000_000.0
NEAR_S = POLICY.same_root_s


def missed(school: str, office: str = "a", platform: str = "p", gateway: str = "", **fields: Any) -> AlertChange:
    subject = Subject("platform", gateway or f"gw-{school}", platform)
    return change(school, cause=MISSED, **{"subject": subject, "office": office, "since": SINCE, "at": SINCE, **fields})


def of(office: str, count: int, **fields: Any) -> list[AlertChange]:
    return [missed(f"{office}{n}", office, **fields) for n in range(count)]


def silent(school: str, office: str = "a") -> AlertChange:
    return change(school, cause=SILENT, subject=Subject("gateway", f"gw-{school}"), office=office, since=SINCE)


def incident(alerts: Iterable[AlertChange], **fields: Any) -> Incident:
    """One that holds them all."""
    alerts = list(alerts)
    schools: dict[str, Any] = {}
    for alert in alerts:
        schools[alert.school] = opened(schools.get(alert.school, ()), alert)
    return recounted(replace(founded(1, alerts[0], SINCE), schools=schools, **fields))


def ending(whole: Incident, *schools: str) -> Incident:
    """``schools`` have it back and come and go: the end counts once it lasted."""
    held = {
        school: tuple(replace(m, ending=replace(m.alert, change="closed")) if school in schools else m for m in members)
        for school, members in whole.schools.items()
    }
    return replace(whole, schools=held)


def closed(whole: Incident, *schools: str) -> Incident:
    """``schools`` have it back, of which their office was told before."""
    held = {
        school: tuple(
            replace(m, alert=replace(m.alert, change="closed"), told=("r1",)) if school in schools else m
            for m in members
        )
        for school, members in whole.schools.items()
    }
    return replace(whole, schools=held)


def desks(alerts: Iterable[AlertChange], more: Iterable[str] = ()) -> dict[str, Desk]:
    """Each office has one incident for each cause; ``more`` offices have none."""
    found: dict[tuple[str, Cause], list[AlertChange]] = {}
    for alert in alerts:
        found.setdefault((alert.office, alert.cause), []).append(alert)
    incidents: dict[str, dict[str, Incident]] = {office: {} for office in more}
    for (office, cause), some in found.items():
        incidents.setdefault(office, {})[f"{cause}"] = incident(some)
    return {office: Desk(incidents=held) for office, held in incidents.items()}


def small(*gateway_counts: int, schools: int | None = None) -> dict[str, Scope]:
    """Offices a, b, c ... of so many gateways that look at p and q."""
    return {
        office: Scope(school_count=count if schools is None else schools, platforms={"p": count, "q": count})
        for office, count in zip("abc", gateway_counts, strict=False)
    }


MISSING: dict[str, tuple[list[AlertChange], Mapping[str, Scope], int]] = {
    "nobody else misses it": (of("a", 1), small(20), 0),
    "several of each of three offices": ([*of("a", 3), *of("b", 3), *of("c", 3)], small(20, 20, 20), 3),
    "of a third office one school alone": ([*of("a", 3), *of("b", 3), *of("c", 1)], small(20, 20, 20), 2),
    "several of one office, which is not most of it": (of("a", 3), small(20), 0),
    "most of one office": (of("a", 3), small(5), 1),
    "half of one office": (of("a", 3), small(6), 0),
    "both schools of an office that has two": (of("a", 2), small(2), 1),
    "one school has most of the gateways of an office": (
        [missed("a1", gateway=f"gw{n}") for n in range(3)], small(4, schools=4), 0,
    ),
    "the only school of an office, at all of its gateways": (
        [missed("a1", gateway=f"gw{n}") for n in range(3)], small(3, schools=1), 0,
    ),
    "two schools of an office of several, at most of its gateways": (
        [missed(f"a{n % 2}", gateway=f"gw{n}") for n in range(4)], small(6, schools=6), 0,
    ),
    "as long ago as one root may show, either way": (
        [*of("a", 3, since=SINCE - NEAR_S), *of("b", 3, since=SINCE + NEAR_S)], small(20, 20), 2,
    ),
    "longer ago": ([*of("a", 3, since=SINCE - NEAR_S - 1), *of("b", 3)], small(20, 20), 0),
    "later": ([*of("a", 3), *of("b", 3, since=SINCE + NEAR_S + 1)], small(20, 20), 0),
    "since when is not said: since it was opened": (
        [*of("a", 3, since=None), *of("b", 3, since=None)], small(20, 20), 2,
    ),
    "since long before it was opened": ([*of("a", 3, at=SINCE + 90_000), *of("b", 3)], small(20, 20), 2),
    "another platform": ([*of("a", 3, platform="q"), *of("b", 3)], small(20, 20), 0),
    "of another office nobody knows who looks at it": (of("a", 9), {"a": Scope(school_count=20)}, 0),
    "gateways that are silent do not look": ([*of("a", 3), *map(silent, ("a7", "a8"))], small(7), 1),
    "half of those that are not silent": ([*of("a", 3), silent("a7")], small(7), 0),
    "all that look are silent": ([*of("a", 2), *map(silent, ("a0", "a1"))], small(2), 0),
    "where there is but one platform, whoever misses it is not cut off": (
        of("a", 3), {"a": Scope(school_count=4, platforms={"p": 4})}, 1,
    ),
    "whoever misses every platform is no witness": (
        [*of("a", 3), *of("a", 2, platform="q"), missed("a8"), missed("a9")], small(7), 1,
    ),
    "two of three platforms are not all": (
        [*of("a", 3), *of("a", 3, platform="q")],
        {"a": Scope(school_count=5, platforms={"p": 5, "q": 5, "x": 5})},
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_how_many_offices_miss_it_through_its_own_fault(name: str) -> None:
    """Two offices, each from several schools or most of its gateways; of one alone most, at several of its schools."""
    alerts, scopes, expected = MISSING[name]
    assert missing_count("p", SINCE, desks(alerts), scopes, POLICY) == expected


def test_what_is_over_or_ending_is_not_missed() -> None:
    """Of three schools one has it back, for good or for now: two of five are not most."""
    missing = incident(of("a", 3))
    for left, expected in ((missing, 1), (closed(missing, "a0"), 0), (ending(missing, "a0"), 0)):
        assert missing_count("p", SINCE, {"a": Desk(incidents={"1": left})}, small(5), POLICY) == expected


@pytest.mark.parametrize(
    ("office_count", "looked_at_count"),
    [
        pytest.param(1, 5_000, id="all of one office's"),
        pytest.param(2, 2_500, id="half of them each"),
        pytest.param(100, 50, id="of a hundred offices fifty each"),
        pytest.param(1_000, 50, id="of a thousand not fewer"),
    ],
)
def test_so_many_alerts_are_looked_at(office_count: int, looked_at_count: int) -> None:
    """An equal part of each office: what is beyond it makes no most of an office, whoever else waits meanwhile."""
    everybody = desks(of("a", looked_at_count + 1), more=(f"o{n}" for n in range(office_count - 1)))
    for gateway_count, expected in ((2 * looked_at_count - 1, 1), (2 * looked_at_count, 0)):
        assert missing_count("p", SINCE, everybody, small(gateway_count), POLICY) == expected


LASTS: dict[str, tuple[list[AlertChange], list[str], bool]] = {
    "all miss it": ([*of("a", 3), *of("b", 3)], [], True),
    "nobody does": ([*of("a", 3), *of("b", 3)], ["a0", "a1", "a2", "b0", "b1", "b2"], False),
    "one school of each of two offices, which is half": ([*of("a", 2), *of("b", 2)], ["a0", "b0"], True),
    "one of three of each, which is less": ([*of("a", 3), *of("b", 3)], ["a0", "a1", "b0", "b1"], False),
    "half of one office, and less of the other": ([*of("a", 2), *of("b", 3)], ["a0", "b0", "b1"], False),
    "two schools of one office, which is half": ([*of("a", 4), *of("b", 2)], ["a0", "a1", "b0", "b1"], True),
    "two of five of one office": (of("a", 5), ["a0", "a1", "a2"], False),
    "one school alone is all that the office had": ([*of("a", 1), *of("b", 3)], ["b0", "b1", "b2"], False),
    "all of one office": ([*of("a", 1), *of("b", 3)], ["a0"], True),
}


@pytest.mark.parametrize("name", LASTS)
@pytest.mark.parametrize("back", [closed, ending])
def test_whether_it_lasts(name: str, back: Any) -> None:
    """Two offices, or several schools of one, each from half of where it was missed; what is ending counts as back."""
    alerts, schools, expected = LASTS[name]
    assert lasts(back(incident(alerts), *schools)) is expected


def test_one_gateway_of_a_school_is_enough() -> None:
    """Of its two, one misses it: the school does."""
    both = incident([missed(f"a{n % 2}", gateway=f"gw{n}") for n in range(4)])
    one_each = {school: ending(both, school).schools[school][:1] + both.schools[school][1:] for school in both.schools}
    assert lasts(replace(both, schools=one_each)) is True


def test_which_platform_an_incident_is_about() -> None:
    """One alone; a silent gateway is about none, and behind an exit it may be all."""
    assert about(incident(of("a", 2))) == "p"
    assert about(incident([missed("a1"), missed("a1", platform="q")])) is None
    assert about(incident([silent("a1")])) is None


def test_whom_schools_are_told_of() -> None:
    """From the moment on at which it is sure; of what else everybody has, and of what an office has, nobody."""
    own = {"platform": "p", "fault_at": SINCE}
    known = {"1": incident(of("a", 3), **own), "2": incident([silent("a9")], id="000002")}
    bureau = Bureau(desks={"": Desk(incidents=known), "a": Desk(incidents={"3": incident(of("a", 1), **own)})})
    assert [at_fault(bureau, SINCE + after_s) for after_s in (-1, 0)] == [frozenset(), {"p"}]
    assert [name for name, _ in faulty(known.values())] == ["p"]
    unsure = replace(bureau, desks={"": Desk(incidents={"1": replace(known["1"], fault_at=None)})})
    assert at_fault(unsure, SINCE) == at_fault(Bureau(), SINCE) == frozenset()


def test_all_offices_as_one() -> None:
    """Their schools and operators added up, the hours of the largest."""
    days = weekdays()
    scopes = {
        "a": Scope(school_count=2, operators={"x": 1, "y": 1}),
        "b": Scope(school_count=3, operators={"x": 2}, hours=days),
        "c": Scope(school_count=1),
    }
    one = whole(scopes)
    assert (one.school_count, dict(one.operators), one.hours) == (6, {"x": 3, "y": 1}, days)
    assert (whole({}).school_count, whole({}).hours) == (0, Hours())
