"""Scenarios: the shipped ones load, and what is wrong with one is said."""

import pytest

from core.errors import ConfigError
from sim.scenario import load_scenario, parse_scenario

BOARD = ("board_easy", "board_hard", "board_platoon", "board_dark", "board_handover", "board_bodies")


@pytest.mark.parametrize("name", ["panjin", "calm", "rules", "chaos", *BOARD])
def test_shipped_scenarios_load_under_their_name(name: str) -> None:
    assert load_scenario(name).name == name


def test_the_rules_scenario_has_every_rule() -> None:
    kinds = {event.kind for event in load_scenario("rules").event}
    assert kinds == {"overspeed", "illegal_stop", "wrong_way", "off_road", "dark_vehicle"}


@pytest.mark.parametrize(("text", "shown"), [
    ('name = "x"\ncolour = 1', "colour"),  # an unknown key
    ("", "name"),  # a missing one
    ('name = "x"\n[traffic]\nvehicles = 1', "vehicles"),  # out of bounds
    ('name = "x"\n[[event]]\nkind = "flood"\nfirst_s = 1.0', "kind"),  # no such event
    ('name = "x"\n[departures]\nrate_mps = [1.0, 0.5]', "rate_mps"),  # from beyond to
    ('name = "x"\n[terminals]\nlate_s = [2.0, 1.0]', r"terminals\.late_s"),
    ('name = "x"\n[radar]\nreflection = "roof"', "reflection"),
    ('name = "x"\n[radar]\nclutter_per_m2 = [0.0, 1.0]', "clutter_per_m2"),
    ('name = "x"\n[terminals]\nrate_hz = 3', "rate_hz"),
    ('name = "x', "x"),  # no TOML
    ('name = "x"\n[departures]\nperiod_s = inf', r"departures\.period_s.*finite"),
    ('name = "x"\n[departures]\nrate_mps = [0.5, inf]', r"departures\.rate_mps\[1\].*finite"),
    (f"name = {'[' * 5_000}", "x.toml"),
])  # fmt: skip
def test_a_faulty_scenario_is_refused_by_its_key(text: str, shown: str) -> None:
    with pytest.raises(ConfigError, match=shown):
        parse_scenario(text, "x.toml")


@pytest.mark.parametrize("name", ["nowhere", "./nowhere.toml"])
def test_a_scenario_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_scenario(name)
