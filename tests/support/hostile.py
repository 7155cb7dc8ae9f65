"""Values that no field may hold, and messages with one of them put in."""

import math

import msgpack

from tests.support.roadside_drive import NS, T0_NS

POISON = (
    math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-300, -1, 0, 1, 2**31, 2**53, 2**62, 2**63 - 1, 2**63,
    2**64 - 1, -(2**63), "", "\u202e", "a\x00b", "x" * 5_000, None, True, [], {}, b"", b"\xff" * 8, [[[[]]]],
    {"a": {"b": [1]}}, T0_NS + 3_600 * NS, T0_NS - 3_600 * NS, 10**18, "zone_entry",
)  # fmt: skip


def places(value, path=()):
    """Yield the path of every value in nested maps and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(body, path, value):
    """Return a message's bytes with one value changed."""
    message = msgpack.unpackb(body, strict_map_key=False)
    inner = message
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return msgpack.packb(message)


def floats(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from floats(inner)
