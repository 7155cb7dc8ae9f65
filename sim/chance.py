"""Counter-based chance: a draw depends on (seed, component, entity, tick, draw) alone, never on other draws.

So adding a sensor or a vehicle changes nothing that others draw, whatever the order. Splitmix64's finaliser
over the mixed key (Steele et al. 2014); plenty for a simulator, nothing for secrets.
"""

import zlib
from functools import cache

import numpy as np

from fusion.kernel import F64, U64, Bools

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


@cache
def _name_key(component: str) -> int:
    return zlib.crc32(component.encode()) * _GOLDEN & _MASK


def _mix(z: U64) -> U64:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bits(seed: int, component: str, entity: object, tick: object, draw: object = 0) -> U64:
    """Return 64 random bits for each element of the broadcast keys (whole numbers, scalars or arrays)."""
    z = np.array([(seed ^ _name_key(component)) & _MASK], dtype=np.uint64)
    for key in (entity, tick, draw):
        # .astype wraps negative keys, which is as good a key as any
        z = _mix(
            z + np.asarray(key, dtype=np.int64).astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(_GOLDEN)
        )
    return z


def uniforms(seed: int, component: str, entity: object, tick: object, draw: object = 0) -> F64:
    """Return draws from [0, 1), in the shape of the broadcast keys, at least 1-D."""
    high = bits(seed, component, entity, tick, draw) >> np.uint64(11)
    return high.astype(np.float64) * 2.0**-53


def normals(seed: int, component: str, entity: object, tick: object, draw: int = 0) -> F64:
    """Return standard normal draws (Box-Muller on two of the counter's streams)."""
    first = 1.0 - uniforms(seed, component, entity, tick, 2 * draw)  # (0, 1]: the logarithm is finite
    second = uniforms(seed, component, entity, tick, 2 * draw + 1)
    return np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)


def uniform(seed: int, component: str, entity: int, tick: int = 0, draw: int = 0) -> float:
    """Return one draw from [0, 1)."""
    return float(uniforms(seed, component, entity, tick, draw)[0])


def chosen(seed: int, component: str, entity: object, tick: object, p: F64 | float) -> Bools:
    """Return True with probability p for each element."""
    return uniforms(seed, component, entity, tick) < p
