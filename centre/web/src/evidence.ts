/** Joins the evidence columns of an episode's versions to one history, and adds nothing to them. Pure. */

import type { EpisodeDetail, Version } from "./api.ts";
import { ms } from "./format.ts";
import { rank } from "./order.ts";
import { homeRow, lateral } from "./site.ts";
import type { Site } from "./site.ts";

export interface Sample {
  readonly tMs: number;
  /** Vehicle's centre left of the middle of the lane it belongs to, in driving direction [m]; NaN where unknown. */
  readonly y: number;
  readonly sigma: number;
  /** How far its edge was over the line, as the RSU judged it [m]; NaN where unknown. */
  readonly excess: number;
  readonly speed: number;
  readonly p: number;
  /** The rule's own measure: metres or seconds beyond, the share above a limit, the speed against the lane [m/s]; NaN where unknown. */
  readonly over: number;
}

export interface History {
  readonly samples: readonly Sample[];
  /** Half the width of the lane it belongs to [m]; NaN without lane. */
  readonly halfLaneM: number;
  readonly halfWidthM: number;
  readonly fromMs: number;
  readonly toMs: number;
}

const TIME = ["stamp_ns", "t_ns"];
const SHOWN_MS_MAX = 1_800_000; // of a longer episode the end is drawn
const HALF_WIDTH_M = 1.25; // of a truck, for evidence without an excess

export function history(site: Site, detail: EpisodeDetail): History {
  const home = homeLane(site, detail);
  const byTime = new Map<number, Sample>();
  for (const version of detail.versions) {
    const list = columns(site, version, home).filter((x) => Number.isFinite(x.tMs));
    if (list.length === 0) continue;
    const [from, to] = [Math.min(...list.map((x) => x.tMs)), Math.max(...list.map((x) => x.tMs))];
    for (const t of byTime.keys()) if (t >= Math.round(from) && t <= Math.round(to)) byTime.delete(t); // the newer version is better
    for (const sample of list) byTime.set(Math.round(sample.tMs), sample);
  }
  for (const version of detail.versions) {
    const own = ownSample(site, version, home);
    const held = byTime.get(Math.round(own.tMs));
    byTime.set(Math.round(own.tMs), held === undefined ? own : { ...held, p: Number.isNaN(held.p) ? own.p : held.p });
  }
  const samples = [...byTime.values()].filter((x) => Number.isFinite(x.tMs)).sort((a, b) => a.tMs - b.tMs);
  const to = samples.at(-1)?.tMs ?? ms(detail.episode.start_ns);
  const from = Math.max(to - SHOWN_MS_MAX, Math.min(samples[0]?.tMs ?? to, to - 5_000));
  return {
    samples: samples.filter((x) => x.tMs >= from), toMs: to, fromMs: from,
    halfLaneM: home === null ? NaN : home.half,
    halfWidthM: halfWidth(samples, home === null ? NaN : home.half),
  };
}

/** Half the width of the footprint across the lane, as the evidence judged it where the vehicle was farthest out. */
function halfWidth(samples: readonly Sample[], halfLaneM: number): number {
  const known = samples.filter((x) => !Number.isNaN(x.y) && !Number.isNaN(x.excess));
  const out = known.filter((x) => x.excess > 0);
  const halves = (out.length > 0 ? out : known).map((x) => x.excess + halfLaneM - Math.abs(x.y)).sort((a, b) => a - b);
  const middle = halves[Math.floor(halves.length / 2)];
  return middle === undefined || !(middle > 0.4 && middle < 3) ? HALF_WIDTH_M : middle;
}

interface Home {
  direction: number;
  centre: number;
  half: number;
}

/** The lane that the vehicle belongs to: the hazmat lane of its direction. */
function homeLane(site: Site, detail: EpisodeDetail): Home | null {
  const versions = [...detail.versions].reverse();
  const row = versions.filter((x) => x.lane !== null || x.s_m !== null).map((x) => homeRow(site, x)).find((x) => x !== undefined);
  if (row === undefined) return null;
  const [low, high] = row.offset_m;
  return { direction: row.direction, centre: (low + high) / 2, half: (high - low) / 2 };
}

function across(home: Home | null, u: number): number {
  return home === null ? NaN : home.direction * (u - home.centre);
}

function columns(site: Site, version: Version, home: Home | null): Sample[] {
  const evidence = version.evidence ?? {};
  const times = TIME.map((key) => evidence[key]).find((x): x is (string | number)[] => Array.isArray(x));
  if (times === undefined) return [];
  const number = (key: string, i: number): number => {
    const list = evidence[key];
    return Array.isArray(list) && typeof list[i] === "number" ? list[i] : NaN;
  };
  // a rule that is not judged by single observations has no probability of each: its columns hold zeros
  const chances = evidence["p_violation"];
  const isFlat = Array.isArray(chances) && chances.every((p) => p === 0) && version.p_violation > 0.01;
  return times.map((time, i) => {
    const u = offAxis(site, number("lon_deg", i), number("lat_deg", i), number("s_m", i));
    const d = number("d_m", i);
    return {
      tMs: ms(time),
      y: across(
        home, Number.isNaN(u) ? lateral(site, { ...version, s_m: null, d_m: Number.isNaN(d) ? null : d }) : refined(site, home, u, d),
      ),
      sigma: number("sigma_d_m", i), excess: number("excess_m", i), speed: number("speed_mps", i),
      p: isFlat ? NaN : number("p_violation", i),
      over: number("over", i),
    };
  });
}

function offAxis(site: Site, lonDeg: number, latDeg: number, s: number): number {
  if (site.axis === null || Number.isNaN(lonDeg) || Number.isNaN(s)) return NaN;
  return site.axis.offset(s, site.plane.x(lonDeg), site.plane.y(latDeg));
}

/** `d_m` counts from the vehicle's lane at that time. The columns don't name it: the lane that fits the position is used. */
function refined(site: Site, home: Home | null, u: number, d: number): number {
  let [best, far] = [u, 0.5];
  for (const row of site.rows) {
    if (row.direction !== home?.direction || Number.isNaN(d)) continue;
    const candidate = (row.offset_m[0] + row.offset_m[1]) / 2 + row.direction * d;
    if (Math.abs(candidate - u) < far) [best, far] = [candidate, Math.abs(candidate - u)];
  }
  return best;
}

function ownSample(site: Site, version: Version, home: Home | null): Sample {
  return {
    tMs: ms(version.stamps.measured_ns),
    y: across(home, lateral(site, version)),
    sigma: version.sigma_d_m ?? NaN,
    excess: NaN,
    speed: version.speed_mps,
    p: version.grade === "undecidable" ? NaN : version.p_violation,
    over: NaN,
  };
}

/** Log-odds: evidence is readable near 0 and 1. */
export function logOdds(p: number): number {
  const q = Math.min(1 - 1e-6, Math.max(1e-6, p));
  return Math.log(q / (1 - q));
}

/** The version that decided: the first at the highest grade. */
export function deciding(detail: EpisodeDetail): Version | null {
  const best = Math.max(...detail.versions.map((x) => rank(x.grade)));
  return detail.versions.find((x) => rank(x.grade) === best) ?? null;
}

export interface Budget {
  readonly parts: readonly { readonly word: "s1" | "s2" | "s3"; readonly ms: number }[];
  readonly totalMs: number;
}

/** The parts of the deciding observation's latency, from the version's stamps; null if a tick decided or a stamp is missing. */
export function budget(version: Version): Budget | null {
  if (version.stamps.by != null || version.clock_unset === true) return null;
  const at = [version.stamps.measured_ns, version.stamps.arrived_ns, version.detected_ns, version.committed_ns].map(ms);
  if (at.some((x) => !Number.isFinite(x))) return null;
  const parts = (["s1", "s2", "s3"] as const).map((word, i) => ({ word, ms: Math.max(0, at[i + 1]! - at[i]!) }));
  return { parts, totalMs: parts.reduce((sum, x) => sum + x.ms, 0) };
}
