"""Stored fixes as the late pipeline, `/state` and the outbox keep them. Pure."""

from typing import NamedTuple

import msgspec
import numpy as np

from fusion.columns import Columns, columns_of, read_floats, read_ints
from roadside.pipeline_late_judge import StoredFix
from roadside.pipeline_late_ledger import LedgerState
from roadside.pipeline_late_times import RaisedEpisode
from roadside.pipeline_late_trip import NO_TRIP

N_INTS = 3  # the first fields of a StoredFix; the others are floats
INT_NAMES, FLOAT_NAMES = StoredFix._fields[:N_INTS], StoredFix._fields[N_INTS:]


class Upload(NamedTuple):
    """One terminal's stored fixes, and when the first and the last of them were accepted."""

    terminal: str
    first_ns: int
    last_ns: int
    fixes: tuple[StoredFix, ...]
    sound_ns: int = 0  # when its clock was last shown to be right, 0: never
    by_age: bool = False  # nothing but the age of its freshest fix shows that
    trip: bytes = NO_TRIP  # its journey before the first of them, while they are judged


class HeldFixes(msgspec.Struct, frozen=True, kw_only=True, tag="late"):
    """An upload in storage."""

    terminal: str
    first_ns: int
    last_ns: int
    ints: Columns | None = None
    floats: Columns | None = None
    sound_ns: int = 0
    by_age: bool = False
    trip: bytes = NO_TRIP

    @staticmethod
    def of(upload: Upload) -> "HeldFixes":
        """Return an upload as it is stored."""
        ints = np.array([fix[:N_INTS] for fix in upload.fixes], dtype=np.int64).reshape(-1, N_INTS)
        floats = np.array([fix[N_INTS:] for fix in upload.fixes], dtype=np.float64)
        return HeldFixes(
            terminal=upload.terminal, first_ns=upload.first_ns, last_ns=upload.last_ns,
            ints=columns_of(INT_NAMES, ints),
            floats=columns_of(FLOAT_NAMES, floats.reshape(-1, len(FLOAT_NAMES))),
            sound_ns=upload.sound_ns, by_age=upload.by_age, trip=upload.trip,
        )  # fmt: skip

    def upload(self) -> Upload:
        """Return the upload; ValueError where columns are cut off or differ in length."""
        ints, floats = read_ints(self.ints, INT_NAMES), read_floats(self.floats, FLOAT_NAMES)
        rows = zip(ints.tolist(), floats.tolist(), strict=True)
        fixes = tuple(StoredFix(*numbers, *others) for numbers, others in rows)
        more = self.sound_ns, self.by_age, self.trip
        return Upload(self.terminal, self.first_ns, self.last_ns, fixes, *more)


class LateState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the late pipeline's next step depends on."""

    waiting: tuple[HeldFixes, ...] = ()
    current: HeldFixes | None = None
    n_done: int = 0
    n_tracks: int = 0
    began_ns: int = 0
    unsaved: tuple[str, ...] = ()
    spans: Columns | None = None
    raised: tuple[RaisedEpisode, ...] = ()
    ledger: LedgerState = LedgerState()


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(HeldFixes)


def key_of(terminal: str) -> str:
    """Return the key under which a terminal's fixes are on disk."""
    return f"late/{terminal}"


def encoded(upload: Upload) -> bytes:
    """Return an upload's bytes for the disk."""
    return _ENCODER.encode(HeldFixes.of(upload))


def decoded(body: bytes) -> Upload | None:
    """Return what the disk kept of an earlier run; None for anything else."""
    try:
        return _DECODER.decode(body).upload()
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
