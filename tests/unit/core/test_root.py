"""Who is to act: from how many, whose line, behind which exit, and who else is well."""

import pytest

from collector.core.bureau.root import Root, Scope, beyond_platform, root_of, scopes_of, shared_root
from collector.core.events import AlertChange
from collector.core.roster import SchoolRoster
from collector.core.subject import Subject
from collector.core.words import ACTORS, Cause

SCOPE = Scope(school_count=60, operators={"电信": 20, "移动": 25, "联通": 15})
BOTH = ("p", "q")
SILENT, SLOW, PLATFORM = Cause.GATEWAY_SILENT, Cause.UPLINK_BELOW_REQUIRED, Cause.PLATFORM_UNREACHABLE


def failing(
    count: int, operator: str | None = None, cause: Cause = SILENT, *, platforms: tuple[str, ...] = ("p",),
    exits: tuple[str, ...] = (),
) -> list[AlertChange]:  # fmt: skip
    """``count`` schools of one operator, each with an alert a platform where that is the cause."""
    subjects = [Subject("platform", "gw", p) for p in platforms] if cause is PLATFORM else [Subject("gateway", "gw")]
    return [
        AlertChange(
            change="opened", office="o", school=f"{operator}{n}", school_name="", subject=subject, cause=cause,
            at=0.0, operator=operator, exits=exits,
        )
        for n in range(count)
        for subject in subjects
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "alerts", "root"),
    [
        pytest.param(SILENT, failing(1, "电信"), Root("school"), id="one is silent"),
        pytest.param(SILENT, failing(2, "电信"), Root("school"), id="two of one operator: by chance"),
        pytest.param(SILENT, failing(4, "电信"), Root("school"), id="four of its twenty, over the weeks"),
        pytest.param(SILENT, failing(5, "电信"), Root("operator", "电信"), id="a quarter of its schools"),
        pytest.param(SILENT, failing(10, "电信") + failing(2, "移动"), Root("operator", "电信"), id="two others, too"),
        pytest.param(
            SILENT,
            failing(10, "电信") + failing(5, "移动") + failing(5, "联通"),
            Root("operator", "电信"),
            id="just twice the share of all others",
        ),
        pytest.param(
            SILENT,
            failing(10, "电信") + failing(6, "移动") + failing(5, "联通"),
            Root("school"),
            id="less than twice: of others nearly as many fail",
        ),
        pytest.param(
            SILENT,
            failing(10, "电信") + failing(12, "移动") + failing(8, "联通"),
            Root("bureau"),
            id="half of everybody's",
        ),
        pytest.param(
            SILENT,
            failing(8, "电信") + failing(9, "移动") + failing(6, "联通"),
            Root("school"),
            id="a third of everybody's",
        ),
        pytest.param(SILENT, failing(10), Root("school"), id="the roster names no operator"),
        pytest.param(SLOW, failing(1, "电信", SLOW), Root("operator"), id="one slow line is its operator's anyhow"),
        pytest.param(SLOW, failing(6, "电信", SLOW), Root("operator", "电信"), id="six of one operator: it is named"),
        pytest.param(PLATFORM, failing(1, "电信", PLATFORM), Root("school"), id="one school alone misses a platform"),
        pytest.param(PLATFORM, failing(2, "电信", PLATFORM), Root("school"), id="two of sixty"),
        pytest.param(PLATFORM, failing(20, "电信", PLATFORM), Root("operator", "电信"), id="all of one operator"),
        pytest.param(
            PLATFORM,
            failing(20, "电信", PLATFORM) + failing(25, "移动", PLATFORM) + failing(15, "联通", PLATFORM),
            Root("platform"),
            id="everybody",
        ),
        pytest.param(
            PLATFORM,
            failing(6, "电信", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(5, "移动", PLATFORM, platforms=BOTH, exits=("metro",)),
            Root("exit", "metro"),
            id="both platforms, all behind one exit",
        ),
        pytest.param(
            PLATFORM,
            failing(6, "电信", PLATFORM, exits=("metro",)) + failing(7, "移动", PLATFORM, exits=("metro",)),
            Root("platform"),
            id="one platform behind one exit may be the platform's own",
        ),
        pytest.param(
            PLATFORM,
            failing(1, "电信", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(1, "移动", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(1, "联通", PLATFORM, platforms=BOTH),
            Root("platform"),
            id="two behind one exit: by chance",
        ),
        pytest.param(
            PLATFORM,
            failing(2, "电信", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(2, "移动", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(2, "联通", PLATFORM, platforms=BOTH),
            Root("exit", "metro"),
            id="two thirds behind one exit: of the others some fail by themselves",
        ),
        pytest.param(
            PLATFORM,
            failing(3, "电信", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(2, "移动", PLATFORM, platforms=BOTH, exits=("metro",))
            + failing(2, "联通", PLATFORM, platforms=BOTH)
            + failing(2, None, PLATFORM, platforms=BOTH),
            Root("platform"),
            id="just more than half behind one exit: the others miss them, too",
        ),
        pytest.param(Cause.SWITCH_UNREACHABLE, failing(30, "电信"), Root("school"), id="a switch is the school's"),
    ],
)
def test_who_is_to_act(cause: Cause, alerts: list[AlertChange], root: Root) -> None:
    """In an office of sixty schools and three operators."""
    assert root_of(cause, alerts, SCOPE) == root


@pytest.mark.parametrize(
    ("cause", "root"),
    [(SILENT, Root("operator", "电信")), (PLATFORM, Root("platform")), (SLOW, Root("operator", "电信"))],
)
def test_where_there_is_one_operator_only(cause: Cause, root: Root) -> None:
    """Nobody else's school shows whether a platform is well; that lines are cut needs no comparison."""
    scope = Scope(school_count=20, operators={"电信": 20})
    assert root_of(cause, failing(10, "电信", cause), scope) == root


@pytest.mark.parametrize(
    ("alerts", "root"),
    [
        pytest.param(failing(2, "电信") + failing(2, "移动") + failing(1, "联通"), None, id="five of sixty"),
        pytest.param(failing(2, "电信") + failing(2, "移动") + failing(2, "联通"), Root("bureau"), id="a tenth of all"),
        pytest.param(failing(2, "电信"), None, id="two of one operator"),
        pytest.param(failing(3, "移动"), Root("operator", "移动"), id="three of its twenty-five: more than a tenth"),
    ],
)
def test_who_is_to_act_for_what_began_together(alerts: list[AlertChange], root: Root | None) -> None:
    """Within minutes a tenth says what takes a quarter, or half of everybody, over the weeks."""
    assert shared_root(SILENT, alerts, SCOPE) == root


def test_an_office_that_the_roster_lists_no_more() -> None:
    """How many others there are nobody knows: they are no witnesses against the operator."""
    assert root_of(PLATFORM, failing(3, "电信", PLATFORM), Scope()) == Root("platform")


def test_a_school_that_is_its_office() -> None:
    """With nobody beside it a missed platform is the platform's."""
    assert root_of(PLATFORM, failing(1, "电信", PLATFORM), Scope(school_count=1)) == Root("platform")


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause not in {SILENT, SLOW, PLATFORM}])
def test_all_other_causes_have_their_actor(cause: Cause) -> None:
    """Whatever falls: these are mended where they are."""
    assert root_of(cause, failing(9, "电信", cause), SCOPE) == Root(ACTORS[cause])


def test_scopes() -> None:
    """Counted an office; a school without an operator counts as one of the others."""
    schools = [
        SchoolRoster(office=office, school=f"{office}{n}", operator=operator)
        for office, operators in {"a": ("电信", "电信", None), "b": ("移动",)}.items()
        for n, operator in enumerate(operators)
    ]
    assert scopes_of(schools, {}) == {
        "a": Scope(school_count=3, operators={"电信": 2}),
        "b": Scope(school_count=1, operators={"移动": 1}),
    }


def test_the_first_that_miss_a_platform_are_all_of_one_operator() -> None:
    """Too few of its sixty schools for a share, and too many of one operator for chance; of two it may be chance."""
    many = Scope(school_count=200, operators={"电信": 60, "移动": 140})

    def missed(number: int, operator: str) -> AlertChange:
        subject = Subject("platform", f"gw{number}", "national")
        return AlertChange(
            change="opened", office="o", school=f"s{number}", school_name="", subject=subject, operator=operator,
            cause=Cause.PLATFORM_UNREACHABLE, at=0.0,
        )  # fmt: skip

    other = missed(99, "移动")
    assert beyond_platform([missed(n, "电信") for n in range(3)], many) == Root("operator", "电信")
    assert beyond_platform([missed(n, "电信") for n in range(2)], many) is None
    assert beyond_platform([other, *(missed(n, "电信") for n in range(6))], many) == Root("operator", "电信")
    assert beyond_platform([other, *(missed(n, "电信") for n in range(5))], many) is None
    assert beyond_platform([missed(0, "移动"), *(missed(n, "电信") for n in range(1, 3))], many) is None
    assert beyond_platform([missed(n, "电信") for n in range(3)], Scope(school_count=3, operators={"电信": 3})) is None
