"""The tracker of one RSU's pipeline, under an epoch. Pure."""

from fusion.tracker import Tracker
from roadside.handover import COUNTER_BITS, PLACE_BITS
from roadside.pipeline_setup import Setup

# Most scans on a road touch fewer tracks; what a larger batch costs is its tracks, not its arrays
N_REUSED = 64


def tracker_of(setup: Setup, epoch: int) -> Tracker:
    """Return a tracker without tracks, whose ids are those of an epoch."""
    id_base = epoch << (PLACE_BITS + COUNTER_BITS) | setup.place << COUNTER_BITS
    return Tracker(
        setup.fusion, setup.radars, setup.terminals, id_base=id_base, lanes=setup.lanes, n_reused=N_REUSED
    )
