"""What files leave open, as the board says it: each once, where it concerns somebody, with file, line and remedy."""

from datetime import date
from pathlib import Path

import pytest

from collector.app.loading import load_configuration
from collector.app.notes import notes_in_force
from collector.roster.notes import Note
from collector.text import Names
from collector.views.notes import SHOWN_MAX, Files, refused_lines, shown_notes

TODAY = date(2026, 9, 1)
HUB = "schools: [{id: s1, name: A}, {id: s2, name: B, hub: s1}]"
NAMES = Names(offices={"o1": "东坡区", "o2": "彭山区"})
ROOMS = "schools:\n  - id: s1\n    name: S\n    classrooms:\n      - {id: r1, exempt: 维修, exempt_until: 2026-08-31}\n"


def written(folder: Path, settings: str = "{}", **offices: str) -> tuple[Note, ...]:
    """What is left open by collector.yml and the files of some offices."""
    (folder / "roster").mkdir()
    for office, text in offices.items():
        (folder / "roster" / f"{office}.yml").write_text(f"office: {office}\nname: {office}\n{text}", "utf-8")
    path = folder / "collector.yml"
    path.write_text(settings, "utf-8")
    configuration = load_configuration(path)
    found = notes_in_force(path, configuration.settings, configuration.roster, TODAY)
    assert found is not None
    return found


def lines(notes: tuple[Note, ...], *offices: str, language="en") -> list[str]:
    shown = shown_notes(notes, offices, NAMES, language)
    return [f"{line.office or '-'} {line.place}: {line.text}" for line in shown.lines]


def about(notes: tuple[Note, ...], *offices: str) -> list[str]:
    """Whose, where, and the first words."""
    return [" ".join(line.split()[:4]) for line in lines(notes, *offices)]


def test_the_bureaus_open_days_are_everybodys(tmp_path):
    """On the front page and on each office's, once, however many offices there are."""
    notes = written(tmp_path, o1="", o2="")
    expected = ["- collector.yml:1 calendar: 2026-09-20", "- collector.yml:1 calendar: 2026-10-10"]
    for offices in (("o1", "o2"), ("o1",), ("o2",)):
        assert [line for line in about(notes, *offices) if "2026" in line] == expected


def test_who_says_it_itself_is_not_asked(tmp_path):
    """An office's own calendar answers what the bureau leaves open, for that office."""
    said = 'calendar: {make_up_days: [{date: "2026-09-20", follows: fri}], days_off: ["2026-10-10"]}\n'
    notes = written(tmp_path, o1=said, o2="")
    assert [line for line in about(notes, "o1") if "2026" in line] == []
    assert len([line for line in about(notes, "o2") if "2026" in line]) == 2
    assert len([line for line in about(notes, "o1", "o2") if "2026" in line]) == 2


def test_when_all_of_them_say_it_nobody_is_asked(tmp_path):
    said = 'calendar: {make_up_days: [{date: "2026-09-20", follows: fri}], exam_days: ["2026-10-10"]}\n'
    notes = written(tmp_path, o1=said, o2=said)
    assert [line for line in about(notes, "o1", "o2") if "2026" in line] == []


def test_an_offices_own_files_are_its_own(tmp_path):
    """With the office's name, the file and the line; the other office's page has none of it."""
    own = f'calendar:\n  make_up_days: [{{date: "2026-11-21"}}]\n{ROOMS}'
    notes = written(tmp_path, o1=own, o2="")
    expected = [
        "东坡区 roster/o1.yml:4 calendar.make_up_days[0]: 2026-11-21",
        "东坡区 roster/o1.yml:9 schools[0].classrooms[0].exempt_until: over",
    ]
    assert [line for line in about(notes, "o1") if "东坡" in line] == expected
    assert [line for line in about(notes, "o1", "o2") if "东坡" in line] == expected
    assert [line for line in about(notes, "o2") if "东坡" in line] == []


@pytest.mark.parametrize(
    ("routes", "unheard"),
    [
        pytest.param((), [], id="nobody is told of anything, which is no mistake"),
        pytest.param(("",), [], id="one hears everything"),
        pytest.param(("offices: [o1]",), ["of 1 schools of o2 no receiver hears: write o2"], id="one office"),
        pytest.param(("offices: [o1]", "schools: [s9]"), [], id="the other one's school"),
        pytest.param(("offices: [o2]", "hubs: [s1]"), [], id="a hub and the school that belongs to it"),
        pytest.param(("offices: [o2]", "schools: [s1]"), ["of 1 schools of o1 no receiver hears"], id="a hub alone"),
        pytest.param(("offices: [o1], fallback: g1", "standby: true"), ["write o2"], id="what others refuse"),
    ],
)
def test_an_office_that_nobody_hears(tmp_path, routes, unheard):
    """Where some offices' messages go to somebody, one that was forgotten is named with what to write."""
    each = [f"  - {{kind: console, name: g{n}{', ' * bool(route)}{route}}}\n" for n, route in enumerate(routes)]
    offices = {"o1": HUB, "o2": "schools: [{id: s9, name: C}]"}
    notes = written(tmp_path, f"receivers:\n{''.join(each)}" if each else "{}", **offices)
    told = [line for line in lines(notes, "o1", "o2") if "no receiver" in line]
    assert [words in line for words, line in zip(unheard, told, strict=True)] == [True] * len(unheard)
    assert all("collector.yml:1 receivers" in line for line in told)


@pytest.mark.parametrize(
    ("receivers", "expected"),
    [
        pytest.param("{kind: console, name: g}", [], id="everything to one"),
        pytest.param(
            "{kind: console, name: g, least: urgent}",
            ["receivers: nobody gets the digest of 2 schools of o1"],
            id="only what is urgent",
        ),
        pytest.param(
            "{kind: console, name: g, least: urgent}, {kind: console, name: h, schools: [s2]}",
            ["receivers: nobody gets the digest of 1 schools of o1"],
            id="the digest of one school alone",
        ),
        pytest.param(
            "{kind: console, name: g}, {kind: console, name: e, escalation: true, schools: [s1]}",
            ["receivers: nobody is told of what nobody takes at 1 schools of o1: write o1"],
            id="what nobody takes at the other school",
        ),
        pytest.param(
            "{kind: console, name: g}, {kind: console, name: e, escalation: true, hubs: [s1]}", [], id="the hub's"
        ),
        pytest.param(
            "{kind: console, name: g}, {kind: console, name: far, offices: [o2]}",
            ["receivers[1]: far is told of nothing"],
            id="an office without schools",
        ),
        pytest.param(
            "{kind: console, name: g, fallback: h}, {kind: console, name: h, offices: [o2], standby: true}",
            [],
            id="who stands by has nothing of its own",
        ),
    ],
)
def test_routes_that_lead_nowhere(tmp_path, receivers, expected):
    """A digest or an escalation that nobody gets, and a receiver that gets nothing, with where and what to write."""
    escalates = "policy: {escalate_after_lesson_hours: 4}\n" if "escalation" in receivers else ""
    notes = written(tmp_path, f"{escalates}receivers: [{receivers}]\n", o1=HUB, o2="")
    told = [line for line in lines(notes, "o1", "o2") if "receivers" in line.split(":")[1]]
    assert [words in line for words, line in zip(expected, told, strict=True)] == [True] * len(expected), told


def test_a_window_that_is_over(tmp_path):
    once = 'maintenance: {once: [{begins: "2026-08-01 20:00", ends: "2026-08-02 06:00", why: x}]}\n'
    notes = written(tmp_path, once, o1="")
    assert "- collector.yml:1 maintenance.once[0].ends: over" in about(notes)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ("2026-09-20(周日)调休上课", "follows: fri", "2031 年的放假安排", "免考核 2026-08-31 已到期")),
        ("en", ("2026-09-20 (Sun) is a school day", "public holidays of 2031", "judged again, whatever exempt says")),
    ],
)  # fmt: skip
def test_in_both_languages(tmp_path, language, words):
    terms = 'calendar: {terms: [{first: "2026-09-01", last: "2031-01-22"}]}\n'
    notes = (
        *written(tmp_path, terms, o1=ROOMS),
        Note(word="year_unknown", file="collector.yml", line=1, path="calendar", fields={"year": "2031"}),
    )
    text = "\n".join(lines(notes, "o1", language=language))
    assert all(word in text for word in words), text


@pytest.mark.parametrize("now_there", ["calendar: {days_off: ['2026-09-20']}\n", "calendar: {days: 1}\n"])
def test_files_that_are_not_in_force_are_not_told_of(tmp_path, now_there):
    """Whether they are good or not: they are the next reload's."""
    written(tmp_path, o1="")
    path = tmp_path / "collector.yml"
    configuration = load_configuration(path)
    path.write_text(now_there)
    assert notes_in_force(path, configuration.settings, configuration.roster, TODAY) is None


def test_many_are_counted():
    """A page is read; what three hundred lines say is not."""
    fields = {"day": "d", "reason": "r"}
    one = Note(word="exemption_over", file="a/o.yml", line=1, path="x", fields=fields, office="o")
    shown = shown_notes([one] * (SHOWN_MAX + 7), ("o",), NAMES, "zh")
    assert (len(shown.lines), shown.left_count) == (SHOWN_MAX, 7)
    assert shown_notes([one] * SHOWN_MAX, ("o",), NAMES, "zh").left_count == 0
    refused = refused_lines(Files(refused=("x",) * (SHOWN_MAX + 3)), "en")
    assert (len(refused), refused[-1]) == (SHOWN_MAX + 1, "and 3 more: see classready-collector check")
