/** Shared by both strips: margins, the places' names and the rows' words. */

import type { Row, SitePlace } from "./api.ts";
import { pick, t } from "./words.ts";

export const wide = (): boolean => innerWidth > 1600;
export const leftMargin = (): number => (wide() ? 92 : 80);
export const RIGHT_MARGIN = 14;

/** Short name, without any part in brackets or after a comma. */
export function placeName(place: SitePlace): string {
  return pick(place.name, place.name_en).replace(/ *[(（,].*$/, "");
}

/** Places that get a label, the most important first: each name once. */
export function labelled(places: readonly SitePlace[]): SitePlace[] {
  const gates = places.filter((x) => x.kind === "gate");
  const weight = (x: SitePlace): number => (gates.some((gate) => Math.abs(gate.s_m - x.s_m) < 100) ? 3 : x.kind === "place" ? 2 : 1);
  const names = new Set<string>();
  return [...places]
    .sort((a, b) => weight(b) - weight(a) || Number(b.kind === "place") - Number(a.kind === "place") || a.s_m - b.s_m)
    .filter((x) => {
      const near = x.kind !== "place" && places.some((y) => y.kind === "place" && y.s_m >= x.s_m - 100 && y.s_m <= (x.to_m ?? x.s_m) + 100);
      if (near || names.has(`${placeName(x)}${x.s_m}`)) return false;
      names.add(`${placeName(x)}${x.s_m}`);
      return true;
    });
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
