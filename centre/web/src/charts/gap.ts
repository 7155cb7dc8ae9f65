/** The chart of a distance to the vehicle ahead: the gap against the one that is asked for. Pure: it returns SVG. */

import type { EpisodeDetail } from "../api.ts";
import { ms } from "../format.ts";
import { t } from "../words.ts";
import { area, clipped, line, poly, rect, spread, text, worstMark } from "./parts.ts";
import type { Frame, Point } from "./parts.ts";

/** One measured gap: the RSU sends one with each version, at most 5 s apart. */
export interface Gap {
  readonly tMs: number;
  readonly gapM: number;
  /** What is asked for at this speed and place. */
  readonly leastM: number;
}

/** The gaps of all versions, the oldest first; empty for those of an RSU that sends none. */
export function gapsOf(detail: EpisodeDetail): Gap[] {
  const found = new Map<number, Gap>();
  for (const { evidence } of detail.versions) {
    const [stamps, gaps, least] = [evidence["stamp_ns"], evidence["gap_m"], evidence["gap_least_m"]];
    if (!Array.isArray(stamps) || !Array.isArray(gaps) || !Array.isArray(least)) continue;
    stamps.forEach((stamp: unknown, i) => {
      const [tMs, gapM, leastM]: unknown[] = [ms(String(stamp)), gaps[i], least[i]];
      if (typeof gapM !== "number" || typeof leastM !== "number" || !Number.isFinite(tMs)) return;
      found.set(tMs as number, { tMs: tMs as number, gapM, leastM });
    });
  }
  return [...found.values()].sort((a, b) => a.tMs - b.tMs);
}

/** The gap by time, what it lacks of the one that is asked for, and where it lacked most. `known`: at least one. */
export function gapChart(f: Frame, known: readonly Gap[]): string {
  const high = Math.max(10, ...known.map((x) => Math.max(x.gapM, x.leastM))) * 1.15;
  const y = (m: number): number => f.top + (1 - Math.max(0, Math.min(high, m)) / high) * f.upperH;
  const gap = known.map((x): Point => [f.x(x.tMs), y(x.gapM)]);
  const least = known.map((x): Point => [f.x(x.tMs), y(x.leastM)]);
  const lacking = [...known.map((x): Point => [f.x(x.tMs), y(Math.min(x.gapM, x.leastM))]), ...[...least].reverse()];
  let out = rect(f.left, f.top, f.right - f.left, f.upperH, 'fill="var(--road)"') + text(f.left - 5, f.top - 3, "m", "e q");
  const step = high > 120 ? 50 : high > 50 ? 25 : 10;
  for (let m = 0; m < high; m += step) if (y(m) - f.top > 10) out += text(f.left - 5, y(m) + 4, String(m), "e q");
  out += clipped(f, f.top, f.upperH, [
    area(lacking, "", 'fill="var(--c)" opacity=".45"'), poly(least, "sl", 'stroke-width="2"'), poly(gap, "tail"),
     gap.map(([x, py]) => rect(x - 1.5, py - 1.5, 3, 3, 'fill="var(--tx)"')).join(""),
  ].join(""));
  const worst = known.reduce((best, x) => (x.leastM - x.gapM > best.leastM - best.gapM ? x : best));
  const newest = known.at(-1)!;
  const labels: [number, string, string][] = [
    [y(newest.leastM), t("qGapLeast", { m: newest.leastM.toFixed(0) }), ""], [y(newest.gapM), t("qGap"), "b"],
  ];
  return out + line(f.left, y(0), f.right, y(0), "axl")
    + worstMark(f, f.x(worst.tMs), y(worst.gapM), `${worst.gapM.toFixed(1)} m < ${worst.leastM.toFixed(0)} m`)
    + spread(labels, f.right + 5, f.top + f.upperH);
}
