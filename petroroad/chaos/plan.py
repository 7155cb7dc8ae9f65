"""Which faults one seed brings, when and to whom. Pure: equal arguments give equal plans."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

Kind = Literal[
    "kill", "freeze", "cut", "hole", "half_hole", "delay", "throttle", "full", "repeat", "hostile", "page",
    "full_kill", "full_restart", "new_centre",
]  # fmt: skip
LINK_KINDS: tuple[Kind, ...] = ("cut", "hole", "half_hole", "delay", "throttle")
ANY_KINDS: tuple[Kind, ...] = ("kill", "freeze", *LINK_KINDS, "repeat", "hostile", "page")
HOLD_S: dict[Kind, tuple[float, float]] = {
    "kill": (0.1, 2.0),  # until it is started again
    "freeze": (1.0, 7.0),
    "cut": (0.0, 0.0),
    "hole": (1.0, 7.0),  # keepalive is 5 s: some connections outlive it, some don't
    "half_hole": (1.0, 7.0),
    "delay": (2.0, 6.0),
    "throttle": (2.0, 6.0),
    "full": (2.0, 5.0),
    "repeat": (0.0, 0.0),
    "hostile": (0.0, 0.0),
    "page": (0.0, 0.0),
    "full_kill": (2.0, 5.0),  # the disk stays full while it starts again
    "full_restart": (2.0, 5.0),
    "new_centre": (0.1, 2.0),
}
NODES, WORKERS = ("nats-1", "nats-2", "nats-3"), ("w1", "w2")  # of a cluster
LEADER, DATABASE = "leader", "postgresql"  # the node that leads the queue then; and the server
TO_DATABASE = "-database"  # how the name of a part's way to the database ends
DISK_KINDS = ("full", "full_kill", "full_restart")
END_KINDS = ("kill", "full_kill", "full_restart")
START_S = 8.0  # that an RSU may need to start: what lies closer to its full disk is another plan's
FIRST_S = 1.5  # of the traffic, without a fault
SPARE_S = 5.0  # of traffic for each fault of any kind
DELAY_S = (0.05, 0.4)
THROTTLE_BYTES_PER_S = (4_000.0, 40_000.0)


class Fault(NamedTuple):
    """One fault; `part` is empty where no part is hurt."""

    at_s: float  # of the traffic
    kind: Kind
    part: str
    hold_s: float
    figure: float  # kill: > 0.5 means at the part's next message; else a share of what the kind can be


class Cast(NamedTuple):
    """Who can be hurt beside RSUs' disks.

    linked : parts whose ways can be wrong.  all_parts : processes that are ended or frozen by chance
    wanted : what every plan has of its own: a kind, and the parts of which one is drawn
    """

    linked: tuple[str, ...]
    all_parts: tuple[str, ...]
    wanted: tuple[tuple[Kind, tuple[str, ...]], ...] = ()


def one_broker(esns: Sequence[str]) -> Cast:
    """Return the parts of a site with one broker."""
    return Cast(("centre", "gateway", *esns), ("broker", "centre", "gateway", *esns))


def a_cluster(esns: Sequence[str]) -> Cast:
    """Return the parts of a site with a cluster of brokers, workers and PostgreSQL.

    Every plan ends the node that leads the queue, another one, a worker and PostgreSQL, freezes a node, and
    swallows what a worker says to its node or to the database.
    """
    most = ("centre", "gateway", *WORKERS, *esns)
    ways = tuple(f"{name}{TO_DATABASE}" for name in ("centre", *WORKERS))
    wanted: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("kill", (LEADER,)), ("kill", NODES), ("kill", WORKERS), ("kill", (DATABASE,)), ("freeze", NODES),
        ("hole", WORKERS), ("hole", ways[1:]),
    )  # fmt: skip
    return Cast((*most, *NODES, *ways), (*NODES, *most), wanted)


def draw(
    seed: int, esns: Sequence[str], seconds: float, *, hard: bool = False, cast: Cast | None = None
) -> tuple[Fault, ...]:
    """Return the faults of a seed by their times.

    Every plan ends the centre and an RSU, hurts two links, freezes a part, fills a disk, repeats messages,
    has a hostile client and a page that connects again; more of any kind fill longer runs.
    cast : None: a site with one broker
    """
    chance = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, 0xC4A05], np.uint64)))
    linked, all_parts, own = cast or one_broker(esns)

    def of(parts: Sequence[str]) -> str:
        return parts[int(chance.integers(len(parts)))]

    def kind_of(kinds: Sequence[Kind]) -> Kind:
        return kinds[int(chance.integers(len(kinds)))]

    first = int(chance.integers(len(esns)))
    one, other = esns[first], esns[(first + 1) % len(esns)]  # a short run has no time for both at one RSU
    wanted: list[tuple[Kind, str]] = [("full", one)]
    if hard:
        wanted = [("full_kill", one), ("full_restart", other), ("new_centre", "centre")]
    wanted += [("kill", "centre"), ("kill", other)]
    wanted += [(kind, of(parts)) for kind, parts in own]
    n_sharp = len(wanted)  # kills so far come at the part's next message, whatever is drawn
    wanted += [("freeze", of(all_parts)), *((kind_of(LINK_KINDS), of(linked)) for _ in range(2))]
    wanted += [("repeat", ""), ("hostile", ""), ("page", "")]
    for _ in range(int(seconds / SPARE_S)):
        kind = kind_of(ANY_KINDS)
        parts = all_parts if kind in ("kill", "freeze") else linked
        wanted.append((kind, "" if kind in ("repeat", "hostile", "page") else of(parts)))
    found: list[Fault] = []
    for i, (kind, part) in enumerate(wanted):
        for _ in range(20):  # tries; a plan that has no room for it goes without
            fault = _drawn(chance, kind, part, seconds)
            if kind == "kill" and i < n_sharp:
                fault = fault._replace(figure=1.0)
            if not any(_excludes(fault, other) or _excludes(other, fault) for other in found):
                found.append(fault)
                break
    return tuple(sorted(found))


def _drawn(chance: np.random.Generator, kind: Kind, part: str, seconds: float) -> Fault:
    low_s, high_s = HOLD_S[kind]
    hold_s = min(float(chance.uniform(low_s, high_s)), 0.4 * seconds)
    at_s = float(chance.uniform(FIRST_S, max(FIRST_S, seconds - hold_s - 1.0)))
    return Fault(round(at_s, 3), kind, part, round(hold_s, 3), round(float(chance.uniform()), 3))


def _excludes(disk: Fault, other: Fault) -> bool:
    """Say whether an RSU would end on its full disk by accident; `--hard` does that on purpose."""
    if disk.kind not in DISK_KINDS or other.kind not in (*END_KINDS, "full") or disk.part != other.part:
        return False
    end_s = disk.at_s + disk.hold_s + START_S
    return disk.at_s - START_S <= other.at_s <= end_s
