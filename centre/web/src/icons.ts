/** Marks as SVG, for rows, tables and headings; the canvas has the same shapes in draw.ts. */

import type { Grade } from "./api.ts";

/** A grade's mark, `r` px in radius; hollow where `filled` is false; with the alarm's priority in it, where that is known. */
export function markSvg(grade: Grade, r: number, filled: boolean, priority = ""): string {
  const size = r * 2 + 6;
  const c = size / 2;
  const style = filled && grade !== "undecidable" ? "mk" : "mk o";
  const at = (points: readonly (readonly [number, number])[]): string =>
    points.map(([x, y]) => `${(c + x * r).toFixed(1)},${(c + y * r).toFixed(1)}`).join(" ");
  let shape: string;
  if (grade === "violation") shape = `<rect x="${c - r}" y="${c - r}" width="${2 * r}" height="${2 * r}" class="${style}"/>`;
  else if (grade === "warning") {
    shape = `<polygon points="${at([[0, -1.15], [1.2, 1], [-1.2, 1]])}" class="${style}" stroke-linejoin="round"/>`;
  }
  else if (grade === "notice") shape = `<circle cx="${c}" cy="${c}" r="${r}" class="${style}"/>`;
  else shape = `<polygon points="${at([[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]])}" class="mk o" stroke-dasharray="2 1.6"/>`;
  const letter = grade === "undecidable" ? (r >= 7 ? "?" : "") : r >= 7 ? priority : "";
  if (letter !== "") {
    shape += `<text x="${c}" y="${c + (grade === "warning" ? 5 : 4.3)}" class="mkt${style === "mk" ? "" : " o"}">${letter}</text>`;
  }
  return `<svg class="g-${grade}" width="${size}" height="${size}" aria-hidden="true">${shape}</svg>`;
}

/** RSU states: filled square online, filled triangle offline, dotted square never seen, outlined triangle online with a fault. */
export function stateSvg(state: string, fault: boolean): string {
  if (state === "offline") return markSvg("warning", 3.4, true);
  if (state === "online" && fault) return markSvg("warning", 3.4, false);
  const style = state === "online" ? 'fill="var(--veh)"' : 'fill="none" stroke="var(--tx3)" stroke-dasharray="2 3"';
  return `<svg width="12" height="12" aria-hidden="true"><rect x="2" y="2" width="8" height="8" ${style}/></svg>`;
}
