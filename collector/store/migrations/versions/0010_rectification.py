# ruff: noqa: INP001 - alembic loads these files by path
"""Records of what was told and mended, kept for years. What an earlier release did not keep stays NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("incident") as table:
        for column in _columns():
            table.add_column(column)
        table.create_index("incident_closed_at", ["closed_at"])
    op.create_table(
        "incident_told",
        sa.Column("incident", sa.String(200), primary_key=True),
        sa.Column("school", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(400), primary_key=True),
        sa.Column("school_name", sa.Text, nullable=False),
        sa.Column("classrooms", sa.Text, nullable=False),
        sa.Column("since", sa.Double),
        sa.Column("told_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("ending", sa.String(16)),
        sa.Column("reopened_from", sa.String(200)),
    )
    op.create_index("incident_told_school", "incident_told", ["school"])


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("notified_count", sa.Integer),
        sa.Column("told_at", sa.Double),
        sa.Column("actor", sa.String(16)),
        sa.Column("root_name", sa.Text),
        sa.Column("acknowledged_at", sa.Double),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_note", sa.Text),
        sa.Column("fixed_at", sa.Double),
        sa.Column("fix_lesson_s", sa.Double),
        sa.Column("ending", sa.String(16)),
        sa.Column("joined_to", sa.String(200)),
        sa.Column("reopened_from", sa.String(200)),
    ]


def downgrade() -> None:
    op.drop_table("incident_told")
    with op.batch_alter_table("incident") as table:
        table.drop_index("incident_closed_at")
        for column in _columns():
            table.drop_column(column.name)
