"""What the running service knows of names and zones, for everybody who tells people something."""

import asyncio
import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from classready.settings import SettingsError
from collector.app.loading import load_configuration
from collector.app.service import Service
from collector.exposition.pieces import plain
from collector.notify.robot.fitting import write
from tests.support.collecting import ROSTER, Collector, opened, wait_until, write_roster
from tests.support.samples import NOW, alert, notice

pytestmark = pytest.mark.usefixtures("every_store")


async def test_messages_speak_of_the_schools_own_time(tmp_path: Path) -> None:
    """The zone of the roster reaches the chat; a school that left the roster meanwhile has the bureau's."""
    settings = Collector(tmp_path).settings
    write_roster(tmp_path, ROSTER.replace("  - id: s2\n", "  - id: s2\n    timezone: Asia/Urumqi\n"))
    configuration = load_configuration(settings)
    async with opened(tmp_path) as store:
        service = Service(configuration, store)
        await service.apply(configuration)
        schools = ("s1", "s2", "gone")
        told = {
            school: write(service.render(notice(alert(school, school, at=NOW - 600, office="511402"))))
            for school in schools
        }
    assert "自 10月15日 11:50 起" in told["s1"]
    assert "自 10月15日 09:50(UTC+6) 起" in told["s2"]
    assert "自 10月15日 11:50 起" in told["gone"]


async def test_a_restart_makes_the_same_links(tmp_path: Path) -> None:
    """By the secret in the state folder; without a public address messages have none."""
    settings = Collector(tmp_path).settings
    async with opened(tmp_path) as store:
        told = notice(alert(at=NOW - 600), office="511402")
        assert Service(load_configuration(settings), store).render(told).acknowledge_link is None
        written = yaml.safe_load(settings.read_text())
        written["listen"]["public_url"] = "https://board.edu.example"
        settings.write_text(yaml.safe_dump(written, allow_unicode=True))
        first, second = (Service(load_configuration(settings), store).render(told).acknowledge_link for _ in range(2))
    assert first is not None
    assert first == second
    assert first.startswith("https://board.edu.example/incidents/000001/ack?until=")


async def test_what_metrics_show_follows_the_settings_in_force(tmp_path: Path) -> None:
    """At the start, and in every school after a reload that renames a platform or changes the policy."""
    first = "platforms: [{id: p, name: one, targets: [p]}]\npolicy: {required_down_bps: 100000000}\n"
    settings = Collector(tmp_path, first).settings
    configuration = load_configuration(settings)
    async with opened(tmp_path) as store:
        service = Service(configuration, store)
        await service.apply(configuration)
        assert _platforms_shown(service) == {"one": 3}
        settings.write_text(settings.read_text().replace("name: one", "name: two"))
        await service.reload()
        assert _platforms_shown(service) == {"two": 3}
        settings.write_text(settings.read_text().replace("100000000", "200000000"))
        await service.reload()
        assert service.exposition.policy.required_down_bps == 200_000_000


def _platforms_shown(service: Service) -> Counter[str]:
    text = plain(service.exposition.everything(NOW)).decode()
    return Counter(re.findall(r'^classready_platform_info\{.*,name="(.*)"\} 1', text, re.MULTILINE))


async def test_a_room_whose_exemption_is_over_is_judged_again(tmp_path: Path) -> None:
    """The roster in force is that of the day; until when it stays so is known."""
    settings = Collector(tmp_path).settings
    rooms = "classrooms: [{id: r1, exempt: x, exempt_until: 2026-01-31}, {id: r2, exempt: y, exempt_until: 2999-12-31}]"
    write_roster(tmp_path, ROSTER.replace("classrooms: [{id: r1}, {id: r2}]", rooms))
    configuration = load_configuration(settings)
    async with opened(tmp_path) as store:
        service = Service(configuration, store)
        await service.apply(configuration)
        listed = service.engine.schools["s1"].roster.classrooms
        assert {name: room.exempt for name, room in listed.items()} == {"r1": None, "r2": "y"}
        assert service.exemption_ends_at == pytest.approx(32_503_651_200.0)


async def test_what_files_leave_open_or_get_wrong_is_kept_for_the_board(tmp_path: Path) -> None:
    """A reload that is refused says why as long as it lasts; what was known of the files in force stays."""
    settings = Collector(tmp_path, 'calendar: {make_up_days: [{date: "2040-11-24"}]}\n').settings
    good = settings.read_text()
    configuration = load_configuration(settings)
    async with opened(tmp_path) as store:
        service = Service(configuration, store)
        await service.apply(configuration)
        await service.open_questions.look()
        open_days = [note.fields.get("day") for note in service.open_questions.files.notes]
        assert "2040-11-24" in open_days
        terms = '[{first: "2039-09-01", last: "2040-01-20"}, {first: "2040-01-20", last: "2040-07-01"}]'
        settings.write_text(good.replace("calendar: {", f"calendar: {{terms: {terms}, "))
        with pytest.raises(SettingsError):
            await service.reload()
        await service.open_questions.look()
        assert [note.fields.get("day") for note in service.open_questions.files.notes] == open_days
        (told,) = service.open_questions.files.refused
        assert told.startswith("collector.yml:")
        assert "terms must not overlap: 2040-01-20..2040-07-01" in told
        settings.write_text(good)
        await service.reload()
        assert service.open_questions.files.refused == ()


async def test_many_that_enrol_at_once_share_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes during a pass is admitted by the next one, which begins after them: of 50, two passes."""
    configuration = load_configuration(Collector(tmp_path).settings)
    async with opened(tmp_path) as store:
        service = Service(configuration, store)
        came, admitted, passes = set(), set(), 0

        async def put_in_force() -> None:
            nonlocal passes
            passes += 1
            seen = set(came)
            await asyncio.sleep(0.01)
            admitted.update(seen)

        async def enrol(number: int) -> None:
            came.add(number)
            await service.admit()
            assert number in admitted

        monkeypatch.setattr(service, "_put_in_force", put_in_force)
        first = asyncio.create_task(enrol(0))
        await asyncio.sleep(0.005)
        await asyncio.gather(first, *map(enrol, range(1, 50)))
    assert passes == 2


def test_a_reload_that_is_asked_for_during_the_start_is_done(tmp_path: Path) -> None:
    """By SIGHUP from the first moment at which the process can be stopped in order: it ended that had no ear for it."""
    here = Collector(tmp_path)
    with ThreadPoolExecutor() as pool:
        started = pool.submit(here.start)
        wait_until(lambda: here.process is not None and _hears(here.process.pid, signal.SIGTERM))
        assert here.process is not None
        here.process.send_signal(signal.SIGHUP)
        started.result(60)
    wait_until(lambda: '"reloaded"' in here.log)
    assert here.stop() == 0


def _hears(pid: int, number: signal.Signals) -> bool:
    """Whether the process catches the signal (proc_pid_status(5))."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
