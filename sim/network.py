"""How long things take to arrive: 5G for terminals, a cable for radars. Assumed, not measured."""

import numpy as np

from core.kernel import F64, I64
from sim.chance import normals, uniforms

BASE_MS = 10.0  # median of the air interface
TAIL_SIGMA = 0.6  # of the logarithm: 1 in 100 takes 40 ms
RADAR_MS = (3.0, 8.0)  # from the middle of the scan to the datagram
RECEIVER_MS = (40.0, 120.0)  # from the GNSS second to the terminal's report, each terminal its own


def terminal_delay_ns(seed: int, vehicle: I64, second: int) -> I64:
    """Return how long after their stamp the reports of one second reach the gateway, (n,)."""
    low, high = RECEIVER_MS
    receiver_ms = low + (high - low) * uniforms(seed, "receiver", vehicle, 0)
    air_ms = BASE_MS * np.exp(TAIL_SIGMA * normals(seed, "air", vehicle, second))
    return _ns(receiver_ms + air_ms)


def radar_delay_ns(seed: int, radar_key: I64, scan: int) -> I64:
    """Return how long after their stamp radars send a scan, (n,)."""
    low, high = RADAR_MS
    return _ns(low + (high - low) * uniforms(seed, "radar.delay", radar_key, scan))


def _ns(milliseconds: F64) -> I64:
    return np.asarray(milliseconds * 1e6, dtype=np.int64)
