# ruff: noqa: INP001 - alembic loads these files by path
"""One-time codes, and the tokens that gateways got for them; of both only digests."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "enrolment_code",
        sa.Column("code_sha256", sa.String(64), primary_key=True),
        sa.Column("school", sa.String(32), nullable=False),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double),
        sa.Column("used_from", sa.Text),
        sa.Column("attempt_sha256", sa.String(64)),
        sa.Column("revoked_at", sa.Double),
    )
    op.create_table(
        "gateway_token",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("gateway", sa.String(40), nullable=False),
        sa.Column("school", sa.String(32), nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("ended_by", sa.String(16)),
    )


def downgrade() -> None:
    op.drop_table("gateway_token")
    op.drop_table("enrolment_code")
