"""How long a sign-in has to wait after failed ones. Pure.

Failures are counted for three things: an address; an account, from addresses that it never signed in from;
an account together with one that it did. So a stranger who tries a supervisor's name makes other strangers
wait, and not the supervisor at the usual desk; and no wait is longer than some minutes.
"""

import ipaddress
from typing import NamedTuple

NS = 1_000_000_000


class Rule(NamedTuple):
    """So many failures are free; each further one doubles the wait, from a second to `wait_s_max`."""

    free: int
    wait_s_max: float
    kept_s: float  # failures are forgotten after this time without a new one


ADDRESS = Rule(20, 60.0, 86_400.0)
STRANGER = Rule(5, 300.0, 86_400.0)
USUAL = Rule(5, 60.0, 30 * 86_400.0)


def address_key(address: str) -> str:
    """Return the key of an address; of IPv6 that of its network, which one customer has whole."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"a:{address[:64]}"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None and not found.is_loopback:
        return f"a:{ipaddress.ip_network((found, 64), strict=False)}"
    return f"a:{found}"


def stranger_key(name: str) -> str:
    return f"n:{name}"


def usual_key(name: str, address: str) -> str:
    return f"k:{name}@{address_key(address)[2:]}"


def rule_of(key: str) -> Rule:
    return {"a": ADDRESS, "n": STRANGER, "k": USUAL}[key[0]]


def count_now(key: str, n: int, at_ns: int, now_ns: int) -> int:
    """Return how many failures still count."""
    return 0 if now_ns - at_ns > rule_of(key).kept_s * NS else n


def wait_s(key: str, n: int, at_ns: int, now_ns: int) -> float:
    """Return how long the next try has to wait after `n` failures, the last one at `at_ns`; 0: no wait."""
    rule, n = rule_of(key), count_now(key, n, at_ns, now_ns)
    if n < rule.free:
        return 0.0
    wait = min(rule.wait_s_max, 2.0 ** min(n - rule.free, 30))
    return min(wait, max(0.0, wait - (now_ns - at_ns) / NS))  # a clock that was put back prolongs nothing
