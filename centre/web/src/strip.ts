/** What both strips share: margins, the places' names and the rows' words. */

import type { Row, SitePlace } from "./api.ts";
import { pick, t } from "./words.ts";

export const wide = (): boolean => innerWidth > 1600;
export const leftMargin = (): number => (wide() ? 92 : 80);
export const RIGHT_MARGIN = 14;

/** Weight of a place's label: gates before zones before the rest. */
export function weight(place: SitePlace): number {
  return place.kind === "gate" ? 3 : place.kind === "zone" ? 2 : 1;
}

/** Short name: what stands in brackets is left out. */
export function placeName(place: SitePlace): string {
  return pick(place.name, place.name_en).replace(/ *[(（].*$/, "");
}

export function rowName(row: Row): string {
  if (row.hazmat) return t("hazLane");
  if (row.allowed.includes("truck")) return t("mixLane");
  return row.allowed.includes("car") ? t("carLane") : t("otherLane");
}

export function rowShort(row: Row): string {
  if (row.hazmat) return t("haz");
  return row.allowed.includes("truck") ? t("mix") : t("car");
}

/** Rows with the same direction that touch: a carriageway. Top to bottom. */
export function carriageways(rows: readonly Row[]): Row[][] {
  const out: Row[][] = [];
  for (const row of rows) {
    const last = out.at(-1)?.at(-1);
    if (last !== undefined && last.direction === row.direction && last.offset_m[0] - row.offset_m[1] < 0.8) out.at(-1)!.push(row);
    else out.push([row]);
  }
  return out;
}
