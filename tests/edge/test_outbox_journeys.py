"""The last versions of journeys that ended come back from the recordings where the outbox's file is gone."""

import pytest

from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from geofence.journeys.journey import decoded, encoded
from tests.centre.test_journeys import journey
from tests.support.outbox_end import until
from tests.support.outbox_killed import ESN, wall

pytestmark = pytest.mark.anyio


async def test_of_each_journey_that_has_ended_the_last_version_comes_back(tmp_path):
    clock = wall()
    with_end = {"end_ns": journey(1).start_ns + 60 * 10**9}
    recorder = Recorder(tmp_path / "recordings" / f"{ESN}-1700000000-00000.mcap", live=True)
    for each in (
        journey(1), journey(2), journey(1, version=2, **with_end), journey(2, version=2),
        journey(3, **with_end),
    ):  # fmt: skip
        recorder.write(f"/journey/{ESN}", encoded(each), clock.now_ns())
    recorder.close()
    found = []
    outbox = await Outbox.open(
        tmp_path / "outbox" / "o.sqlite", clock=clock, recordings=tmp_path / "recordings", esn=ESN
    )
    outbox.on_journeys = found.extend
    outbox.start()
    await until(lambda: found)
    await outbox.close()
    assert [(each.id, each.version) for each in map(decoded, found)] == [
        (journey(1).id, 2), (journey(3).id, 1),
    ]  # fmt: skip
    again = await Outbox.open(tmp_path / "outbox" / "o.sqlite", clock=clock)
    assert sorted(again.journeys) == sorted(found), "a restart knows them, until the centre has answered"
    again.start()
    await again.close()
