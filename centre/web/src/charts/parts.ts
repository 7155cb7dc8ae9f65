/** Parts of the card's charts: shapes of SVG, the frame that all charts share, labels and the mark of the worst point. Pure. */

import { escape } from "../format.ts";

export type Point = readonly [number, number];
export const line = (x1: number, y1: number, x2: number, y2: number, style: string, more = ""): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" class="${style}" ${more}/>`;
export const rect = (x: number, y: number, w: number, h: number, more: string): string =>
  `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(0, w).toFixed(1)}" height="${Math.max(0, h).toFixed(1)}" ${more}/>`;
export const text = (x: number, y: number, value: string, style = "", more = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${style}" ${more}>${value}</text>`;
export const points = (list: readonly Point[]): string => list.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
export const poly = (list: readonly Point[], style: string, more = ""): string =>
  (list.length < 2 ? "" : `<polyline points="${points(list)}" class="${style}" ${more}/>`);
export const area = (list: readonly Point[], style: string, more = ""): string =>
  (list.length < 3 ? "" : `<polygon points="${points(list)}" class="${style}" ${more}/>`);

export interface Frame {
  w: number;
  left: number;
  right: number;
  x: (tMs: number) => number;
  top: number;
  upperH: number;
  lowerTop: number;
  lowerH: number;
}

const LABEL_PX = 14; // from one label to the next

/** Labels beside the plot, moved apart so that none covers another: down, and from its lower edge up again. */
export function spread(labels: [number, string, string][], x: number, bottom: number): string {
  labels.sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < labels.length; i++) labels[i]![0] = Math.max(labels[i]![0], labels[i - 1]![0] + LABEL_PX);
  for (let i = labels.length - 1, most = bottom; i >= 0; i--, most -= LABEL_PX) labels[i]![0] = Math.min(labels[i]![0], most);
  return labels.map(([y, word, style]) => text(x, y + 4, word, style)).join("");
}


/** The worst point of a chart with its value: a ring, and the value beside it, inside the plot. */
export function worstMark(f: Frame, x: number, y: number, value: string): string {
  const left = x > (f.left + f.right) / 2;
  const at = Math.max(f.top + 12, Math.min(f.top + f.upperH - 4, y - 6));
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="none" stroke="var(--c)" stroke-width="2"/>`
    + text(x + (left ? -8 : 8), at, escape(value), `lab b${left ? " e" : ""}`, 'data-worst=""');
}

/** Draw inside the plot only: what lies before the axis' first moment must not run over its labels. */
export function clipped(f: Frame, top: number, height: number, body: string): string {
  const id = `plot${Math.round(top)}`;
  return `<clipPath id="${id}">${rect(f.left, top - 1, f.right - f.left, height + 2, "")}</clipPath><g clip-path="url(#${id})">${body}</g>`;
}
