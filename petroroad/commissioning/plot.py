"""The plot of a commissioning as SVG: where vehicles were found, and how many, by distance."""

from collections.abc import Iterator

import numpy as np

from core.arrays import F64
from petroroad.commissioning.checks import BAND_M, Commissioning
from petroroad.commissioning.passes import Passes

WIDTH, TOP, BOTTOM, MARGIN = 900, 420, 180, 40
DOTS_MAX = 3_000


def svg(passes: Passes, found: Commissioning) -> str:
    """Return the drawing: a view from above (radar at the cross), and bars of the detection probability."""
    body = "\n".join([*_view(passes, found), *_bars(found)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {TOP + BOTTOM + 3 * MARGIN}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n'
        "</svg>\n"
    )


def _view(passes: Passes, found: Commissioning) -> Iterator[str]:
    pose, pairs, dets = found.pose, found.registration.pairs, passes.detections
    bearing = dets.azimuth_rad[pairs.detection] + pose.boresight_rad
    away = dets.range_m[pairs.detection]
    east, north = pose.east_m + away * np.cos(bearing), pose.north_m + away * np.sin(bearing)
    whole = [
        np.concatenate([[of], one, other])
        for of, one, other in ((pose.east_m, east, pairs.east_m), (pose.north_m, north, pairs.north_m))
    ]
    (e0, e1), (n0, n1) = ((float(of.min()), float(of.max())) for of in whole)
    scale = min((WIDTH - 2 * MARGIN) / max(e1 - e0, 1.0), TOP / max(n1 - n0, 1.0))

    def place(e: float, n: float) -> tuple[float, float]:
        return MARGIN + scale * (e - e0), MARGIN + scale * (n1 - n)

    def dots(east: F64, north: F64, colour: str) -> Iterator[str]:
        step = max(1, len(pairs.scan) // DOTS_MAX)
        for e, n in zip(east[::step].tolist(), north[::step].tolist(), strict=True):
            x, y = place(e, n)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.5" fill="{colour}"/>'

    yield f'<text x="{MARGIN}" y="24">{pose.sensor}: reported places (grey), detections (red)</text>'
    yield from dots(pairs.east_m, pairs.north_m, "#999")
    yield from dots(east, north, "#c00")
    x, y = place(pose.east_m, pose.north_m)
    yield f'<path d="M{x - 8:.1f} {y:.1f}h16M{x:.1f} {y - 8:.1f}v16" stroke="#000" stroke-width="2"/>'
    yield f'<path d="M{WIDTH - MARGIN - 50 * scale:.1f} 20h{50 * scale:.1f}" stroke="#000"/>'
    yield f'<text x="{WIDTH - MARGIN - 50 * scale - 40:.1f}" y="24">50 m</text>'


def _bars(found: Commissioning) -> Iterator[str]:
    base = MARGIN * 2 + TOP + BOTTOM
    width = (WIDTH - 2 * MARGIN) / max(len(found.bands), 1)
    yield f'<text x="{MARGIN}" y="{base - BOTTOM - 10}">share of places with a detection, by distance</text>'
    for k, band in enumerate(found.bands):
        x = MARGIN + k * width
        p = band.p_detect
        if p is not None:
            high = p * BOTTOM
            box = f'x="{x + 2:.1f}" y="{base - high:.1f}" width="{width - 4:.1f}" height="{high:.1f}"'
            yield f'<rect {box} fill="#357"/>'
        yield f'<text x="{x + 2:.1f}" y="{base + 16}">{k * BAND_M:.0f}</text>'
    yield f'<text x="{WIDTH - MARGIN + 4}" y="{base + 16}">m</text>'
