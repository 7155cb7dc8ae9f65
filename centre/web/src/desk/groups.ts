/** Alarms that wait, grouped by what they have in common: in a flood that is what a person can take in. Pure. */

import type { Episode } from "../api.ts";

export type Grouping = "vehicle" | "place" | "rule";
export const GROUPINGS: readonly Grouping[] = ["vehicle", "place", "rule"];
const KM_M = 1_000;

export interface Group {
  readonly key: string;
  readonly n: number;
  /** Its newest alarm. */
  readonly id: string;
}

/** The value by which an episode is grouped: vehicle, kilometre of the road, rule. */
export function groupKey(episode: Episode, by: Grouping): string {
  if (by === "rule") return episode.rule;
  if (by === "vehicle") return episode.vehicle?.plate ?? episode.vehicle?.terminal ?? "";
  return episode.s_m === null ? "" : `K${Math.floor(episode.s_m / KM_M)}`;
}

/** The groups, largest first; equal ones by their newest alarm. */
export function grouped(alarms: readonly Episode[], by: Grouping): Group[] {
  const found = new Map<string, { n: number; id: string; order: number }>();
  for (const x of alarms) {
    const key = groupKey(x, by);
    const held = found.get(key);
    if (held === undefined) found.set(key, { n: 1, id: x.id, order: x.order });
    else {
      held.n++;
      if (x.order > held.order) [held.id, held.order] = [x.id, x.order];
    }
  }
  return [...found].sort(([, a], [, b]) => b.n - a.n || b.order - a.order).map(([key, { n, id }]) => ({ key, n, id }));
}

const CHAR_PX = [7.5, 13] as const; // of a Latin and of a Chinese character, at most
const BUTTON_PX = 28; // around the words of a button, with the gap after it
const REST_PX = 64; // of the words for how many are in the groups that are not named

/** How many of the first groups have room on a line of so many pixels, beside the words for the rest: none is left out in silence. */
export function fitting(labels: readonly string[], widthPx: number): number {
  let left = widthPx - REST_PX;
  for (let n = 0; n < labels.length; n++) {
    for (const c of labels[n]!) left -= CHAR_PX[c > "\u2e7f" ? 1 : 0];
    left -= BUTTON_PX;
    if (left < 0) return n;
  }
  return labels.length;
}
