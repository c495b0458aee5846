# ruff: noqa: INP001 - alembic loads these files by path
"""Messages in parts: what of a message is still to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("outbox") as table:
        table.add_column(sa.Column("words", sa.Text))


def downgrade() -> None:
    with op.batch_alter_table("outbox") as table:
        table.drop_column("words")
