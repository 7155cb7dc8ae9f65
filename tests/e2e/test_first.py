"""One truck, one radar, one JT/T 808 terminal, real processes: a committed row, replayed to its bytes."""

import asyncio
import json
import math
import socket
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from edge.clock import Clock
from edge.config import address_of, load_site
from edge.config_down import packed_map
from edge.wire import GnssFix
from petroroad.__main__ import main
from petroroad.commands.targets import targets_of
from petroroad.demo.live import ask
from petroroad.demo.parts import Parts, RunDir
from petroroad.demo.site import make_site
from petroroad.rules_publishing import publish_rules
from roadside.devices import radar_udp
from roadside.devices.jt808.client import Client
from roadside.inputs import DetectionColumns, RadarPayload
from tests.support.scraping import check_names, samples_of, scrape

pytestmark = [pytest.mark.e2e, pytest.mark.paced, pytest.mark.anyio]

EXAMPLE = Path(__file__).parents[1] / "data" / "example" / "site.toml"
NS = 1_000_000_000
SPEED_MPS, BEGIN_EAST_M = 15.0, 315.0  # in front of the radar, which stands at 300 m
LEAVE_S, ASIDE_MPS, IN_LANE_M, OUT_M = 6.0, 1.0, 1.875, -0.5  # centre of the truck, north of the road's edge
DRIVE_S = 14.0
RADAR_EAST_M, RADAR_NORTH_M, RADAR_UP_M = 300.0, -6.0, 5.0


def state(t_s: float) -> tuple[float, float, float]:
    """Return the truck's east, north and speed north at t_s: straight on, then over the right edge."""
    north_m = max(OUT_M, IN_LANE_M - ASIDE_MPS * max(0.0, t_s - LEAVE_S))
    aside_mps = -ASIDE_MPS if t_s > LEAVE_S and north_m > OUT_M else 0.0
    return BEGIN_EAST_M + SPEED_MPS * t_s, north_m, aside_mps


def scan(number: int, t_s: float, stamp_ns: int) -> RadarPayload:
    east_m, north_m, aside_mps = state(t_s)
    dx, dy = east_m - RADAR_EAST_M, north_m - RADAR_NORTH_M
    range_m = math.sqrt(dx**2 + dy**2 + RADAR_UP_M**2)
    return RadarPayload(
        sensor="R1",
        stamp_ns=stamp_ns,
        scan=number,
        detections=DetectionColumns(
            range_m=(range_m,),
            azimuth_rad=(math.atan2(dy, dx),),
            range_rate_mps=((SPEED_MPS * dx + aside_mps * dy) / range_m,),
            rcs_dbsm=(20.0,),
        ),
    )


async def send_scans(address: str, begin_ns: int) -> None:
    target = address_of(address.removeprefix("udp://"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for i in range(int(DRIVE_S * 20)):
            due_ns = begin_ns + i * NS // 20
            await asyncio.sleep(max(0.0, (due_ns - time.time_ns()) / NS))
            out.sendto(radar_udp.encode(scan(i, i / 20, due_ns)), target)


async def report(address: str, begin_ns: int, place) -> int:
    """Be the truck's terminal; returns how many reports it sent."""
    reader, writer = await asyncio.open_connection(*address_of(address.removeprefix("jt808://")))
    terminal = Client("13900000001", "辽L·A0001")
    writer.write(terminal.greeting())
    while not terminal.ready:
        writer.write(terminal.receive(await reader.read(4096)))
    for i in range(int(DRIVE_S)):
        stamp_ns = begin_ns + i * NS
        await asyncio.sleep(max(0.0, (stamp_ns - time.time_ns()) / NS))
        east_m, north_m, _ = state(float(i))
        lon_deg, lat_deg = place(east_m + 5.5, north_m - 0.3)  # the antenna's place on the truck
        fix = GnssFix(
            terminal="13900000001", stamp_ns=stamp_ns, lon_deg=lon_deg, lat_deg=lat_deg, speed_mps=SPEED_MPS,
            course_deg=90.0, quality="single",
        )  # fmt: skip
        writer.write(terminal.report(fix))
        await writer.drain()
    writer.close()
    return int(DRIVE_S)


async def drive(parts: Parts) -> None:
    config = tomllib.loads(parts.site.path.read_text())
    frame = load_site(parts.site.path).frame

    def place(east_m: float, north_m: float) -> tuple[float, float]:
        lon, lat = frame.lonlat_from_site([east_m], [north_m])
        return float(lon[0]), float(lat[0])

    begin_ns = (time.time_ns() // NS + 2) * NS
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_scans(config["rsu"][0]["radar"][0]["input"], begin_ns))
        tasks.create_task(report(config["gateway"]["listeners"][0], begin_ns, place))


LATENCY = "petroroad_violation_latency_seconds"
RULES = "[rules]\nversion = '2'\n"
DEEPER = """
[rules.lane_departure]
notice = [{over = 9.0}]
warning = [{over = 9.0, for_s = 1.0}]
violation = [{over = 9.0, for_s = 2.0}]
"""


def measures_each_stage(scraped: dict[str, str]) -> None:
    """Law: every process serves what the catalogue says, and the stages of the departure's way add up."""
    assert set(scraped) == {"rsu", "gateway", "centre"}
    for part, text in scraped.items():
        check_names(part, text)
    for part, stages in (("rsu", 3), ("centre", 6)):
        seen = samples_of(scraped[part])
        assert {key[2] for key in seen if key[0] == f"{LATENCY}_count"} == {"RSU001"}
        assert len({key[3] for key in seen if key[0] == f"{LATENCY}_count"}) == stages
    assert seen["petroroad_unit_up", "rsu", "RSU001"] == seen["petroroad_unit_up", "gateway", "GW1"] == 1.0
    assert seen["petroroad_snapshot_age_seconds_count", "RSU001"] > 50.0
    sums = {key[3]: took_s for key, took_s in seen.items() if key[:2] == (f"{LATENCY}_sum", "live")}
    assert 0.0 < sums["total"] < 60.0


def fetch_evidence(http: str, violation: str, path: Path) -> None:
    """Ask a centre for a violation's evidence file, and fetch it."""
    with httpx.Client(base_url=f"http://{http}", timeout=10.0) as client:
        job = client.post(f"/api/violations/{violation}/evidence", json={}).raise_for_status().json()
        end_s = time.monotonic() + 60.0
        while job["state"] == "waiting":
            assert time.monotonic() < end_s, job
            time.sleep(0.1)
            job = client.get(f"/api/evidence/{job['id']}").json()
        assert job["state"] == "ready", job
        path.write_bytes(client.get(f"/api/evidence/{job['id']}/file").raise_for_status().content)


async def test_a_departure_becomes_one_committed_row_and_replays_to_the_same_bytes(run_folder, capsys):
    folder = run_folder("first")
    folder.mkdir(parents=True)
    held, answers = ExitStack(), {}
    site = make_site(EXAMPLE, folder, rsus=1, http=None, broker="nats", held=held)
    parts = Parts(site, RunDir(folder), Clock.paced(time.time_ns()))
    try:
        await parts.bring_up()
        loaded = load_site(site.path)
        mapped = json.loads(loaded.map_text) | {"version": "next"}
        await publish_rules(loaded, RULES, 30.0, answers, packed_map(json.dumps(mapped)))
        await drive(parts)
        wanted = "/api/violations?state=all&grade=warning&grade=violation"
        async with asyncio.timeout(30.0):
            while (found := await asyncio.to_thread(ask, site.http, wanted)) is None:
                await asyncio.sleep(0.1)  # on a busy machine the centre may not answer within a second
        evidence = folder / "evidence.zip"
        await asyncio.to_thread(fetch_evidence, site.http, found["items"][0]["id"], evidence)
        scraped = {
            target.part: await asyncio.to_thread(scrape, target.address) for target in targets_of(loaded)
        }
    finally:
        await parts.bring_down(patience=5.0)
        held.close()
    assert [(row["rule"], row["vehicle"]["terminal"]) for row in found["items"]] == [
        ("lane_departure", "13900000001")
    ]
    assert answers == {"RSU001": "accepted"}
    assert (found["items"][0]["rules_version"], found["items"][0]["map_version"]) == ("2", "next")
    measures_each_stage(scraped)
    recordings = [str(path) for path in parts.run_dir.recordings(site.esns)]  # two, where an hour began
    capsys.readouterr()
    assert main(["replay", *recordings, "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert main(["evidence", "verify", str(evidence), "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert verified["faults"] == []
    assert verified["replayed"]["RSU001"]["versions"] == verified["versions"] > 0
    assert replayed["violations"] == replayed["recorded_violations"] >= found["items"][0]["version"]
    (folder / "deeper.toml").write_text(RULES + DEEPER)
    (folder / "rules.toml").write_text(RULES)
    files = [str(folder / "rules.toml"), str(folder / "deeper.toml"), "--site", str(site.path)]
    assert main(["rules", "diff", *files, "--recording", *recordings, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["rule"] for row in told["vanish"]} == {"lane_departure"}
    assert told["new"] == []
    assert {key.rpartition(".")[2] for key in told["keys"]} == {"notice", "warning", "violation"}
