"""Rival trackers on the same bytes: GOSPA, id switches and the time of a scan, ours against each peer's.

Every tracker is told the same of a scene: the errors of a detection, P_D, clutter, process noise, the speed
that a first detection does not measure. Ratios are the peer's figure over ours. Without Stone Soup (`make
setup` installs it) its rows are missing and the lines say so. A quick run leaves out the slowest, JPDA.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.fusion import filterpy_gnn, ours
from benchmarks.fusion.scenes import SceneScore, Tracked, score
from benchmarks.fusion.traffic import KINDS, Scene, scene_of
from benchmarks.harness import Line

OURS, DEFAULTS, FILTERPY = "petroroad", "petroroad, untold", "FilterPy + SciPy GNN"
GNN, JPDA = "Stone Soup GNN kd-tree", "Stone Soup JPDA-EHM2"
MISSING, LEFT_OUT = "Stone Soup is not installed: make setup", "left out of a quick run"
SEEDS = range(101, 111)  # none of them was looked at while a tracker was tuned
QUICK_SCANS = 40

Scores = dict[str, SceneScore]


def has_stonesoup() -> bool:
    """Whether Stone Soup can be imported."""
    return importlib.util.find_spec("stonesoup") is not None


def trackers(quick: bool) -> dict[str, Callable[[Scene], Tracked]]:
    """Return each tracker by its name."""
    found: dict[str, Callable[[Scene], Tracked]] = {
        OURS: ours.track,
        DEFAULTS: ours.track_untold,
        FILTERPY: filterpy_gnn.track,
    }
    if has_stonesoup():
        from benchmarks.fusion import stonesoup_peers  # optional

        found[GNN] = stonesoup_peers.gnn
        if not quick:
            found[JPDA] = stonesoup_peers.jpda
    return found


def scores_of(kind: str, seed: int, quick: bool) -> Scores:
    """Run all trackers over one scene, one after another."""
    n_scans = KINDS[kind].n_scans
    scene = scene_of(KINDS[kind], seed, min(n_scans, QUICK_SCANS) if quick else n_scans)
    ours.track(scene)  # compiled and warm before the clock starts
    return {name: score(scene, run(scene)) for name, run in trackers(quick).items()}


def mean_of(scores: Sequence[SceneScore]) -> SceneScore:
    """Return the means over seeds; switches are summed; of the times the median: others run beside."""
    mean = SceneScore(*np.array(scores).mean(axis=0).tolist())
    scan_s = float(np.median([one.scan_s for one in scores]))
    return mean._replace(switches=sum(one.switches for one in scores), scan_s=scan_s)


def lines_of(kind: str, by_seed: Sequence[Scores]) -> Iterator[Line]:
    """Yield the figures of one kind of scene, from the scores of each seed."""
    means = {name: mean_of([scores[name] for scores in by_seed]) for name in by_seed[0]}
    own = means[OURS]
    rivals = {name: one for name, one in means.items() if name not in (OURS, DEFAULTS)}
    best = min(rivals, key=lambda name: rivals[name].gospa_m)
    note = "" if GNN in rivals else f" ({MISSING})"
    yield Line(f"fusion.peer.{kind}", own.gospa_m, "m GOSPA", best + note, rivals[best].gospa_m / own.gospa_m)
    steadiest = min(rivals, key=lambda name: rivals[name].switches)
    yield Line(
        f"fusion.peer.{kind}.switches", own.switches, "switches", f"{steadiest}: {rivals[steadiest].switches}"
    )
    yield Line(f"fusion.peer.{kind}.untold", means[DEFAULTS].gospa_m, "m GOSPA")
    for short, name in (("gnn", GNN), ("jpda", JPDA), ("filterpy", FILTERPY)):
        key = f"fusion.peer.{kind}.speed.{short}"
        if name in rivals:
            yield Line(key, own.scan_s * 1e3, "ms/scan", name, rivals[name].scan_s / own.scan_s)
        else:
            why = LEFT_OUT if GNN in rivals else MISSING
            yield Line(key, own.scan_s * 1e3, "ms/scan", f"{name}: {why}")
