"""`petroroad map` on the shipped site, and on what is no map."""

import json
from pathlib import Path

import pytest

from petroroad.__main__ import main
from petroroad.demo.site import SHIPPED

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("path", [SHIPPED, SHIPPED.with_name("map.geojson")], ids=["site", "map"])
def test_the_shipped_map_is_sound(path, capsys):
    assert main(["map", "check", str(path)]) == 0
    assert "sound" in capsys.readouterr().out


def test_info_lists_its_contents(capsys):
    assert main(["map", "info", str(SHIPPED), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["length_m"] == pytest.approx(40_000, rel=0.01)
    assert 0 < facts["hazmat_lanes"] < facts["lanes"]
    assert facts["gates"] >= 2


@pytest.mark.parametrize("text", ["", "[]", '{"features": []}', '{"features": [{"geometry": null}]}'])
def test_what_is_no_map_is_one_line_and_status_2(text, tmp_path, capsys):
    path = tmp_path / "m.geojson"
    path.write_text(text)
    assert main(["map", "check", str(path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_map_without_lanes_is_legal(tmp_path, capsys):
    path = tmp_path / "m.geojson"
    path.write_text('{"type": "FeatureCollection", "version": "1", "features": []}')
    assert main(["map", "check", str(path)]) == 0
    assert "0 lanes" in capsys.readouterr().out


def example() -> dict:
    """Return the example's map as a document."""
    return json.loads((DATA / "example" / "map.geojson").read_text(encoding="utf-8"))


COLLECTION = {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [122.001, 41.0]}]}


@pytest.mark.parametrize("foreign", [
    {"type": "Feature", "properties": {"name": "label"}, "geometry": COLLECTION},
    {"type": "Feature", "properties": None, "geometry": None, "bbox": [1, 2, 3, 4], "id": "a"},
    {"type": "Feature", "properties": {"kind": 5}, "geometry": {"type": "Point", "coordinates": []}},
    {"type": "Feature", "properties": {"kind": "tree", "more": {"a": [1]}}, "geometry": {"type": "Blob"}},
    {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [7.0, 50.0]}},
])  # fmt: skip
def test_foreign_feature_first_leaves_a_sound_map_sound_and_is_counted(foreign, tmp_path, capsys):
    document = example()
    document["features"].insert(0, foreign)
    path = tmp_path / "m.geojson"
    path.write_text(json.dumps(document | {"bbox": [121, 40, 123, 42]}))
    assert main(["map", "check", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["lanes"] == sum(row["properties"].get("kind") == "lane" for row in example()["features"])
    assert sum(n for name, n in shown["skipped"].items() if name.startswith("feature")) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_map_in_the_encodings_of_windows_is_read(encoding, tmp_path, capsys):
    text = json.dumps(example())
    data = text.encode(encoding) if encoding != "utf-16-be" else b"\xfe\xff" + text.encode(encoding)
    (tmp_path / "m.geojson").write_bytes(data)
    assert main(["map", "check", str(tmp_path / "m.geojson")]) == 0


def test_a_map_in_no_unicode_encoding_is_named(tmp_path, capsys):
    (tmp_path / "m.geojson").write_bytes('{\n"version": "\u8fbd"}'.encode("gb18030"))
    assert main(["map", "check", str(tmp_path / "m.geojson")]) == 2
    assert "line 2: is not UTF-8" in capsys.readouterr().err


def test_misspelt_kinds_and_properties_are_named(tmp_path, capsys):
    document = example()
    lanes = [row for row in document["features"] if row["properties"]["kind"] == "lane"]
    lanes[0]["properties"]["speed_limit"] = 5
    gates = [row for row in document["features"] if row["properties"]["kind"] == "gate"]
    gates[0]["properties"]["kind"] = "gaet"
    (tmp_path / "m.geojson").write_text(json.dumps(document))
    assert main(["map", "check", str(tmp_path / "m.geojson")]) == 0
    out = capsys.readouterr().out
    assert "feature of kind 'gaet', 1 times" in out
    assert "property 'speed_limit' of a lane, 1 times" in out


@pytest.mark.parametrize(("place", "says"), [
    (lambda lon, lat: [lat, lon], "longitude and latitude are swapped"),
    (lambda lon, lat: [lon * 111_320.0, lat * 111_320.0], "no longitude and latitude in degrees"),
])  # fmt: skip
def test_coordinates_in_another_order_or_unit_are_named(place, says, tmp_path, capsys):
    document = json.loads((DATA / "example/map.geojson").read_text(encoding="utf-8"))
    row = next(row for row in document["features"] if row["properties"]["kind"] == "lane")
    lines = row["geometry"]["coordinates"]
    row["geometry"]["coordinates"] = [[place(*point[:2]) for point in line] for line in lines]
    document["features"] = [row]
    (tmp_path / "map.geojson").write_text(json.dumps(document), encoding="utf-8")
    assert main(["map", "check", str(tmp_path / "map.geojson")]) == 2
    assert says in capsys.readouterr().err


def test_a_map_alone_is_held_to_the_names_that_a_site_is_held_to(tmp_path, capsys):
    document = json.loads((DATA / "example/map.geojson").read_text(encoding="utf-8")) | {"version": "a\nb"}
    (tmp_path / "map.geojson").write_text(json.dumps(document), encoding="utf-8")
    assert main(["map", "check", str(tmp_path / "map.geojson")]) == 2
    assert "must be plain text" in capsys.readouterr().err
