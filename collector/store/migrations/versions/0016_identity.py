# ruff: noqa: INP001 - alembic loads these files by path
"""What the broker knows a token by."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("gateway_token", sa.Column("mqtt_verifier", sa.String(200)))


def downgrade() -> None:
    op.drop_column("gateway_token", "mqtt_verifier")
