"""The site frame's projection as compiled code, for fixes and snapshots, which come many times a second.

The same Transverse Mercator as `SiteFrame`'s by PROJ, to 10 nm: Krueger's series to the sixth order of the
third flattening (Karney 2011, "Transverse Mercator with an accuracy of a few nanometers", eqs. 7-36). PROJ
needs 30 us for one fix and its course, most of it for the arrays around the numbers; this needs 2 us.
"""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, F64
from core.kernel import checked_once, kernel

A_M, FLATTENING = 6_378_137.0, 1.0 / 298.257222101  # GRS80
E2 = FLATTENING * (2.0 - FLATTENING)
SECOND_E2 = E2 / (1.0 - E2)
ORDER = 6
# rows of what `place` returns: site metres; heading [rad]; 1.0 inside the frame, 0.0 not
EAST, NORTH, HEADING, INSIDE, N_PLACE = 0, 1, 2, 3, 4
# rows of what `unproject` returns: degrees; the convergence [rad], as of `SiteFrame.convergence_rad`
LON, LAT, LEAN, N_LONLAT = 0, 1, 2, 3


class Projection(NamedTuple):
    """A site's projection, as kernels read it."""

    lon_deg: float  # of the origin
    lat_deg: float
    xi: float  # of the origin: its northing in units of radius_m
    radius_m: float  # of the circle whose circumference is a meridian's
    within_m: float  # of the origin: positions beyond are none
    alpha: F1  # (ORDER,) from the sphere
    beta: F1  # (ORDER,) to the sphere


@kernel(inner=True)
def _series(xi: float, eta: float, factors: F1) -> tuple[float, float]:
    """Return real and imaginary part of sum_j factors_j sin(2 j (xi + i eta)), by Clenshaw's recurrence."""
    s, c, sh, ch = math.sin(2.0 * xi), math.cos(2.0 * xi), math.sinh(2.0 * eta), math.cosh(2.0 * eta)
    a, b = 2.0 * c * ch, -2.0 * s * sh
    re1 = im1 = re2 = im2 = 0.0
    for j in range(ORDER - 1, -1, -1):
        re0 = a * re1 - b * im1 - re2 + factors[j]
        im0 = a * im1 + b * re1 - im2
        re2, im2, re1, im1 = re1, im1, re0, im0
    return s * ch * re1 - c * sh * im1, s * ch * im1 + c * sh * re1


@kernel(inner=True)
def _conformal_tan(tau: float) -> float:
    """Return the tangent of the conformal latitude from that of the geodetic one (Karney, eq. 7-9)."""
    e = math.sqrt(E2)
    root = math.sqrt(1.0 + tau * tau)
    sigma = math.sinh(e * math.atanh(e * tau / root))
    return tau * math.sqrt(1.0 + sigma * sigma) - sigma * root


@kernel(inner=True)
def _scaled(away_rad: float, lat_rad: float, alpha: F1) -> tuple[float, float]:
    """Return (xi, eta), northing and easting in units of the radius, from a longitude from the meridian."""
    tau = _conformal_tan(math.tan(lat_rad))
    c = math.cos(away_rad)
    xi = math.atan2(tau, c)
    eta = math.asinh(math.sin(away_rad) / math.sqrt(tau * tau + c * c))
    more_xi, more_eta = _series(xi, eta, alpha)
    return xi + more_xi, eta + more_eta


@kernel(inner=True)
def _lean_rad(away_rad: float, lat_rad: float) -> float:
    """Return by how much true north leans to the left of the frame's, to 1e-9 rad (Snyder 1987, p. 61)."""
    c = math.cos(lat_rad)
    second, spread = SECOND_E2 * c * c, (away_rad * c) ** 2
    return away_rad * math.sin(lat_rad) * (1.0 + spread * (1.0 + 3.0 * second + 2.0 * second * second) / 3.0)


@kernel
def _place(lon_deg: F1, lat_deg: F1, course_deg: F1, by: Projection, out: F2) -> None:
    for i in range(lon_deg.shape[0]):
        out[EAST, i], out[NORTH, i], out[INSIDE, i], lean = 0.0, 0.0, 0.0, 0.0
        lon, lat = lon_deg[i], lat_deg[i]
        if abs(lon) <= 180.0 and abs(lat) <= 90.0:  # NaN fails as well
            away_deg = lon - by.lon_deg
            away = math.radians(away_deg - 360.0 * np.rint(away_deg / 360.0))  # 179.9, -179.9: neighbours
            xi, eta = _scaled(away, math.radians(lat), by.alpha)
            east, north = by.radius_m * eta, by.radius_m * (xi - by.xi)
            if math.hypot(east, north) <= by.within_m:
                out[EAST, i], out[NORTH, i], out[INSIDE, i] = east, north, 1.0
                lean = _lean_rad(away, math.radians(lat))
        turn = math.pi / 2 - math.radians(course_deg[i]) + lean
        out[HEADING, i] = math.atan2(math.sin(turn), math.cos(turn))


@kernel
def _unproject(east_m: F1, north_m: F1, by: Projection, out: F2) -> None:
    for i in range(east_m.shape[0]):
        xi, eta = by.xi + north_m[i] / by.radius_m, east_m[i] / by.radius_m
        less_xi, less_eta = _series(xi, eta, by.beta)
        xi, eta = xi - less_xi, eta - less_eta
        sh, c = math.sinh(eta), math.cos(xi)
        wanted = math.sin(xi) / math.sqrt(sh * sh + c * c)
        away, tau = math.atan2(sh, c), wanted
        for _ in range(3):  # Newton: the second step is exact already (Karney, eq. 19-21)
            got = _conformal_tan(tau)
            slope = (1.0 + (1.0 - E2) * tau * tau) / ((1.0 - E2) * math.sqrt(1.0 + tau * tau))
            tau += (wanted - got) / math.sqrt(1.0 + got * got) * slope
        lat = math.atan(tau)
        lon_deg = by.lon_deg + math.degrees(away)
        out[LON, i] = lon_deg - 360.0 * math.floor((lon_deg + 180.0) / 360.0)
        out[LAT, i], out[LEAN, i] = math.degrees(lat), _lean_rad(away, lat)


@kernel
def _xi_of(lat_rad: float, alpha: F1) -> float:
    return _scaled(0.0, lat_rad, alpha)[0]


_place_once, _unproject_once = checked_once(_place), checked_once(_unproject)


def projection_of(lon_deg: float, lat_deg: float, within_m: float) -> Projection:
    """Return the projection around an origin; positions farther than `within_m` from it are none."""
    n = FLATTENING / (2.0 - FLATTENING)
    # rows j = 1..6; columns: the factors of n, n^2, ... n^6 (Karney, eqs. 35, 36)
    alpha = np.array([
        [1 / 2, -2 / 3, 5 / 16, 41 / 180, -127 / 288, 7891 / 37800],
        [0, 13 / 48, -3 / 5, 557 / 1440, 281 / 630, -1983433 / 1935360],
        [0, 0, 61 / 240, -103 / 140, 15061 / 26880, 167603 / 181440],
        [0, 0, 0, 49561 / 161280, -179 / 168, 6601661 / 7257600],
        [0, 0, 0, 0, 34729 / 80640, -3418889 / 1995840],
        [0, 0, 0, 0, 0, 212378941 / 319334400],
    ])  # fmt: skip
    beta = np.array([
        [1 / 2, -2 / 3, 37 / 96, -1 / 360, -81 / 512, 96199 / 604800],
        [0, 1 / 48, 1 / 15, -437 / 1440, 46 / 105, -1118711 / 3870720],
        [0, 0, 17 / 480, -37 / 840, -209 / 4480, 5569 / 90720],
        [0, 0, 0, 4397 / 161280, -11 / 504, -830251 / 7257600],
        [0, 0, 0, 0, 4583 / 161280, -108847 / 3991680],
        [0, 0, 0, 0, 0, 20648693 / 638668800],
    ])  # fmt: skip
    powers = n ** np.arange(1, ORDER + 1)
    alpha_n, beta_n = np.ascontiguousarray(alpha @ powers), np.ascontiguousarray(beta @ powers)
    radius_m = A_M / (1.0 + n) * (1.0 + n**2 / 4 + n**4 / 64 + n**6 / 256)
    xi = _xi_of(math.radians(lat_deg), alpha_n)
    return Projection(float(lon_deg), float(lat_deg), xi, radius_m, within_m, alpha_n, beta_n)


def place(lon_deg: F64, lat_deg: F64, course_deg: F64, by: Projection) -> F64:
    """Return EAST, NORTH, HEADING, INSIDE (N_PLACE, n) of n positions with courses.

    course_deg : clockwise from true north; NaN stays so.
    A position that is none or lies beyond the frame is put at the origin.
    """
    out = np.empty((N_PLACE, len(lon_deg)))
    place_into(lon_deg, lat_deg, course_deg, by, out)
    return out


def place_into(lon_deg: F64, lat_deg: F64, course_deg: F64, by: Projection, out: F64) -> None:
    """Write what `place` returns to the first N_PLACE rows of out (>= N_PLACE, n)."""
    _place_once(lon_deg, lat_deg, course_deg, by, out)


def unproject(east_m: F64, north_m: F64, by: Projection) -> F64:
    """Return LON, LAT, LEAN (N_LONLAT, n) of n places in site metres."""
    out = np.empty((N_LONLAT, len(east_m)))
    _unproject_once(np.ascontiguousarray(east_m), np.ascontiguousarray(north_m), by, out)
    return out
