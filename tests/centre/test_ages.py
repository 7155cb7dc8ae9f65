"""A centre whose clock is set years ahead deletes, asks and gives up nothing for it. On both databases."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from centre.ages import Ages, known_ns
from centre.asker import DAY_NS, Asker
from centre.desk.keeping import trim
from centre.desk_tables import SHIFT
from centre.outreach import sender
from centre.outreach import store as outreach
from centre.own_clock import OwnClock
from centre.unit_registry import UnitRegistry
from edge import wire
from edge.age_clock import SLACK_S
from tests.support.centre_database import Centre
from tests.support.centre_samples import T0_NS, item, payload, status, violation

NS = 10**9
YEAR_NS = 366 * DAY_NS
WRONG_NS = T0_NS + 6 * YEAR_NS


def _aged_ns(engine: sa.Engine, ages: Ages, now_ns: int) -> int:
    with engine.begin() as db:
        return ages.now_ns(db, now_ns)


def test_what_time_it_was_at_least_needs_both_clocks(engine: sa.Engine) -> None:
    with engine.begin() as db:
        assert known_ns(db) == 0
    centre = Centre(engine)
    centre.send(1, violation(1))
    centre.now_ns = WRONG_NS  # a start under a wrong clock stores more
    centre.send(2, violation(2))
    by_ns = -6 * YEAR_NS  # and a board of 2020 has raised the newest
    found = msgspec.structs.replace(
        item(3, violation(3, start_ns=T0_NS + by_ns)), detected_ns=T0_NS + by_ns + NS
    )
    centre.commit(payload(10, found))
    with engine.begin() as db:
        assert T0_NS < known_ns(db) < T0_NS + 60 * NS


def test_under_a_wrong_clock_nothing_grows_old_at_any_start(engine: sa.Engine) -> None:
    centre = Centre(engine)
    for n, at_ns in enumerate((T0_NS, WRONG_NS, WRONG_NS + NS), 1):
        centre.now_ns = at_ns
        centre.send(n, violation(n))
        assert _aged_ns(engine, Ages(OwnClock()), at_ns + NS) <= T0_NS + (SLACK_S + 60) * NS


def test_where_the_rsus_agree_rows_grow_old_by_our_clock(engine: sa.Engine) -> None:
    own, now_ns = OwnClock(), T0_NS + 800 * DAY_NS
    assert _aged_ns(engine, Ages(own), now_ns) < now_ns  # nothing says that it is right
    own.note("RSU001", now_ns + NS)
    ages = Ages(own)
    assert _aged_ns(engine, ages, now_ns) < now_ns  # a single look could be a mistake
    assert _aged_ns(engine, ages, now_ns) == now_ns


def test_the_desk_keeps_its_rows_while_its_clock_is_years_ahead(engine: sa.Engine) -> None:
    Centre(engine).send(1, violation(1))
    counts: Counter[str] = Counter()
    with engine.begin() as db:
        shift = {"by_user": "li", "desk": "1", "begun_ns": T0_NS, "ended_ns": T0_NS + NS}
        db.execute(sa.insert(SHIFT).values(**shift))
        trim(db, counts, 180.0, Ages(OwnClock()).now_ns(db, WRONG_NS))
        assert not counts
        trim(db, counts, 180.0, WRONG_NS)
        assert counts == {"desk.shift_trimmed": 1}


def _asker(since_ns: int, now_ns: int, offset_ms: float | None) -> Asker:
    rsus = UnitRegistry("rsu", ["RSU001"], now_ns)
    rsus.receive_status(
        "RSU001", wire.encode(status(clock_offset_ms=offset_ms)), retained=False, now_ns=now_ns
    )
    never: Any = None
    return Asker(
        centre="c", since_ns=since_ns, database=never, writer=never, rsus=rsus, gaps=dict,
        publish=lambda *_: True, now_ns=lambda: now_ns, kept_ns=30 * DAY_NS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("since_ns", "now_ns", "offset_ms", "want_ns"),
    [
        (T0_NS - NS, T0_NS, 0.3, T0_NS - NS),
        (T0_NS - NS, T0_NS, None, T0_NS - NS),  # it knows no offset yet
        # our clock is years ahead: by the RSU's own
        (WRONG_NS - NS, WRONG_NS, -6 * YEAR_NS / 1e6, T0_NS - 30 * DAY_NS),
        # it was ahead at the start, and is set right since
        (WRONG_NS - 30 * DAY_NS, T0_NS, 0.0, T0_NS - 30 * DAY_NS),
        # the RSU's clock is years behind, and so are its recordings
        (T0_NS - NS, T0_NS, -6 * YEAR_NS / 1e6, T0_NS - 6 * YEAR_NS - 30 * DAY_NS),
        # our clock was years behind a moment ago: the RSU says still how far it was ahead of that
        (T0_NS - NS, T0_NS, 6 * YEAR_NS / 1e6, T0_NS - 30 * DAY_NS),
    ],
)
def test_an_rsu_is_asked_by_its_own_clock(
    since_ns: int, now_ns: int, offset_ms: float | None, want_ns: int
) -> None:
    assert _asker(since_ns, now_ns, offset_ms)._since_by("RSU001", now_ns) == want_ns


def test_an_event_that_a_wrong_clock_put_off_is_due(engine: sa.Engine) -> None:
    with engine.begin() as db:
        db.execute(sa.insert(outreach.OUTREACH).values(
            way="webhook", id="1", violation="v", body=b"", made_ns=WRONG_NS, tries=1,
            next_ns=WRONG_NS + 300 * NS, dead=False,
        ))  # fmt: skip
        assert [row.id for row in outreach.due(db, "webhook", T0_NS, 9)] == ["1"]
        assert outreach.due(db, "webhook", WRONG_NS, 9) == []


@pytest.mark.anyio
@pytest.mark.parametrize(("tries", "is_dead"), [(0, False), (3, False), (sender.DEAD_TRIES, True)])
async def test_only_what_was_tried_often_is_given_up(tries: int, is_dead: bool) -> None:
    async def refuse(_event_id: str, _body: bytes) -> None:
        raise sender.NotDeliveredError("500")

    made: Any = SimpleNamespace(
        ways={"webhook": refuse}, counts=Counter(), now_ns=lambda: WRONG_NS,
        log=SimpleNamespace(error=lambda *_, **__: None), seconds=lambda: 0.0, _failing={},
    )  # fmt: skip
    row = SimpleNamespace(id="1", body=b"", tries=tries, made_ns=T0_NS)
    change = await sender.Sender._tried(made, "webhook", row)
    assert change is not None
    assert change["dead"] is is_dead
