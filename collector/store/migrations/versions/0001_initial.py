# ruff: noqa: INP001 - alembic loads these files by path
"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "school_state",
        sa.Column("school", sa.String(32), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "bureau_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("spool_id", sa.String(32), primary_key=True),
        sa.Column("ranges", sa.Text, nullable=False),
        sa.Column("applied_records", sa.BigInteger, nullable=False),
        sa.Column("rejected_records", sa.BigInteger, nullable=False),
        sa.Column("declared_drops", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_table(
        "ledger_rejected",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("spool_id", sa.String(32), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.String(40), nullable=False),
    )
    op.create_table(
        "verdict_transition",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("office", sa.String(32), nullable=False),
        sa.Column("school", sa.String(32), nullable=False),
        sa.Column("classroom", sa.String(32), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("before", sa.String(16), nullable=False),
        sa.Column("after", sa.String(16), nullable=False),
        sa.Column("causes", sa.Text, nullable=False),
    )
    op.create_index("verdict_transition_school_at", "verdict_transition", ["school", "at"])
    op.create_table(
        "incident",
        sa.Column("incident", sa.String(200), primary_key=True),
        sa.Column("office", sa.String(32), nullable=False),
        sa.Column("cause", sa.String(40), nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("classroom_count", sa.Integer, nullable=False),
    )
    op.create_table(
        "bandwidth_result",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("spool_id", sa.String(32), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("observed_at", sa.Double, nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("direction", sa.String(8)),
        sa.Column("mode", sa.String(16)),
        sa.Column("outcome", sa.String(16)),
        sa.Column("reason", sa.String(32)),
        sa.Column("at_least_bps", sa.Double),
        sa.Column("at_most_bps", sa.Double),
        sa.Column("estimate_bps", sa.Double),
        sa.Column("theta0_bps", sa.Double),
        sa.Column("theta1_bps", sa.Double),
        sa.Column("bucket_bytes", sa.BigInteger),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("seconds", sa.Double),
        sa.Column("loss_ratio", sa.Double),
    )
    op.create_index("bandwidth_result_gateway_observed_at", "bandwidth_result", ["gateway", "observed_at"])
    op.create_table(
        "outbox",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("receiver", sa.String(64), nullable=False),
        sa.Column("notice", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("settled_at", sa.Double),
        sa.Column("reason", sa.String(200)),
    )
    op.create_index("outbox_state_receiver", "outbox", ["state", "receiver"])
    op.create_table(
        "audit",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "audit",
        "outbox",
        "bandwidth_result",
        "incident",
        "verdict_transition",
        "ledger_rejected",
        "ledger",
        "bureau_state",
        "school_state",
    ):
        op.drop_table(table)
