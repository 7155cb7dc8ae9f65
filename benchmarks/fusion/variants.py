"""What each part of the model buys: one recording in a sharp bend, replayed with parts switched off.

A part is switched off through the site file's `[fusion]`, as an operator would.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from benchmarks.fusion import boards
from benchmarks.fusion.boards import Scored
from tests.support.foreign.generate import Run, generate
from tests.support.foreign.scenario import SCENARIOS

SCENARIO, SEED, DURATION_S = "sharp-bend", 31, 60.0
VARIANTS: Mapping[str, Mapping[str, float]] = {
    "as it ships": {},
    "without the bend": {"accel_bend_mps2": 1e-6},
    "without the terminal's bias: each fix's error is new": {"gnss_tau_s": 0.01},
    "one process noise for all": {"accel_calm_along_mps2": 1.0, "accel_calm_cross_mps2": 0.35},
    "half the process noise": {"accel_along_mps2": 0.5, "accel_cross_mps2": 0.18},
    "a fifth of it": {"accel_along_mps2": 0.2, "accel_cross_mps2": 0.07},
    "twice the process noise": {"accel_along_mps2": 2.0, "accel_cross_mps2": 0.7},
}
COLUMNS = (
    "GOSPA m",
    "rmse m",
    "lateral p95 m",
    "speed rmse m/s",
    "NEES along",
    "across",
    "v along",
    "v across",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured(Run):
    """A run whose site file states more."""

    fusion: Mapping[str, float]

    @property
    def site(self) -> dict[str, str]:
        """Return the site's texts with a `[fusion]` of these settings."""
        texts = Run.site.fget(self)  # type: ignore[attr-defined]
        lines = ["[fusion]", *(f"{key} = {value!r}" for key, value in self.fusion.items()), ""]
        return dict(texts) | {"config": texts["config"] + "\n".join(lines)}


def scored(name: str) -> Scored:
    """Replay and score one variant."""
    run = generate(replace(SCENARIOS[SCENARIO], duration_s=DURATION_S), SEED)
    run = Configured(motion=run.motion, messages=run.messages, fusion=VARIANTS[name])
    return boards.scored_run(SCENARIO, run, 0)


def row_of(board: Scored) -> Iterator[float | None]:
    """Yield the figures of COLUMNS; NEES of the named tracks that radar sees."""
    figures = board.figures
    yield from (figures[key] for key in ("gospa_m", "position_rmse_m", "lateral_m_p95", "speed_rmse_mps"))
    yield from (figures["nees"]["radar_named"][axis] for axis in ("along", "across", "v_along", "v_across"))
