"""What one version of a journey changes in the database."""

import sqlalchemy as sa

from centre.commands import CommitResult, ReceivedJourney
from centre.store import JOURNEY
from geofence.journeys.joining import continues, joined
from geofence.journeys.journey import Journey, decoded, encoded


def store_journey(db: sa.Connection, result: CommitResult, *, received: ReceivedJourney) -> None:
    """Store a version unless a newer one, by (hop, version), is stored."""
    journey = received.journey
    row = db.execute(sa.select(JOURNEY).where(JOURNEY.c.id == journey.id)).first()
    if row is None:
        if not result.limits.may_begin_journey(journey.esn, received.received_ns):
            result.counts["journey.too_many"] += 1
            result.refused_journeys.add(journey.id)
            return
        _begin(db, result, received)
        return
    if (journey.hop, journey.version) <= (row.hop, row.version):
        result.counts["journey.overtaken"] += 1
        return
    result.counts["journey.stored"] += 1
    if row.joined is not None:
        db.execute(_at(journey.id).values(**_columns(received)))
        _show(db, row.joined, row.base, received)
    elif journey.seen_ns >= row.seen_ns:
        db.execute(_at(journey.id).values(**_columns(received)))
    else:  # what another RSU continues is newer: this one only gave it up
        db.execute(_at(journey.id).values(hop=journey.hop, version=journey.version))


def _begin(db: sa.Connection, result: CommitResult, received: ReceivedJourney) -> None:
    """Add a journey: one of its own, or the rest of one that another RSU knew."""
    journey = received.journey
    shown = [JOURNEY.c.terminal == journey.terminal, JOURNEY.c.joined.is_(None)]
    row = db.execute(sa.select(JOURNEY).where(*shown).order_by(JOURNEY.c.n.desc()).limit(1)).first()
    earlier = None if row is None else decoded(row.body)
    values = {"id": journey.id, "terminal": journey.terminal, **_columns(received)}
    if row is not None and earlier is not None and continues(earlier, journey):
        db.execute(sa.insert(JOURNEY).values(**values, joined=row.id, base=row.body))
        _show(db, row.id, row.body, received)
        result.counts["journey.joined"] += 1
        return
    if row is not None and earlier is not None and earlier.is_open and earlier.start_ns < journey.start_ns:
        # the vehicle entered again, so its earlier journey has ended, unseen
        earlier.end_ns, earlier.reason = max(earlier.seen_ns, earlier.start_ns), "again"
        db.execute(_at(row.id).values(open=False, body=encoded(earlier)))
        result.counts["journey.superseded"] += 1
    db.execute(sa.insert(JOURNEY).values(**values))
    result.counts["journey.stored"] += 1


def _show(db: sa.Connection, journey_id: str, base: bytes, received: ReceivedJourney) -> None:
    """Show a journey together with its rest, in its own row; its own hop and version stay."""
    before = decoded(base)
    if before is None:
        return
    whole = joined(before, received.journey)
    shown = _columns(ReceivedJourney(whole, encoded(whole), received.received_ns))
    for name in ("hop", "version", "start_ns"):
        del shown[name]
    db.execute(_at(journey_id).values(**shown))


def _at(journey_id: str) -> sa.Update:
    return sa.update(JOURNEY).where(JOURNEY.c.id == journey_id)


def _columns(received: ReceivedJourney) -> dict[str, object]:
    journey: Journey = received.journey
    return {
        "open": journey.is_open,
        "start_ns": journey.start_ns,
        "seen_ns": journey.seen_ns,
        "hop": journey.hop,
        "version": journey.version,
        "esn": journey.esn,
        "body": received.body,
        "received_ns": received.received_ns,
    }
