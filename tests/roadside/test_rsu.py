"""The readiness of an RSU's process."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge import wire
from edge.clock import Clock
from edge.config import load_site
from edge.figures import Counts
from edge.service import Presence
from edge.versions import versions
from geofence.violation import Stamps, encode
from roadside.agent import Agent
from roadside.inputs import DetectionColumns, RadarPayload, Start
from roadside.outputs import Raised
from roadside.pipeline import Pipeline
from roadside.rsu import RsuService, opened, shell_of
from roadside.rsu_metrics import EXPECTED
from roadside.setup import setups
from tests.support.centre_samples import violation
from tests.support.roadside_drive import EXAMPLE
from tests.support.scraping import check_names, samples_of

pytestmark = pytest.mark.anyio
T0_NS = 1_790_000_000_000_000_000


class Outbox:
    """As much of one as the answers need."""

    epoch, depth = 1, 3

    def __init__(self):
        self.degraded = ()

    def resend(self):
        raise AssertionError("nothing is connected")


class Recorder:
    path, counts, degraded = Path("r.mcap"), {}, ()


@pytest.fixture
def service():
    site = load_site(EXAMPLE)
    pipeline = Pipeline(setups(site, expects_gateway=True)["RSU001"])
    clock = Clock.paced(T0_NS)
    agent = Agent(pipeline, clock, outbox=Outbox(), recorder=Recorder(), counts=Counts())
    return RsuService(site, agent, shell_of(site, "RSU001", clock))


@asynccontextmanager
async def made(folder):
    """Give a service with a real outbox and recording."""
    site, clock = load_site(EXAMPLE), Clock.paced(T0_NS)
    async with opened(site, "RSU001", folder, clock) as (outbox, recorder):
        pipeline = Pipeline(setups(site, expects_gateway=True, esns=("RSU001",))["RSU001"])
        agent = Agent(pipeline, clock, outbox, recorder, Counts())
        yield RsuService(site, agent, shell_of(site, "RSU001", clock))


def ready(service):
    status, _, body = service.health.answer("/readyz")
    return status, json.loads(body)


def test_a_full_disk_is_reported_and_is_no_reason_to_go_out_of_service(service):
    for link in service.shell.links.values():
        link._client = object()  # connected
    assert ready(service) == (200, {"listening": True, "link": True, "tracks": True, "degraded": []})
    service.agent.outbox.degraded = ("disk_full", "disk_low")
    assert ready(service)[0] == 200
    assert ready(service)[1]["degraded"] == ["disk_full", "disk_low"]
    service.agent.recorder.degraded = ("recording_full",)
    assert ready(service)[1]["degraded"] == ["disk_full", "disk_low", "recording_full"]


def test_without_a_broker_it_is_not_ready(service):
    assert ready(service) == (503, {"listening": True, "link": False, "tracks": False, "degraded": []})


async def test_a_radar_whose_port_is_not_open_is_closed_and_the_others_are_served(tmp_path):
    async with made(tmp_path) as service:
        first, *others = service.config.radar
        service.shell.ports.closed["rsu[0].radar[0].input"] = first.input
        status = wire.decode_status(service.status(Presence("online", 1, None, 77)).payload)
    shut = [each.id for each in (first, *others) if each.input == first.input]
    assert [name for name, state in status.sensors.items() if state == "port_closed"] == shut
    assert "port_closed" in status.degraded
    assert ready(service)[1]["listening"] is False


async def test_metrics_show_the_rsus_state_and_times(tmp_path):
    """A real outbox and recording: a violation is put and sent, ticks pass, a radar speaks once."""
    async with made(tmp_path) as service:
        agent, pipeline = service.agent, service.agent.pipeline
        outbox, clock = agent.outbox, agent.clock
        service.shell.attach(service)
        agent.receive_control(Start(epoch=outbox.epoch))
        agent.receive_scan(empty_scan(next(iter(pipeline.tracker.sensor_row)), clock.now_ns()))
        while not agent.inbox.empty():
            agent.accept(agent.inbox.get_nowait())
        for _ in range(3):
            await clock.sleep_until_ns(clock.now_ns() + 100_000_000)
            agent.accept(None)
        now_ns = clock.now_ns()
        found = violation(stamps=Stamps(measured_ns=now_ns - 70_000_000, arrived_ns=now_ns - 30_000_000))
        agent._pass_on(Raised(found, encode(found), None))
        sent = asyncio.Event()
        sending = asyncio.create_task(outbox.run(lambda batch: sent.set() or True))
        async with asyncio.timeout(10.0):
            await sent.wait()
        text = service.health.metrics().decode()
        check_names("rsu", text)
        seen = samples_of(text)
        sending.cancel()
    latency = "petroroad_violation_latency_seconds"
    assert {key[3] for key in seen if key[0] == f"{latency}_count"} == {
        "sensor_to_arrival", "arrival_to_decided", "decided_to_sent",
    }  # fmt: skip
    assert seen[f"{latency}_sum", "live", "RSU001", "sensor_to_arrival"] == pytest.approx(0.04)
    assert 0.03 <= seen[f"{latency}_sum", "live", "RSU001", "arrival_to_decided"] < 1.0
    assert seen["petroroad_tick_seconds_count",] >= 3.0
    assert seen["petroroad_outbox_depth",] == 1.0
    assert 0.0 < seen["petroroad_outbox_oldest_age_seconds",] < 10.0
    assert seen["petroroad_link_up", "link"] == seen["petroroad_link_up", "tracks"] == 0.0
    assert seen["petroroad_disk_free_bytes", "outbox"] > 0.0
    assert seen["petroroad_build_info", versions()["petroroad"]] == 1.0
    errors = {key[1]: value for key, value in seen.items() if key[0] == "petroroad_sensor_pose_error_ratio"}
    assert errors == dict.fromkeys(pipeline.tracker.sensor_row, 0.0), "no traffic has shown any"
    ages = {key[1]: value for key, value in seen.items() if key[0] == "petroroad_sensor_age_seconds"}
    (age_s,) = ages.values()  # the others have sent nothing yet
    assert 0.2 <= age_s < 10.0
    assert 0.0 < seen["petroroad_stretch_meters",] < 1e4
    assert set(seen) & {("petroroad_events_total", reason) for reason in EXPECTED} == {
        ("petroroad_events_total", reason) for reason in EXPECTED
    }  # fmt: skip


def empty_scan(sensor, stamp_ns):
    columns = DetectionColumns(range_m=(), azimuth_rad=(), range_rate_mps=(), rcs_dbsm=())
    return RadarPayload(sensor=sensor, stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=1, detections=columns)
