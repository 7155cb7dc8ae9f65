"""What loads and can hardly be meant: each is told by doctor, with whom it is about."""

from dataclasses import replace

import pytest

from edge.config import load_site, parse_site
from edge.site_map import road_of
from geofence.config import VehicleConfig
from petroroad.demo.site import SHIPPED
from petroroad.doctor.site_checks import site_checks
from tests.support.foreign.road import Road
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.site import config_text, map_text


def shown(old, new):
    site = load_site(SHIPPED)
    assert old in site.config_text
    changed = site.config_text.replace(old, new, 1)
    site = parse_site(changed, site.map_text, site.registry_text, "site.toml")
    return {check.name: check for check in site_checks(site, road_of(site))}


def test_the_shipped_site_is_as_meant():
    assert {check.level for check in shown("R0-N", "R0-N").values()} == {"ok"}


@pytest.mark.parametrize(
    ("old", "new", "name", "says"),
    [
        ("lon_deg = 122.104791204", "lon_deg = 122.6", "site.places", "RSU-0 is 4"),  # 41 km
        (
            "stretch_m = [0.0, 500.0]",
            "stretch_m = [-9000.0, -2000.0]",
            "site.places",
            "away from its stretch",
        ),
        (
            "stretch_m = [0.0, 500.0]",
            "stretch_m = [90000.0, 90500.0]",
            "site.stretches",
            "no part of the axis",
        ),
        (
            "stretch_m = [0.0, 500.0]",
            "stretch_m = [0.0, 1600.0]",
            "site.stretches",
            "RSU-0 and RSU-2 share 100 m and are no neighbours",
        ),
        ('neighbours = ["RSU-1"]', "neighbours = []", "site.neighbours", "RSU-1 hands over to RSU-0"),
        ("range_m_max = 300.0", "range_m_max = 0.01", "site.places", "R0-N is"),
        (
            "udp://127.0.0.1:17001",
            "udp://0.0.0.0:17001",
            "site.senders",
            "accepts datagrams from any address",
        ),
        ("jt808://127.0.0.1", "jt808://0.0.0.0", "site.senders", "lacks gateway.secret"),
    ],
)
def test_what_can_hardly_be_meant_is_reported(old, new, name, says):
    found = shown(old, new)[name]
    assert found.level == "warn"
    assert says in found.detail


def test_a_part_of_a_stretch_that_only_the_neighbour_sees_is_reported():
    """Its vehicles without a terminal were shown by nobody: each RSU left them to the other."""
    plan = replace(
        SCENARIOS["easy"],
        road=replace(SCENARIOS["easy"].road, length_m=1024.0, n_rsus=2),
        radar=replace(SCENARIOS["easy"].radar, pole_m=330.0, range_m=180.0),  # a pole on the border
    )
    road = Road(plan)
    site = parse_site(config_text(road), map_text(road), "terminal,plate,class\n", "site.toml")
    found = {check.name: check for check in site_checks(site, road_of(site))}["site.watched"]
    assert found.level == "warn"
    assert "belongs to FR0, and only radars of FR1 see it" in found.detail


def test_stations_below_zero_are_no_fault():
    site = load_site(SHIPPED)
    assert site.map_text.count('"k0_m":0.0') == 1
    found = {}
    for k0_m in ("-600.0", "600.0"):
        map_text = site.map_text.replace('"k0_m":0.0', f'"k0_m": {k0_m}')
        site_there = parse_site(site.config_text, map_text, site.registry_text, "site.toml")
        checks = {check.name: check for check in site_checks(site_there, road_of(site_there))}
        found[k0_m] = checks["site.stretches"].detail
    assert "begins" not in found["-600.0"] + found["600.0"]


def test_a_terminal_that_can_never_report_under_its_name_is_reported():
    site = load_site(SHIPPED)
    assert site.registry_text is not None
    registry = site.registry_text.replace("13900100000", "013900100000", 1)
    short = VehicleConfig(terminal="1.39E+10")  # of [[vehicle]]: in a registry it is refused by line
    changed = parse_site(site.config_text, site.map_text, registry, "site.toml")
    changed = replace(changed, vehicles=(*changed.vehicles, short))
    found = {check.name: check for check in site_checks(changed, road_of(changed))}["site.terminals"]
    assert found.level == "warn"
    assert "013900100000 is called 13900100000 by JT/T 808" in found.detail
    assert "1.39E+10 is a number that a spreadsheet has shortened" in found.detail
