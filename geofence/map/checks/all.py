"""All checks of a map: those by which services refuse it, and the others, which only `map check` runs."""

from geofence.map.axis import Axis
from geofence.map.checks.names import check_axes, check_gates
from geofence.map.checks.roads import check_roads
from geofence.map.checks.shapes import check_shapes
from geofence.map.checks.topology import check_topology
from geofence.map.checks.zones import NOTHING, Asked, check_zones
from geofence.map.faults import Fault, Faults
from geofence.map.frames import SiteFrame
from geofence.map.reading import Features, Lane
from geofence.map.strips import Strips


def refused(lanes: tuple[Lane, ...], strips: Strips, frame: SiteFrame) -> list[Fault]:
    """Return the faults by which who drives right would be accused."""
    faults = Faults(frame)
    check_topology(lanes, faults, forgotten=False)
    check_shapes(lanes, strips, faults)
    return [fault for fault in faults.found if fault.is_refused]


def faults_of(
    features: Features, strips: Strips, axes: tuple[Axis, ...], frame: SiteFrame, *, gaps: bool = False,
    asked: Asked = NOTHING,
) -> list[Fault]:  # fmt: skip
    """Return all faults of compiled features.

    gaps : some lanes are missing, since they can't be read: what lies beside the others may lie on these
    """
    from geofence.map.checks.overlaps import check_overlaps  # it loads the compiler; only `map check` does

    faults = Faults(frame)
    check_topology(features.lanes, faults, forgotten=True)
    check_shapes(features.lanes, strips, faults)
    check_overlaps(features.lanes, strips, faults)
    lanes = () if gaps else features.lanes
    check_gates(features.gates, lanes, faults)
    check_zones(features.zones, lanes, faults, asked)
    check_roads(lanes, faults)
    check_axes(axes, lanes, faults)
    return faults.found
