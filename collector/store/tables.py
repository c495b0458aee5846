"""The tables as they are now. How they came to be is in ``migrations``; a test says that the two agree."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

school_state = Table(
    "school_state",
    metadata,
    Column("school", String(32), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("saved_at", Double, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("spool_id", String(32), primary_key=True),
    Column("ranges", Text, nullable=False),
    Column("applied_records", BigInteger, nullable=False),
    Column("rejected_records", BigInteger, nullable=False),
    Column("declared_drops", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("closed_through", BigInteger, nullable=False),
    Column("closed_records", BigInteger, nullable=False),
    Column("boots", Text, nullable=False),
)

ledger_rejected = Table(
    "ledger_rejected",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("spool_id", String(32), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String(40), nullable=False),
    Column("at", Double, nullable=False),
)

life = Table(
    "life",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("since", Double, nullable=False),
    Column("until", Double, nullable=False),
)

verdict_transition = Table(
    "verdict_transition",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("office", String(32), nullable=False),
    Column("school", String(32), nullable=False),
    Column("classroom", String(32), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("causes", Text, nullable=False),
    Index("verdict_transition_school_at", "school", "at"),
)

alert_change = Table(
    "alert_change",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("change", Text, nullable=False),
)

incident = Table(
    "incident",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("scope", String(8), nullable=False),
    Column("office", String(32), nullable=False),
    Column("cause", String(40), nullable=False),
    Column("since", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("closed_at", Double),
    Column("classroom_count", Integer, nullable=False),
    Column("state", Text),
    # what of it is to be mended, and what became of that; NULL = not known, also where an earlier release wrote the row
    Column("notified_count", Integer),
    Column("told_at", Double),
    Column("actor", String(16)),
    Column("root_name", Text),
    Column("acknowledged_at", Double),
    Column("acknowledged_by", Text),
    Column("acknowledged_note", Text),
    Column("fixed_at", Double),
    Column("fix_lesson_s", Double),
    Column("ending", String(16)),
    Column("joined_to", String(200)),
    Column("reopened_from", String(200)),
    Index("incident_closed_at", "closed_at"),
)

incident_told = Table(
    "incident_told",
    metadata,
    Column("incident", String(200), primary_key=True),
    Column("school", String(32), primary_key=True),
    Column("subject", String(400), primary_key=True),
    Column("school_name", Text, nullable=False),
    Column("classrooms", Text, nullable=False),
    Column("since", Double),
    Column("told_at", Double),
    Column("ended_at", Double),
    Column("ending", String(16)),
    Column("reopened_from", String(200)),
    Index("incident_told_school", "school"),
)

incident_member = Table(
    "incident_member",
    metadata,
    Column("incident", String(200), primary_key=True),
    Column("school", String(32), primary_key=True),
    Column("state", Text, nullable=False),
)

objection = Table(
    "objection",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("school", String(32), nullable=False),
    Column("classroom", String(32)),
    Column("office", String(32), nullable=False),
    Column("incident", String(200)),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("before", Text, nullable=False),
    Column("settled_at", Double),
    Column("outcome", String(16)),
    Column("reason", String(200)),
    Column("after", Text),
    Index("objection_school_at", "school", "at"),
)

office_desk = Table(
    "office_desk",
    metadata,
    Column("office", String(32), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

bandwidth_result = Table(
    "bandwidth_result",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("spool_id", String(32), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("observed_at", Double, nullable=False),
    Column("target", String(64), nullable=False),
    Column("direction", String(8)),
    Column("mode", String(16)),
    Column("outcome", String(16)),
    Column("reason", String(32)),
    Column("at_least_bps", Double),
    Column("at_most_bps", Double),
    Column("estimate_bps", Double),
    Column("theta0_bps", Double),
    Column("theta1_bps", Double),
    Column("bucket_bytes", BigInteger),
    Column("bytes", BigInteger),
    Column("seconds", Double),
    Column("loss_ratio", Double),
    Column("classroom", String(65)),
    Column("beyond", String(64)),
    Column("windows", Text),
    Index("bandwidth_result_gateway_observed_at", "gateway", "observed_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("receiver", String(64), nullable=False),
    Column("notice", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("settled_at", Double),
    Column("reason", String(200)),
    Column("words", Text),
    Index("outbox_state_receiver", "state", "receiver"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False),
)

enrolment_code = Table(
    "enrolment_code",
    metadata,
    Column("code_sha256", String(64), primary_key=True),
    Column("school", String(32), nullable=False),
    Column("gateway", String(40), nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("used_from", Text),
    Column("attempt_sha256", String(64)),
    Column("revoked_at", Double),
)

gateway_token = Table(
    "gateway_token",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("gateway", String(40), nullable=False),
    Column("school", String(32), nullable=False),
    Column("made_at", Double, nullable=False),
    Column("used_at", Double),
    Column("ended_at", Double),
    Column("ended_by", String(16)),
    Column("mqtt_verifier", String(200)),
)

device = Table(
    "device",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("target", Text, nullable=False),
    Column("confirmed_by", Text, nullable=False),
    Column("confirmed_at", Double, nullable=False),
)

upgrade_plan = Table(
    "upgrade_plan",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("plan", Text, nullable=False),
)

upgrade_mark = Table(
    "upgrade_mark",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("mark", Text, nullable=False),
)

found = Table(
    "found",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("host", String(253), primary_key=True),
    Column("what", String(8), nullable=False),
    Column("seen", Text, nullable=False),
    Column("first_seen_at", Double, nullable=False),
    Column("observed_at", Double, nullable=False),
    Column("ignored_at", Double),
    Column("ignored_by", Text),
)

found_asked = Table(
    "found_asked",
    metadata,
    Column("gateway", String(40), primary_key=True),
    Column("asked_at", Double, nullable=False),
    Column("asked_by", Text, nullable=False),
)
