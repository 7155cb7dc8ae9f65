"""The sigma of a fix: as stated, else as the kind of the fix says, else unknown."""

import math

import pytest

from edge.wire import GnssFix
from geofence.map.frames import SiteFrame
from roadside.inputs import fixes_of

FRAME = SiteFrame(lon_deg=122.0, lat_deg=41.0)


@pytest.mark.parametrize(
    ("quality", "sigma_m", "want_m"),
    [
        ("fixed", None, 0.05),
        ("float", None, 0.4),
        ("dgnss", None, 0.8),
        ("dead_reckoning", None, 5.0),
        ("single", None, math.nan),  # the site file says
        (None, None, math.nan),
        ("fixed", 0.02, 0.02),  # a stated one stays
        ("single", 3.0, 3.0),
    ],
)
def test_a_fix_has_the_sigma_of_its_kind(quality, sigma_m, want_m):
    fix = GnssFix(
        terminal="013800000001", stamp_ns=1, lon_deg=122.0, lat_deg=41.0, quality=quality, sigma_m=sigma_m
    )
    (found_m,) = fixes_of(fix, 1, FRAME).sigma_m
    assert found_m == pytest.approx(want_m, nan_ok=True)
