# ruff: noqa: INP001 - alembic loads these files by path
"""Devices that somebody confirmed for a gateway to measure."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "device",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("confirmed_by", sa.Text, nullable=False),
        sa.Column("confirmed_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("device")
