"""Tracks scored while they are made: a replay in process, which has the whole covariances."""

from pathlib import Path

from edge.wire import decode_snapshot
from petroroad.replay.run import Run, pace_of, replay_file
from petroroad.scoring.recorded_tracks import Scorer, scope_of
from petroroad.scoring.tracks import TrackScore
from roadside.outputs import Output, Snapshot


def score_replay(recording: Path, truth_path: Path) -> tuple[TrackScore, Run]:
    """Replay a recording of inputs and score each of its snapshots; return the run as well.

    Raises CommandError where it is no recording that can be replayed.
    """
    scope = scope_of(recording)
    run = Run(recording)
    if scope.site is None:
        return TrackScore(), run
    esns = [rsu.esn for rsu in scope.site.config.rsu] if scope.esn is None else [scope.esn]
    scorer = Scorer(scope.site, esns, scope.sensors, truth_path)

    def watch(_: str, __: int, output: Output) -> None:
        if isinstance(output, Snapshot):
            scorer.add(decode_snapshot(output.body), output.tracks)

    run = replay_file(recording, None, pace_of("max"), None, watch)
    return scorer.finish(), run
