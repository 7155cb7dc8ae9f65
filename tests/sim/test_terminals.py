"""Terminals that are not the plain ones: each setting against what it promises."""

from typing import Any

import msgspec
import numpy as np
import pytest

from core.arrays import F64
from core.times import NS
from edge.wire import GnssFix
from sim.record import T0_NS
from sim.scenario import Scenario
from sim.sensors.gnss import Receivers, as_reported, terminal_delay_ns
from sim.settings import TerminalSettings
from sim.world import FixSent, TruthFrame, World
from tests.support.sim_world import quiet, world


def with_terminals(**settings: Any) -> Scenario:
    return msgspec.structs.replace(quiet(), terminals=TerminalSettings(**settings))


def standing(n: int, **settings: Any) -> tuple[F64, list[list[GnssFix]], World]:
    """Return errors (axis, receiver, fix) of trucks that stand still for the test's sake, and the fixes."""
    made = world(quiet(), seed=24)
    receivers = Receivers(made.traffic.fleet, made.road, 24, 1.0, (), TerminalSettings(**settings))
    rows = np.array(made.reporting())
    poses, fleet = made.traffic.poses(rows), made.traffic.fleet
    forward, left = fleet.antenna_forward_m[rows], fleet.antenna_left_m[rows]
    cos, sin = np.cos(poses.heading_rad), np.sin(poses.heading_rad)
    antenna = np.array(
        [poses.east_m + forward * cos - left * sin, poses.north_m + forward * sin + left * cos]
    )
    errors, all_fixes = [], []
    for number in range(n):
        fixes = receivers.observe(T0_NS + number * NS, number, rows, poses)
        place = made.road.frame.site_from_lonlat([f.lon_deg for f in fixes], [f.lat_deg for f in fixes])
        errors.append(np.array(place) - antenna)
        all_fixes.append(fixes)
    return np.array(errors).transpose(1, 2, 0), all_fixes, made


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_a_terminal_tells_its_sigma_times_the_factor(factor: float) -> None:
    error, fixes, _ = standing(300, sigma_m=(1.5, 1.5), tau_s=(5.0, 5.0), white_m=0.5, told_factor=factor)
    told = np.array([fix.sigma_m for fix in fixes[0]])
    assert told / np.sqrt(np.mean(error**2)) == pytest.approx(factor, rel=0.03)


def test_a_plain_terminal_tells_no_sigma() -> None:
    assert {fix.sigma_m for fix in standing(1)[1][0]} == {None}


def test_a_constant_error_stays_for_the_whole_run() -> None:
    error, _, _ = standing(100, sigma_m=(0.0, 0.0), white_m=0.1, constant_m=0.4)
    means = error.mean(axis=2)
    assert np.std(means) == pytest.approx(0.4, rel=0.15)
    assert np.std(error - means[:, :, None]) == pytest.approx(0.1, rel=0.05)


def test_a_dragged_terminal_moves_to_one_side_and_stops_there() -> None:
    error, _, made = standing(
        300, sigma_m=(0.0, 0.0), white_m=0.0, dragged_share=0.3, drag_from_s=10.0, drag_m_max=20.0
    )
    away = np.hypot(*error)  # (receiver, fix)
    dragged = away[:, -1] > 1.0
    assert np.mean(dragged) == pytest.approx(0.3, abs=0.15)
    assert away[~dragged].max() < 0.01
    for second, due_m in ((10, 0.0), (60, 5.0), (110, 10.0), (299, 20.0)):
        assert away[dragged, second] == pytest.approx(due_m, abs=0.02)
    heading = made.traffic.poses(np.array(made.reporting())).heading_rad
    along = error[0, :, -1] * np.cos(heading) + error[1, :, -1] * np.sin(heading)
    assert np.abs(along).max() < 0.01


def test_late_fixes_are_the_stated_share_by_the_stated_time() -> None:
    settings = TerminalSettings(late_share=0.15, late_s=(0.5, 2.0))
    rows = np.arange(500)
    plain, late = (
        np.concatenate([terminal_delay_ns(1, rows, k, s) for k in range(40)]) / NS
        for s in (TerminalSettings(), settings)
    )
    more = late - plain
    assert np.mean(more > 1e-6) == pytest.approx(0.15, abs=0.01)
    assert 0.5 <= more[more > 1e-6].min() < more.max() <= 2.0
    assert more[more > 1e-6].mean() == pytest.approx(1.25, abs=0.04)


def test_a_fast_terminals_fixes_survive_the_recording() -> None:
    made = world(with_terminals(rate_hz=5), seed=26)
    for _ in range(40):
        made.step()
    sent = [due.item for due in made.pop_due(2**63) if isinstance(due.item, FixSent)]
    one = [item.fix for item in sent if item.vehicle == sent[0].vehicle]
    assert len(one) == 10
    kept = [as_reported(fix, fix.stamp_ns + 1, 3) for fix in one]
    assert sorted(fix.stamp_ns - T0_NS for fix in kept) == [k * 200_000_000 for k in range(10)]


def test_the_lasting_error_lasts_as_long_at_any_rate() -> None:
    kept = []
    for rate_hz in (1, 5):
        error, _, _ = standing(
            600 * (1 if rate_hz == 1 else 3), rate_hz=rate_hz, tau_s=(10.0, 10.0), white_m=0.0
        )
        lag = 5 * rate_hz
        kept.append(np.mean(error[:, :, lag:] * error[:, :, :-lag]) / np.mean(error**2))
    assert kept == pytest.approx([np.exp(-0.5)] * 2, abs=0.06)


def test_silent_terminals_never_report_and_are_true_dark_vehicles() -> None:
    made = world(with_terminals(silent_share=0.3), seed=27)
    trucks = set(np.flatnonzero(made.traffic.state.active & made.traffic.fleet.reports).tolist())
    silent = trucks - set(made.reporting())
    assert len(silent) / len(trucks) == pytest.approx(0.3, abs=0.15)
    for _ in range(40):
        made.step()
    items = [due.item for due in made.pop_due(2**63)]
    assert not silent & {item.vehicle for item in items if isinstance(item, FixSent)}
    state = made.traffic.state  # what the rule of dark vehicles is true of
    assert set(np.flatnonzero(state.silent).tolist()) == made.traffic.mute & set(
        np.flatnonzero(state.active).tolist()
    )


def test_ghosts_report_a_drive_where_no_vehicle_is() -> None:
    made = world(with_terminals(ghosts=5, told_factor=1.0), seed=28)
    ghosts = {made.traffic.fleet.terminal[i] for i in made.traffic.absent}
    assert len(ghosts) == 5
    for _ in range(100):
        made.step()
    items = [due.item for due in made.pop_due(2**63)]
    truth = {
        terminal for item in items if isinstance(item, TruthFrame) for terminal in item.payload["terminal"]
    }
    assert not ghosts & truth
    fixes = [item.fix for item in items if isinstance(item, FixSent) and item.fix.terminal in ghosts]
    assert len({fix.terminal for fix in fixes}) >= 3
    for terminal in {fix.terminal for fix in fixes}:
        mine = [fix for fix in fixes if fix.terminal == terminal]
        east, north = made.road.frame.site_from_lonlat([f.lon_deg for f in mine], [f.lat_deg for f in mine])
        moved = np.hypot(east[-1] - east[0], north[-1] - north[0])
        assert moved / (len(mine) - 1) == pytest.approx(mine[0].speed_mps or 0.0, abs=2.0)


def test_the_truth_tells_how_far_a_terminal_is_dragged() -> None:
    made = world(with_terminals(dragged_share=0.5, drag_mps=1.0, drag_from_s=1.0), seed=29)
    for _ in range(100):
        made.step()
    frames = [due.item for due in made.pop_due(2**63) if isinstance(due.item, TruthFrame)]
    last = frames[-1]
    t_s = (last.stamp_ns - T0_NS) / NS
    dragged = {abs(away_m) for away_m in last.payload["dragged_m"]}
    assert sorted(dragged) == [0.0, np.floor(t_s) - 1.0]  # as the last fix was
    assert not any(frames[5].payload["dragged_m"])
