"""The statements of the database's writer, built once: building one costs as much as running it."""

from typing import Any

import sqlalchemy as sa

from centre.store import EPISODE, FEED, QUARANTINE, TRANSPORT, VERSION
from geofence.violation import GRADES

WARNING = GRADES.index("warning")
# columns of EPISODE that a newer version replaces
NEWEST = ("version", "hop", "esn", "open", "grade", "rule")
_bound = sa.bindparam

_AT_KEY = (
    TRANSPORT.c.esn == _bound("k_esn"),
    TRANSPORT.c.epoch == _bound("k_epoch"),
    TRANSPORT.c.seq == _bound("k_seq"),
)
FIND_KEYS = sa.select(TRANSPORT.c.seq, TRANSPORT.c.sha256).where(
    TRANSPORT.c.esn == _bound("k_esn"),
    TRANSPORT.c.epoch == _bound("k_epoch"),
    TRANSPORT.c.seq.in_(_bound("k_seqs", expanding=True)),
)
ADD_KEY = sa.insert(TRANSPORT)
REPLACE_VOID = (
    sa.update(TRANSPORT)
    .where(*_AT_KEY)
    .values(sha256=_bound("new_sha256"), void=None, received_ns=_bound("new_received_ns"))
)

_AT_VERSION = (
    VERSION.c.id == _bound("k_id"),
    VERSION.c.version == _bound("k_version"),
    VERSION.c.esn == _bound("k_esn"),
)
FIND_VERSIONS = sa.select(VERSION.c.id, VERSION.c.version, VERSION.c.esn, VERSION.c.sha256).where(
    VERSION.c.id.in_(_bound("k_ids", expanding=True)),
    VERSION.c.version.in_(_bound("k_versions", expanding=True)),
)
ADD_VERSION = sa.insert(VERSION)
STAMP_VERSION = sa.update(VERSION).where(*_AT_VERSION).values(committed_ns=_bound("at_ns"))
_AT_EPISODE = EPISODE.c.id == _bound("k_id")
# columns of EPISODE that a further version changes
CHANGING = (*NEWEST, "grade_max", "versions", "excess_m_max", "p_violation_max")
FIND_EPISODES = sa.select(EPISODE.c.id, *(EPISODE.c[name] for name in CHANGING)).where(
    EPISODE.c.id.in_(_bound("k_ids", expanding=True))
)
FIND_EPISODE = sa.select(EPISODE.c.version, EPISODE.c.esn).where(_AT_EPISODE)
ADD_EPISODE = sa.insert(EPISODE)
CHANGE_EPISODE = (
    sa.update(EPISODE).where(_AT_EPISODE).values(**{name: _bound(f"new_{name}") for name in CHANGING})
)
# The first version of grade warning or above that an observation decided.
_sample = (
    VERSION.c.id == _bound("k_id"), VERSION.c.grade >= WARNING, VERSION.c.decided_ns.is_not(None),
)  # fmt: skip


def _of_sample(column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    query = sa.select(column).where(*_sample).order_by(VERSION.c.hop, VERSION.c.version)
    return query.limit(1).scalar_subquery()


STAMP_EPISODE = (
    sa.update(EPISODE)
    .where(_AT_EPISODE)
    .values(
        first_committed_ns=sa.func.coalesce(EPISODE.c.first_committed_ns, _bound("at_ns")),
        latency_ns=_of_sample(VERSION.c.committed_ns - VERSION.c.decided_ns),
        latency_esn=_of_sample(VERSION.c.esn),
    )
)

ADD_FEED = sa.insert(FEED)
NEWEST_NUMBER = {table.name: sa.select(sa.func.max(table.c.n)) for table in (QUARANTINE, FEED)}
