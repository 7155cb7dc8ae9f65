"""What a tracker has learnt and its tracks do not hold: of radars, of terminals and of the fleet.

A restart and a step of the clock end all tracks; this is what continues. What depends on a radar's survey
continues only while that is the same, what a terminal showed only while its entry in the registry is.
"""

import math

import msgspec
import numpy as np

from core.arrays import F64
from core.times import NS
from fusion import layout as at
from fusion.columns import Columns, columns_of, read_floats, read_ints
from fusion.config import RadarPose, Terminal
from fusion.radar_field import COUNT_COLUMNS, PLACE_COLUMNS, learnt_cells, restore_cells
from fusion.registration import FORGET_S, RegistrationState
from fusion.tracker import Tracker
from fusion.tracker_state import BODIES, BODY_COLUMNS, ERROR_COLUMNS, FLEET_COLUMNS

LASTING = [at.E_BIAS_EAST, at.E_BIAS_NORTH, at.E_BIAS_VAR]  # half a minute in truth: gone after a restart


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as plain data; rows of the columns are places in `radars` and `terminals`."""

    radars: tuple[RadarPose, ...]  # as surveyed
    terminals: tuple[Terminal, ...]  # of which radar has shown an error
    registration: RegistrationState | None = None
    field_cells: Columns | None = None  # radar_field.PLACE_COLUMNS
    field: Columns | None = None  # the same rows: radar_field.COUNT_COLUMNS
    bodies: Columns | None = None  # tracker_state.BODY_COLUMNS, a row for each radar
    errors: Columns | None = None  # tracker_state.ERROR_COLUMNS, a row for each terminal
    fleet: Columns | None = None  # tracker_state.FLEET_COLUMNS
    clocks_ns: tuple[int, ...] = ()  # of each terminal: the offset of its clock that radar shows; empty: none


def learnt_of(tracker: Tracker, radars: tuple[RadarPose, ...]) -> Learnt:
    """Return what a tracker has learnt.  radars : as it was made with"""
    settings, terminals = tracker.store.settings, tracker.terminals
    cells, counts = learnt_cells(settings.field)
    shown_ns = np.zeros(len(terminals.ids), dtype=np.int64)
    clocks = tracker.times.terminals
    shown_ns[: clocks.n] = clocks.shown_ns[: clocks.n]
    errors = terminals.rows.errors[: len(shown_ns)]
    named = np.array([about.terminal != "" for about in terminals.about], dtype=np.bool_)
    rows = np.flatnonzero((errors.any(axis=1) | (shown_ns != 0)) & named)
    return Learnt(
        radars=radars,
        terminals=tuple(terminals.about[w] for w in rows.tolist()),
        registration=tracker.registration.state(),
        field_cells=columns_of(PLACE_COLUMNS, cells),
        field=columns_of(COUNT_COLUMNS, counts),
        bodies=columns_of(BODY_COLUMNS, settings.radars[: len(radars), BODIES]),
        errors=columns_of(ERROR_COLUMNS, errors[rows]),
        fleet=columns_of(FLEET_COLUMNS, terminals.rows.fleet.T),
        clocks_ns=tuple(shown_ns[rows].tolist()),
    )


def relearn(tracker: Tracker, radars: tuple[RadarPose, ...], learnt: Learnt, age_ns: int) -> list[str]:
    """Let a tracker without tracks continue with what was learnt; return the radars that start anew.

    radars : as it was made with;  age_ns : since then, through which evidence of poses faded.
    Raises ValueError where the numbers are none.
    """
    then = {_survey(radar): q for q, radar in enumerate(learnt.radars)}
    same = [(then[_survey(radar)], q) for q, radar in enumerate(radars) if _survey(radar) in then]
    kept = math.exp(-age_ns / NS / FORGET_S)
    tracker.registration.continue_from(learnt.registration, same, kept)
    now_at = dict(same)
    places = read_ints(learnt.field_cells, PLACE_COLUMNS)
    places[:, 0] = [now_at.get(q, -1) for q in places[:, 0].tolist()]
    restore_cells(tracker.store.settings.field, places, _finite(learnt.field, COUNT_COLUMNS))
    bodies = _finite(learnt.bodies, BODY_COLUMNS)
    for old, q in same:
        tracker.store.settings.radars[q, BODIES] = bodies[old]
    tracker.registration.impose(tracker.store)
    _relearn_terminals(tracker, learnt)
    known = {q for _, q in same}
    return [radar.sensor for q, radar in enumerate(radars) if q not in known]


def _relearn_terminals(tracker: Tracker, learnt: Learnt) -> None:
    terminals, clocks = tracker.terminals, tracker.times.terminals
    clocks.grow(terminals.about)
    errors = _finite(learnt.errors, ERROR_COLUMNS)
    errors[:, LASTING] = 0.0
    for k, about in enumerate(learnt.terminals):
        w = terminals.row.get(about.terminal)
        if w is None or terminals.about[w] != about:
            continue
        terminals.rows.errors[w] = errors[k]
        if learnt.clocks_ns:
            clocks.shown_ns[w] = learnt.clocks_ns[k]
            clocks.known_ns[w] = clocks.declared_ns[w] + clocks.shown_ns[w]
    fleet = _finite(learnt.fleet, FLEET_COLUMNS)
    if len(fleet) == at.N_FLEET:
        terminals.rows.fleet[:] = fleet.T


def _survey(radar: RadarPose) -> RadarPose:
    """Return what of a radar's entry evidence depends on: not how well it is known, nor its acceptance."""
    return msgspec.structs.replace(radar, accepted=False, sigma_place_m=None, sigma_boresight_rad=None)


def _finite(columns: Columns | None, names: tuple[str, ...]) -> F64:
    numbers = read_floats(columns, names)
    if not np.isfinite(numbers).all():
        raise ValueError("not finite")
    return numbers
