/** Where the detail strip lies on its canvas: stations to the right, lateral offsets upwards, true to scale. */

import type { Site } from "../site.ts";
import { leftMargin, RIGHT_MARGIN, wide } from "../strip.ts";

export const SHOULDER_M = 1.5;

export interface Frame {
  w: number;
  h: number;
  perMetre: number;
  from: number;
  to: number;
  x: (s: number) => number;
  y: (u: number) => number;
  top: number;
  bottom: number;
  left: number;
  right: number;
}

export function layOut(site: Site, w: number, from: number, windowM: number): Frame {
  const perMetre = wide() ? 7.6 : 5.2;
  const left = leftMargin();
  const right = w - RIGHT_MARGIN;
  const high = (site.rows[0]?.offset_m[1] ?? 4) + SHOULDER_M;
  const low = (site.rows.at(-1)?.offset_m[0] ?? -4) - SHOULDER_M;
  const top = 22;
  const bottom = top + (high - low) * perMetre;
  const to = from + Math.min(windowM, site.to - site.from);
  return {
    w, h: bottom + 6 + 18 + 5 + 14, perMetre, from, to, left, right, top, bottom,
    x: (s) => left + ((s - from) / (to - from)) * (right - left),
    y: (u) => top + (high - u) * perMetre,
  };
}

export function detailHeight(site: Site | null): number {
  return site === null ? 200 : layOut(site, 1_000, site.from, 1_000).h;
}

export function nearestRow(site: Site, u: number): number {
  let [best, far] = [0, Infinity];
  site.rows.forEach((row, i) => {
    const d = Math.abs((row.offset_m[0] + row.offset_m[1]) / 2 - u);
    if (d < far) [best, far] = [i, d];
  });
  return best;
}

/** The height of a vehicle's mark and label [px]: above its outline. */
export function markHeight(f: Frame, u: number): number {
  return Math.max(24, f.y(u) - 1.25 * f.perMetre - 10);
}
