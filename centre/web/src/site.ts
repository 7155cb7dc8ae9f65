/** The road as the page draws it: axis, rows of the strip, lanes by name, and what can't be judged. */

import type { Lane, Radar, Row, Rsu, SiteBody } from "./api.ts";
import type { LanePlace } from "./fleet.ts";
import { Axis, Plane } from "./projection.ts";

export interface Site {
  readonly body: SiteBody;
  readonly plane: Plane;
  readonly axis: Axis | null;
  readonly from: number;
  readonly to: number;
  /** Top to bottom: largest offset first. */
  readonly rows: readonly Row[];
  readonly lanes: ReadonlyMap<string, Lane>;
  readonly title: { readonly zh: string; readonly en: string };
}

export function makeSite(body: SiteBody): Site {
  const plane = new Plane(body.origin[0], body.origin[1]);
  const { axis } = body;
  const rows = [...body.rows].sort((a, b) => b.offset_m[1] - a.offset_m[1]);
  return {
    body, plane, rows,
    axis: axis === null || axis.s_m.length < 2
      ? null
      : new Axis(axis.s_m, axis.lon.map((x) => plane.x(x)), axis.lat.map((y) => plane.y(y))),
    from: body.range_m[0],
    to: Math.max(body.range_m[1], body.range_m[0] + 1),
    lanes: new Map(body.lanes.map((lane) => [lane.lane, lane])),
    title: body.title,
  };
}

export function lanePlace(site: Site, name: string): LanePlace | undefined {
  const lane = site.lanes.get(name);
  return lane === undefined
    ? undefined
    : { centreM: (lane.offset_m[0] + lane.offset_m[1]) / 2, direction: lane.direction, onStrip: lane.row !== null };
}

/** The fields of an episode or a version that give its lateral place on the road. */
export interface Located {
  readonly lane: string | null;
  readonly d_m: number | null;
  readonly s_m: number | null;
  readonly lon_deg: number;
  readonly lat_deg: number;
}

/** Lateral position on the strip [m left of growing station]: by the lane, outside all lanes by the position; NaN on a ramp. */
export function lateral(site: Site, at: Located): number {
  const place = at.lane === null ? undefined : lanePlace(site, at.lane);
  if (place !== undefined && at.d_m !== null) return place.onStrip ? place.centreM + place.direction * at.d_m : NaN;
  if (at.s_m === null || site.axis === null) return NaN;
  return site.axis.offset(at.s_m, site.plane.x(at.lon_deg), site.plane.y(at.lat_deg));
}

/** The hazmat lane that a vehicle there belongs to: that of its lane's direction, outside all lanes the nearest. */
export function homeRow(site: Site, at: Located): Row | undefined {
  const lane = at.lane === null ? undefined : site.lanes.get(at.lane);
  const rows = site.rows.filter((row) => row.hazmat && (lane === undefined || row.direction === lane.direction));
  const u = lateral(site, at);
  const far = (row: Row): number => Math.abs((row.offset_m[0] + row.offset_m[1]) / 2 - u);
  return rows.sort((a, b) => far(a) - far(b))[0];
}

export function isHazmatLane(allowed: readonly string[]): boolean {
  return allowed.includes("hazmat") && !allowed.includes("car");
}

export interface Hatch {
  from: number;
  to: number;
  reason: string;
  esn: string;
  sinceNs: string | null;
  /** Lateral range; a road may carry one direction only. */
  low: number;
  high: number;
}

/** Stretches that are not judged now: reported ones, and those of RSUs that are offline or were never seen. */
export function hatches(site: Site, rsus: readonly Rsu[]): Hatch[] {
  const [low, high] = span(site, null);
  const out: Hatch[] = [];
  for (const rsu of rsus) {
    if (rsu.state !== "online" || rsu.stale) {
      const [reason, sinceNs] = rsu.state === "online" ? ["offline", rsu.beat_ns] : [rsu.state, rsu.since_ns];
      if (rsu.stretch_m !== null) out.push({ from: rsu.stretch_m[0], to: rsu.stretch_m[1], reason, esn: rsu.esn, sinceNs, low, high });
      continue;
    }
    for (const gap of rsu.unjudged) {
      const [lo, hi] = span(site, gap.road);
      if (Number.isFinite(lo)) {
        out.push({ from: gap.from_m, to: gap.to_m, reason: gap.reason, esn: rsu.esn, sinceNs: gap.since_ns, low: lo, high: hi });
      }
    }
  }
  return merge(out.filter((x) => x.to > x.from).map((x) => ({ ...x, from: Math.max(site.from, x.from), to: Math.min(site.to, x.to) })));
}

function merge(list: Hatch[]): Hatch[] {
  list.sort((a, b) => a.low - b.low || a.reason.localeCompare(b.reason) || a.from - b.from);
  const out: Hatch[] = [];
  for (const x of list) {
    const last = out.at(-1);
    if (last !== undefined && last.reason === x.reason && last.low === x.low && last.high === x.high && x.from <= last.to + 0.5) {
      last.to = Math.max(last.to, x.to);
      if (last.esn !== x.esn) last.esn = "";
    } else out.push({ ...x });
  }
  return out.sort((a, b) => a.from - b.from);
}

function span(site: Site, road: string | null): [number, number] {
  const all = site.rows.map((row) => row.offset_m);
  if (road !== null) {
    const lanes = site.body.lanes.filter((lane) => lane.road === road);
    if (lanes.length > 0) {
      const rows = new Set(lanes.map((lane) => lane.row).filter((row) => row !== null));
      if (rows.size === 0) return [NaN, NaN]; // a ramp: not on the strip
      const own = site.rows.filter((row) => rows.has(row.row)).map((row) => row.offset_m);
      return [Math.min(...own.map((x) => x[0])), Math.max(...own.map((x) => x[1]))];
    }
  }
  return [Math.min(...all.map((x) => x[0])), Math.max(...all.map((x) => x[1]))];
}

/** Metres of the road on which every row is judged. */
export function judgeableM(site: Site, list: readonly Hatch[]): number {
  const sorted = [...list].sort((a, b) => a.from - b.from);
  let covered = 0;
  let upTo = site.from;
  for (const x of sorted) {
    covered += Math.max(0, x.to - Math.max(x.from, upTo));
    upTo = Math.max(upTo, x.to);
  }
  return site.to - site.from - covered;
}

/** Station range that a radar sees along the road. */
export function radarCover(site: Site, radar: Radar): [number, number] | null {
  if (radar.s_m === null || site.axis === null) return null;
  const heading = Math.PI / 2 - (radar.heading_deg * Math.PI) / 180;
  const along = Math.cos(heading - site.axis.at(radar.s_m).theta);
  if (radar.fov_deg >= 300) return [radar.s_m - radar.range_m_max, radar.s_m + radar.range_m_max];
  return along >= 0 ? [radar.s_m, radar.s_m + radar.range_m_max] : [radar.s_m - radar.range_m_max, radar.s_m];
}

export function radarCovers(site: Site, rsus: ReadonlyMap<string, Rsu>): [number, number][] {
  const list: [number, number][] = [];
  for (const rsu of site.body.rsus) {
    const now = rsus.get(rsu.esn);
    if (now?.state !== "online" || now.stale) continue;
    for (const radar of rsu.radars) {
      const cover = radarCover(site, radar);
      if (cover !== null && (now.sensors[radar.id] ?? "online") === "online") list.push(cover);
    }
  }
  list.sort((a, b) => a[0] - b[0]);
  const out: [number, number][] = [];
  for (const [a, b] of list) {
    const last = out.at(-1);
    if (last !== undefined && a <= last[1] + 1) last[1] = Math.max(last[1], b);
    else out.push([Math.max(site.from, a), Math.min(site.to, b)]);
  }
  return out;
}

/** The station nearest to a point of the plane, to 50 m. */
export function nearestStation(site: Site, x: number, y: number): number {
  let [best, far] = [site.from, Infinity];
  for (let s = site.from; site.axis !== null && s <= site.to; s += 50) {
    const p = site.axis.at(s);
    const d = Math.hypot(p.x - x, p.y - y);
    if (d < far) [best, far] = [s, d];
  }
  return best;
}

/** How long the road is from end to end, and how far it bends to the sides of that line [m]. */
export function extent(site: Site): { length: number; bulge: number } {
  if (site.axis === null) return { length: 1, bulge: 0 };
  const [a, b] = [site.axis.at(site.from), site.axis.at(site.to)];
  const turn = Math.atan2(b.y - a.y, b.x - a.x);
  const side = Array.from({ length: 101 }, (_, i) => {
    const p = site.axis!.at(site.from + ((site.to - site.from) * i) / 100);
    return -p.x * Math.sin(turn) + p.y * Math.cos(turn);
  });
  return { length: Math.hypot(b.x - a.x, b.y - a.y) || 1, bulge: Math.max(...side) - Math.min(...side) };
}
