"""The scenarios: parameters of road, traffic and sensors, each with a reason to exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tests.support.foreign.jams import Jam


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadPlan:
    """The road: three lanes one way (0 is the hazmat lane, at the right), two lanes back."""

    length_m: float = 1600.0
    bend_radius_m: float = 420.0  # of the first bend, to the left; the second is 1.6 times as wide
    n_rsus: int = 1
    borders_between_poles: bool = False  # of the RSUs' stretches; else these are equally long
    blind_m: tuple[float, float] | None = None  # stations between which no radar stands or sees
    ramp: bool = True
    overpass: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPlan:
    """Who drives; gaps are from bumper to bumper, times are averages."""

    truck_gap_m: float = 55.0  # least and mean gap in the hazmat lane are 0.5 and 1 of it
    other_gap_m: float = 60.0
    truck_mps: float = 15.5
    other_mps: float = 19.0
    wave_mps: float = 0.0  # how much the hazmat lane's speed swings (stop and go), period 40 s
    n_departures: int = 6
    departure_left_share: float = 0.3  # the others go to the shoulder
    silent_share: float = 0.0  # of the hazmat trucks: their terminals say nothing
    reporting_others_share: float = 0.15  # of the vehicles in the other lanes
    exits_share: float = 0.2  # of the hazmat trucks: they take the ramp
    vanish_share: float = 0.0  # of all: they end in the middle of the road
    n_ghosts: int = 0  # terminals without a vehicle
    ghosts_behind_m: float | None = None  # so far behind the middle of a reporting truck; None: on their own
    dragged_share: float = 0.0  # of the hazmat trucks: their places are slowly dragged away
    drag_mps: float = 0.35
    n_halts: int = 0  # hazmat trucks that stop for some seconds, and those behind them


@dataclass(frozen=True, slots=True, kw_only=True)
class GnssPlan:
    """Receivers. The error of an axis: constant + AR(1) + white; now and then an outlier instead."""

    sigma_m: float = 0.4  # of all parts but outliers together, per axis
    told_share: float = 1.0  # what the receiver states is this share of sigma_m
    constant_share: float = 0.3  # of the variance: stays for the whole run
    white_share: float = 0.15  # of the variance
    tau_s: float = 25.0  # of the AR(1) part
    rate_hz: tuple[float, float] = (5.0, 10.0)  # each receiver has one of the two
    outlier_p: float = 0.001
    outlier_m: float = 12.0  # 1 sigma per axis of an outlier
    speed_sigma_mps: float = 0.15
    late_share: float = 0.01  # of the reports
    late_s: tuple[float, float] = (0.3, 1.0)
    holds_share: float = 0.0  # of the receivers: they repeat their place while they stand
    offset_sigma_m: float = 0.03  # how far the registered antenna lies from the true one, per axis


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarPlan:
    """Radars. Errors are white and wander (AR(1), per vehicle); the site states their root sum square."""

    pole_m: float = 400.0  # from pole to pole; each has two radars, up and down the road
    range_m: float = 260.0
    fov_deg: float = 100.0
    height_m: float = 6.5
    rate_hz: float = 20.0
    sigma_range_m: float = 0.25
    sigma_azimuth_deg: float = 0.2
    sigma_rate_mps: float = 0.1
    wander_share: float = 0.05  # of the variance
    wander_tau_s: float = 1.5
    detection_p: float = 0.95
    hidden_p: float = 0.2  # the same factor for what a truck hides
    clutter_per_m2: float = 1e-5  # per scan
    pose_sigma_m: float = 0.0  # how far the true place is off the site's, per axis
    pose_sigma_deg: float = 0.0
    sends_objects: bool = False  # its own tracks instead of detections


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPlan:
    """Reflections from a body: near its near end, skewed towards the middle, wandering."""

    skew_share: float = 0.1  # 1 sigma of a half-normal, as a share of the length
    width_share: float = 0.2  # 1 sigma across, as a share of the width
    tau_s: float = 0.8
    glints: bool = False  # across, the point stays while the aspect does, not for tau_s: see radars.GLINT_M


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All of it; `bodies` None: vehicles reflect from their centre."""

    name: str
    duration_s: float = 90.0
    road: RoadPlan = RoadPlan()
    traffic: TrafficPlan = TrafficPlan()
    gnss: GnssPlan = GnssPlan()
    radar: RadarPlan = RadarPlan()
    bodies: BodyPlan | None = None
    faults: tuple[tuple[str, int], ...] = ()  # how many hazmat trucks' terminals have which fault
    jams: tuple[Jam, ...] = ()


# A point that wanders half a metre to either side hides a short, shallow departure from any radar; that of
# flat tank ends stays near the middle, and changes from scan to scan; glint wanders as far as the first, and
# stays as long as at 77 GHz
BODIES = {
    "bodies": BodyPlan(),
    "ends": BodyPlan(width_share=0.06, tau_s=0.1),
    "glint": BodyPlan(glints=True),
}


def with_bodies(scenario: Scenario, kind: str) -> Scenario:
    return replace(scenario, name=f"{scenario.name}-{kind}", bodies=BODIES[kind])


def _of_sources(slow_gnss: GnssPlan) -> list[Scenario]:
    """Return those in which what a source says is the matter."""
    return [
        Scenario(
            name="doubt",  # sources that err or lie, beside sound ones that stand
            duration_s=100.0,
            traffic=TrafficPlan(n_departures=0, n_halts=3, exits_share=0.0),
            gnss=replace(slow_gnss, sigma_m=0.7, rate_hz=(1.0, 5.0), holds_share=0.5),
            faults=(("clock", 5), ("drag", 2), ("frozen", 2), ("overconfident", 2), ("replay", 2)),
        ),
        Scenario(
            name="sources",  # who is silent, who is not there, and who is elsewhere, in dense traffic
            duration_s=100.0,
            traffic=TrafficPlan(
                truck_gap_m=28.0,
                other_gap_m=35.0,
                n_departures=0,
                exits_share=0.0,
                silent_share=0.08,
                n_ghosts=3,
                ghosts_behind_m=16.0,
            ),
            gnss=replace(slow_gnss, sigma_m=0.7, rate_hz=(1.0, 5.0)),
            faults=(("slow", 1), ("drag", 1), ("frozen", 1)),
        ),
        Scenario(
            name="jamming",
            traffic=TrafficPlan(n_departures=0, exits_share=0.0, truck_gap_m=30.0),
            gnss=replace(slow_gnss, sigma_m=0.7, rate_hz=(1.0, 5.0)),
            jams=(
                Jam(from_m=250.0, to_m=650.0, from_s=25.0, until_s=40.0, kind="lost"),
                Jam(from_m=700.0, to_m=1100.0, from_s=55.0, until_s=72.0, kind="noise"),
            ),
        ),
    ]


def _scenarios() -> Mapping[str, Scenario]:
    hard_gnss = GnssPlan(
        sigma_m=1.5, told_share=0.5, rate_hz=(1.0, 2.0), late_share=0.15, late_s=(0.5, 3.0), outlier_p=0.01
    )
    hard_radar = RadarPlan(
        detection_p=0.8, clutter_per_m2=2e-4, pose_sigma_m=0.1, pose_sigma_deg=0.05, sigma_range_m=0.35
    )
    slow_gnss = GnssPlan(sigma_m=0.9, rate_hz=(1.0, 1.0), outlier_p=0.003)
    dense = TrafficPlan(
        truck_gap_m=8.0, other_gap_m=16.0, truck_mps=13.0, other_mps=14.5, wave_mps=2.5,
        reporting_others_share=0.4, n_departures=10, departure_left_share=0.0,
    )  # fmt: skip
    dark = TrafficPlan(silent_share=0.15, n_ghosts=4, dragged_share=0.1)
    all_of_them = [
        Scenario(name="easy"),
        Scenario(name="hard", gnss=hard_gnss, radar=hard_radar),
        Scenario(name="platoon", traffic=dense, gnss=slow_gnss, road=RoadPlan(length_m=1200.0)),
        Scenario(name="dark", traffic=dark, gnss=replace(slow_gnss, sigma_m=0.7, rate_hz=(1.0, 5.0))),
        Scenario(
            name="handover",
            road=RoadPlan(length_m=2400.0, n_rsus=3, blind_m=(1050.0, 1350.0)),
            gnss=replace(slow_gnss, sigma_m=0.6, rate_hz=(1.0, 5.0)),
        ),
        Scenario(name="departures", traffic=TrafficPlan(n_departures=18, departure_left_share=0.4)),
        # what is meaner than the six above
        Scenario(  # as "handover", but the boundary of two RSUs lies where no radar sees
            name="gap",
            road=RoadPlan(length_m=2400.0, n_rsus=2, blind_m=(1050.0, 1350.0)),
            gnss=replace(slow_gnss, sigma_m=0.6, rate_hz=(1.0, 5.0)),
        ),
        Scenario(name="half-sigma", gnss=GnssPlan(sigma_m=0.8, told_share=0.5)),
        Scenario(name="wrong-poses", radar=RadarPlan(pose_sigma_m=0.4, pose_sigma_deg=0.25)),
        Scenario(name="wander", radar=RadarPlan(wander_share=0.25)),
        Scenario(name="vanish", traffic=TrafficPlan(vanish_share=0.3)),
        Scenario(
            name="hidden",  # low radars, trucks in a row beside small cars
            traffic=TrafficPlan(truck_gap_m=14.0, truck_mps=14.0, reporting_others_share=0.0),
            radar=RadarPlan(height_m=4.5, hidden_p=0.05),
        ),
        Scenario(name="sharp-bend", road=RoadPlan(bend_radius_m=220.0)),
        *_of_sources(slow_gnss),
        Scenario(name="objects", radar=RadarPlan(sends_objects=True, rate_hz=14.0)),
        Scenario(name="slow-gnss", gnss=GnssPlan(sigma_m=1.2, rate_hz=(0.1, 0.2), tau_s=60.0)),
    ]
    named = {scenario.name: scenario for scenario in all_of_them}
    return named | {
        f"{name}-{kind}": with_bodies(plan, kind) for name, plan in named.items() for kind in BODIES
    }


SCENARIOS = _scenarios()


def scenario_named(name: str, change: Callable[[Scenario], Scenario] | None = None) -> Scenario:
    """Return a scenario, changed where a test asks for a smaller one; KeyError for an unknown name."""
    return SCENARIOS[name] if change is None else change(SCENARIOS[name])
