# ruff: noqa: INP001 - alembic loads these files by path
"""What gateways found in their own networks, and when somebody asked them to look again."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "found",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("host", sa.String(253), primary_key=True),
        sa.Column("what", sa.String(8), nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.Column("first_seen_at", sa.Double, nullable=False),
        sa.Column("observed_at", sa.Double, nullable=False),
        sa.Column("ignored_at", sa.Double),
        sa.Column("ignored_by", sa.Text),
    )
    op.create_table(
        "found_asked",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("found_asked")
    op.drop_table("found")
