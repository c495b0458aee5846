"""Decoding a fully instrumented school's report (15 rooms, 34 records): in one pass, and record by record."""

from bench.collector.timing import RUNS, cpu_s
from bench.lines import Metric
from bench.province.reports import School
from classready.codec import decode_one_by_one, decode_report

NOW = 1_764_339_764.123


def measure(*, times: int) -> list[Metric]:
    body = School(1, 1).report("usual", NOW).body
    fast_s = cpu_s(lambda: decode_report(body), times=times)
    slow_s = cpu_s(lambda: decode_one_by_one(body), times=times)
    return [
        Metric(
            bench="collector.decode",
            metric="report_decode_seconds",
            value=fast_s,
            unit="s",
            peer="record by record",
            peer_value=slow_s,
            ratio=slow_s / fast_s,
            n=RUNS * times,
        )
    ]
