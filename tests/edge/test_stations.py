"""Stations in the records of a snapshot: what is written is read again, also below 0 in the signed column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import wire
from edge.stations import NONE_SIGNED_DM, SIGNED_DM_MAX, stations_m, track_dtype, write_stations

NAN = float("nan")


def written(s_m, dtype):
    records = np.zeros(len(s_m), dtype)
    write_stations(records, np.array(s_m))
    return records


@pytest.mark.parametrize(
    ("s_m", "old", "signed"),
    [
        (123.44, 1_234, 1_234),
        (0.0, 0, 0),
        (-0.04, wire.NONE_S_DM, 0),  # before the zero there is no unsigned station, however near
        (-500.0, wire.NONE_S_DM, -5_000),
        (NAN, wire.NONE_S_DM, NONE_SIGNED_DM),
        (float("inf"), wire.NONE_S_DM, NONE_SIGNED_DM),
        (5e8, wire.NONE_S_DM - 1, SIGNED_DM_MAX),  # clipped, never taken for "none"
        (-5e8, wire.NONE_S_DM, NONE_SIGNED_DM + 1),
    ],
)
def test_a_station_in_both_columns(s_m, old, signed):
    (record,) = written([s_m], wire.SIGNED_DTYPE)
    assert (record["s_dm"], record["s_signed_dm"]) == (old, signed)
    (record,) = written([s_m], wire.TRACK_DTYPE)
    assert record["s_dm"] == old


@given(st.lists(st.one_of(st.just(NAN), st.floats(-1e7, 1e7)), max_size=20))
def test_what_is_written_is_read_again_to_a_decimetre(s_m):
    s_m = np.array(s_m)
    np.testing.assert_allclose(stations_m(written(s_m, wire.SIGNED_DTYPE)), s_m, rtol=0, atol=0.0501)
    unsigned = np.where(s_m < 0.0, NAN, s_m)
    np.testing.assert_allclose(stations_m(written(s_m, wire.TRACK_DTYPE)), unsigned, rtol=0, atol=0.0501)


@pytest.mark.parametrize(
    ("first_m", "dtype"), [(-500.0, wire.SIGNED_DTYPE), (0.0, wire.TRACK_DTYPE), (2e4, wire.TRACK_DTYPE)]
)
def test_only_a_site_whose_axis_begins_below_zero_sends_the_signed_column(first_m, dtype):
    assert track_dtype(first_m) == dtype
