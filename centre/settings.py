"""Single values that the database keeps, such as from when on the RSUs are asked for their violations."""

import sqlalchemy as sa

from centre.store import SETTING, TRANSPORT, exclusive

ASK_SINCE = "ask_since_ns"
NOTHING_TO_ASK = 0


def value(db: sa.Connection, key: str) -> str | None:
    found: str | None = db.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == key))
    return found


def set_value(db: sa.Connection, key: str, text: str) -> None:
    """Store a value in place of the one that is there."""
    at_key = SETTING.c.key == key
    if db.execute(sa.update(SETTING).where(at_key).values(value=text)).rowcount == 0:
        db.execute(sa.insert(SETTING).values(key=key, value=text))


def ask_since_ns(engine: sa.Engine, oldest_ns: int) -> int:
    """Return from when on each RSU is asked for its violations; NOTHING_TO_ASK where the database is whole.

    A database without one is new where it holds no transport key, and then gets `oldest_ns`: its forerunner
    may have been deleted.
    """
    with exclusive(engine) as db:  # another process may start on it
        known = value(db, ASK_SINCE)
        if known is None:
            has_keys = db.scalar(sa.select(TRANSPORT.c.seq).limit(1)) is not None
            known = str(NOTHING_TO_ASK if has_keys else oldest_ns)
            set_value(db, ASK_SINCE, known)
    return int(known) if known.isascii() and known.isdigit() else NOTHING_TO_ASK


def forget(db: sa.Connection, key: str) -> None:
    """Delete a value; the next start sets it anew."""
    db.execute(sa.delete(SETTING).where(SETTING.c.key == key))
