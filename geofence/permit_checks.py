"""Permits against a registry and a map: which of them a site, or a published map, does not fit. Pure."""

from collections.abc import Iterator, Sequence

from geofence.config import VehicleConfig
from geofence.map.roadmap import RoadPlan
from geofence.permits import PermitConfig, PermitFault, faults_of_permits


def permit_faults(
    road: RoadPlan, permits: Sequence[PermitConfig], vehicles: Sequence[VehicleConfig]
) -> Iterator[PermitFault]:
    """Yield the faults of permits among themselves, against the registry and a map."""
    terminals = {vehicle.terminal for vehicle in vehicles}
    gates = [(gate.gate, gate.role) for gate in road.gates]
    roads, zones = {lane.road for lane in road.lanes}, {zone.zone for zone in road.zones}
    yield from faults_of_permits(permits, terminals, gates, roads, zones)
