"""`petroroad map` on the shipped site, and on what is no map."""

import json

import pytest

from petroroad.__main__ import main
from petroroad.commands.demo_site import SHIPPED


@pytest.mark.parametrize("path", [SHIPPED, SHIPPED.with_name("map.geojson")], ids=["site", "map"])
def test_the_shipped_map_is_sound(path, capsys):
    assert main(["map", "check", str(path)]) == 0
    assert "sound" in capsys.readouterr().out


def test_info_tells_what_is_in_it(capsys):
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
