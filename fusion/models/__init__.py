"""The motion model of the tracker: all of `fusion` imports it from here, so that another model is one module.

    initial      the first state from one measurement
    predict_to   a state some seconds later, into another row; predict: in place
    update       one scalar measurement into a state
    combined     position, velocity and their covariance, which association and read-out need
    open_bias    adds the lasting error of a terminal to a state; note_errors: stores the errors a fix states
    fresh_m2     the variance of what is new in a fix
    behind_point moves a state from the point that radar saw to the centre of the body
    centre_of    the vehicle's centre under the antenna of a fix
    learn        how much the vehicle manoeuvres, from a fused measurement; doubt_calm: perhaps since the last
    load, store, fused   a state without a bias as numbers in registers, and its scalar update: the fast path
    times        its covariance times a row of the measurement matrix

`fusion.layout` names the columns of a state; `fusion.rewind` packs them for the ring.
"""

from fusion.models.constant_velocity import (
    SLOW_MPS,
    behind_point,
    centre_of,
    combined,
    copy,
    fresh_m2,
    initial,
    note_errors,
    open_bias,
    predict,
    predict_to,
    update,
)
from fusion.models.manoeuvre import Velocity, doubt_calm, learn
from fusion.models.registers import (
    P00,
    P01,
    P11,
    P22,
    P23,
    P33,
    P44,
    P55,
    Registers,
    fused,
    load,
    store,
    times,
)

__all__ = [
    "P00",
    "P01",
    "P11",
    "P22",
    "P23",
    "P33",
    "P44",
    "P55",
    "SLOW_MPS",
    "Registers",
    "Velocity",
    "behind_point",
    "centre_of",
    "combined",
    "copy",
    "doubt_calm",
    "fresh_m2",
    "fused",
    "initial",
    "learn",
    "load",
    "note_errors",
    "open_bias",
    "predict",
    "predict_to",
    "store",
    "times",
    "update",
]
