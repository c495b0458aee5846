# ruff: noqa: INP001 - alembic loads these files by path
"""Which boot of a gateway made which records of a spool; of those of an earlier release nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("ledger", sa.Column("boots", sa.Text, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("ledger", "boots")
