"""What is measured across a track's course reaches the geofence unchanged, in the form that kernels take."""

from dataclasses import replace

import numba
import numpy as np

from core.kernel import numba_type
from fusion.lateral import no_lateral
from geofence.batch import LateralInput
from geofence.context import Context
from tests.support.geofence_world import T0_NS, World, batch

TYPEOF = numba.typeof


def context_of(lateral_m: float) -> Context:
    """Return what the rules get of two trucks, of which the second was measured, by its terminal."""
    world = World()
    lateral = no_lateral(2)
    measured = (lateral_m, 0.15, 0.5, 1.5, 101.0, -7.6, T0_NS - 300_000_000, True)
    for column, value in zip(lateral, measured, strict=True):
        column[1] = value
    tracks = replace(batch(T0_NS, {}, {"gnss_bias": 0.5, "gnss_tau": 12.0}), lateral=lateral)
    located = world.monitor.locate(tracks, world.terminals)
    fields = world.monitor._context_fields(T0_NS, tracks, located, np.ones(2, np.bool_), None)
    return Context(**fields)


def test_rules_get_what_was_measured_and_the_terminals_lasting_error():
    got = context_of(-0.4).lateral
    assert TYPEOF(got) == numba_type(LateralInput), "a kernel takes it as it is"
    assert [column[1] for column in got] == [
        -0.4, 0.15, 0.5, 1.5, 101.0, -7.6, T0_NS - 300_000_000, True, 0.5, 12.0,
    ]  # fmt: skip
    assert np.isnan([got.offset_m[0], got.sigma_m[0], got.gnss_bias_m[0], got.gnss_tau_s[0]]).all()
    assert got.stamp_ns[0] == 0


def test_no_rule_reads_it_yet():
    """The bytes of what is judged don't depend on it: detectors that use it come with their own levels."""
    one, other = context_of(-0.4).batch, context_of(5.0).batch
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)
