"""`petroroad rules`: what an operator sees of a rule book before it is published."""

import json
import tomllib

import pytest

from petroroad.__main__ import main
from petroroad.toml_text import dumps
from tests.support.roadside_drive import EXAMPLE

RULES = "[rules]\nversion = '7'\nclear_s = 4.0\n"


@pytest.fixture
def file(tmp_path):
    def written(text, name="rules.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return written


def test_sound_rules_of_a_site_and_of_a_file_are_called_sound(file, capsys):
    assert main(["rules", "check", str(EXAMPLE)]) == 0
    assert main(["rules", "check", file(RULES), "--site", str(EXAMPLE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["version"] == "7"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[rules]\nclear_s = 0.0\n", "rules.clear_s"),
        ("[rules]\nexpressways = ['G1']\n", "G1"),
        ("[mqtt]\n", "must be a table"),
        ("[rules\n", "can't be read"),
        ("[rules]\nlimit = 3\n", "limit"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_file_and_key(file, capsys, text, names):
    path = file(text)
    assert main(["rules", "check", path, "--site", str(EXAMPLE)]) == 2
    error = capsys.readouterr().err
    assert names in error
    assert path in error


def test_a_dry_run_names_the_keys_that_differ(file, capsys):
    assert main(["rules", "diff", file(RULES), file(RULES.replace("4.0", "5.0"), "b.toml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "keys": {"rules.clear_s": {"old": 4.0, "new": 5.0}},
        "kept": None,
        "vanish": [],
        "new": [],
    }
    assert main(["rules", "diff", file(RULES), file(RULES, "b.toml")]) == 0
    assert capsys.readouterr().out == "no key differs\n"


@pytest.fixture
def site(tmp_path):
    """A copy of the example site, without its permits."""
    for other in EXAMPLE.parent.iterdir():
        if other.is_file():
            (tmp_path / other.name).write_bytes(other.read_bytes())
    here = tmp_path / "site.toml"
    tables = tomllib.loads(here.read_text(encoding="utf-8"))
    tables.pop("permit", None)
    here.write_text(dumps(tables), encoding="utf-8")
    return here


def test_without_a_broker_nothing_is_published(file, capsys, site):
    assert main(["rules", "publish", file(RULES), "--config", str(site), "--wait", "0.3"]) in (1, 2)
    assert capsys.readouterr().err


def test_a_map_that_each_rsu_would_refuse_is_not_sent(file, capsys, site):
    empty = file('{"type": "FeatureCollection", "features": []}', "empty.json")
    assert main(["rules", "publish", file(RULES), "--config", str(site), "--map", empty]) == 1
    error = capsys.readouterr().err
    assert "must have lanes or an axis" in error
    assert empty in error
