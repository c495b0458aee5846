"""The agent's own metrics, for node_exporter's text file collector.

Plain numbers until somebody wants the file: the Prometheus library costs 4 MiB of memory.
"""

import platform
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from classready import __version__


class Metric(Struct, frozen=True):
    kind: Literal["counter", "gauge"]
    text: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "classready_agent_build_info": Metric("gauge", "Version of the agent.", ("version", "python")),
    "classready_agent_start_time_seconds": Metric("gauge", "Wall time at which the agent started."),
    "classready_agent_probe_results_total": Metric("counter", "Observations by outcome.", ("probe", "result")),
    "classready_agent_probe_timeouts_total": Metric("counter", "Probes that exceeded their deadline.", ("probe",)),
    "classready_agent_last_probe_timestamp_seconds": Metric("gauge", "Wall time at which a probe last finished."),
    "classready_agent_records_generated_total": Metric("counter", "Records written to the spool."),
    "classready_agent_records_dropped_total": Metric("counter", "Records lost on the gateway.", ("reason",)),
    "classready_agent_records_rejected_total": Metric("counter", "Records the collector will not have.", ("reason",)),
    "classready_agent_spool_records": Metric("gauge", "Records that the collector has not acknowledged yet."),
    "classready_agent_spool_bytes": Metric("gauge", "Size of the records in the spool."),
    "classready_agent_spool_limit_bytes": Metric(
        "gauge", "Most that the spool may take of the disk; the oldest records are dropped for it."
    ),
    "classready_agent_spool_degraded": Metric("gauge", "1 while the spool lives in memory only."),
    "classready_agent_publish_total": Metric("counter", "Reports sent, by what became of them.", ("result",)),
    "classready_agent_last_app_ack_timestamp_seconds": Metric("gauge", "Wall time of the collector's last answer."),
    "classready_agent_broker_messages_refused_total": Metric(
        "counter",
        "Messages of whiteboards beyond a bound: of one (size), a device's announcements, or all.",
        ("reason",),
    ),
    "classready_agent_clock_synchronized": Metric("gauge", "1 while wall time is known to be right."),
    "classready_agent_config_last_reload_success_timestamp_seconds": Metric(
        "gauge", "Wall time at which the settings that hold were read."
    ),
    "classready_agent_config_last_reload_successful": Metric("gauge", "0 after a reload that was refused."),
}


class Metrics:
    """Values by metric and labels, in the order of ``METRICS[name].labels``."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self.put("classready_agent_build_info", 1, __version__, platform.python_version())

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        values = self._values.setdefault(name, {})
        values[labels] = values.get(labels, 0) + by

    def put(self, name: str, value: float, *labels: str) -> None:
        self._values.setdefault(name, {})[labels] = value

    def get(self, name: str, *labels: str) -> float | None:
        return self._values.get(name, {}).get(labels)

    def collect(self) -> Iterator[Any]:
        """Yield metric families (the collector protocol of prometheus_client)."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        for name, metric in METRICS.items():
            family = families[metric.kind](name, metric.text, labels=metric.labels)
            for labels, value in self._values.get(name, {}).items():
                family.add_metric(labels, value)
            if family.samples:
                yield family
