"""The read-out of the tracker, which the monitor judges and the snapshot packs."""

from dataclasses import dataclass

from core.arrays import F64, I32, I64, U8, U64, Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackBatch:
    """n tracks as parallel columns; copies, never views into the tracker. Site metres, ENU.

    P is the covariance of the independent part of the error; the part that stays the same for a while
    (a GNSS bias that radar does not cancel) is `bias_m`, 1 sigma per axis, with correlation time `tau_s`.
    """

    track: U64  # (n,) site-unique id, 0 while tentative
    stamp_ns: I64  # (n,) time of the state
    arrived_ns: I64  # (n,) arrival of the observation that made the state
    x: F64  # (n, 4) east, north [m], then their velocities [m/s]; the vehicle's centre
    P: F64  # (n, 4, 4)
    bias_m: F64  # (n,)
    tau_s: F64  # (n,) correlation time of the whole position error, for the detectors
    terminal: I32  # (n,) row in the tracker's Terminals, -1 unidentified
    identity_p: F64  # (n,) probability of that identity, 0 unidentified
    length_m: F64  # (n,) from the registry or the radar, NaN unknown
    width_m: F64
    kind: U8  # (n,) class of DESIGN section 5 as the sensors tell it, 0 unknown
    confirmed: Bools  # (n,)
    coasting: Bools  # (n,) no measurement for longer than the sensor's period allows
    integrity: Bools  # (n,) GNSS and radar contradict each other
    radar_ns: I64  # (n,) stamp of the last radar measurement, 0 never
    enforcing_ns: I64  # (n,) the same of a commissioned ("accepted") radar
    gnss_ns: I64  # (n,) stamp of the last fix of the bound terminal, 0 never

    def __len__(self) -> int:
        return len(self.track)
