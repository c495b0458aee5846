"""The gateways of the province in one process: orders come on stdin, answers go to stdout, one JSON line each.

The reports of a school go on from order to order, over restarts of the collector.
"""

import asyncio
import math
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import msgspec

from bench.lines import say
from bench.province.fleet import Done, Order
from bench.province.http_link import HttpLink
from bench.province.mqtt_link import MqttLink
from bench.province.reports import Made, School

HTTP_AT_ONCE: Final = 64
OFFERED_AT_ONCE: Final = 256
MQTT_AT_ONCE: Final = 200
"""Reports that are sent and not acknowledged, each of another school; over MQTT the collector's receive maximum."""
GAP_S: Final = 1 / 18
"""Least time between two reports of a school: the collector refuses more than 20 a second of one gateway."""
TRIES_MAX: Final = 3
"""Of a report in a round, on average."""
_TELL_EVERY_S: Final = 10.0
_LEFT_OVER_S: Final = 30.0


class _Gateways:
    def __init__(self, schools: int, http_port: int, mqtt_port: int, mqtt_password: str) -> None:
        salt = secrets.randbits(63)
        self._all = [School(number, salt) for number in range(schools)]
        self._http_port, self._mqtt_port, self._mqtt_password = http_port, mqtt_port, mqtt_password
        self._free: deque[School] = deque()

    def do(self, order: Order) -> Done:
        among = [school for school in self._all if order.of_first is None or school.number < order.of_first]
        self._free = deque(among[: order.count])
        tally = _Tally(order)
        if order.link == "mqtt":
            self._saturate_mqtt(order, tally)
        else:
            asyncio.run(self._send_over_http(order, tally))
        self._all.sort(key=lambda school: school.sent_s)  # who waited longest is next
        return tally.done()

    async def _send_over_http(self, order: Order, tally: "_Tally") -> None:
        link = HttpLink(self._http_port, kept=order.link == "http")
        places = asyncio.Semaphore(min(OFFERED_AT_ONCE, len(self._free)))

        async def send(due_s: float) -> None:
            tally.due()
            committed = False
            try:
                async with places:
                    committed = await self._send(link, order)
            finally:
                tally.note(due_s, committed=committed)

        try:
            match order.what:
                case "round":
                    await self._each_once(tally, send)
                case "saturate":
                    await _as_fast_as_answered(min(HTTP_AT_ONCE, len(self._free)), order.seconds, send)
                case "offer":
                    await _at_a_rate(order, send)
        finally:
            link.close()

    async def _send(self, link: HttpLink, order: Order) -> bool:
        """Have the school that waited longest report; say whether it was acknowledged."""
        school = self._free.popleft()
        await asyncio.sleep(max(0.0, school.sent_s + GAP_S - time.monotonic()))
        school.sent_s, committed = time.monotonic(), False
        with suppress(OSError):
            committed = await link.send(school, school.report(order.kind, time.time(), order.interval_s))
        if committed:
            school.acknowledged()
        if not committed or order.what != "round":
            self._free.append(school)
        return committed

    async def _each_once(self, tally: "_Tally", send: "_Send") -> None:
        """Have every school report; what is refused comes again, as from a gateway, but not for ever."""
        tries_max = TRIES_MAX * len(self._free)

        async def work() -> None:
            while self._free and tally.due_count < tries_max:
                await send(time.monotonic())

        await asyncio.gather(*(work() for _ in range(min(HTTP_AT_ONCE, len(self._free)))))

    def _saturate_mqtt(self, order: Order, tally: "_Tally") -> None:
        waiting: dict[str, tuple[School, Made, float]] = {}

        def on_ack(gateway: str, ack: bytes) -> None:
            if gateway in waiting:
                school, made, sent_s = waiting.pop(gateway)
                committed = made.is_committed_by(ack)
                if committed:
                    school.acknowledged()
                tally.note(sent_s, committed=committed)
                self._free.append(school)

        link = MqttLink(self._mqtt_port, self._mqtt_password, on_ack)
        until_s = time.monotonic() + order.seconds
        while (now_s := time.monotonic()) < until_s or (waiting and now_s < until_s + _LEFT_OVER_S):
            may_send = now_s < until_s and len(waiting) < MQTT_AT_ONCE and self._free
            if not may_send or now_s - self._free[0].sent_s < GAP_S:
                link.work(0.01)
            else:
                school = self._free.popleft()
                made = school.report(order.kind, time.time(), order.interval_s)
                waiting[school.gateway] = (school, made, now_s)
                school.sent_s = now_s
                tally.due()
                link.publish(school.gateway, made)
                link.work(0.0)
        link.close()


class _Tally:
    """What was sent and what came of it, with a line of progress from time to time."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._began_s, self._cpu_before_s = time.monotonic(), time.process_time()
        self._answered_s = self._began_s
        self._tell_at_s = self._began_s + _TELL_EVERY_S
        self._latencies_s: list[float] = []
        self.due_count = self._committed_count = 0

    def due(self) -> None:
        self.due_count += 1

    def note(self, due_s: float, *, committed: bool) -> None:
        """Also of what was given up, before it could be sent or after."""
        now_s = time.monotonic()
        if committed:
            self._answered_s = now_s
        self._latencies_s.append(now_s - due_s)
        self._committed_count += committed
        if now_s > self._tell_at_s:
            self._tell_at_s = now_s + _TELL_EVERY_S
            passed_s = now_s - self._began_s
            say(f"  {self._order.what} {self._order.link}: {self._committed_count} reports in {passed_s:.0f} s")

    def done(self) -> Done:
        ordered: list[float] | list[None] = sorted(self._latencies_s) or [None]
        return Done(
            seconds=time.monotonic() - self._began_s,
            answered_s=self._answered_s - self._began_s,
            due_count=self.due_count,
            committed_count=self._committed_count,
            latency_p50_s=ordered[len(ordered) // 2],
            latency_p99_s=ordered[len(ordered) * 99 // 100],
            fleet_cpu_s=time.process_time() - self._cpu_before_s,
        )


_Send = Callable[[float], Coroutine[Any, Any, None]]
"""Sends one report that is due at a monotonic time."""


async def _as_fast_as_answered(at_once: int, seconds: float, send: _Send) -> None:
    until_s = time.monotonic() + seconds

    async def work() -> None:
        while (now_s := time.monotonic()) < until_s:
            await send(now_s)

    await asyncio.gather(*(work() for _ in range(at_once)))


async def _at_a_rate(order: Order, send: _Send) -> None:
    """Reports are due whether or not the ones before are answered; what is open ``_LEFT_OVER_S`` later is given up."""
    began_s, tasks = time.monotonic(), []
    for number in range(math.ceil(order.per_s * order.seconds)):
        due_s = began_s + number / order.per_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        tasks.append(asyncio.create_task(send(due_s)))
    await asyncio.sleep(max(0.0, began_s + order.seconds - time.monotonic()))
    if tasks:
        _, open_ = await asyncio.wait(tasks, timeout=_LEFT_OVER_S)
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)


def _serve(schools: str, http_port: str, mqtt_port: str, mqtt_password: str) -> None:
    gateways = _Gateways(int(schools), int(http_port), int(mqtt_port), mqtt_password)
    for line in sys.stdin.buffer:
        done = gateways.do(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
