"""What two parts must agree on stands in one place, and the page's copy of it is the same."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from centre import batch_decoder
from core import classes
from edge import stations, wire
from edge.sections import RSUS_MAX
from geofence.config import KINDS
from roadside.handover import PLACE_BITS

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "fusion", "geofence", "edge", "roadside", "importers", "sim", "centre", "petroroad")
PAGE = (ROOT / "centre" / "web" / "src" / "snapshot.ts").read_text(encoding="utf-8")
# stood twice to six times, some with several values under one name
ONCE = {
    "TICK_NS": "core/times.py",
    "SIM_TICK_NS": "sim/traffic.py",
    "FUTURE_NS": "core/times.py",
    "STAMP_NS_MIN": "core/times.py",
    "STAMP_NS_MAX": "core/times.py",
    "HAZMAT": "core/classes.py",
    "CAR": "core/classes.py",
    "BUS": "core/classes.py",
    "TRUCK": "core/classes.py",
    "TARGET_HEIGHT_M": "fusion/observations.py",
    "SIZE_M_MAX": "fusion/observations.py",
    "SPEED_MPS_MAX": "fusion/observations.py",
    "PLACE_M_MAX": "fusion/handover_doubt.py",
    "FEED_MARGIN_M": "roadside/gateway/routing.py",
    "MOVED_MPS": "geofence/state.py",
    "COURSE_MPS_MIN": "geofence/kernels.py",
    "BESIDE_LANE_M": "geofence/map/strips.py",
    "FRAME_M_MAX": "geofence/map/frames.py",
    "TARGETS_MAX": "roadside/inputs.py",
    "RSUS_MAX": "edge/sections.py",
    "RCS_DBSM": "sim/fleet.py",
}


def assigned(path):
    """Yield the upper-case names that a module gives a number, at its top."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (name.id.lstrip("_") for name in names if isinstance(name, ast.Name))


def test_what_several_packages_must_agree_on_stands_once():
    places = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name in assigned(path):
                places[name].add(path.relative_to(ROOT).as_posix())
    assert {name: places[name] for name in ONCE} == {name: {where} for name, where in ONCE.items()}
    assert not places.keys() & {"REACH_M", "MOVING_MPS", "MARGIN_M"}, "names that were of several things"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OWNED", wire.FLAG_OWNED),
        ("COASTING", wire.FLAG_COASTING),
        ("UNDECIDABLE", wire.FLAG_UNDECIDABLE),
        ("HAZMAT", classes.HAZMAT),
        ("NO_LANE", wire.NONE_LANE),
        ("NO_STATION", wire.NONE_S_DM),
        ("NO_SIGNED_STATION", stations.NONE_SIGNED_DM),
        ("NO_OFFSET", wire.NONE_D_CM),
    ],
)
def test_the_page_reads_snapshots_by_the_wires_numbers(name, value):
    found = re.search(rf"^export const {name} = (-?\d+);", PAGE, re.MULTILINE)
    assert found is not None, name
    assert int(found[1]) == value


def test_the_page_reads_each_column_as_the_wire_packs_it():
    fields = dict(
        re.findall(r"(\w+): \"([uif][1248])\"", PAGE.partition("const FIELDS")[2].partition("}")[0])
    )
    assert fields == {name: form.lstrip("<|") for name, form in wire.SIGNED_DESCR}


def test_numbers_that_follow_from_each_other_do():
    assert [KINDS[k] for k in (classes.UNKNOWN, classes.HAZMAT, classes.OTHER)] == [
        "unknown",
        "hazmat",
        "other",
    ]
    assert len(KINDS) == classes.N_CLASSES
    assert batch_decoder.ITEMS_MAX <= wire.ACKNOWLEDGED_MAX, "one acknowledgement names a whole batch"
    assert RSUS_MAX == 1 << PLACE_BITS
