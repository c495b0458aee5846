# ruff: noqa: INP001 - alembic loads these files by path
"""What a bandwidth test was of, and the windows that its verdict rests on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("bandwidth_result", sa.Column("classroom", sa.String(65)))
    op.add_column("bandwidth_result", sa.Column("beyond", sa.String(64)))
    op.add_column("bandwidth_result", sa.Column("windows", sa.Text))


def downgrade() -> None:
    for column in ("windows", "beyond", "classroom"):
        op.drop_column("bandwidth_result", column)
