"""Bindings, times to bind and the consistency of sigmas, each in cases made by hand."""

import numpy as np
import pytest

from petroroad.scoring.bindings import Bindings
from petroroad.scoring.consistency import Consistency
from petroroad.scoring.tracks import TrackScore
from tests.support.scoring import T0_NS, tracks, truths

S = 10**9
TWO = {"places": [(0, 0), (20, 0)], "terminal": ["A", "B"]}


def scored(frames, reports=None):
    """Score (seconds, truth's arguments, tracks' arguments)."""
    score = TrackScore(bindings=Bindings(reports or {}))
    for at_s, true, found in frames:
        score.add(truths(**true, stamp_ns=T0_NS + round(at_s * S)), tracks(**found))
    return score.figures()


def named(*names, **more):
    return {"places": [(0, 0), (20, 0)], "ids": [7, 8], "terminal": list(names)} | more


@pytest.mark.parametrize(("found", "n", "wrong"), [
    ([named(None, None)] * 3, 0, 0),
    ([named("A", "B")] * 3, 2, 0),
    ([named("A", "B", radar=[True, False])] * 3, 1, 0),         # a terminal's own track is no binding
    ([named("B", "A")] * 3, 2, 2),
    ([named("B", "A", identity_p=0.98)] * 3, 0, 0),             # presumed, no binding
    ([named("B", None), named("A", None), named("A", None)], 2, 1),
    ([named("A", None), named(None, None), named("A", None)], 2, 0),  # bound again
    ([named("A", None, places=[(90, 0), (20, 0)])] * 3, 1, 1),  # to clutter
    ([named("X", None)] * 3, 1, 0),                             # of a vehicle that the truth does not know
])  # fmt: skip
def test_bindings_are_runs_of_a_name_under_radar(found, n, wrong):
    figures = scored([(k / 10, TWO, frame) for k, frame in enumerate(found)])
    assert (figures["bindings"], figures["bindings_wrong"]) == (n, wrong)


def test_a_binding_is_wrong_by_most_of_its_stamps():
    beside = {"places": [(0, 0), (0, 3)], "terminal": ["A", "B"]}
    near_b = {"places": [(0, 2.9)], "ids": [7], "terminal": ["A"]}  # once nearer to the truck beside
    near_a = {"places": [(0, 0)], "ids": [7], "terminal": ["A"]}
    figures = scored([(k / 10, beside, near_b if k == 1 else near_a) for k in range(3)])
    assert (figures["bindings"], figures["bindings_wrong"]) == (1, 0)


def test_a_wrong_binding_is_named():
    frames = [(0.0, TWO, named(None, None)), (0.5, TWO, named("B", None)), (0.6, TWO, named("B", None))]
    row = {"terminal": "B", "track": 7, "at_s": 0.5, "stamps": 2}
    assert scored(frames)["bound_wrongly"] == [row]
    assert scored([*frames, (0.7, TWO, named(None, None))])["bound_wrongly"] == [row]


ONE = {"places": [(0, 0)], "terminal": ["A"]}
NAMELESS = {"places": [(0, 0)], "ids": [7]}
BOUND = {"places": [(0, 0)], "ids": [7], "terminal": ["A"]}


def drive(until_s, bound_at_s, seen_at_s=0.0):
    for k in range(round(until_s * 10) + 1):
        at_s = k / 10
        yield at_s, ONE, BOUND if at_s >= bound_at_s else NAMELESS | {"radar": at_s >= seen_at_s}


@pytest.mark.parametrize(("bound_at_s", "taken_s", "within", "never"), [
    (3.0, 2.0, 1.0, 0),       # both saw it from the first report, at 1 s
    (6.0, 5.0, 1.0, 0),       # the fifth report after
    (7.0, 6.0, 0.0, 0),
    (99.0, None, 0.0, 1),
])  # fmt: skip
def test_time_to_bind_counts_from_when_both_sensors_have_seen_it(bound_at_s, taken_s, within, never):
    reports = {"A": [T0_NS + k * S for k in range(1, 11)]}
    figures = scored(drive(10.0, bound_at_s), reports)
    assert figures["time_to_bind_s_p50"] == taken_s
    assert (figures["bound_within_five_reports"], figures["bound_never"]) == (within, never)


def test_a_vehicle_that_ends_before_five_reports_is_left_out():
    figures = scored(drive(4.0, 99.0), {"A": [T0_NS + k * S for k in range(1, 5)]})
    assert (figures["bound_within_five_reports"], figures["bound_never"]) == (None, 0)


def test_without_recorded_reports_the_first_shown_name_counts():
    own = {"places": [(0, 0), (0.5, 0)], "ids": [7, 8], "terminal": [None, "A"], "radar": [True, False]}
    frames = [(0.0, ONE, NAMELESS), (0.1, ONE, own), (0.2, ONE, own), (0.3, ONE, BOUND)]
    figures = scored(frames)
    assert figures["time_to_bind_s_p50"] == pytest.approx(0.2)
    assert figures["bound_within_five_reports"] is None


def test_radar_must_have_seen_it():
    figures = scored(drive(10.0, 6.0, seen_at_s=4.0), {"A": [T0_NS + k * S for k in range(1, 11)]})
    assert figures["time_to_bind_s_p50"] == 2.0


def test_a_track_that_passes_below_a_bridge_does_not_see_the_vehicle_on_it():
    def at(k):  # the track below crosses within half a second
        below = {"places": [(4.0 * (k - 20), 0.3), (0.5, 0)], "ids": [7, 8], "terminal": [None, "A"]}
        return below | {"radar": [True, False]}

    figures = scored([(k / 10, ONE, at(k)) for k in range(100)], {"A": [T0_NS + k * S for k in range(11)]})
    assert (figures["bound_within_five_reports"], figures["bound_never"]) == (None, 0)


def test_errors_are_weighed_along_and_across_the_true_heading():
    """Heading north; 2 m along of sigma 1, 1 m across of sigma 2, 3 m/s along of sigma 1.5, none across."""
    covariance = np.diag([4.0, 1.0, 0.25, 2.25])[None]  # of east, north and their velocities
    consistency = Consistency()
    at = np.array([0])
    true = truths([(0, 0)], heading=np.pi / 2)
    consistency.add(true, tracks([(-1, 2)], covariance=covariance, velocity=(0.0, 13.0)), at, at)
    found = consistency.figures()["radar_nameless"]
    assert (found["n"], found["along"], found["across"]) == (1, 4.0, 0.25)
    assert (found["v_along"], found["v_across"]) == (4.0, 0.0)
    assert found["state"] == pytest.approx((4.0 + 0.25 + 4.0) / 4)


@pytest.mark.parametrize(("flags", "kind"), [
    ({}, "radar_nameless"),
    ({"terminal": ["A"], "gnss": True}, "radar_named"),
    ({"terminal": ["A"], "gnss": True, "radar": False}, "gnss"),
    ({"radar": False}, "coasting"),
    ({"coasting": True}, "coasting"),
])  # fmt: skip
def test_classes_of_tracks(flags, kind):
    consistency = Consistency()
    at = np.array([0])
    consistency.add(truths([(0, 0)]), tracks([(0, 1)], sigma_m=0.5, **flags), at, at)
    found = consistency.figures()
    assert [name for name, row in found.items() if row["n"]] == [kind]
    assert (found[kind]["along"], found[kind]["across"]) == (None, 4.0)  # a snapshot has the lateral sigma


def test_a_vehicle_with_manipulated_fixes_is_left_out():
    consistency = Consistency()
    at = np.array([0])
    consistency.add(truths([(0, 0)], manipulated=True), tracks([(0, 1)]), at, at)
    assert {row["n"] for row in consistency.figures().values()} == {0}


def test_consistency_of_honest_covariances_is_one():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(4, 4))
    covariance = root @ root.T + np.eye(4)
    consistency = Consistency()
    for _ in range(60):
        error = rng.multivariate_normal(np.zeros(4), covariance, size=50)
        true = truths([(0, 0)] * 50, heading=0.7)
        found = tracks([(0, 0)] * 50, covariance=np.repeat(covariance[None], 50, axis=0))
        found.east_m[:], found.north_m[:] = error[:, 0], error[:, 1]
        found.east_mps[:] = true.east_mps + error[:, 2]
        found.north_mps[:] = true.north_mps + error[:, 3]
        consistency.add(true, found, np.arange(50), np.arange(50))
    row = consistency.figures()["radar_nameless"]
    assert [row[axis] for axis in ("along", "across", "v_along", "v_across", "state")] == pytest.approx(
        [1] * 5, abs=0.1
    )
