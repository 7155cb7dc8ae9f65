"""The table that violations are searched by: what is asked for of each episode, in columns."""

import sqlalchemy as sa

from centre.meta import META, partial_index

# One row per episode, written in the transaction of its versions (`keys` says of which version each column
# is); of an older database it is filled after the start (`backfill`).
EPISODE_KEY = sa.Table(
    "episode_key", META,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("end_ns", sa.BigInteger),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("esn", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(32), nullable=False),
    sa.Column("grade_max", sa.SmallInteger, nullable=False),
    sa.Column("plate", sa.String(200)),  # as `keys.folded` writes it; the terminal where it has no plate
    sa.Column("terminal", sa.String(200)),
    sa.Column("carrier", sa.String(200)),
    sa.Column("un", sa.String(200)),
    # where the highest grade was decided, and by which version
    sa.Column("s_m", sa.Float),
    sa.Column("lane", sa.String(200)),
    sa.Column("zone", sa.String(200)),
    sa.Column("place_hop", sa.BigInteger, nullable=False),
    sa.Column("place_version", sa.BigInteger, nullable=False),
    # what people said of it (`notes.annotate`)
    sa.Column("is_false", sa.Boolean),
    sa.Column("handling", sa.String(16)),
    sa.Column("corrected", sa.String(200)),  # the right plate, as `plate`
)  # fmt: skip
sa.Index("ix_episode_key_start", EPISODE_KEY.c.start_ns, EPISODE_KEY.c.id)
sa.Index("ix_episode_key_plate", EPISODE_KEY.c.plate, EPISODE_KEY.c.start_ns)
_is_corrected = EPISODE_KEY.c.corrected.is_not(None)
partial_index("ix_episode_key_corrected", EPISODE_KEY.c.corrected, where=_is_corrected)
