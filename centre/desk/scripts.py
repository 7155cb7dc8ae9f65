"""What exercises play: the shipped scripts, and the site's own (`[[desk.exercise]]`)."""

import functools
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge.sections import ExerciseAlarmConfig, ExerciseConfig

FILE = Path(__file__).with_name("exercises.toml")
MARK = "演练"  # every plate of an exercise begins with it


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    script: tuple[ExerciseConfig, ...]


@functools.cache
def shipped() -> tuple[ExerciseConfig, ...]:
    """Return the scripts of `exercises.toml`."""
    return msgspec.toml.decode(FILE.read_bytes(), type=_File).script


def scripts_with(own: Sequence[ExerciseConfig]) -> dict[str, ExerciseConfig]:
    """Return the scripts by name: the shipped ones and the site's own; of two with one name, the site's."""
    return {each.name: each for each in (*shipped(), *own)}


def alarms_of(script: ExerciseConfig) -> list[ExerciseAlarmConfig]:
    """Return the alarms of a script one by one, each with a plate of its own that says what it is."""
    found = []
    for made in script.alarm:
        for n in range(made.times):
            plate = made.plate if made.times == 1 else f"{made.plate}{n + 1}"
            change = {
                "at_s": made.at_s + n * made.every_s, "times": 1,
                "plate": plate if plate.startswith(MARK) else f"{MARK}·{plate}",
            }  # fmt: skip
            found.append(msgspec.structs.replace(made, **change))
    return found


def lasts_s(script: ExerciseConfig) -> float:
    """Return how long a script lasts, until the end of its last alarm."""
    return max(each.at_s + each.lasts_s for each in alarms_of(script))
