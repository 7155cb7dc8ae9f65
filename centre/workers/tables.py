"""What each worker says of itself, each two seconds."""

import sqlalchemy as sa

from centre.meta import META

WORKER = sa.Table(
    "worker", META,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("started_ns", sa.BigInteger, nullable=False),  # by the worker's own clock, as the next one
    sa.Column("beat_ns", sa.BigInteger, nullable=False),
    sa.Column("queued", sa.BigInteger),  # violations' messages in the cluster's queue; nil: it does not know
    sa.Column("fault", sa.String(200)),  # why it takes nothing from the queue; nil: it does
    sa.Column("counts", sa.String(8_000)),  # JSON: of its certificate and of refused signatures; nil: none
)  # fmt: skip
