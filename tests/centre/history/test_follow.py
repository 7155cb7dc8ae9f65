"""Which violations get a clip: each once, by what the feed announces."""

from pathlib import Path

import sqlalchemy as sa

from centre.history.keeper import History
from centre.store import EPISODE
from core.times import NS
from edge import log
from edge.sections import RetentionConfig
from tests.support.centre_database import Centre
from tests.support.centre_samples import T0_NS, episode_id, violation


def test_no_clip_is_missed_where_episodes_are_committed_out_of_the_order_of_their_numbers(
    engine: sa.Engine, tmp_path: Path
) -> None:
    """With several writers on one PostgreSQL the feed's numbers are in order, those of episodes are not."""
    stage = Centre(engine)
    stretches = {"RSU001": (0.0, 500.0)}
    history = History(tmp_path, RetentionConfig(), stretches, lambda: T0_NS + NS, log.setup(part="test"))
    at: int | None = history._new_violations(engine, None)
    for n, number in ((1, 10), (2, 5)):
        stage.send(n, violation(n))
        with engine.begin() as db:
            db.execute(sa.update(EPISODE).where(EPISODE.c.id == episode_id(n)).values(n=number))
        at = history._new_violations(engine, at)
    stage.send(3, violation(2, version=2))  # what comes later asks for nothing
    at = history._new_violations(engine, at)
    assert [wish.violation for _, wish in history._queue] == [episode_id(1), episode_id(2)]  # type: ignore[union-attr]
    assert history._new_violations(engine, at) == at
