"""The running centre under hostile messages: every route still serves JSON."""

import json
from pathlib import Path

import pytest

from edge import topics, wire
from tests.support.centre_samples import T0_NS, episode_id, status, violation
from tests.support.serving_centre import running, snapshot

pytestmark = pytest.mark.anyio


def _refuse(constant: str) -> None:
    pytest.fail(f"{constant} is no JSON")


ROUTES = ("violations", "quarantine", "summary", "rsus", "counts", "site", f"violations/{episode_id(1)}")


async def test_every_route_stays_json_whatever_reporters_say(tmp_path: Path) -> None:
    """Hostile values of a violation, a status and a snapshot, and then sound ones: all is served on."""
    nan, inf = float("nan"), float("inf")
    hostile = (
        violation(2, p_violation=nan), violation(3, s_m=inf), violation(4, lane="\u202e"),
        violation(5, evidence={"stamp_ns": [T0_NS], "excess_m": [nan]}), violation(6, version=2**62),
    )  # fmt: skip
    bad = status(clock_offset_ms=nan, outbox_depth=2**63 - 1, counts={"\u202e": 1, "a": 2**63 - 1})
    async with running(tmp_path) as centre, centre.events() as events:
        for seq, what in enumerate((*hostile, violation(1)), 1):
            centre.send(seq, what)
        for esn in ("RSU001", "X1", "X2", "X3"):
            centre.app.ingest.subscriptions.receive(topics.status(esn), wire.encode(bad))
        centre.app.ingest.subscriptions.receive(topics.track_up("RSU001"), snapshot(1, names=True)[:-3])
        await centre.until_sent(len(hostile) + 1)
        for route in ROUTES:
            answer = await centre.http.get(f"/api/{route}")
            assert answer.status_code == 200, route
            json.loads(answer.text, parse_constant=_refuse)  # NaN is no JSON
            assert "\u202e" not in answer.text
        shown = await centre.get("/api/violations")
        assert [row["id"] for row in shown["items"]] == [episode_id(1)]
        summary = await centre.get("/api/summary")
        assert (summary["quarantined"], summary["outbox_depth"]) == (len(hostile), 0)
        async for _, name, data in events:
            if name == "violation":
                assert data["id"] == episode_id(1)
                break
