"""Objects that a radar sends on without having detected them: they say nothing new.

A radar's own tracker carries on a vehicle that it misses, for some scans, with the velocity that it had. As
measurements, ten of these make an old error ten times as sure. Such an object lies where its own last
message predicts it, with the same velocity to the last digit; a detection changes both. A radar that rounds
velocities to 5 cm/s or more repeats them when it detects as well: of it nothing is left out.
"""

from collections.abc import Sequence

import numpy as np

from core.arrays import F64, I64, Bools
from fusion.columns import Columns, columns_of, read_floats, read_ints
from fusion.observations import ObjectScan

GAP_NS_MAX = 1_000_000_000  # older messages are not compared
WITHIN_M = 0.02  # of the predicted place: a vehicle's way in the millisecond to which radars stamp
# Velocities that are multiples of this, within that share of it, are rounded; a float32 differs by 2e-5
COARSE_MPS, ROUNDED = 0.05, 0.02
MOVES_MPS_MIN = 2.0  # a slower one may stand: then equal numbers are what a radar measures again and again
INT_COLUMNS = ("radar", "object_id", "stamp_ns")
COLUMNS = ("x_m", "y_m", "vx_mps", "vy_mps")


class CoastedObjects:
    """The last message of each radar that sends objects."""

    def __init__(self, n_radars: int) -> None:
        self._last: list[ObjectScan | None] = [None] * n_radars

    def coasted(self, q: int, seen: ObjectScan, *, is_newest: bool) -> Bools:
        """Return which objects (n,) of radar q only continue its last message.

        is_newest : no message of this radar had a later stamp; it is remembered
        """
        last = self._last[q]
        if is_newest:
            self._last[q] = seen
        n = len(seen.object_id)
        dt_ns = 0 if last is None else seen.stamp_ns - last.stamp_ns
        if last is None or n == 0 or len(last.object_id) == 0 or not 0 < dt_ns <= GAP_NS_MAX:
            return np.zeros(n, dtype=np.bool_)
        order = np.argsort(last.object_id, kind="stable")
        at = np.searchsorted(last.object_id[order], seen.object_id)
        before = order[np.minimum(at, len(order) - 1)]
        dt_s = dt_ns * 1e-9
        with np.errstate(all="ignore"):  # absurd numbers continue nothing; the tracker refuses them
            off_x = seen.x_m - last.x_m[before] - dt_s * last.vx_mps[before]
            off_y = seen.y_m - last.y_m[before] - dt_s * last.vy_mps[before]
            same: Bools = (
                (last.object_id[before] == seen.object_id)
                & (last.vx_mps[before] == seen.vx_mps) & (last.vy_mps[before] == seen.vy_mps)
                & (np.hypot(seen.vx_mps, seen.vy_mps) > MOVES_MPS_MIN)
                & (np.hypot(off_x, off_y) < WITHIN_M)
                & (_is_fine(seen.vx_mps) | _is_fine(seen.vy_mps))
            )  # fmt: skip
        return same

    def state(self) -> tuple[Columns, Columns]:
        """Return the last messages as storage keeps them: INT_COLUMNS, and the same rows of COLUMNS."""
        known = [(q, last) for q, last in enumerate(self._last) if last is not None]
        ints = [(q, key, last.stamp_ns) for q, last in known for key in last.object_id.tolist()]
        floats = [
            np.column_stack([last.x_m, last.y_m, last.vx_mps, last.vy_mps]).astype(np.float64)
            for _, last in known
        ]
        return (
            columns_of(INT_COLUMNS, np.array(ints, dtype=np.int64).reshape(-1, len(INT_COLUMNS))),
            columns_of(COLUMNS, np.concatenate([np.zeros((0, len(COLUMNS))), *floats])),
        )

    def restore(self, ints: Columns | None, floats: Columns | None, sensors: Sequence[str]) -> None:
        """Restore the last messages of the radars `sensors`, by row."""
        rows, numbers = read_ints(ints, INT_COLUMNS), read_floats(floats, COLUMNS)
        if len(rows) != len(numbers):
            return
        for q, sensor in enumerate(sensors):
            mine = rows[:, 0] == q
            if mine.any():
                self._last[q] = _message(sensor, int(rows[mine, 2][0]), rows[mine, 1], numbers[mine])


def _is_fine(speed_mps: F64) -> Bools:
    """Return whether numbers (n,) have more digits than coarsely rounded ones."""
    steps = speed_mps / COARSE_MPS
    return np.asarray(np.abs(steps - np.rint(steps)) > ROUNDED)


def _message(sensor: str, stamp_ns: int, object_id: I64, numbers: F64) -> ObjectScan:
    n = len(numbers)
    x_m, y_m, vx_mps, vy_mps = numbers.T
    return ObjectScan(
        sensor=sensor, stamp_ns=stamp_ns, arrived_ns=stamp_ns, scan=0, object_id=object_id, x_m=x_m, y_m=y_m,
        vx_mps=vx_mps, vy_mps=vy_mps, length_m=np.full(n, np.nan), width_m=np.full(n, np.nan),
        kind=np.zeros(n, np.int64),
    )  # fmt: skip
