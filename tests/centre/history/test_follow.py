"""Which violations get a clip: each once, by what the feed announces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import sqlalchemy as sa

from centre.database import Database
from centre.history import keeper
from centre.history.clips import Wish
from centre.history.keeper import History
from centre.store import EPISODE
from core.times import NS
from edge import log
from edge.sections import RetentionConfig
from geofence.violation import Stamps
from tests.support.centre_database import Centre
from tests.support.centre_samples import T0_NS, episode_id, item, payload, violation

YEAR_NS = 366 * 86_400 * NS


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
    wished = [wish.violation for _, wish in history._queue if isinstance(wish, Wish)]
    assert wished == [episode_id(1), episode_id(2)]
    assert history._new_violations(engine, at) == at


@pytest.mark.parametrize("by_ns", [-6 * YEAR_NS, 11 * YEAR_NS])
def test_a_clip_is_of_the_time_of_arrival_where_the_rsus_clock_was_never_set(
    engine: sa.Engine, tmp_path: Path, by_ns: int
) -> None:
    """One of years ahead would be due in years: 500 of these, and no other violation gets a clip."""
    stage = Centre(engine)
    history = History(tmp_path, RetentionConfig(), {}, lambda: T0_NS + NS, log.setup(part="test"))
    at: int | None = history._new_violations(engine, None)
    found = violation(
        start_ns=T0_NS + by_ns, confirmed_ns=T0_NS + NS // 2 + by_ns,
        stamps=Stamps(measured_ns=T0_NS + by_ns, arrived_ns=T0_NS + NS // 2 + by_ns),
        evidence={"stamp_ns": [T0_NS + by_ns], "d_m": [1.4]},
    )  # fmt: skip
    sent = msgspec.structs.replace(
        item(1, found), detected_ns=T0_NS + NS // 2 + by_ns, sent_ns=T0_NS + NS // 2 + by_ns
    )
    stage.commit(payload(10, sent))
    assert history._new_violations(engine, at) != at
    (wish,) = (each for _, each in history._queue if isinstance(each, Wish))
    assert abs(wish.start_ns - T0_NS) < 60 * NS


@pytest.mark.anyio
async def test_no_clip_is_missed_between_an_error_and_the_next_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "FOLLOW_S", 0.0)
    history = History(tmp_path, RetentionConfig(), {}, lambda: T0_NS, log.setup(part="test"))
    asked: list[int | None] = []

    class Read:
        engine = None

        async def read(self, _query: Callable[..., Any], after: int | None) -> int:
            asked.append(after)
            if len(asked) % 2 == 0:
                raise TypeError("nobody expected this")
            return 7

    for _ in range(2):
        with pytest.raises(TypeError):
            await history.follow(cast(Database, Read()))
    assert asked == [None, 7, 7, 7]
