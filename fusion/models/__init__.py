"""The seam of the motion model: all of `fusion` takes the model from here, so that another one is one module.

    initial      the first state from one measurement
    predict_to   a state some seconds later, into another row; predict: in place
    update       one scalar measurement into a state
    combined     position, velocity and their covariance: all that gating, read-out and association need
    open_bias    adds the lasting error of a terminal to a state; note_errors: what its fixes state of it
    centre_of    the vehicle's centre under the antenna of a fix
    load, store, fused   a state without a terminal in registers, and a scalar update of it: the quick way

`fusion.layout` names the columns of a state; `fusion.rewind` packs them for the ring.
"""

from fusion.models.constant_velocity import (
    P22,
    P33,
    SLOW_MPS,
    centre_of,
    combined,
    copy,
    fused,
    initial,
    load,
    note_errors,
    open_bias,
    predict,
    predict_to,
    store,
    update,
)

__all__ = [
    "P22",
    "P33",
    "SLOW_MPS",
    "centre_of",
    "combined",
    "copy",
    "fused",
    "initial",
    "load",
    "note_errors",
    "open_bias",
    "predict",
    "predict_to",
    "store",
    "update",
]
