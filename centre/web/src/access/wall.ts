/** The wall view (`?wall=1`): large type for three to five metres, no controls; the detail goes to the newest open alarm by itself. */

import { isAlarm } from "../order.ts";
import { WINDOW_M } from "../state.ts";
import type { State } from "../state.ts";
import { whereabouts } from "../where.ts";

const WIDTH_PX = 1_477; // of the page that is enlarged to the screen: 13 px become 34 px at 3840
const HEIGHT_PX = 830;
const RIM_M = 300;

/** Whether this window is a wall. */
export function isWall(): boolean {
  return document.documentElement.dataset["wall"] === "1";
}

/** Read `?wall=1` from the address. */
export function restoreWall(): void {
  if (new URLSearchParams(location.search).get("wall") === "1") document.documentElement.dataset["wall"] = "1";
}

/** How much the page is enlarged on a wall of this size; smaller windows show the same in smaller type. */
export function wallZoom(widthPx: number, heightPx: number): number {
  return Math.max(0.5, Math.min(widthPx / WIDTH_PX, heightPx / HEIGHT_PX));
}

/** Where the detail is to begin so that the newest open alarm is in it [m]; NaN: it stays. */
export function wallWindow(state: State): number {
  const { site } = state;
  if (site === null) return NaN;
  const open = [...state.episodes.values()].filter((x) => x.open && isAlarm(x)).sort((a, b) => b.order - a.order);
  for (const episode of open) {
    const { s } = whereabouts(state, site, episode);
    if (Number.isNaN(s)) continue;
    const inside = s >= state.windowFrom + RIM_M && s <= state.windowFrom + WINDOW_M - RIM_M;
    return inside ? NaN : s - WINDOW_M / 2;
  }
  return NaN;
}
