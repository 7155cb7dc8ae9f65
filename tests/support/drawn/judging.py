"""What `map check` says of a drawn map, held against what was put into it."""

import re
from typing import Any

import numpy as np
import shapely

from geofence.map.document import document_of, first_place
from geofence.map.faults import Fault
from geofence.map.frames import LAT_DEG_MAX, SiteFrame
from geofence.map.roadmap import check_map
from tests.support.drawn.maps import Drawn
from tests.support.drawn.wrong import NEAR_M, Wrong

AROUND_M = 60.0  # of the lanes that a fault is about: what is said there may follow from it
FAULTS_MAX = 25


def faults_of(text: str) -> list[Fault]:
    """What the command finds in a map by itself."""
    document = document_of(text)
    return check_map(document, frame_of(document))[1]


def frame_of(document: Any) -> SiteFrame:
    """Return the frame in which the command reads a map by itself."""
    place = first_place(document) or (0.0, 0.0)
    return SiteFrame(*place) if abs(place[1]) <= LAT_DEG_MAX else SiteFrame(0.0, 0.0)


def complaint(drawn: Drawn, wrong: Wrong) -> str:
    """Return what is wrong with what a check says of a wrong map; "": nothing."""
    faults = faults_of(wrong.text)
    said = "; ".join(f"{fault.level} {fault.text}" for fault in faults[:4])
    if not wrong.level:
        return f"right, but: {said}" if faults else ""
    named = [f for f in faults if f.level == wrong.level and re.search(wrong.says, f.text)]
    if not named:
        return f"not found ({wrong.level} {wrong.says}): {said}"
    if wrong.where is not None:
        away = [_away_m(drawn, fault, wrong.where) for fault in named]
        if min(away) > NEAR_M:
            return f"misplaced by {min(away):.0f} m: {named[0].text}"
    if wrong.level == "warning" and any(fault.level == "error" for fault in faults):
        return f"an error of a warning: {said}"
    unrelated = [fault for fault in faults if not _is_related(drawn, fault, wrong)]
    if unrelated:
        return f"{len(unrelated)} unrelated, as {unrelated[0].text}"
    return f"{len(faults)} faults of one: {said}" if len(faults) > FAULTS_MAX else ""


def _away_m(drawn: Drawn, fault: Fault, where: Any) -> float:
    if fault.place is None:
        return float("inf")
    near = drawn.sheet.frame.within(*fault.place)
    if not near:
        return float("inf")
    place = np.column_stack(drawn.sheet.frame.site_from_lonlat(*fault.place))[0]
    return float(shapely.distance(where, shapely.Point(place)))


def _is_related(drawn: Drawn, fault: Fault, wrong: Wrong) -> bool:
    if re.search(wrong.says, fault.text) or any(
        re.search(rf"\b{name}\b", fault.text) for name in wrong.about
    ):
        return True
    return wrong.where is not None and _away_m(drawn, fault, wrong.where) <= AROUND_M
