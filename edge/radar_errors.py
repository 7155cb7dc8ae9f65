"""The errors of a radar's pose in an RSU's status. Pure; a part of `edge.wire`."""

from typing import Annotated

import msgspec
from msgspec import Meta

Five = tuple[float, float, float, float, float]
ALARMED = ("beyond", "drifting")  # states in which somebody must look at the radar


class RegistrationReported(msgspec.Struct, frozen=True, kw_only=True):
    """A radar's pose errors as traffic shows them: east, north [m], rotation [rad], time [s], range [m]."""

    state: Annotated[
        str, Meta(min_length=1, max_length=64)
    ]  # learning, fits, corrected, wrong, beyond, drifting
    estimate: Five
    sigma: Five
    applied: Five  # in use now
    n_trucks: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    n_pairs: Annotated[int, Meta(ge=0, le=2**63 - 1)]  # samples of vehicles that another radar saw too
    # since when it learns, through restarts; 0: it has not begun, or its RSU does not say
    since_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
