/** Drawing on canvas: the theme's colours, marks of the grades, labels that avoid each other, hatch. */

import { isWall, wallZoom } from "./access/wall.ts";
import type { Grade } from "./api.ts";

export type Ctx = CanvasRenderingContext2D;

export const FONT = '"Noto Sans CJK SC","Noto Sans SC","Source Han Sans SC","Microsoft YaHei","PingFang SC","Segoe UI",sans-serif';

const TOKENS = [
  "bg", "raise", "line", "line2", "tx", "tx2", "tx3", "road", "haz", "lane", "solid", "veh", "truck", "sel", "focus",
  "v", "w", "n", "u", "on", "wf", "onw",
] as const;
export type Palette = Readonly<Record<(typeof TOKENS)[number], string>>;

let palette: Palette;
let hatchPattern: CanvasPattern | null = null;

/** Read the theme's tokens from the style sheet; call after each change of theme. */
export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  palette = Object.fromEntries(TOKENS.map((key) => [key, style.getPropertyValue(`--${key}`).trim()])) as Palette;
  hatchPattern = null;
  return palette;
}

export function colours(): Palette {
  return palette;
}

export function gradeColour(grade: Grade): string {
  return { violation: palette.v, warning: palette.w, notice: palette.n, undecidable: palette.u }[grade];
}

let software: boolean | null = null;

/** Whether the browser has no graphics card: a canvas in memory is then much faster than one that imitates a card. */
export function drawnInSoftware(): boolean {
  if (software === null) {
    const gl = document.createElement("canvas").getContext("webgl");
    const about = gl?.getExtension("WEBGL_debug_renderer_info");
    const renderer = gl === null || about == null ? "" : String(gl.getParameter(about.UNMASKED_RENDERER_WEBGL));
    software = gl === null || /swiftshader|llvmpipe|software|basic render/i.test(renderer);
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  return software;
}

/** Size the canvas to its box at the screen's resolution and clear it to transparent; null while it has no size. */
export function begin(canvas: HTMLCanvasElement, widthPx: number, heightPx: number): Ctx | null {
  const ctx = size(canvas, widthPx, heightPx, true);
  ctx?.clearRect(0, 0, widthPx, heightPx);
  return ctx;
}

/** The same for a canvas with nothing under it: it is cheaper to show. */
export function beginOpaque(canvas: HTMLCanvasElement, widthPx: number, heightPx: number): Ctx | null {
  const ctx = size(canvas, widthPx, heightPx, false);
  if (ctx !== null) rect(ctx, 0, 0, widthPx, heightPx, palette.bg);
  return ctx;
}

/** The part of a picture that does not move: it is painted when its key changes, and copied under each frame. */
export class Still {
  private readonly canvas = document.createElement("canvas");
  private key = "";

  under(ctx: Ctx, widthPx: number, heightPx: number, key: string, paint: (ctx: Ctx) => void): void {
    const full = `${key}|${widthPx}|${heightPx}|${pixelRatio()}|${palette.bg}`;
    if (full !== this.key) {
      const own = beginOpaque(this.canvas, widthPx, heightPx);
      if (own === null) return;
      this.key = full;
      paint(own);
    }
    ctx.drawImage(this.canvas, 0, 0, widthPx, heightPx);
  }
}

let zoom = 1;

/** The page's enlargement in a window of this size [px]: the root of its size relative to 1920 x 1080, at least 1.
 *
 * It grows less than the window, and without a step: the browser's own zoom makes the window smaller, and must still enlarge.
 */
export function zoomFor(widthPx: number, heightPx: number): number {
  return Math.sqrt(Math.max(1, Math.min(widthPx / 1_920, heightPx / 1_080)));
}

/** Enlarge the page on a large screen (a wall, a 4K desk); call when the window's size may have changed. */
export function enlarge(): void {
  zoom = isWall() ? wallZoom(innerWidth, innerHeight) : zoomFor(innerWidth, innerHeight);
  document.body.style.zoom = String(zoom);
}

/** Pixels of the screen to one of the page. */
export function pixelRatio(): number {
  return (window.devicePixelRatio || 1) * zoom;
}

/** Where in an element a pointer is, in the page's own pixels. */
export function pointIn(el: HTMLElement, event: MouseEvent): [number, number] {
  const box = el.getBoundingClientRect();
  return [((event.clientX - box.left) * el.offsetWidth) / box.width, ((event.clientY - box.top) * el.offsetHeight) / box.height];
}

function size(canvas: HTMLCanvasElement, widthPx: number, heightPx: number, alpha: boolean): Ctx | null {
  const dpr = pixelRatio();
  const [w, h] = [Math.round(widthPx * dpr), Math.round(heightPx * dpr)];
  if (w === 0 || h === 0) return null;
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${widthPx}px`;
    canvas.style.height = `${heightPx}px`;
  }
  // not `desynchronized`: in memory it costs nothing to show, because Chromium then shows nothing
  const ctx = canvas.getContext("2d", { alpha, willReadFrequently: drawnInSoftware() })!;
  ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
  ctx.font = `12px ${FONT}`;
  ctx.textBaseline = "alphabetic";
  ctx.lineJoin = "round";
  return ctx;
}

export function line(ctx: Ctx, x1: number, y1: number, x2: number, y2: number, colour: string, width = 1, dash: number[] = []): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
  ctx.setLineDash([]);
}

export function rect(ctx: Ctx, x: number, y: number, w: number, h: number, fill: string | CanvasPattern): void {
  ctx.fillStyle = fill;
  ctx.fillRect(x, y, Math.max(0, w), h);
}

export function frame(ctx: Ctx, x: number, y: number, w: number, h: number, colour: string, width = 1, dash: number[] = []): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.strokeRect(x, y, w, h);
  ctx.setLineDash([]);
}

interface TextStyle {
  colour?: string;
  align?: CanvasTextAlign;
  bold?: boolean;
  sizePx?: number;
  halo?: string;
}

/** Text on its baseline; with `halo`, outlined in that colour so that it is readable on any ground. */
export function text(ctx: Ctx, x: number, y: number, value: string, style: TextStyle = {}): void {
  const size = style.sizePx ?? 12;
  ctx.font = `${style.bold ? "700 " : ""}${size}px ${FONT}`;
  ctx.textAlign = style.align ?? "left";
  if (style.halo !== undefined) {
    ctx.strokeStyle = style.halo;
    ctx.lineWidth = 3;
    ctx.strokeText(value, x, y);
  }
  ctx.fillStyle = style.colour ?? palette.tx2;
  ctx.fillText(value, x, y);
}

/** A word over the whole picture, on an opaque ground. */
export function banner(ctx: Ctx, x: number, y: number, value: string): void {
  const style = { bold: true, sizePx: 14, colour: palette.tx };
  ctx.font = `700 14px ${FONT}`;
  rect(ctx, x - 6, y - 16, ctx.measureText(value).width + 12, 22, palette.bg);
  text(ctx, x, y, value, style);
}

const WIDTHS_MAX = 4_000;
const widths = new Map<string, number>();

/** The width of a text of 12 px; each is measured once, since a plate is drawn ten times a second. */
export function textWidth(ctx: Ctx, value: string, bold = false): number {
  const key = bold ? `*${value}` : value;
  const known = widths.get(key);
  if (known !== undefined) return known;
  ctx.font = `${bold ? "700 " : ""}12px ${FONT}`;
  const { width } = ctx.measureText(value);
  if (widths.size >= WIDTHS_MAX) widths.clear();
  widths.set(key, width);
  return width;
}

/** The hatch of a stretch that can't be judged, and its dotted rim. */
export function hatch(ctx: Ctx, x: number, y: number, w: number, h: number): void {
  hatchPattern ??= makeHatch(ctx);
  if (hatchPattern !== null) rect(ctx, x, y, w, h, hatchPattern);
  frame(ctx, x + 0.5, y + 0.5, Math.max(0, w - 1), h - 1, palette.u, 1, [1, 3]);
}

/** The same hatch inside the path that was traced. */
export function hatchPath(ctx: Ctx): void {
  hatchPattern ??= makeHatch(ctx);
  if (hatchPattern !== null) {
    ctx.fillStyle = hatchPattern;
    ctx.fill();
  }
  ctx.strokeStyle = palette.u;
  ctx.lineWidth = 1;
  ctx.setLineDash([1, 3]);
  ctx.stroke();
  ctx.setLineDash([]);
}

function makeHatch(ctx: Ctx): CanvasPattern | null {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 10;
  const pen = tile.getContext("2d")!;
  pen.globalAlpha = 0.5;
  pen.fillStyle = palette.bg;
  pen.fillRect(0, 0, 10, 10);
  pen.globalAlpha = 0.62;
  pen.strokeStyle = palette.u;
  pen.lineWidth = 1.8;
  pen.beginPath();
  for (const k of [-10, 0, 10]) {
    pen.moveTo(k - 1, 11);
    pen.lineTo(k + 11, -1);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}

/** Shape by grade: violation square, warning triangle, notice circle, undecidable dashed diamond. */
export function mark(ctx: Ctx, grade: Grade, x: number, y: number, r: number, filled: boolean, ring = false): void {
  const colour = gradeColour(grade);
  ctx.beginPath();
  if (grade === "violation") ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (grade === "notice") ctx.arc(x, y, r, 0, 2 * Math.PI);
  else {
    const points: [number, number][] = grade === "warning"
      ? [[0, -1.15], [1.2, 1], [-1.2, 1]]
      : [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]];
    for (const [px, py] of points) ctx.lineTo(x + px * r, y + py * r);
    ctx.closePath();
  }
  const solid = filled && grade !== "undecidable";
  ctx.fillStyle = solid ? (grade === "warning" ? palette.wf : colour) : palette.bg;
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.6;
  ctx.setLineDash(grade === "undecidable" ? [2, 1.6] : []);
  ctx.fill();
  ctx.stroke();
  ctx.setLineDash([]);
  if (ring) {
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.arc(x, y, r + 4.5, 0, 2 * Math.PI);
    ctx.stroke();
  }
}

/** Whether the ring of a new episode is drawn: it blinks at 1 Hz, or is steady where the user wants no motion. */
export function ringOn(timeMs: number): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches || timeMs % 1_000 < 500;
}

/** Corner brackets: selection, the same in every view. */
export function brackets(ctx: Ctx, x: number, y: number, w: number, h: number): void {
  const k = Math.min(6, w / 3, h / 3);
  ctx.strokeStyle = palette.sel;
  ctx.lineWidth = 1.6;
  ctx.beginPath();
  for (const [cx, cy, dx, dy] of [[x, y, 1, 1], [x + w, y, -1, 1], [x, y + h, 1, -1], [x + w, y + h, -1, -1]] as const) {
    ctx.moveTo(cx + dx * k, cy);
    ctx.lineTo(cx, cy);
    ctx.lineTo(cx, cy + dy * k);
  }
  ctx.stroke();
}

/** The words beside a stake: the plate, struck through once the episode has ended, and the time. */
export interface StakeWords {
  readonly plate: string;
  readonly struck: boolean;
  readonly when: string;
}

/**
 * A stake marks the place of an episode, not a vehicle: its foot is at the place, its head beside it.
 * `upPx` is how far the head is above the foot (negative: below); `headX`: where others stand, it leans.
 */
export function stake(
  ctx: Ctx, grade: Grade, x: number, y: number, upPx: number, filled: boolean, chosen: boolean, headX = x,
): void {
  const colour = chosen ? palette.sel : gradeColour(grade);
  const head = y - upPx;
  for (const [stroke, width] of [[palette.bg, 3.6], [colour, 1.6]] as const) {
    line(ctx, x, y, headX, head, stroke, width);
    line(ctx, x - 4, y, x + 4, y, stroke, width);
  }
  mark(ctx, grade, headX, head, 5, filled);
}

/** The made-up vehicle of an exercise: hatched in a dashed frame, as nothing that is real is drawn. */
export function madeUpVehicle(ctx: Ctx, x: number, y: number, w: number, h: number): void {
  hatch(ctx, x - w / 2, y - h / 2, w, h);
  frame(ctx, x - w / 2, y - h / 2, w, h, palette.tx, 1.4, [4, 2]);
}

/** The dashed frame around the mark of an exercise. */
export function madeUpMark(ctx: Ctx, x: number, y: number): void {
  frame(ctx, x - 9, y - 9, 18, 18, palette.tx, 1.2, [3, 2]);
}

/** The range that a stake's words at x cover [px]: to its right, or to its left where the picture ends. */
export function stakeSpan(ctx: Ctx, x: number, widthPx: number, words: StakeWords): [number, number] {
  const total = textWidth(ctx, words.plate, true) + 8 + textWidth(ctx, words.when);
  const x0 = x + 10 + total <= widthPx - 2 ? x + 10 : Math.max(2, x - 10 - total);
  return [x0, x0 + total];
}

export function stakeWords(ctx: Ctx, x: number, y: number, widthPx: number, words: StakeWords): void {
  stakeText(ctx, stakeSpan(ctx, x, widthPx, words)[0], y, words);
}

/** The words of a stake from x0 on. */
export function stakeText(ctx: Ctx, x0: number, y: number, words: StakeWords): void {
  const plate = textWidth(ctx, words.plate, true);
  text(ctx, x0, y, words.plate, { bold: true, colour: palette.tx, halo: palette.bg });
  if (words.struck) line(ctx, x0 - 1, y - 4, x0 + plate + 1, y - 4, palette.tx, 1.4);
  text(ctx, x0 + plate + 8, y, words.when, { colour: palette.tx2, halo: palette.bg });
}

const LINE_PX = 13; // of text: labels on lines that are nearer would touch

/** The space that labels occupy along one line, or on lines at heights of their own; a label that would overlap is dropped. */
export class LabelSpace {
  private readonly taken: [number, number, number][] = [];

  reserve(from: number, to: number, gap = 2, y = 0): boolean {
    if (gap > -Infinity) { // without a gap it may overlap all others: what is drawn in any case
      for (const [a, b, at] of this.taken) if (from < b + gap && to > a - gap && Math.abs(y - at) < LINE_PX) return false;
    }
    this.taken.push([from, to, y]);
    return true;
  }

  /** The same for a text that is drawn at x. */
  reserveText(x: number, width: number, align: "left" | "center" | "right", gap = 4): boolean {
    const from = x - { left: 0, center: width / 2, right: width }[align];
    return this.reserve(from, from + width, gap);
  }
}
