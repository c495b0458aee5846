"""Which tests need servers or network namespaces, and what becomes of them without; every kind of store for a test."""

import os
from collections.abc import Generator, Iterator

import hypothesis
import pytest
import structlog

from tests.support import programs

REQUIRED = os.environ.get("CI") == "true"
"""In CI a missing server is a failure, never a skip."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = [name for mark in item.iter_markers("servers") for name in mark.args if not programs.found(name)]
    if missing:
        _refuse(f"not installed: {', '.join(missing)} (make test installs it as root)")
    if item.get_closest_marker("netns") and os.geteuid() != 0:
        _refuse("network namespaces need root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that skips itself, for whatever reason, fails."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


hypothesis.settings.register_profile("house", deadline=None, derandomize=REQUIRED, print_blob=True)
hypothesis.settings.register_profile(
    "mutants",
    parent=hypothesis.settings.get_profile("house"),
    derandomize=True,
    database=None,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
"""For bench.mutants: the same examples each time, and the first that fails is enough."""
hypothesis.settings.load_profile("house")


structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
"""structlog's own default draws each exception with the values of all variables: ten seconds for one of the engine."""


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A command that is called within the process sets a level of its own; later tests listen to what it leaves out."""
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)


def _refuse(why: str) -> None:
    if REQUIRED:
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


# The fixtures import what they need themselves: most tests need no store, and SQLAlchemy takes a quarter of a second.


@pytest.fixture(scope="session")
def postgres() -> Iterator[object]:
    """A `tests.support.postgres.Postgres` for the whole session: no test may stop it or change its configuration."""
    from tests.support.postgres import running_postgres

    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers("postgres"))])
def every_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once a kind of store: its folders have theirs in a file, or in fresh databases of a real server."""
    from tests.support.stores import Databases, choose, sqlite_in

    if request.param == "sqlite":
        with choose(sqlite_in):
            yield "sqlite"
    else:
        with Databases(request.getfixturevalue("postgres")).chosen():
            yield "postgresql"
