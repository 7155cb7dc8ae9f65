"""A map that is published while an RSU runs: no tick is missed, what stays open, what a restart uses."""

import json
from dataclasses import replace

import msgspec
import pytest

from core.times import TICK_NS
from edge.config_down import ConfigDown, packed_map
from roadside.inputs import Start, decode
from roadside.outputs import Held, Raised, Snapshot
from roadside.pipeline import Pipeline
from roadside.pipeline_map import published
from roadside.pipeline_state import decode as decode_state
from roadside.pipeline_state import encode as encode_state
from tests.support.roadside_drive import EXAMPLE, NS, T0_NS, drive, leave, raised, run

AT_NS = T0_NS + 8 * NS  # while the truck is over the line
RULES = "[rules]\nversion = '2'\n"
TEXT = (EXAMPLE.parent / "map.geojson").read_text(encoding="utf-8")


def other(change=lambda feature: None, version="next"):
    """Return the example's map with its features changed, as a publication carries it."""
    document = json.loads(TEXT) | {"version": version}
    for feature in document["features"]:
        change(feature)
    return packed_map(json.dumps(document))


def slower(feature):
    """Post 12 m/s on every lane: none is the lane that it was."""
    if feature["properties"]["kind"] == "lane":
        feature["properties"]["speed_limit_mps"] = 12.0


def down(packed, seq=1):
    return ConfigDown(seq=seq, rules=RULES, map=packed)


def with_config(setup, *items, seconds=13.0):
    return sorted([*drive(setup, leave, seconds), *items], key=lambda row: row[0])


def departures(outputs):
    return [v for v in raised(outputs) if v.rule == "lane_departure" and v.grade != "undecidable"]


def plain(versions):
    return [msgspec.structs.replace(v, rules_version="", map_version="") for v in versions]


def test_the_same_map_under_another_version_changes_the_version_alone_and_no_tick_is_missed(setup):
    before, pipeline = run(Pipeline(setup), drive(setup, leave)), Pipeline(setup)
    after = run(pipeline, with_config(setup, (AT_NS + 1, down(other()))))
    assert plain(raised(after)) == plain(raised(before))
    assert {v.map_version for v in raised(after)} == {setup.road.version, "next"}
    assert pipeline.setup.road.version == "next"  # the status shows it
    stamps = [output.stamp_ns for output in after if isinstance(output, Snapshot)]
    assert stamps == list(range(stamps[0], stamps[-1] + 1, TICK_NS))


def test_an_episode_on_a_lane_that_changed_closes_and_the_new_map_judges(setup):
    found = departures(run(Pipeline(setup), with_config(setup, (AT_NS + 1, down(other(slower))))))
    first, second = dict.fromkeys(v.id for v in found)
    (close,) = [v for v in found if v.phase == "close" and v.id == first]
    assert (close.reason, close.map_version) == ("map_changed", setup.road.version)
    opened = next(v for v in found if v.id == second)
    assert opened.map_version == "next"
    assert opened.start_ns >= AT_NS - NS // 10  # what was measured on the old map does not count


def test_a_map_that_is_compiled_aside_is_the_same_input_as_its_bytes(setup):
    """The live RSU steps the compiled one, a replay compiles what was recorded."""
    body = msgspec.msgpack.encode(down(other(slower)))
    recorded = decode("/config", body, T0_NS, setup.frame)
    assert recorded == down(other(slower))
    live = run(
        Pipeline(setup), with_config(setup, (AT_NS + 1, published(recorded, setup.frame, setup.radars)))
    )
    again = run(Pipeline(setup), with_config(setup, (AT_NS + 1, recorded)))
    assert [getattr(output, "body", None) for output in live] == [
        getattr(output, "body", None) for output in again
    ]


@pytest.mark.parametrize(
    ("packed", "names"),
    [
        (b"no zlib", "zlib"),
        (other()[:-5], "cut off"),
        (packed_map("{"), "JSON"),
        (packed_map(json.dumps({"type": "FeatureCollection", "features": []})), "lanes or an axis"),
        (other(lambda f: f["properties"].pop("allowed", None)), "allowed"),
        (other(version="a\u202e"), "version"),
    ],
)
def test_what_is_no_map_is_refused_by_name_and_rules_and_map_stay(setup, packed, names):
    for make in (lambda item: item, lambda item: published(item, setup.frame, setup.radars)):
        pipeline = Pipeline(setup)
        pipeline.step(T0_NS, Start(epoch=1))
        outputs = pipeline.step(AT_NS, make(down(packed)))
        assert names in pipeline.config.state.answered.refused
        assert not any(isinstance(output, Held) for output in outputs)
        assert (pipeline.setup.rules, pipeline.setup.road) == (setup.rules, setup.road)


def test_a_restart_uses_the_newest_accepted_map_though_rules_came_after_it(setup):
    pipeline = Pipeline(setup)
    items = [(AT_NS + 1, down(other(slower))), (AT_NS + 2, ConfigDown(seq=2, rules=RULES))]
    outputs = run(pipeline, with_config(setup, *items))
    held = [output.body for output in outputs if isinstance(output, Held) and output.key == "config"]
    assert pipeline.setup.road.version == "next"
    pipeline = Pipeline(setup)
    pipeline.step(T0_NS, Start(epoch=1, episodes=(held[-1],)))
    assert pipeline.setup.road.version == "next"
    assert pipeline.setup.road.lanes[0].speed_limit_mps == 12.0


def test_a_map_that_breaks_the_compiler_is_refused_and_ends_nothing(setup, monkeypatch):
    def breaks(*_):
        raise RecursionError("too deep")

    monkeypatch.setattr("roadside.pipeline_map.load_map", breaks)
    item = published(down(other(slower)), setup.frame, setup.radars)
    assert item.compiled is None
    assert "RecursionError" in item.refused
    pipeline = Pipeline(setup)
    run(pipeline, with_config(setup, (AT_NS + 1, item.down)))  # as a replay reads it
    assert pipeline.setup.road is setup.road
    assert "RecursionError" in pipeline.config.state.answered.refused


def test_a_state_continues_exactly_on_a_published_map(setup):
    inputs, cut_ns = with_config(setup, (AT_NS + 1, down(other(slower)))), T0_NS + 9 * NS
    whole = run(Pipeline(setup), inputs)
    first = Pipeline(setup)
    run(first, [row for row in inputs if row[0] < cut_ns])
    first.step(cut_ns, None)
    second = Pipeline(setup)
    second.restore(decode_state(encode_state(first.state(cut_ns))))
    assert second.setup.road.version == "next"
    rest = run(second, [row for row in inputs if row[0] >= cut_ns])
    for kind in (Raised, Snapshot):
        found = [output.body for output in rest if isinstance(output, kind)]
        assert found
        assert found == [output.body for output in whole if isinstance(output, kind)][-len(found) :]


def test_a_neighbour_s_setup_is_not_touched(setup):
    """RSUs of a replay share one map; a publication changes that of its own RSU alone."""
    one, two = Pipeline(setup), Pipeline(replace(setup, esn="RSU002"))
    one.step(T0_NS, Start(epoch=1))
    one.step(AT_NS, down(other()))
    assert (one.setup.road.version, two.setup.road.version) == ("next", setup.road.version)
