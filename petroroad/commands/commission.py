"""`petroroad commission`: a radar from its survey to its acceptance."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from cyclopts import Parameter

from core.errors import CommandError, UsageError
from edge.config import Site, load_site
from edge.recording.recorder import Reading, read_messages
from edge.sections import RadarConfig
from fusion.config import RadarPose
from fusion.observations import GnssFixes, Observation
from petroroad.commissioning import plot as drawing
from petroroad.commissioning.checks import (
    ACCEPTED,
    IN_SITE_FILE,
    MODEL_SIGMA,
    REJECTED,
    UNDECIDED,
    Commissioning,
    commissioned,
    in_units,
)
from petroroad.commissioning.passes import passes_of
from petroroad.commissioning.registration import NAMES
from petroroad.scoring.recorded_tracks import scope_of
from roadside.inputs import GatewayFixes, decode

SHARE_SIGMA_MIN = 0.01  # vehicles differ by more
PLACE_M_MIN, HEADING_DEG_MIN = 0.01, 0.01  # nobody knows a pose better
STAY_S_MIN, STAY_S_MAX = 0.05, 10.0  # what the site file takes


def commission(
    radar: str,
    recording: Path,
    /,
    *more: Path,
    site: Path | None = None,
    plot: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Hold a radar against recorded traffic: is it where the survey says, and does it see what it must?

    Vehicles that report by terminal and pass the radar show the errors of its pose, range and clock, and how
    sure they are; further checks are the mounting, the sign of range rates, the detection probability by
    distance and the timing. A radar is accepted where every check passes surely, rejected where one surely
    fails, else undecided: record more traffic. Then come the lines of the site file as they should be, where
    it is accepted or only its survey is off; with those of a rejected one, commission again with --site.
    Exit 0: accepted; 1: rejected or undecided.

    Parameters
    ----------
    radar
        Its id in the site file.
    recording
        A recording with the radar's scans and the vehicles' reports: a quarter of an hour is plenty.
    more
        Further recordings of the same site.
    site
        The site file (site.toml), when the recording's own is outdated.
    plot
        Where to write the drawing (SVG).
    as_json
        One JSON object on stdout.
    """
    paths = (recording, *more)
    for path in paths:
        if not path.is_file():
            raise UsageError(f"no such recording: {path}")
    held = load_site(site) if site else scope_of(recording).site
    if held is None:
        raise CommandError(f"{recording}: has no /site; name the site file with --site")
    config, pose = _radar(held, radar)
    passes = passes_of(_items(paths, held, radar), pose, held.terminals(), held.config.fusion)
    if not len(passes.detections.stamp_s):
        raise CommandError(f"{', '.join(map(str, paths))}: no scan of radar {radar}")
    found = commissioned(passes, pose)
    if plot:
        plot.write_text(drawing.svg(passes, found))
    if as_json:
        print(json.dumps(_figures(found)))
    else:
        print("\n".join([*_lines(found), *_site_lines(held, config, found)]))
    if found.verdict != ACCEPTED:
        raise CommandError(f"radar {radar}: {found.verdict}")


def _radar(site: Site, name: str) -> tuple[RadarConfig, RadarPose]:
    """Return configuration and pose of a radar; an unknown one gets the list of those that exist."""
    for rsu in site.config.rsu:
        for config, pose in zip(rsu.radar, site.radar_poses(rsu.esn), strict=True):
            if config.id == name:
                return config, pose
    known = ", ".join(config.id for rsu in site.config.rsu for config in rsu.radar) or "none"
    raise UsageError(f"the site has no radar {name}; it has: {known}")


def _items(paths: tuple[Path, ...], site: Site, radar: str) -> Iterator[Observation]:
    spans: list[tuple[int, int, Path]] = []  # of the radar's scans
    for path in paths:
        reading, stamps = Reading(), []
        try:
            for message in read_messages(path, reading):
                if message.topic.startswith(("/radar/", "/gnss", "/gateway/")):
                    item = decode(message.topic, message.body, message.log_ns, site.frame)
                    if isinstance(item, GatewayFixes):
                        yield item.fixes
                    elif isinstance(item, Observation):
                        if not isinstance(item, GnssFixes) and item.sensor == radar:
                            stamps.append(item.stamp_ns)
                        yield item
        except (msgspec.MsgspecError, ValueError) as error:
            raise CommandError(f"{path}: holds a message that can't be read: {error}") from error
        if reading.damaged:
            raise CommandError(f"{path}: {reading.text()}: recover it first (petroroad recording recover)")
        if stamps:
            spans.append((min(stamps), max(stamps), path))
    spans.sort()
    for (_, end_ns, one), (begin_ns, _, other) in pairwise(spans):
        if begin_ns <= end_ns:  # each place would be held against another run's detections
            raise CommandError(f"{one} and {other} hold scans of {radar} at the same time")


def _figures(found: Commissioning) -> dict[str, Any]:
    of = found.registration
    return {
        "radar": found.pose.sensor,
        "verdict": found.verdict,
        "vehicles": of.n_vehicles,
        "estimate": dict(zip(NAMES, in_units(of.value), strict=True)),
        "sigma": dict(zip(NAMES, in_units(of.sigma), strict=True)),
        "stay": None if found.stay is None else found.stay._asdict(),
        "p_detect": {f"{band.from_m:g}": band.p_detect for band in found.bands},
        "checks": [{"name": c.name, "verdict": c.verdict, "text": c.text} for c in found.checks],
    }


def _lines(found: Commissioning) -> Iterator[str]:
    yield f"radar {found.pose.sensor}: {found.verdict}"
    for check in found.checks:
        yield f"  {check.verdict:10} {check.name:17} {check.text}"


def _site_lines(site: Site, config: RadarConfig, found: Commissioning) -> Iterator[str]:
    """Yield what is to be done, and the radar's lines of the site file where they are worth copying.

    Where more must be recorded, or what is wrong is no matter of the survey, none are: an error that is not
    surely found would be put in place of the survey's.
    """
    yield ""
    wrong = [check.name for check in found.checks if check.verdict == REJECTED]
    if found.verdict == UNDECIDED:
        yield "record more traffic, and name all recordings: nothing is to be copied yet"
        return
    if others := [name for name in wrong if name not in IN_SITE_FILE]:
        yield f"put right first: {'; '.join(others)}. Then record and commission again"
        return
    forward, left, rotation = found.registration.value[:3].tolist()
    c, s = math.cos(found.pose.boresight_rad), math.sin(found.pose.boresight_rad)
    d_east, d_north = forward * c - left * s, forward * s + left * c
    lon, lat = site.frame.lonlat_from_site([found.pose.east_m + d_east], [found.pose.north_m + d_north])
    heading = (config.heading_deg - math.degrees(rotation)) % 360.0
    if wrong:
        yield "its survey is off: copy these lines into a site file, and commission again with --site FILE,"
        yield "on other recordings; it is accepted by their verdict, not by this one:"
    else:
        yield "its lines in the site file, with what was found taken off:"
    yield f"lon_deg = {float(lon[0]):.8f}  # was {config.lon_deg:.8f}"
    yield f"lat_deg = {float(lat[0]):.8f}  # was {config.lat_deg:.8f}"
    yield f"heading_deg = {heading:.3f}  # was {config.heading_deg:g}"
    model = MODEL_SIGMA["along"], MODEL_SIGMA["across, near"]
    place_m = float(np.hypot(found.registration.sigma[:2], model).max())  # per axis: forward, left
    turn_rad = float(found.registration.sigma[2])
    yield f"sigma_place_m = {max(place_m, PLACE_M_MIN):.3f}"
    yield f"sigma_heading_deg = {max(math.degrees(turn_rad), HEADING_DEG_MIN):.3f}"
    share, sigma = float(found.registration.value[-1]), float(found.registration.sigma[-1])
    if config.reflects != "centres":
        yield f"reflection_share = {share:.3f}"
        yield f"sigma_reflection_share = {max(sigma, SHARE_SIGMA_MIN):.3f}"
    if found.stay is not None:
        yield f"reflection_s = {min(max(found.stay.stay_s, STAY_S_MIN), STAY_S_MAX):.2f}"
    yield f"accepted = {'true' if found.verdict == ACCEPTED else 'false'}"
