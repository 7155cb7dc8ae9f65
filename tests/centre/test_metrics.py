"""What a centre shows to Prometheus: latencies by stage, units, losses, and what pages report as shown."""

import asyncio
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websockets.asyncio.client as ws

from centre.ingest import TRACKS
from centre.process import _CentreService
from centre.security import Door
from centre.shown import NUMBERS_MAX, Shown
from edge import topics, wire
from edge.ask import LOST
from edge.clock import Clock
from edge.config import Site, parse_site
from edge.latency import ViolationLatency
from edge.radar_errors import RegistrationReported
from edge.service import Shell
from edge.subscriptions import MAIN
from geofence.violation import Stamps
from tests.support import serving_centre
from tests.support.centre_road import MAP, SITE
from tests.support.centre_samples import T0_NS, item, payload, status, violation
from tests.support.scraping import Samples, check_names, lint, samples_of
from tests.support.serving_centre import TEST_S, Running, parsed, running, snapshot
from tests.support.site_text import RADAR_POSE

pytestmark = pytest.mark.anyio
MS = 1_000_000
POSE = RegistrationReported(
    state="drifting", estimate=(0.0,) * 5, sigma=(1.0,) * 5, applied=(0.0,) * 5, n_trucks=20, n_pairs=0
)
LATENCY = "petroroad_violation_latency_seconds"


async def metrics(centre: Running) -> Samples:
    text = (await centre.http.get("/metrics")).text
    lint(text)
    return samples_of(text)


def live(n: int = 1, **changed: Any) -> tuple[int, Any]:
    """Return a violation that was measured 90 ms ago and arrived 50 ms ago, and the present time."""
    now_ns = Clock.wall().now_ns()
    stamps = Stamps(measured_ns=now_ns - 90 * MS, arrived_ns=now_ns - 50 * MS)
    at = {"start_ns": now_ns - 100 * MS, "confirmed_ns": now_ns - 90 * MS, "evidence": {}}
    return now_ns, violation(n, stamps=stamps, **(at | changed))


def send(centre: Running, seq: int, found: Any, detected_ns: int, sent_ns: int) -> None:
    each = msgspec.structs.replace(item(seq, found), detected_ns=detected_ns, sent_ns=sent_ns)
    centre.app.ingest.subscriptions.receive(topics.violation_up("RSU001"), payload(10, each))


async def test_each_stage_of_a_violation_is_observed_once(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        now_ns, found = live()
        for _ in range(2):  # the second is the same batch again, after a lost acknowledgement
            send(centre, 1, found, now_ns - 20 * MS, now_ns - 15 * MS)
            await centre.until_sent(1)
        seen = await metrics(centre)
        counts = {key[2]: n for key, n in seen.items() if key[0] == f"{LATENCY}_count"}
        assert {key[1:] for key in seen if key[0] == f"{LATENCY}_count"} == {
            ("live", "RSU001", stage) for stage in (
                "sensor_to_arrival", "arrival_to_decided", "decided_to_sent", "sent_to_received",
                "received_to_committed", "total",
            )
        }  # fmt: skip
        assert set(counts.values()) == {1.0}
        sums = {key[3]: value for key, value in seen.items() if key[0] == f"{LATENCY}_sum"}
        assert sums["sensor_to_arrival"] == pytest.approx(0.040)
        assert sums["arrival_to_decided"] == pytest.approx(0.030)
        assert sums["decided_to_sent"] == pytest.approx(0.005)
        assert sums["total"] == pytest.approx(sum(sums.values()) - sums["total"])
        assert seen["petroroad_commit_seconds_count",] >= 1.0


async def test_what_waited_is_not_among_the_live_samples_and_a_close_counts_its_grade(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        now_ns, found = live(phase="close", grade="undecidable")
        send(centre, 1, found, now_ns - 9_000 * MS, now_ns)
        await centre.until_sent(1)
        seen = await metrics(centre)
        assert {key[1] for key in seen if key[0] == f"{LATENCY}_count"} == {"waited"}
        assert seen["petroroad_episodes_closed_total", "undecidable", "RSU001"] == 1.0
        assert seen["petroroad_episodes_closed_total", "violation", "RSU001"] == 0.0


async def test_units_their_sensors_and_losses_are_shown_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    radar = "R1"
    text = f'[[rsu.radar]]\nid = "{radar}"\ninput = "udp://127.0.0.1:17000"\n{RADAR_POSE}'
    with_radar = SITE.replace('neighbours = ["RSU002"]\n', f'neighbours = ["RSU002"]\n{text}')
    monkeypatch.setattr(serving_centre, "SITE", with_radar)
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        receive = centre.app.ingest.subscriptions.receive
        beat = status(
            outbox_depth=3, last_seq=5, sensors={radar: "online", "made-up": "online"},
            degraded=("disk_full", "a made-up reason"), clock_offset_ms=-250.0,
            registration={radar: POSE, "made-up": POSE},
        )  # fmt: skip
        receive(topics.status("RSU001"), wire.encode(beat))
        receive(topics.violation_up("RSU001"), payload(10, item(1, f"{LOST}: gone"), item(2, "x")))
        await centre.until_sent(1)
        receive(topics.track_up("RSU001"), snapshot(1))
        await asyncio.sleep(0)
        await centre.app.overview.refresh()
        seen = await metrics(centre)
    assert seen["petroroad_unit_up", "rsu", "RSU001"] == 1.0
    assert seen["petroroad_unit_up", "rsu", "RSU002"] == 0.0
    assert seen["petroroad_unit_clock_offset_seconds", "rsu", "RSU001"] == -0.25
    assert seen["petroroad_rsu_outbox_depth", "RSU001"] == 3.0
    assert seen["petroroad_rsu_missing_items", "RSU001"] == 3.0
    assert (seen["petroroad_rsu_lost_items", "RSU001"], seen["petroroad_rsu_void_items", "RSU001"]) == (
        1.0,
        2.0,
    )
    assert {key[1:] for key in seen if key[0] == "petroroad_rsu_degraded"} == {
        ("disk_full", "RSU001"), ("other", "RSU001"),
    }  # fmt: skip
    assert seen["petroroad_rsu_sensor_up", "RSU001", radar] == 1.0
    assert seen["petroroad_rsu_sensor_misplaced", "RSU001", radar] == 1.0
    assert not [key for key in seen if "made-up" in key], "an RSU's status makes no labels"
    assert seen["petroroad_snapshot_age_seconds_count", "RSU001"] == 1.0
    assert seen["petroroad_rsu_unjudged_meters", "RSU002"] == seen["petroroad_rsu_stretch_meters", "RSU002"]
    assert seen["petroroad_events_total", "commit.failed"] == 0.0


async def test_a_page_reports_what_it_has_drawn(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        url = f"ws://127.0.0.1:{centre.port}/api/stream?after=0"
        async with ws.connect(url, max_queue=None) as page:
            now_ns, found = live()
            send(centre, 1, found, now_ns, now_ns)
            while (event := parsed(await page.recv()))[1] != "violation":
                pass
            for _ in range(2):  # the second counts nothing
                await page.send(json.dumps({"shown": [event[0], 999]}))
            for wrong in ("no JSON", "[1]", '{"shown": "x"}', "x" * 5_000, b"\0"):
                await page.send(wrong)
            counts = centre.app.shown.counts
            while not counts["shown.too_long"] or counts["shown.unreadable"] < 4:
                await asyncio.sleep(0.01)
            seen = await metrics(centre)
    at = ("live", "RSU001", "committed_to_shown")
    assert seen[f"{LATENCY}_count", *at] == 1.0
    assert 0.0 < seen[f"{LATENCY}_sum", *at] < TEST_S
    assert seen["petroroad_events_total", "shown.unknown"] == 3.0
    assert seen["petroroad_page_streams", "events"] == 1.0


async def test_a_report_from_another_origin_is_not_received(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        url = f"ws://127.0.0.1:{centre.port}/api/stream"
        with pytest.raises(Exception, match="403"):
            await ws.connect(url, origin="http://evil.example")


def episode(n: int, version: int, committed_ns: int) -> dict[str, Any]:
    return {
        "id": str(n), "hop": 0, "version": version, "esn": "RSU001", "late": False,
        "committed_ns": str(committed_ns), "detected_ns": str(T0_NS), "sent_ns": str(T0_NS),
    }  # fmt: skip


def test_only_news_that_came_while_the_page_was_there_is_a_sample() -> None:
    now_ns = [T0_NS]
    latency = ViolationLatency()
    shown = Shown(latency, lambda: now_ns[0])
    shown.announce(1, episode(1, 1, T0_NS - 1))  # committed before the page came
    page, other = shown.page(), shown.page()
    shown.announce(2, episode(1, 2, T0_NS + 10 * MS))
    shown.announce(3, episode(1, 1, T0_NS + 10 * MS))  # an older version that came late
    shown.announce(4, episode(1, 2, T0_NS + 10 * MS))  # announced again, with its time
    now_ns[0] += 50 * MS
    page.receive('{"shown":[1,2,3,4]}')
    other.receive('{"shown":[2]}')  # each page that shows it is a sample
    ((_, found),) = latency.histograms
    assert sum(found.counts) == 2
    assert found.sum_s == pytest.approx(0.080)


def test_a_page_can_name_no_more_than_was_announced() -> None:
    latency = ViolationLatency()
    shown = Shown(latency, time.time_ns)
    page = shown.page()
    for n in range(1, 200):
        shown.announce(n, episode(n, 1, time.time_ns()))
    page.receive(json.dumps({"shown": list(range(1, 200))}))
    ((_, found),) = latency.histograms
    assert sum(found.counts) == NUMBERS_MAX
    assert shown.counts["shown.excess"] == 199 - NUMBERS_MAX


async def test_the_centre_serves_what_the_catalogue_says(tmp_path: Path) -> None:
    site = parse_site(SITE, MAP, None, "site.toml", {})
    async with running(tmp_path) as centre:
        clients = {MAIN: "centre", TRACKS: "centre-tracks"}
        shell = Shell("centre", site_with_broker(site), Clock.wall(), centre.app.log, clients)
        service = _CentreService(centre.app, shell, None, Door(), None)  # type: ignore[arg-type]
        shell.attach(service)
        check_names("centre", (await centre.http.get("/metrics")).text)


def site_with_broker(site: Site) -> Site:
    mqtt = msgspec.structs.replace(site.config.mqtt, brokers=("127.0.0.1:1",))
    return dataclasses.replace(site, config=msgspec.structs.replace(site.config, mqtt=mqtt))
