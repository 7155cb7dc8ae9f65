"""Settings of a site's registry, map and RSUs that load and yet are probably mistakes."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from edge.config import Site
from edge.open_ports import open_ports_of_gateway, open_ports_of_rsu
from edge.registry import SHORTENED
from geofence.ban_checks import bans_by_day
from geofence.map.axis import Axis
from geofence.map.roadmap import RoadMap
from petroroad.doctor.checks import Check
from petroroad.doctor.watched import unwatched

BESIDE_M = 200.0  # a pole is nearer to its road
BEYOND_M = 1_000.0  # and to its stretch, along the road
NAMED_MAX = 5  # of one kind; the rest is counted


def site_checks(site: Site, road: RoadMap) -> list[Check]:
    """Return one check each of terminals and, where the map has an axis, of RSUs, stretches and radars."""
    kinds: dict[str, Iterable[str]] = {"terminals": _terminals(site), "senders": _senders(site)}
    if road.axis is not None:
        kinds |= {"places": _places(site, road.axis), "stretches": _stretches(site, road.axis)}
        kinds |= {"watched": unwatched(site, road.axis), "neighbours": _neighbours(site)}
    kinds |= {"bans": bans_by_day(site.config.rules, road)}
    return [_check(f"site.{name}", list(faults)) for name, faults in kinds.items()]


def _check(name: str, faults: list[str]) -> Check:
    if not faults:
        return Check(name, "ok", "nothing to say")
    more = f"; and {len(faults) - NAMED_MAX} more" if len(faults) > NAMED_MAX else ""
    return Check(name, "warn", "; ".join(faults[:NAMED_MAX]) + more)


def _terminals(site: Site) -> Iterator[str]:
    """Registered terminals that can never report under this name."""
    for vehicle in site.vehicles:
        name = vehicle.terminal
        if name.isdecimal() and name.startswith("0"):
            yield f"{name} is called {name.lstrip('0') or 'nothing'} by JT/T 808: without leading zeros"
        elif SHORTENED.fullmatch(name):
            yield f"{name} is a number that a spreadsheet has shortened"


def _senders(site: Site) -> Iterator[str]:
    """Radars, receivers and terminals in whose name anyone may send who reaches their port."""
    if site.config.gateway is not None:
        yield from open_ports_of_gateway(site.config.gateway)
    for rsu in site.config.rsu:
        yield from open_ports_of_rsu(rsu)


def _places(site: Site, axis: Axis) -> Iterator[str]:
    """RSUs away from their road or stretch, radars that don't reach the road."""
    rsus = site.config.rsu
    stations, offsets = axis.station_of(
        *site.frame.site_from_lonlat(
            np.array([rsu.lon_deg for rsu in rsus]), np.array([rsu.lat_deg for rsu in rsus])
        )
    )
    for rsu, s_m, offset_m in zip(rsus, stations.tolist(), offsets.tolist(), strict=True):
        if abs(offset_m) > BESIDE_M:
            yield f"{rsu.esn} is {abs(offset_m):.0f} m beside the axis"
        elif not rsu.stretch_m[0] - BEYOND_M <= s_m <= rsu.stretch_m[1] + BEYOND_M:
            yield f"{rsu.esn} is at {s_m:.0f} m, away from its stretch {list(rsu.stretch_m)}"
        for pose in site.radar_poses(rsu.esn):
            _, beside = axis.station_of(np.array([pose.east_m]), np.array([pose.north_m]))
            away_m = abs(float(beside[0]))
            if away_m > pose.range_m_max:
                yield f"{pose.sensor} is {away_m:.0f} m beside the axis and sees {pose.range_m_max:g} m"


def _stretches(site: Site, axis: Axis) -> Iterator[str]:
    """Stretches beyond the road, overlaps without a handover."""
    end_m = axis.k0_m + axis.length_m
    for rsu in site.config.rsu:
        if rsu.stretch_m[1] <= axis.k0_m or rsu.stretch_m[0] >= end_m:
            yield f"{rsu.esn}: {list(rsu.stretch_m)} is no part of the axis, {axis.k0_m:.0f} to {end_m:.0f} m"
    for a, b in itertools.combinations(site.config.rsu, 2):
        shared_m = min(a.stretch_m[1], b.stretch_m[1]) - max(a.stretch_m[0], b.stretch_m[0])
        if shared_m > 0.0 and b.esn not in a.neighbours and a.esn not in b.neighbours:
            yield f"{a.esn} and {b.esn} share {shared_m:.0f} m and are no neighbours: both would alarm"


def _neighbours(site: Site) -> Iterator[str]:
    """Pairs where only one RSU names the other as its neighbour."""
    named = {rsu.esn: rsu.neighbours for rsu in site.config.rsu}
    for esn, others in named.items():
        for other in others:
            if esn not in named[other]:
                yield f"{esn} hands over to {other}, which does not list it"
