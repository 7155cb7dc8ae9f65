"""The tables that the statistics are made of, beside the violations: units and traffic by the hour."""

import sqlalchemy as sa

from centre.meta import META, NUMBER

# One row per change of an RSU: its state, its sensors, its faults. The oldest rows of an RSU are dropped.
UNIT_STATE = sa.Table(
    "unit_state", META,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("esn", sa.String(64), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # online, offline, never
    sa.Column("body", sa.LargeBinary, nullable=False),  # JSON: sensors, degraded, clock_offset_ms, p99_ms
    sqlite_autoincrement=True,
)  # fmt: skip
sa.Index("ix_unit_state_esn", UNIT_STATE.c.esn, UNIT_STATE.c.n)

# What was watched of each RSU in each hour, UTC.
UNIT_HOUR = sa.Table(
    "unit_hour", META,
    sa.Column("hour_ns", sa.BigInteger, primary_key=True),
    sa.Column("esn", sa.String(64), primary_key=True),
    sa.Column("watched_s", sa.Float, nullable=False),  # how long the centre looked
    sa.Column("online_s", sa.Float, nullable=False),
    sa.Column("road_km_h", sa.Float, nullable=False),  # its stretch, times the hours watched
    sa.Column("judged_km_h", sa.Float, nullable=False),  # of it, where it was able to judge
)  # fmt: skip

# Vehicles that crossed the middle of an RSU's stretch, by hour, lane and class.
PASSAGE = sa.Table(
    "passage", META,
    sa.Column("hour_ns", sa.BigInteger, primary_key=True),
    sa.Column("esn", sa.String(64), primary_key=True),
    sa.Column("lane", sa.String(64), primary_key=True),  # empty: on no lane
    sa.Column("class", sa.SmallInteger, primary_key=True),  # of docs/design.md section 7
    sa.Column("n", sa.BigInteger, nullable=False),
)  # fmt: skip
