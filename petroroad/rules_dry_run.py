"""What other rules would change: the keys, and the episodes of recordings that are replayed with both."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import Site
from edge.recording.chain import Part
from geofence.config import RulesConfig
from geofence.rule_changes import differences
from geofence.violation import GRADES, Violation, decode
from petroroad.replay.files import chains_of, files_of
from petroroad.replay.run import pace_of, replay_chain

Keys = tuple[tuple[str, object, object], ...]
UNDECIDABLE = "undecidable"


@dataclass(slots=True)
class DryRun:
    """The differences; `kept` is None without recordings."""

    keys: Keys
    kept: int | None = None
    vanish: list[dict[str, Any]] = field(default_factory=list)
    appear: list[dict[str, Any]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        keys = {key: {"old": old, "new": new} for key, old, new in self.keys}
        return {"keys": keys, "kept": self.kept, "vanish": self.vanish, "new": self.appear}


def compared(old: RulesConfig, new: RulesConfig, recordings: Sequence[Path], site: Site | None) -> DryRun:
    """Return what differs between two rule books.

    recordings : those to replay with both; files of a series that follow each other are one
    site : in place of the recordings' own
    """
    found = DryRun(tuple(differences(old, new)))
    if not recordings:
        return found
    chains = chains_of(files_of(recordings))
    before, after = (_episodes(chains, rules, site) for rules in (old, new))
    found.kept = sum(any(_is_same(one, other) for other in after) for one in before)
    found.vanish = [_row(one) for one in before if not any(_is_same(one, other) for other in after)]
    found.appear = [_row(one) for one in after if not any(_is_same(one, other) for other in before)]
    return found


def _episodes(chains: list[list[Part]], rules: RulesConfig, site: Site | None) -> list[Violation]:
    """Return the newest version of each episode that the recorded inputs raise under these rules."""
    newest: dict[str, Violation] = {}
    for chain in chains:
        run = replay_chain(chain, site, pace_of("max"), None, rules=rules)
        for esn in sorted(run.replayed.violations):
            for body in run.replayed.violations[esn]:
                found = decode(body)
                newest[found.id] = found
    return [found for found in newest.values() if found.grade != UNDECIDABLE]


def _is_same(one: Violation, other: Violation) -> bool:
    """Whether two episodes are of one rule, zone, track and time, and of one grade."""
    keys = [(v.esn, v.rule, v.zone, v.track, v.grade) for v in (one, other)]
    return keys[0] == keys[1] and one.start_ns <= _end_ns(other) and other.start_ns <= _end_ns(one)


def _end_ns(found: Violation) -> int:
    return found.end_ns or found.stamps.measured_ns


def _row(found: Violation) -> dict[str, Any]:
    """Return an episode's facts for a reader."""
    assert found.grade in GRADES
    vehicle = found.vehicle
    return {
        "id": found.id,
        "esn": found.esn,
        "rule": found.rule,
        "grade": found.grade,
        "vehicle": None if vehicle is None else vehicle.plate or vehicle.terminal,
        "zone": found.zone,
        "start_ns": found.start_ns,
        "end_ns": _end_ns(found),
    }
