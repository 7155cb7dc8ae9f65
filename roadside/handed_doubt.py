"""What a neighbour of an earlier version holds against a terminal: its open notices say it. Pure."""

from collections.abc import Sequence

import msgspec

from fusion.doubt_table import DRAGGED, FROZEN, GHOST, OVERCONFIDENT
from fusion.handover import CarriedTrack
from fusion.handover_doubt import SURE, CarriedDoubt, CarriedJam
from geofence.episodes import OpenEpisode

KINDS = {
    ("ghost_report", ""): GHOST, ("gnss_integrity", "dragged"): DRAGGED,
    ("gnss_integrity", "frozen"): FROZEN, ("gnss_integrity", "overconfident"): OVERCONFIDENT,
}  # fmt: skip
JAMMED = ("gnss_integrity", "jammed")


def with_open_notices(track: CarriedTrack, episodes: Sequence[OpenEpisode]) -> CarriedTrack:
    """Return a track whose sender says nothing of doubt with the doubt that its open notices say.

    Without it they would close as over when our `clear_s` has passed, though nobody has looked.
    """
    if track.doubt is not None:
        return track
    notices = {(episode.rule_name, episode.scope): episode for episode in episodes}
    kinds, jam = sum(kind for name, kind in KINDS.items() if name in notices), None
    if JAMMED in notices:
        since_ns = max(notices[JAMMED].start_ns, 1)
        jam = CarriedJam(since_ns=since_ns, place_m=track.state.position_m, reach_m=0.0)
    if not kinds and jam is None:
        return track
    doubt = CarriedDoubt(kinds=kinds, unseen=SURE if kinds & GHOST else 0.0, jam=jam)
    return msgspec.structs.replace(track, doubt=doubt)
