"""What Alertmanager is told again and again: all that is open and was told, of each incident by itself."""

from collector.core.bureau.standing import standing
from tests.support.offices import Bureau, change


def test_only_what_was_told_stands() -> None:
    """Not what still waits for its first message, nor what is over and waits to be told so."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2"))
    assert list(standing(bureau.state, {}, 10)) == []
    bureau.wait(60)
    bureau.step(100, change("s3"), change("s2", "closed"))
    (notice,) = standing(bureau.state, {}, 110)
    assert (notice.kind, notice.incident, notice.at, notice.actor) == ("opened", "000001", 110, "operator")
    assert [member.school for member in notice.members] == ["s1"]


def test_each_incident_stands_by_itself() -> None:
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s9", office="511403"))
    bureau.wait(60)
    assert sorted(notice.office for notice in standing(bureau.state, {}, 70)) == ["511402", "511403"]
