# ruff: noqa: INP001 - alembic loads these files by path
"""The staged upgrade of the fleet: its plan, and what became of each gateway that was offered it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "upgrade_plan",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("plan", sa.Text, nullable=False),
    )
    op.create_table(
        "upgrade_mark",
        sa.Column("gateway", sa.String(40), primary_key=True),
        sa.Column("mark", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("upgrade_mark")
    op.drop_table("upgrade_plan")
