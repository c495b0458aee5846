"""Decoding a fully instrumented school's report (15 rooms, 34 records): in one pass, and record by record."""

from collections.abc import Iterator

from bench.collector.timing import RUNS, cpu_s
from bench.lines import Metric
from classready.codec import decode_one_by_one, decode_report, encode, encode_report
from classready.observation import Bandwidth, Device, Http, Observation, Outcome, Phases, Ping, Port, Rtt, Segment
from classready.report import Record, Report
from classready.units import MBIT

ROOMS = 15
NOW = 1_764_339_764.123


def measure(*, times: int) -> list[Metric]:
    body = school_report()
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


def school_report() -> bytes:
    records = [
        encode(
            Record(
                sequence=n,
                boot_id="0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0",
                monotonic_s=12_345.678 + n,
                wall_s=NOW + n,
                clock_quality="good",
                observation=observation,
            )
        )
        for n, observation in enumerate(observations(), 1)
    ]
    head = Report(
        gateway="gw-5114020001",
        agent_version="0.1.0",
        spool_id="0123456789abcdef" * 2,
        report_interval_s=60.0,
        sent_monotonic_s=12_400.0,
        sent_at=NOW + 60,
        spool_records=34,
    )
    return encode_report(head, records)


def observations(seed: int = 0) -> Iterator[Observation]:
    """Two a room, and what there is once; counters grow with ``seed``, and times differ."""
    shift = seed % 997 / 1e5
    for n in range(ROOMS):
        room, seen = f"b2-{301 + n}", {"outcome": Outcome.ANSWERED, "elapsed_s": 0.0123}
        yield Port(
            **seen, classroom=room, switch="sw1", if_name=f"GigabitEthernet1/0/{n}", admin_up=True, oper_up=True,
            speed_bps=1_000 * MBIT, full_duplex=True, in_octets=9_876_543_210 + n + 1_000 * seed,
            out_octets=123_456_789_012,
            in_error_count=0, out_error_count=0, fcs_error_count=0, alignment_error_count=0, late_collision_count=0,
        )  # fmt: skip
        yield Device(**seen, classroom=room, state="awake", seen_by="snmp")
    rtt = Rtt(min=0.0201, median=0.0213 + shift, max=0.0512)
    yield Ping(target="smartedu", outcome=Outcome.ANSWERED, sent_count=5, received_count=5, rtt_s=rtt, jitter_s=0.001)
    phases = Phases(resolve=0.0112, connect=0.0209 + shift, tls=0.0431, processing=0.0502 + shift, transfer=0.0123)
    yield Http(target="smartedu", outcome=Outcome.ANSWERED, phases_s=phases, status=200, certificate_expires_at=1.8e9)
    yield Segment(name="sw1:uplink", if_name="Gi1/0/24", speed_bps=1_000 * MBIT, full_duplex=True, in_octets=1)
    yield Bandwidth(
        target="line", direction="down", mode="quick", outcome=Outcome.PASS, at_least_bps=95.0 * MBIT,
        theta0_bps=95.0 * MBIT, theta1_bps=100.0 * MBIT, bytes=1_000_000, seconds=0.1, loss_ratio=0.0,
    )  # fmt: skip
