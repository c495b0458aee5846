# ruff: noqa: INP001 - alembic loads these files by path
"""Objections (申诉), with the result that was objected to and the one that came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "objection",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("school", sa.String(32), nullable=False),
        sa.Column("classroom", sa.String(32)),
        sa.Column("office", sa.String(32), nullable=False),
        sa.Column("incident", sa.String(200)),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("settled_at", sa.Double),
        sa.Column("outcome", sa.String(16)),
        sa.Column("reason", sa.String(200)),
        sa.Column("after", sa.Text),
    )
    op.create_index("objection_school_at", "objection", ["school", "at"])


def downgrade() -> None:
    op.drop_table("objection")
