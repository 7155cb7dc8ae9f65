"""What a measured rule gets and what it gives: plain numbers, which load no compiler."""

from typing import NamedTuple


class Vehicle(NamedTuple):
    """One track as a measured rule sees it: numbers that several rules need are computed once, for all."""

    speed_mps: float
    sigma_speed_mps: float  # 1 sigma along the course
    speed_tau_s: float  # correlation time of the speed's error
    limit_mps: float  # NaN: none is posted
    standing_s: float  # without an excuse
    half_width_m: float  # of the footprint, across the lane
    sigma_place_m: float  # 1 sigma of the place, the mean of both axes
    tau_s: float  # correlation time of the place's error
    out_permitted_m: float  # how far the centre is outside the lanes that permit it, NaN without any near
    out_any_m: float  # the same of all lanes of the cross-section,
    out_same_way_m: float  # and of those that lead its way
    sigma_across_m: float  # 1 sigma across the lane
    along_mps: float  # speed along the lane, NaN off the lanes
    p_lane: float
    off_road_m: float  # from every place that permits a hazmat vehicle, NaN: not judged
    stop_shoulder_m: float  # the setting: so far beside a lane is on the road
    in_lane: bool
    is_hazmat: bool
    is_ordinary: bool  # of a known class that carries no dangerous goods
    is_registered: bool
    unjudged: bool  # the place can't carry a judgement of the lane
    sigma_edge_m: float  # 1 sigma across the lane of the footprint's edge
    place_scale: float  # how many times its sigma the place may be off: above 1 where only fixes measure it
    misplaced: bool  # only fixes measure it, and they can't be believed, or no course led to where they are


class Sample(NamedTuple):
    """How far over a rule's limit a vehicle is, in the rule's own unit."""

    value: float  # NaN: not judged
    sigma: float  # 1 sigma of the value; 0: it is exact, such as a count of seconds
    tau_s: float  # correlation time of the error
    judged: bool  # whether the value can be judged, where it is a number
