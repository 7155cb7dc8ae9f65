"""The readiness of an RSU's process."""

import json
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.config import load_site
from edge.figures import Counts
from roadside.agent import Agent
from roadside.pipeline import Pipeline
from roadside.rsu import RsuService, shell_of
from roadside.setup import setups
from tests.support.roadside_drive import EXAMPLE

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


def ready(service):
    status, _, body = service.health.answer("/readyz")
    return status, json.loads(body)


def test_a_full_disk_is_reported_and_is_no_reason_to_go_out_of_service(service):
    service.listening = True
    for link in service.shell.links.values():
        link._client = object()  # connected
    assert ready(service) == (200, {"listening": True, "link": True, "tracks": True, "degraded": []})
    service.agent.outbox.degraded = ("disk_full", "disk_low")
    assert ready(service)[0] == 200
    assert ready(service)[1]["degraded"] == ["disk_full", "disk_low"]
    service.agent.recorder.degraded = ("recording_full",)
    assert ready(service)[1]["degraded"] == ["disk_full", "disk_low", "recording_full"]


def test_without_a_broker_it_is_not_ready(service):
    service.listening = True
    assert ready(service) == (503, {"listening": True, "link": False, "tracks": False, "degraded": []})
