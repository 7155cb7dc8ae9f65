"""The tracks that a scan touched, read out with what it measured across their courses."""

from core.arrays import B1, F1, F2, I1, U64x1
from core.kernel import checked_once, kernel
from fusion.lateral import fill_of_scan
from fusion.layout import Scratch, Tracks
from fusion.track_store import TrackStore
from fusion.tracks import Columns, Filled, TrackBatch, read_out


@kernel
def _read_scan(
    tracks: Tracks, track: U64x1, n: int, tuning: F1, scratch: Scratch, out: Columns, numbers: F2,
    stamp_ns: I1, is_fix: B1,
) -> None:  # fmt: skip
    """Read out the n tracks that a scan touched, with what it measured across their courses."""
    fill_of_scan(scratch.laterals, n, numbers, stamp_ns, is_fix)
    read_out(tracks, track, scratch.touched, n, 0, tuning, scratch.predicted, out)


_read_scan_once = checked_once(_read_scan)


def read_scan(store: TrackStore, filled: Filled) -> TrackBatch:
    """Return the tracks that a scan touched, as many as `filled` holds."""
    out = filled.columns
    _read_scan_once(
        store.tracks, store.track, len(out.track), store.settings.tuning, store.scratch, out,
        *filled.observed,
    )  # fmt: skip
    return filled.batch
