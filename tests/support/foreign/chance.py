"""Chance by seed and component: a change of one component leaves the others as they are."""

import zlib

import numpy as np

from tests.support.foreign.geometry import F64


def random_of(seed: int, component: str) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(component.encode())))


def wander(rng: np.random.Generator, shape: tuple[int, ...], dt_s: float | F64, tau_s: float) -> F64:
    """Return stationary AR(1) noise of sigma 1 along the first axis.

    dt_s : time from each sample to the next, a number or (n - 1,)
    """
    keep = np.broadcast_to(np.exp(-np.asarray(dt_s) / tau_s), (max(shape[0] - 1, 0),))
    white = rng.normal(size=shape)
    out = np.empty(shape)
    if shape[0]:
        out[0] = white[0]
    for k, share in enumerate(keep.tolist()):
        out[k + 1] = share * out[k] + np.sqrt(1.0 - share**2) * white[k + 1]
    return out
