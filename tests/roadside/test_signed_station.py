"""The example site with its axis 500 m lower: the truck has stations on both sides of the road's zero."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edge.config import load_site, parse_site
from edge.stations import stations_m
from edge.wire import NONE_S_DM, SIGNED_DESCR, TRACK_DESCR, decode_snapshot, records_of
from roadside.outputs import Snapshot
from roadside.pipeline import Pipeline
from roadside.setup import setups
from tests.support.roadside_drive import EXAMPLE, SPEED_MPS, START_M, drive, leave, raised, run

FIRST_M = -500.0


def setup_of(map_text):
    site = load_site(EXAMPLE)
    shifted = parse_site(site.config_text, map_text, site.registry_text, "site.toml")
    return setups(shifted, expects_gateway=True)["RSU001"]


@pytest.fixture(scope="module")
def example():
    return setup_of(load_site(EXAMPLE).map_text)


@pytest.fixture(scope="module")
def below():
    text = load_site(EXAMPLE).map_text
    document = json.loads(text)
    (axis,) = [each["properties"] for each in document["features"] if each["properties"]["kind"] == "axis"]
    axis["k0_m"] += FIRST_M
    return replace(setup_of(json.dumps(document)), stretch_m=(FIRST_M, FIRST_M + 600.0))


@pytest.fixture(scope="module")
def outputs(below):
    return run(Pipeline(below), drive(below, leave))


def snapshots_of(outputs):
    return [decode_snapshot(output.body) for output in outputs if isinstance(output, Snapshot)]


def test_a_track_has_a_station_on_both_sides_of_zero(outputs):
    snapshots = snapshots_of(outputs)
    assert {snapshot.dtype for snapshot in snapshots} == {SIGNED_DESCR}
    tables = [records_of(snapshot) for snapshot in snapshots if snapshot.n == 1]
    stations = np.concatenate([stations_m(records) for records in tables])
    signed_dm = np.concatenate([records["s_signed_dm"] for records in tables])
    s_dm = np.concatenate([records["s_dm"] for records in tables])
    assert stations[-1] == pytest.approx(START_M + SPEED_MPS * 13.0 + FIRST_M, abs=3.0)
    assert stations[0] < -150.0 < 0.0 < stations[-1]
    np.testing.assert_array_equal(signed_dm, np.rint(stations * 10.0))
    ahead = signed_dm > 0  # of the road's zero: an older reader finds the same there
    np.testing.assert_array_equal(s_dm[ahead], signed_dm[ahead])
    assert (s_dm[signed_dm < 0] == NONE_S_DM).all()


def test_nothing_else_of_a_snapshot_depends_on_where_the_stations_begin(outputs, example):
    plain = snapshots_of(run(Pipeline(example), drive(example, leave)))
    assert {snapshot.dtype for snapshot in plain} == {TRACK_DESCR}, "as older readers know it"
    shifted = snapshots_of(outputs)
    assert len(shifted) == len(plain)
    for one, other in zip(plain, shifted, strict=True):
        old, new = records_of(one), records_of(other)
        for name in set(old.dtype.names) - {"s_dm"}:
            np.testing.assert_array_equal(old[name], new[name], err_msg=name)


def test_violations_there_have_the_same_station(outputs, example):
    there = [violation.s_m for violation in raised(outputs)]
    here = [violation.s_m for violation in raised(run(Pipeline(example), drive(example, leave)))]
    assert there
    assert there == pytest.approx([s_m + FIRST_M for s_m in here], abs=0.02)
    assert min(there) < 0.0
