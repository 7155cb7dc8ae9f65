"""How doubt in a terminal is published: listed, but neither as confirmed nor as owned."""

import numpy as np
import pytest

from fusion.doubt_table import DRAGGED, FROZEN, GHOST, OVERCONFIDENT
from roadside.snapshot import with_doubt
from tests.support.geofence_world import batch


@pytest.mark.parametrize(
    ("bits", "radar_age_s", "is_listed_as_vehicle"),
    [
        (0, np.inf, True),
        (GHOST, np.inf, False),
        (GHOST, 3.0, False),
        (DRAGGED, np.inf, False),  # its vehicle is another track
        (DRAGGED, 0.0, True),  # it is its vehicle's track
        (FROZEN, np.inf, True),
        (OVERCONFIDENT, np.inf, True),
    ],
)
def test_what_doubt_does_to_the_published_flags(bits, radar_age_s, is_listed_as_vehicle):
    tracks = batch(10**18, {"radar_age_s": radar_age_s})
    published, owned = with_doubt(tracks, np.array([bits], dtype=np.uint8), np.array([True]))
    assert published.confirmed.tolist() == owned.tolist() == [is_listed_as_vehicle]
    assert published.integrity.tolist() == [bits != 0]
    assert tracks.confirmed.tolist() == [True], "the rules judge on"
