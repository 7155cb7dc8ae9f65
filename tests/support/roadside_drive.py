"""A truck that drives through the example site, as one radar and its terminal observe it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.wire import decode_handover, decode_handover_ack
from fusion.observations import GnssFixes, RadarScan
from geofence.violation import decode
from roadside.inputs import GatewayFixes, HandedOver, HandoverAnswered, Start, Stop
from roadside.outputs import HandoverOffer, OfferAck, Raised
from roadside.pipeline import Pipeline

EXAMPLE = Path(__file__).parents[1] / "data" / "example" / "site.toml"
NS = 10**9
T0_NS = 1_800_000_000 * NS
SCAN_NS, FIX_NS = 50_000_000, 1_000_000_000
SPEED_MPS, START_M = 16.0, 315.0
LANE_CENTRE_M = 1.875  # north of the example map's southern edge


def place(t_s, drift):
    """East and north of the truck's centre in site metres: along the lane, to the left by `drift(t_s)`.

    The example's radar stands at 300 m, looks east and reaches 250 m.
    """
    return START_M + SPEED_MPS * t_s, LANE_CENTRE_M + drift(t_s)


def scan(radar, t_ns, i_scan, east_m, north_m, noise):
    de, dn = east_m - radar.east_m, north_m - radar.north_m
    ground_m = math.hypot(de, dn)
    slant_m = math.hypot(ground_m, radar.height_m - 1.0)
    rate_mps = SPEED_MPS * de / slant_m
    sigmas = (radar.sigma_range_m, radar.sigma_azimuth_rad, radar.sigma_range_rate_mps)
    clean = (slant_m, math.atan2(dn, de) - radar.boresight_rad, rate_mps)
    columns = [np.array([z + s * n]) for z, s, n in zip(clean, sigmas, noise.normal(size=3), strict=True)]
    return RadarScan(
        sensor=radar.sensor, stamp_ns=t_ns, arrived_ns=t_ns + 4_000_000, scan=i_scan,
        range_m=columns[0], azimuth_rad=columns[1], range_rate_mps=columns[2], rcs_dbsm=np.array([10.0]),
    )  # fmt: skip


def fix(t_ns, east_m, north_m):
    one = np.array([0.0])
    return GatewayFixes("GW1", GnssFixes(
        terminal=("13900000001",), stamp_ns=np.array([t_ns]), arrived_ns=np.array([t_ns + 60_000_000]),
        source_seq=np.array([t_ns // FIX_NS % 65_536]), east_m=one + east_m + 5.5 + 0.8,
        north_m=one + north_m - 0.3 - 0.6, speed_mps=one + SPEED_MPS, heading_rad=one, sigma_m=one * math.nan,
        tau_s=one * math.nan, usable=one + 1.0,
    ))  # fmt: skip


def replace_terminal(feed, terminal):
    """Return the feed as another terminal's."""
    return replace(feed, fixes=replace(feed.fixes, terminal=(terminal,)))


def drive(setup, drift, seconds=13.0, seed=1, t0_ns=T0_NS):
    """Return every input of the drive as (accepted_ns, input), the start first."""
    noise = np.random.Generator(np.random.Philox(seed))
    inputs = [(t0_ns, Start(epoch=1_800_000_000))]
    for k in range(1, int(seconds * 1e9) // SCAN_NS):
        t_ns = t0_ns + k * SCAN_NS
        east_m, north_m = place((t_ns - t0_ns) / 1e9, drift)
        inputs.append((t_ns + 5_000_000, scan(setup.radars[0], t_ns, k, east_m, north_m, noise)))
        if (t_ns - t0_ns) % FIX_NS == 0:
            inputs.append((t_ns + 65_000_000, fix(t_ns, east_m, north_m)))
    inputs.append((t0_ns + int(seconds * 1e9), Stop()))
    return sorted(inputs, key=lambda row: row[0])


def run(pipeline, inputs):
    return [output for now_ns, item in inputs for output in pipeline.step(now_ns, item)]


def raised(outputs):
    """Return what was raised; the example's radar leaves a truck *undecidable* from some 150 m on."""
    found = [decode(output.body) for output in outputs if isinstance(output, Raised)]
    return [violation for violation in found if violation.grade != "undecidable"]


def leave(t_s):
    """Drift 2.2 m to the left within 3 s, from second 3: a truck of 2.5 m is then 1.6 m over the line."""
    return 2.2 * min(max((t_s - 3.0) / 3.0, 0.0), 1.0)


def pass_on(setup, boundary_m, answered_after_ns=0):
    """Return what two RSUs raise of a truck that is over the line at their boundary, and the answers."""
    giver = Pipeline(
        replace(setup, esn="A", place=0, stretch_m=(0.0, boundary_m), neighbours=(("B", boundary_m, 600.0),))
    )
    taker = Pipeline(
        replace(setup, esn="B", place=1, stretch_m=(boundary_m, 600.0), neighbours=(("A", 0.0, boundary_m),))
    )
    found, answers, mail = [], 0, []
    for t_ns, item in drive(setup, leave, seconds=14.0):
        for pipeline in (giver, taker):
            outputs = pipeline.step(t_ns, item)
            found += raised(outputs)
            mail += [(t_ns + answered_after_ns, o) for o in outputs if isinstance(o, HandoverOffer)]
        due, mail = [o for at, o in mail if at <= t_ns], [row for row in mail if row[0] > t_ns]
        for give in due:
            for output in taker.step(t_ns, HandedOver("A", decode_handover(give.body))):
                if isinstance(output, OfferAck):
                    answers += 1
                    ack = decode_handover_ack(output.body)
                    found += raised(giver.step(t_ns, HandoverAnswered(by="B", epoch=ack.epoch, seq=ack.seq)))
    return [v for v in found if v.rule == "lane_departure"], answers


def between(setup, boundary_m):
    """Return the example RSU as two neighbours, who meet at a station."""
    giver = replace(
        setup, esn="A", place=0, stretch_m=(0.0, boundary_m), neighbours=(("B", boundary_m, 600.0),)
    )
    taker = replace(
        setup, esn="B", place=1, stretch_m=(boundary_m, 600.0), neighbours=(("A", 0.0, boundary_m),)
    )
    return Pipeline(giver), Pipeline(taker)
