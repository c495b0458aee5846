"""A school day in a moment: how many verdicts cost nothing, and what the others cost.

Two targets, down and up, fall due every half hour from 07:00 to 19:00. The real schedule, meter, gate, passive evidence
and memory run on a simulated clock with simulated counters; an active test is its cost (medians that are measured
elsewhere) and the truth about the line. The day begins with nothing learned: the dearest day of a week.

The traffic. Lessons of 40 minutes begin at 08:00, 08:50, 09:50, 10:40, 14:00, 14:50 and 15:50. In each lesson every
class shows a video of 6 Mbit/s with probability 0.3. From 07:30 to 18:00 files (updates, courseware, cloud drives)
arrive at random, 30 an hour in lessons and half as many otherwise, log-normal in size: median 150 MB, mean 310 MB. Each
comes at up to 300 Mbit/s; together they take what the videos leave, and then the line is 99.5 % full. ``demand_ratio``
scales classes and files: 1 is a school of 24 classes. What the school sends is a tenth of what it gets.

What to expect: a line proves itself by its own traffic only if that reaches the threshold for long enough: 10 s at
120 Mbit/s, or 90 s at 100 Mbit/s. A line below the threshold never does, nor a line in a school that asks for little.
Uploads are never proved by counters (see ``agent.probes.bandwidth.passive``): they are tested in ``allowed_hours``, and
in lessons only where those allow it and the line has room for a quick test. A line of 300 Mbit/s and more shows no
plateau, so that no bucket is learned, and is drained once a day.
"""

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from agent import schedule, snmp
from agent.probes.bandwidth import by_counters, gate, learned, passive
from agent.probes.bandwidth.meter import Meter
from agent.probes.bandwidth.passive import Sample
from agent.probes.bandwidth.udp import DRAIN_AGAIN_RATIO
from agent.probes.contract import Context
from agent.settings import AgentSettings, HttpLink
from classready.bandwidth.decider import START_RATIO, TEST_RATIO
from classready.observation import Reason
from classready.report import Directives, Thetas
from classready.targets import BandwidthTarget, HourSpan
from classready.units import MBIT, MBYTE, bps_to_bytes_per_s

Evidence = Literal["passive", "quick", "drain", "unmeasured"]

THETAS_BPS: Final = (95.0 * MBIT, 100.0 * MBIT)
INTERVAL_S: Final = 1_800.0
OPENS, CLOSES = timedelta(hours=7), timedelta(hours=19)
LESSONS = tuple(
    timedelta(hours=h, minutes=m) for h, m in ((8, 0), (8, 50), (9, 50), (10, 40), (14, 0), (14, 50), (15, 50))
)
LESSON: Final = timedelta(minutes=40)
FILES = timedelta(hours=7, minutes=30), timedelta(hours=18)
CLASSES, VIDEO_BPS, VIDEO_RATIO = 24, 6.0 * MBIT, 0.3
FILES_PER_HOUR, FILE_BYTES, FILE_SIGMA, FILE_BPS = 30.0, 150.0 * MBYTE, 1.2, 300.0 * MBIT
FILL_RATIO: Final = 0.995
UP_RATIO: Final = 0.1
SAMPLE_EVERY_S: Final = 10
LEARNED_BYTES: Final = 64_000
"""The bucket that a drain test learns where it sees a plateau."""

_MIDNIGHT = datetime(2026, 11, 23, tzinfo=ZoneInfo("Asia/Shanghai"))
_INTERFACE = "wan0"
_LINK = HttpLink(url="http://127.0.0.1:9711", token_file="token")


class DayResult(Struct, frozen=True, kw_only=True):
    """What came of each time that a target fell due, by direction; ``bytes`` are those of all tests."""

    down: tuple[Evidence, ...]
    up: tuple[Evidence, ...]
    bytes: int

    @property
    def passive_share(self) -> float | None:
        """Verdicts that cost nothing among all verdicts of both directions; None = there was none."""
        return share([*self.down, *self.up])


def share(evidence: Sequence[Evidence]) -> float | None:
    verdicts = [each for each in evidence if each != "unmeasured"]
    return verdicts.count("passive") / len(verdicts) if verdicts else None


def simulate(
    line_mbps: float,
    *,
    quick_bytes: int,
    drain_bytes: int,
    seed: int,
    demand_ratio: float = 1.0,
    allowed_hours: tuple[HourSpan, ...] = BandwidthTarget(name="", host="").allowed_hours,
) -> DayResult:
    """One day of one school. ``quick_bytes`` and ``drain_bytes``: what one such test costs."""
    costs: dict[Evidence, int] = {"quick": quick_bytes, "drain": drain_bytes, "passive": 0, "unmeasured": 0}
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as state_dir:
        targets = [
            BandwidthTarget(
                name=f"line-{direction}",
                host="responder.example",
                direction=direction,
                interval_s=INTERVAL_S,
                interface=_INTERFACE,
                allowed_hours=allowed_hours,
            )
            for direction in ("down", "up")
        ]
        settings = AgentSettings(gateway=f"gw-{seed}", link=_LINK, targets=tuple(targets), state_dir=state_dir)
        spans = tuple((_at(start), _at(start + LESSON)) for start in LESSONS)
        directives = Directives(policy_version="1", theta=Thetas(down=THETAS_BPS, up=THETAS_BPS), quiet=spans)
        context = Context(settings=settings, directives=directives, clock_good=True)
        line = _Line(line_mbps * MBIT, demand_ratio, dice)
        day = [_Agent(target, context, line_mbps * MBIT, dice) for target in targets]
        meter = Meter(targets, lambda: line.now_s, snmp.Session(snmp.installed))
        for _ in range(int((CLOSES - OPENS).total_seconds())):
            line.pass_second()
            if int(line.now_s) % SAMPLE_EVERY_S == 0:
                meter.add(_INTERFACE, line.sample())
            for agent in day:
                if agent.due_s <= line.now_s:
                    line.carry(costs[agent.observe(meter, line.now_s)], agent.target.direction)
    down, up = (tuple(agent.evidence) for agent in day)
    return DayResult(down=down, up=up, bytes=sum(costs[each] for each in (*down, *up)))


class _Line:
    """Traffic second by second, and what the gateway's port has counted."""

    def __init__(self, rate_bps: float, demand_ratio: float, dice: random.Random) -> None:
        self.now_s = _at(OPENS)
        self._rate_bps, self._demand_ratio, self._dice = rate_bps, demand_ratio, dice
        self._files_bytes: list[float] = []
        self._video_bps = 0.0
        self._counted_bytes = {"down": 0.0, "up": 0.0}

    def pass_second(self) -> None:
        self.now_s += 1
        self._video_bps = self._videos_bps()
        if self._arrives():
            self._files_bytes.append(FILE_BYTES * math.exp(self._dice.gauss(0, FILE_SIGMA)))
        video_bps = min(self._video_bps, FILL_RATIO * self._rate_bps)
        files_bytes = list(self._download(FILL_RATIO * self._rate_bps - video_bps))
        self.carry(bps_to_bytes_per_s(video_bps) + sum(files_bytes), "down")
        self.carry(UP_RATIO * (bps_to_bytes_per_s(video_bps) + sum(files_bytes)), "up")

    def carry(self, count_bytes: float, direction: str) -> None:
        self._counted_bytes[direction] += count_bytes

    def sample(self) -> Sample:
        down, up = (int(self._counted_bytes[direction]) for direction in ("down", "up"))
        return Sample(at_s=self.now_s, stale_s=2.0, port="2", limit_bps=1_000.0 * MBIT, down_bytes=down, up_bytes=up)

    def _in_lesson(self) -> bool:
        return any(_at(start) <= self.now_s < _at(start + LESSON) for start in LESSONS)

    def _videos_bps(self) -> float:
        """The classes choose anew when a lesson begins."""
        if not self._in_lesson():
            return 0.0
        if self._video_bps or self.now_s not in {_at(start) for start in LESSONS}:
            return self._video_bps
        classes = round(CLASSES * self._demand_ratio)
        return VIDEO_BPS * sum(self._dice.random() < VIDEO_RATIO for _ in range(classes))

    def _arrives(self) -> bool:
        if not _at(FILES[0]) <= self.now_s < _at(FILES[1]):
            return False
        per_hour = FILES_PER_HOUR * self._demand_ratio * (1.0 if self._in_lesson() else 0.5)
        return self._dice.random() < per_hour / 3_600

    def _download(self, free_bps: float) -> Iterator[float]:
        """Share what is free among the files; what each gets in this second."""
        part_bytes = bps_to_bytes_per_s(min(FILE_BPS, free_bps / max(1, len(self._files_bytes))))
        left_bytes = self._files_bytes
        self._files_bytes = [left - part_bytes for left in left_bytes if left > part_bytes]
        yield from (min(left, part_bytes) for left in left_bytes)


class _Agent:
    """One target, from due time to due time as in ``agent.runner``."""

    def __init__(self, target: BandwidthTarget, context: Context, line_bps: float, dice: random.Random) -> None:
        self.target, self.evidence = target, list[Evidence]()
        self._context, self._line_bps, self._dice = context, line_bps, dice
        self._phase = schedule.phase(context.settings.gateway, target.name)
        self._verdict_s = 0.0
        self._waits_for_hours = False
        self.due_s = schedule.first_start(_at(OPENS), INTERVAL_S, self._phase)

    def observe(self, meter: Meter, now_s: float) -> Evidence:
        samples = meter.since(self.target.name, self._verdict_s)
        evidence = self._judge(samples, now_s)
        self.due_s = schedule.next_start(now_s, now_s, INTERVAL_S, self._phase)
        if evidence == "unmeasured" and self._waits_for_hours:
            openings = gate.openings(self.target, self._context, now_s)[:1]
            self.due_s = min([self.due_s, *(schedule.moment(*opening, self._phase) for opening in openings)])
        else:
            self._verdict_s = now_s
        self.evidence.append(evidence)
        return evidence

    def _judge(self, samples: Sequence[Sample], now_s: float) -> Evidence:
        context = self._context
        state_dir = Path(context.settings.state_dir)
        if by_counters(self.target, samples, context, THETAS_BPS, now_s) is not None:
            return "passive"
        bucket_bytes, _ = learned.known(state_dir, self.target.name, now_s, _INTERFACE)
        self._waits_for_hours = gate.not_now(self.target, context, now_s) is not None
        if self._waits_for_hours:
            return "quick" if self._quick_in_lesson(samples, now_s) else "unmeasured"
        if bucket_bytes is not None and self._dice.random() >= DRAIN_AGAIN_RATIO:
            return "quick"
        if gate.drained_today(self.target, context, now_s, learned.recall(state_dir, self.target.name)) is not None:
            return "unmeasured"
        learned.note(state_dir, self.target.name, drained_at_s=now_s)
        if self._line_bps < START_RATIO * THETAS_BPS[1]:
            learned.keep(state_dir, self.target.name, LEARNED_BYTES, now_s, _INTERFACE)
            learned.note(state_dir, self.target.name, plateau_bps=self._line_bps, plateau_at_s=now_s)
        return "drain"

    def _quick_in_lesson(self, samples: Sequence[Sample], now_s: float) -> bool:
        context = self._context
        remembered = learned.recall(Path(context.settings.state_dir), self.target.name)
        use_bps = passive.use_bps(samples, self.target.direction, now_s)
        needed_bps = None if use_bps is None else use_bps + TEST_RATIO * THETAS_BPS[1]
        why_not = gate.not_even_quick(self.target, context, now_s, remembered, needed_bps)
        assert why_not is None or why_not[0] is Reason.OUTSIDE_HOURS
        return gate.quiet(context, now_s) and why_not is None


def _at(time_of_day: timedelta) -> float:
    return (_MIDNIGHT + time_of_day).timestamp()
