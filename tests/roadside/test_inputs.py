"""What an input may say of a target's size."""

import math

import numpy as np
import pytest

from fusion.observations import SIZE_M_MAX, ObjectScan
from roadside.inputs import ObjectColumns, RadarPayload, scan_of

NS = 10**9


@pytest.mark.parametrize(
    ("told_m", "want_m"),
    [(None, math.nan), (SIZE_M_MAX, SIZE_M_MAX), (100.1, math.nan), (1e30, math.nan), (math.inf, math.nan)],
)
def test_a_size_that_no_vehicle_has_is_not_known(told_m, want_m):
    """Else the tracker looks for second echoes within it: a scan of seconds, or one without an end."""
    zero = (0.0,)
    objects = ObjectColumns(
        id=(1,),
        x_m=zero,
        y_m=zero,
        vx_mps=zero,
        vy_mps=zero,
        length_m=(told_m,),
        width_m=(told_m,),
        class_=(3,),
    )
    scan = scan_of(RadarPayload(sensor="R", stamp_ns=NS, scan=1, objects=objects), NS)
    assert isinstance(scan, ObjectScan)
    np.testing.assert_array_equal([scan.length_m[0], scan.width_m[0]], [want_m, want_m])
