"""What `doctor` says of the other parts by their statuses, and of clocks that disagree."""

import re

import pytest

from edge.config import parse_site
from edge.wire import GatewayStatus
from petroroad.doctor.peer_checks import own_clock, peer_checks
from tests.support.centre_road import MAP, SITE
from tests.support.centre_samples import status

GATEWAY = GatewayStatus(
    state="online", epoch=1, connection=1, terminals=3, version="0.1.0", clock_offset_ms=0.0, counts={}
)
GOOD = {"RSU001": status(), "RSU002": status(), "GW1": GATEWAY}


def found(changed=None, silent=()):
    units = {name: unit for name, unit in (GOOD | (changed or {})).items() if unit is not None}
    site = parse_site(SITE, MAP, None, "site.toml", {})
    checks = peer_checks(site, units, frozenset(units) - set(silent))
    return {check.name: (check.level, check.detail) for check in checks}


def test_parts_that_live_and_agree_are_ok():
    assert {level for level, _ in found().values()} == {"ok"}
    assert found()["peers.rsus"][1] == "2 of 2 send heartbeats and report no fault"


@pytest.mark.parametrize(
    ("changed", "silent", "name", "text"),
    [
        ({"RSU002": None}, (), "peers.rsus", "1 of 2 .*: RSU002 has no status: never started"),
        ({"RSU002": status(state="offline")}, (), "peers.rsus", "RSU002 is offline: look at its power"),
        ({}, ("RSU001",), "peers.rsus", "RSU001 is silent"),
        ({"RSU001": status(degraded=("disk_full", "twin"))}, (), "peers.rsus", "degraded: disk_full, twin"),
        ({"GW1": None}, (), "peers.gateway", "0 of 1 .*: GW1 has no status"),
        (
            {"RSU001": status(clock_offset_ms=-250.0)},
            (),
            "peers.clocks",
            r"RSU001 is 0\.25 s behind the centre",
        ),
    ],
)
def test_each_fault_is_named_with_its_part_and_what_to_do(changed, silent, name, text):
    level, said = found(changed, silent)[name]
    assert (level, re.search(text, said) is not None) == ("warn", True), said


def test_an_offset_of_a_unit_that_is_off_is_old_news():
    off = status(state="offline", clock_offset_ms=9e6)
    assert found({"RSU001": off})["peers.clocks"][0] == "ok"


@pytest.mark.parametrize(
    ("age_s", "level", "text"),
    [
        (0.01, "ok", "within"),
        (-0.4, "ok", "within"),
        (0.6, "fail", "0.60 s ahead"),
        (-90.0, "fail", "90.00 s behind"),
    ],
)
def test_our_clock_is_held_against_each_live_centres(age_s, level, text):
    (check,) = own_clock({"centre": age_s})
    assert (check.name, check.level, text in check.detail) == ("clock.centre", level, True)
