"""What the engine says of itself. Labels are closed sets: never an id of a gateway or a school."""

from prometheus_client import Counter, Gauge, Histogram

from collector.engine.histogram import BatchHistogram

REJECT_REASONS = ("schema", "identity", "inventory", "internal", "nameless")
DROP_REASONS = ("spool_full", "spool_age", "spool_replaced", "disk_full", "damaged", "too_large", "refused", "other")

MESSAGES_ACCEPTED = Counter("classready_collector_messages_accepted", "Reports committed.")
MESSAGES_DUPLICATE = Counter(
    "classready_collector_messages_duplicate", "Reports that held records, all of them known before."
)
RECORDS_ACCEPTED = Counter("classready_collector_records_accepted", "Records that entered the ledger.")
RECORDS_DUPLICATE = Counter("classready_collector_records_duplicate", "Records that were in the ledger before.")
RECORDS_REJECTED = Counter("classready_collector_records_rejected", "Records refused, once each.", ["reason"])
RECORDS_UNKNOWN_KIND = Counter(
    "classready_collector_records_unknown_kind", "Records of a kind this release does not know; not stored."
)
RECORDS_UNDATABLE = Counter(
    "classready_collector_records_undatable", "Records without a usable clock; in the ledger, not judged."
)
RECORDS_ESTIMATED = Counter("classready_collector_records_estimated", "Records dated by the time they were received.")
RECORDS_LATE = Counter("classready_collector_records_late", "Records too old to open an alert.")
RECORDS_DECLARED_DROPPED = Counter(
    "classready_collector_records_declared_dropped", "Records that agents say they dropped.", ["reason"]
)
RECORDS_LOST_UNEXPLAINED = Counter(
    "classready_collector_records_lost_unexplained", "Records that are lost, and that no agent says it dropped."
)
NUMBERS_TAKEN = Counter(
    "classready_collector_records_renumbered",
    "Records that came under a number of another record (a copied or restored spool) and were sent back for another.",
)
LEDGER_GAPS_CLOSED = Counter(
    "classready_collector_ledger_gaps_closed", "Reports with which the oldest gaps of their spool were closed."
)
UPGRADE_HALTED = Gauge(
    "classready_collector_upgrade_halted", "1 while a staged upgrade stands still because too many gateways failed."
)
SPOOLS_FORGOTTEN = Counter(
    "classready_collector_spools_forgotten", "Spools of gateways that made more of them than are remembered."
)
STEP_BUGS = Counter("classready_collector_step_bugs", "Events on which the core failed: bugs, see the log.")
COMMIT_DURATION = Histogram("classready_collector_commit_duration_seconds", "Time of one transaction.")
WRITER_HELD = Histogram(
    "classready_collector_writer_held_seconds",
    "Time for which one writer kept all others waiting.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
COMMITS_FAILED = Counter("classready_collector_commits_failed", "Transactions that failed; nothing of them was kept.")
DB_BUSY = Counter("classready_collector_db_busy", "Transactions that failed because the store was locked.")
BATCH_RECORDS = Histogram(
    "classready_collector_batch_records", "Records in one transaction.", buckets=(1, 10, 100, 1_000, 10_000, 100_000)
)
LAST_COMMIT = Gauge("classready_collector_last_commit_timestamp_seconds", "When reports were last committed.")
QUEUE = Gauge("classready_collector_ingest_queue_reports", "Reports that wait for their transaction.")
QUEUE_LIMIT = Gauge("classready_collector_ingest_queue_limit_reports", "Reports that may wait.")
END_TO_END_DELAY = BatchHistogram(
    "classready_collector_end_to_end_delay_seconds",
    "From the observation to its transaction, where the gateway's clock was good.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3_600, 86_400),
)

for _reason in REJECT_REASONS:
    RECORDS_REJECTED.labels(_reason)
for _reason in DROP_REASONS:
    RECORDS_DECLARED_DROPPED.labels(_reason)
