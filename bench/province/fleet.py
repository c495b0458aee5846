"""All gateways of the province, seen from outside: a process that takes orders and says what became of them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from msgspec import Struct

from bench.agent.processes import module
from bench.province.reports import REPORT_INTERVAL_S, Kind


class Order(Struct, frozen=True, kw_only=True):
    """``round`` = every school until acknowledged, ``saturate`` = as fast as acknowledged, ``offer`` = at a rate."""

    what: Literal["round", "saturate", "offer"]
    link: Literal["http", "http_unkept", "mqtt"] = "http"
    seconds: float = 0.0
    """How long; a round takes as long as it takes."""
    per_s: float = 0.0
    """Reports to offer."""
    kind: Kind = "usual"
    interval_s: float = REPORT_INTERVAL_S
    of_first: int | None = None
    """Only schools among the first so many of the province."""
    count: int | None = None
    """Only so many of these: those that waited longest."""


class Done(Struct, frozen=True, kw_only=True):
    """What became of an order. Latencies count from the moment at which a report was due."""

    seconds: float
    answered_s: float
    """From the beginning to the last answer."""
    due_count: int
    committed_count: int
    latency_p50_s: float | None
    latency_p99_s: float | None
    fleet_cpu_s: float


class Fleet:
    """The process, seen from outside."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def do(self, order: Order) -> Done:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Done)


@contextmanager
def running_fleet(schools: int, http_port: int, mqtt_port: int, mqtt_password: str) -> Iterator[Fleet]:
    command = module("bench.province.gateways", *map(str, (schools, http_port, mqtt_port, mqtt_password)))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        yield Fleet(process)
        process.stdin.close()
