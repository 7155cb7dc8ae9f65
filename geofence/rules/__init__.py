"""The rule book: one file for each rule, and the registry in the order of judging (measured rules first)."""

from geofence.grading import Grading
from geofence.rules.base import Rule
from geofence.rules.closed_road import ClosedRoad
from geofence.rules.convoy import Convoy
from geofence.rules.dark_vehicle import DarkVehicle
from geofence.rules.driving_time import DrivingTime
from geofence.rules.following_distance import FollowingDistance
from geofence.rules.ghost_report import GhostReport
from geofence.rules.gnss_integrity import GnssIntegrity
from geofence.rules.illegal_stop import IllegalStop
from geofence.rules.lane_departure import LaneDeparture
from geofence.rules.missed_exit import MissedExit
from geofence.rules.off_dedicated_road import OffDedicatedRoad
from geofence.rules.overspeed import Overspeed
from geofence.rules.parking_timeout import ParkingTimeout
from geofence.rules.permit import Permit
from geofence.rules.route_deviation import RouteDeviation
from geofence.rules.time_window import TimeWindow
from geofence.rules.too_slow import TooSlow
from geofence.rules.unauthorised_vehicle import UnauthorisedVehicle
from geofence.rules.undecidable import Undecidable
from geofence.rules.wrong_way import WrongWay
from geofence.rules.zone_entry import ZoneEntry
from geofence.rules.zone_exit import ZoneExit

REGISTRY: tuple[type[Rule], ...] = (
    LaneDeparture,
    OffDedicatedRoad,
    WrongWay,
    Overspeed,
    IllegalStop,
    UnauthorisedVehicle,
    ZoneEntry,
    ZoneExit,
    TimeWindow,
    DarkVehicle,
    Undecidable,
    GhostReport,
    GnssIntegrity,
    Permit,
    RouteDeviation,
    MissedExit,
    DrivingTime,
    TooSlow,
    FollowingDistance,
    ClosedRoad,
    Convoy,
    ParkingTimeout,
)
INDEX = {rule.name: number for number, rule in enumerate(REGISTRY)}
BY_NAME = {rule.name: rule for rule in REGISTRY}
# rules with a value for each observation: they have columns in the ring and the first rows of evidence
MEASURED = tuple(rule.name for rule in REGISTRY if rule.kind != "event" and rule.decided_by == "observation")
# rules with a row of evidence
GRADED = MEASURED + tuple(
    rule.name
    for rule in REGISTRY
    if rule.name not in MEASURED and rule.Config is not None and issubclass(rule.Config, Grading)
)
OWN_STAMPS = tuple(name for rule in REGISTRY for name in rule.stamps)
SHARED_COLUMNS = {rule.name: rule.shared_column for rule in REGISTRY if rule.shared_column is not None}
