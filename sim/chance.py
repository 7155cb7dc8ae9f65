"""Counter-based chance: a draw depends on (seed, component, entity, tick, draw) alone, never on other draws.

So adding a sensor or a vehicle changes nothing that others draw, whatever the order. Splitmix64's finaliser
over the mixed key (Steele et al. 2014); plenty for a simulator, nothing for secrets.
"""

import math
import zlib
from functools import cache

import numpy as np

from core.arrays import F1, F64, I1, Bools
from core.kernel import kernel

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


@kernel
def _mixed(z: np.uint64, key: np.uint64) -> np.uint64:
    """Return the next 64 bits of a chain of keys."""
    z = z + key * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _uniforms(key: np.uint64, entity: I1, tick: I1, draw: I1, out: F1) -> None:
    """Fill out (n,) with draws from [0, 1); keys of length n or 1, negative ones wrap."""
    for i in range(len(out)):
        z = _mixed(key, np.uint64(entity[i if len(entity) > 1 else 0]))
        z = _mixed(z, np.uint64(tick[i if len(tick) > 1 else 0]))
        z = _mixed(z, np.uint64(draw[i if len(draw) > 1 else 0]))
        out[i] = (z >> np.uint64(11)) * 2.0**-53


@kernel
def _normals(key: np.uint64, entity: I1, tick: int, draw: int, out: F1) -> None:
    """Fill out (n,) with standard normal draws: Box-Muller on two of the counter's streams."""
    for i in range(len(out)):
        z = _mixed(_mixed(key, np.uint64(entity[i])), np.uint64(tick))
        first = (_mixed(z, np.uint64(2 * draw)) >> np.uint64(11)) * 2.0**-53
        second = (_mixed(z, np.uint64(2 * draw + 1)) >> np.uint64(11)) * 2.0**-53
        # 1 - first is never 0: the logarithm is finite
        out[i] = math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(2.0 * math.pi * second)


@cache
def _name_key(component: str) -> int:
    return zlib.crc32(component.encode()) * _GOLDEN & _MASK


def uniforms(seed: int, component: str, entity: object, tick: object, draw: object = 0) -> F64:
    """Return draws from [0, 1), in the shape of the broadcast keys (whole numbers), at least 1-D."""
    keys = [np.atleast_1d(np.asarray(key, dtype=np.int64)) for key in (entity, tick, draw)]
    shape = np.broadcast_shapes(*(key.shape for key in keys))
    flat = [
        key.ravel() if key.size in (1, math.prod(shape)) else np.broadcast_to(key, shape).ravel()
        for key in keys
    ]
    out = np.empty(math.prod(shape))
    _uniforms(np.uint64((seed ^ _name_key(component)) & _MASK), flat[0], flat[1], flat[2], out)
    return out.reshape(shape)


def normals(seed: int, component: str, entity: object, tick: int, draw: int = 0) -> F64:
    """Return standard normal draws in the shape of the entities, at least 1-D."""
    keys = np.atleast_1d(np.asarray(entity, dtype=np.int64))
    out = np.empty(keys.size)
    _normals(np.uint64((seed ^ _name_key(component)) & _MASK), keys.ravel(), tick, draw, out)
    return out.reshape(keys.shape)


def uniform(seed: int, component: str, entity: int, tick: int = 0, draw: int = 0) -> float:
    """Return one draw from [0, 1)."""
    return float(uniforms(seed, component, entity, tick, draw)[0])


def chosen(seed: int, component: str, entity: object, tick: object, p: F64 | float) -> Bools:
    """Return True with probability p for each element."""
    return uniforms(seed, component, entity, tick) < p
