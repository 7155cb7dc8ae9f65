"""The schema of version 1. A database from before Alembic has these tables already and keeps them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG, SMALL, BYTES = sa.BigInteger, sa.SmallInteger, sa.LargeBinary


def upgrade() -> None:
    """Create the tables and indexes that are missing."""
    for create in (_transport_and_versions, _episodes, _feed_and_quarantine, _units_and_settings):
        create()
    op.create_index("ix_episode_open", "episode", ["open"], if_not_exists=True)
    op.create_index("ix_episode_section", "episode", ["grade_max", "open"], if_not_exists=True)
    op.create_index("ix_quarantine_sha256", "quarantine", ["sha256"], if_not_exists=True)


def _transport_and_versions() -> None:
    op.create_table(
        "transport",
        sa.Column("esn", sa.String(64), primary_key=True),
        sa.Column("epoch", BIG, primary_key=True),
        sa.Column("seq", BIG, primary_key=True),
        sa.Column("sha256", BYTES(32), nullable=False),
        sa.Column("void", sa.String(200)),
        sa.Column("received_ns", BIG, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "violation_version",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("version", BIG, primary_key=True),
        sa.Column("esn", sa.String(64), primary_key=True),
        sa.Column("hop", BIG, nullable=False),
        sa.Column("grade", SMALL, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("sha256", BYTES(32), nullable=False),
        sa.Column("epoch", BIG, nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("decided_ns", BIG),
        sa.Column("detected_ns", BIG, nullable=False),
        sa.Column("sent_ns", BIG, nullable=False),
        sa.Column("received_ns", BIG, nullable=False),
        sa.Column("committed_ns", BIG),
        if_not_exists=True,
    )


def _episodes() -> None:
    op.create_table(
        "episode",
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("version", BIG, nullable=False),
        sa.Column("hop", BIG, nullable=False),
        sa.Column("esn", sa.String(64), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("grade", SMALL, nullable=False),
        sa.Column("grade_max", SMALL, nullable=False),
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("versions", sa.Integer, nullable=False),
        sa.Column("first_received_ns", BIG, nullable=False),
        sa.Column("first_committed_ns", BIG),
        sa.Column("latency_ns", BIG),
        sa.Column("latency_esn", sa.String(64)),
        sa.Column("p_violation_max", sa.Float, nullable=False),
        sa.Column("excess_m_max", sa.Float),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )


def _feed_and_quarantine() -> None:
    op.create_table(
        "feed",
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("version", BIG),
        sa.Column("esn", sa.String(64)),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "quarantine",
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("received_ns", BIG, nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("esn", sa.String(64), nullable=False),
        sa.Column("epoch", BIG),
        sa.Column("seq", BIG),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("sha256", BYTES(32), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )


def _units_and_settings() -> None:
    op.create_table(
        "status",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("epoch", BIG, nullable=False),
        sa.Column("connection", BIG, nullable=False),
        sa.Column("since_ns", BIG, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "epoch",
        sa.Column("esn", sa.String(64), primary_key=True),
        sa.Column("epoch", BIG, primary_key=True),
        sa.Column("last_seq", BIG, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(200), nullable=False),
        if_not_exists=True,
    )
