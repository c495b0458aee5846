"""The roster and the settings of a made-up province: as many schools as wanted, 15 rooms each, all in lesson."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

ROOMS: Final = 15
LARGEST_OFFICE_SCHOOLS: Final = 2_000
OFFICE_SCHOOLS: Final = 110
"""A province of 20,000 schools has one city office of 2,000, and some 160 counties."""
PLATFORMS: Final = {"national": ("national", "cdn"), "provincial": ("provincial",)}
"""Platform -> its targets."""
_LESSON = timedelta(minutes=40)
_LESSONS: Final = 8
_BREAK = timedelta(minutes=10)
_LESSONS_BEFORE: Final = 2


def room_id(room: int) -> str:
    return f"r{room:02d}"


def gateway_id(school: int) -> str:
    return f"gw-{school:010d}"


def school_id(school: int) -> str:
    return f"51{school:08d}"


def token(school: int) -> str:
    """The bearer token of the gateway of ``school``."""
    return f"token-of-{gateway_id(school)}"


def offices(schools: int) -> dict[str, range]:
    """Office id -> its schools; the largest one is first."""
    starts = [0, *range(min(LARGEST_OFFICE_SCHOOLS, schools), schools, OFFICE_SCHOOLS)]
    ends = [*starts[1:], schools]
    return {f"office{n:03d}": range(start, end) for n, (start, end) in enumerate(zip(starts, ends, strict=True))}


def write_roster(folder: Path, schools: int, lesson_begins: datetime) -> None:
    """One file an office; at ``lesson_begins`` the third of eight lessons of the day begins, for every school."""
    folder.mkdir(exist_ok=True)
    timetable = _timetable(lesson_begins)
    for office, numbers in offices(schools).items():
        text = "".join(_office(office, numbers, timetable))
        (folder / f"{office}.yml").write_text(text, "utf-8")


def _office(office: str, numbers: range, timetable: str) -> Iterator[str]:
    rooms = "".join(f"\n      - {{id: {room_id(n)}, name: {n}班}}" for n in range(1, ROOMS + 1))
    yield f"office: {office}\nname: 示例{office}\nschools:\n"
    for n in numbers:
        yield f'  - id: "{school_id(n)}"\n    name: 示例学校{n}\n{timetable}    classrooms:{rooms}\n'
    yield "gateways:\n"
    for n in numbers:
        digest = hashlib.sha256(token(n).encode()).hexdigest()
        yield f'  - {{id: {gateway_id(n)}, token_sha256: "{digest}", schools: ["{school_id(n)}"]}}\n'


def _timetable(lesson_begins: datetime) -> str:
    """Every day is a school day, in a time zone where it is late morning now, whatever the hour of the measurement."""
    begins = lesson_begins.astimezone(UTC)
    ahead_h = 10 - begins.hour if begins.hour <= 22 else 34 - begins.hour
    local = begins + timedelta(hours=ahead_h)
    zone = f"Etc/GMT{-ahead_h:+d}"  # POSIX's sign: west is positive
    starts = [local + (n - _LESSONS_BEFORE) * (_LESSON + _BREAK) for n in range(_LESSONS)]
    spans = ", ".join(f'["{start:%H:%M}", "{start + _LESSON:%H:%M}"]' for start in starts)
    days = ", ".join(f"{day}: [{spans}]" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    return f"    timezone: {zone}\n    school_days: every\n    timetable: {{{days}}}\n"


def write_settings(path: Path, *, port: int, mqtt_port: int, mqtt_password: Path) -> None:
    """collector.yml beside the folder ``roster``: every threshold at its default."""
    platforms = "".join(
        f"\n  - {{id: {name}, name: {name}, targets: [{', '.join(targets)}]}}" for name, targets in PLATFORMS.items()
    )
    path.write_text(
        f"listen: {{port: {port}}}\n"
        "store: sqlite+aiosqlite:///collector.db\n"
        "responder: null\n"
        f"mqtt: {{host: 127.0.0.1, port: {mqtt_port}, tls: false, password_file: {mqtt_password}}}\n"
        "receivers: [{kind: console, name: terminal}]\n"
        f"platforms:{platforms}\n",
        "utf-8",
    )
