"""Small simulated worlds for the tests of `sim`."""

from functools import cache

import msgspec

from edge.config import Site, load_site
from petroroad.demo.site import SHIPPED
from sim.record import T0_NS
from sim.scenario import Scenario, load_scenario
from sim.settings import RADAR
from sim.world import Setting, World


@cache
def panjin() -> Site:
    """Return the shipped site."""
    return load_site(SHIPPED)


def quiet() -> Scenario:
    """Return the default traffic with nothing out of the ordinary, seen as points."""
    return msgspec.structs.replace(load_scenario("panjin"), departures=None, near_misses=None, radar=RADAR)


def world(scenario: Scenario | None = None, **setting: object) -> World:
    """Return a world at its first tick."""
    chosen = scenario or load_scenario("panjin")
    return World(
        panjin(), msgspec.convert({"scenario": chosen} | setting, Setting, from_attributes=True), T0_NS
    )
