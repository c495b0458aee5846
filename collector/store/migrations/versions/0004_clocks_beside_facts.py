# ruff: noqa: INP001 - alembic loads these files by path
"""When a school was stored, when the collector lived, and what bounds a ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("school_state", sa.Column("saved_at", sa.Double, nullable=False, server_default="0"))
    # the release before stored a school with each of its reports: the newest one was its last sign of life
    op.execute("UPDATE school_state SET saved_at = COALESCE((SELECT MAX(updated_at) FROM ledger), 0)")
    op.add_column("ledger", sa.Column("closed_through", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("ledger", sa.Column("closed_records", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("ledger_rejected", sa.Column("at", sa.Double, nullable=False, server_default="0"))
    op.create_table(
        "life",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("life")
    op.drop_column("ledger_rejected", "at")
    op.drop_column("ledger", "closed_records")
    op.drop_column("ledger", "closed_through")
    op.drop_column("school_state", "saved_at")
