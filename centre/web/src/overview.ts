/** The whole road as one strip: vehicles as ticks, RSUs, radar cover, marks of what is open, the window of the detail. */

import type { Episode } from "./api.ts";
import { isExerciseId } from "./desk/model.ts";
import {
  banner, beginOpaque, brackets, colours, frame, gradeColour, hatch, line, mark, rect, ringOn, LabelSpace, madeUpMark, stake, stakeSpan,
  stakeWords,
  text, textWidth,
} from "./draw.ts";
import type { Ctx } from "./draw.ts";
import { moment } from "./format.ts";
import { isAlarm, rank } from "./order.ts";
import { paint } from "./painter.ts";
import type { Lens } from "./painter.ts";
import { placeWords } from "./places.ts";
import type { Site } from "./site.ts";
import type { State } from "./state.ts";
import { hasFault, isLost } from "./supervision.ts";
import { carriageways, labelled, leftMargin, placeName, RIGHT_MARGIN, wide } from "./strip.ts";
import { pickOnClick } from "./views.ts";
import type { Host, Picked, View } from "./views.ts";
import { whereabouts } from "./where.ts";
import { t } from "./words.ts";

interface Frame {
  w: number;
  h: number;
  x: (s: number) => number;
  /** Lateral to pixel: rows are equally high here, so it is linear only within a row. */
  y: (u: number) => number;
  rowPx: number;
  top: number;
  bottom: number;
  rsuY: number;
  rsuH: number;
  coverY: number;
  axisY: number;
  groups: { top: number; bottom: number; direction: number; rows: { y: number; hazmat: boolean }[] }[];
}

const PICK_PX = 12; // a mark is chosen from this near

function layOut(site: Site, w: number): Frame {
  const big = wide();
  const rowPx = big ? 12 : 9;
  const median = big ? 6 : 5;
  const left = leftMargin();
  let y = big ? 36 : 34;
  const top = y;
  const points: [number, number][] = []; // (lateral, pixel), lateral falling
  const groups = carriageways(site.rows).map((rows, i) => {
    if (i > 0) y += median;
    const group = {
      top: y, bottom: y + rows.length * rowPx, direction: rows[0]!.direction,
      rows: rows.map((row, k) => ({ y: y + k * rowPx, hazmat: row.hazmat })),
    };
    rows.forEach((row, k) => points.push([row.offset_m[1], y + k * rowPx], [row.offset_m[0], y + (k + 1) * rowPx]));
    y = group.bottom;
    return group;
  });
  const rsuY = y + 24;
  const rsuH = big ? 10 : 8;
  const coverY = rsuY + rsuH + 6;
  const axisY = coverY + 9;
  return {
    w, h: axisY + 31, rowPx, top, bottom: y, rsuY, rsuH, coverY, axisY, groups,
    x: (s) => left + ((s - site.from) / (site.to - site.from)) * (w - left - RIGHT_MARGIN),
    y: (u) => piecewise(points, u),
  };
}

function piecewise(points: readonly [number, number][], u: number): number {
  if (points.length === 0) return 0;
  if (u >= points[0]![0]) return points[0]![1] + 3;
  for (let i = 1; i < points.length; i++) {
    const [u1, y1] = points[i]!;
    if (u < u1) continue;
    const [u0, y0] = points[i - 1]!;
    return u0 === u1 ? y1 : y0 + ((u0 - u) / (u0 - u1)) * (y1 - y0);
  }
  return points.at(-1)![1] - 3;
}

/** The station under a pixel [m]; null beside the road. */
function stationAt(f: Frame, site: Site, xPx: number): number | null {
  const left = leftMargin();
  if (xPx < left - 4) return null;
  return site.from + ((xPx - left) / (f.w - left - RIGHT_MARGIN)) * (site.to - site.from);
}

export function overviewHeight(site: Site | null): number {
  return site === null ? (wide() ? 190 : 160) : layOut(site, 1_000).h;
}

/** Draw the whole road; returns where it lies, null without a site or without space. */
export function drawOverview(canvas: HTMLCanvasElement, state: State): Frame | null {
  const { site } = state;
  const w = canvas.parentElement!.clientWidth;
  const ctx = beginOpaque(canvas, w, overviewHeight(site));
  if (ctx === null || site === null) return null;
  const f = layOut(site, w);
  drawRoad(ctx, f, state, site);
  drawPlaces(ctx, f, site);
  if (state.fleet !== null && state.steps.has("vehicles")) {
    paint(ctx, state.fleet, lens(state, f), { kind: "tick", rowPx: f.rowPx, hollow: state.connection === "disconnected" });
  }
  if (state.connection !== "loading") {
    for (const x of state.hatches) {
      const [y0, y1] = [
        f.y(x.high) - (x.high >= site.rows[0]!.offset_m[1] ? 3 : 0), f.y(x.low) + (x.low <= site.rows.at(-1)!.offset_m[0] ? 3 : 0),
      ];
      hatch(ctx, f.x(x.from), y0, f.x(x.to) - f.x(x.from), y1 - y0);
    }
  }
  drawRsus(ctx, f, state, site);
  drawScale(ctx, f, site);
  if (state.connection !== "loading") drawMarks(ctx, f, state, site);
  drawWindow(ctx, f, state);
  if (state.connection === "disconnected") {
    banner(ctx, leftMargin() + 12, f.top + f.rowPx * 2 + 4, `${t("frozen")} ${moment(state.viewMs(), state.nowMs())}`);
  }
  return f;
}

function lens(state: State, f: Frame): Lens {
  const fleet = state.fleet!;
  return (slot, out) => {
    const s = fleet.s[slot]!;
    if (Number.isNaN(s) || Number.isNaN(fleet.u[slot]!)) return false;
    out[0] = f.x(s);
    out[1] = middle(f, f.y(fleet.u[slot]!));
    out[2] = fleet.way[slot]!;
    return true;
  };
}

/** In the overview a vehicle is drawn in the middle of its row, and beside the rows if it is beyond all of them. */
function middle(f: Frame, y: number): number {
  for (const group of f.groups) {
    if (y >= group.top && y <= group.bottom) {
      return group.top + (Math.min(group.rows.length - 1, Math.floor((y - group.top) / f.rowPx)) + 0.5) * f.rowPx;
    }
  }
  return y;
}

function drawRoad(ctx: Ctx, f: Frame, _state: State, site: Site): void {
  const c = colours();
  const [x0, x1] = [f.x(site.from), f.x(site.to)];
  for (const group of f.groups) {
    rect(ctx, x0, group.top, x1 - x0, group.bottom - group.top, c.road);
    group.rows.forEach((row, i) => {
      if (row.hazmat) rect(ctx, x0, row.y, x1 - x0, f.rowPx, c.haz);
      if (i === 0) return;
      const solid = row.hazmat || group.rows[i - 1]!.hazmat;
      line(ctx, x0, row.y, x1, row.y, solid ? c.solid : c.lane, solid ? 1 : 0.8, solid ? [] : [3, 5]);
    });
    const mid = (group.top + group.bottom) / 2 + 4;
    if (group.direction !== 0) text(ctx, 8, mid, t(group.direction < 0 ? "nbArrow" : "sbArrow"), { bold: true, colour: c.tx });
    for (const row of group.rows) if (row.hazmat) text(ctx, x0 - 5, row.y + f.rowPx / 2 + 4.5, t("hazShort"), { align: "right" });
  }
  text(ctx, x0 - 5, f.rsuY + f.rsuH / 2 + 4, "RSU", { align: "right", colour: c.tx3 });
  text(ctx, x0 - 5, f.coverY + 7, t("radar"), { align: "right", colour: c.tx3 });
}

function drawPlaces(ctx: Ctx, f: Frame, site: Site): void {
  const c = colours();
  const labels = new LabelSpace();
  const [x0, x1] = [f.x(site.from), f.x(site.to)];
  for (const place of labelled(site.body.places)) {
    const name = placeName(place);
    const width = textWidth(ctx, name);
    const at = f.x(place.to_m === null ? place.s_m : (place.s_m + place.to_m) / 2);
    const x = Math.max(x0, Math.min(x1 - width, at - width / 2));
    if (!labels.reserve(x, x + width, 8)) continue;
    text(ctx, x, 13, name);
    line(ctx, at, 16, at, f.top - 1, c.line);
    line(ctx, at, f.top - 4, at, f.top, c.line2);
  }
}

function drawRsus(ctx: Ctx, f: Frame, state: State, site: Site): void {
  const c = colours();
  for (const rsu of site.body.rsus) {
    if (rsu.stretch_m === null) continue;
    const now = state.rsus.get(rsu.esn);
    const x = f.x(rsu.stretch_m[0]) + 0.7;
    const w = Math.max(1.5, f.x(rsu.stretch_m[1]) - f.x(rsu.stretch_m[0]) - 1.4);
    const kind = state.connection === "loading" || now === undefined ? "never" : isLost(now) ? "offline" : now.state;
    if (kind === "online") rect(ctx, x, f.rsuY, w, f.rsuH, c.veh);
    else frame(
      ctx, x + 0.5, f.rsuY + 0.5, w - 1, f.rsuH - 1, kind === "offline" ? c.w : c.tx3, kind === "offline" ? 1.5 : 1,
      kind === "offline" ? [] : [2, 3],
    );
    if (kind === "offline") {
      line(ctx, x, f.rsuY, x + w, f.rsuY + f.rsuH, c.w, 1.5);
      line(ctx, x, f.rsuY + f.rsuH, x + w, f.rsuY, c.w, 1.5);
    }
    if (kind === "online" && now !== undefined && hasFault(now)) mark(ctx, "warning", x + w / 2, f.rsuY + f.rsuH / 2, 4.5, true);
  }
  if (state.connection === "loading") return;
  for (const [a, b] of state.covers) rect(ctx, f.x(a), f.coverY, f.x(b) - f.x(a), 4, c.tx2);
}

function drawScale(ctx: Ctx, f: Frame, site: Site): void {
  const c = colours();
  line(ctx, f.x(site.from), f.axisY, f.x(site.to), f.axisY, c.line2);
  const km = (site.to - site.from) / 1_000;
  const [every, named] = km > 12 ? [1_000, 5_000] : km > 3 ? [500, 1_000] : [50, 100];
  const labels = new LabelSpace();
  for (let s = Math.ceil(site.from / every) * every; s <= site.to; s += every) {
    const isNamed = s % named === 0;
    line(ctx, f.x(s), f.axisY, f.x(s), f.axisY + (isNamed ? 5 : 3), c.line2);
    if (!isNamed) continue;
    const align = s - site.from < every ? "left" : site.to - s < every ? "right" : "center";
    const word = named < 1_000 ? `${s} m` : `K${s / 1_000}`;
    if (labels.reserveText(f.x(s), textWidth(ctx, word), align)) text(ctx, f.x(s), f.axisY + 16, word, { align });
  }
}

function drawMarks(ctx: Ctx, f: Frame, state: State, site: Site): void {
  const list = [...state.episodes.values()].filter((x) => x.open).sort((a, b) => rank(a.grade) - rank(b.grade) || a.order - b.order);
  const chosen = state.chosen;
  if (chosen !== null && !chosen.open) list.push(chosen);
  const middleY = (f.top + f.bottom) / 2;
  const places = list.flatMap((episode) => {
    const where = whereabouts(state, site, episode);
    if (Number.isNaN(where.s)) return [];
    const y = Number.isNaN(where.u) ? middleY : middle(f, f.y(where.u));
    return [{ episode, where, x: f.x(where.s), y, up: y < middleY }];
  });
  // episodes without alarm are drawn only where no alarm is
  const rowLabels = [new LabelSpace(), new LabelSpace()] as const;
  const counts = (episode: Episode): boolean => isAlarm(episode) || episode.id === state.selected;
  for (const { episode, x, up } of places) if (counts(episode)) rowLabels[Number(up)]!.reserve(x - 8, x + 8, -Infinity);
  for (const { episode, where, x, y, up } of places) {
    if (!counts(episode) && !rowLabels[Number(up)]!.reserve(x - 6, x + 6)) continue;
    const my = up ? f.top - 12 : f.bottom + 12;
    if (where.slot < 0 && (!episode.open || episode.id === state.selected)) {
      stake(ctx, episode.grade, x, y, y - my, state.isUnseen(episode), true);
      if (isExerciseId(episode.id)) madeUpMark(ctx, x, my);
      const words = placeWords(state, episode, where);
      if (rowLabels[Number(up)]!.reserve(...stakeSpan(ctx, x, f.w - RIGHT_MARGIN, words), 0)) {
        stakeWords(ctx, x, my + 4, f.w - RIGHT_MARGIN, words);
      }
      continue;
    }
    line(ctx, x, my, x, y, gradeColour(episode.grade), 1.5);
    const ring = state.isNew(episode) && ringOn(state.viewMs());
    mark(ctx, episode.grade, x, my, rank(episode.grade) >= 2 ? 5 : 4, state.isUnseen(episode), ring);
    if (isExerciseId(episode.id)) madeUpMark(ctx, x, my);
    if (episode.id === state.selected) brackets(ctx, x - 11, my - 10, 22, 20);
  }
}

function drawWindow(ctx: Ctx, f: Frame, state: State): void {
  const c = colours();
  const [x0, x1] = [f.x(state.windowFrom), f.x(state.windowFrom + state.windowM)];
  const y1 = f.axisY + 3;
  frame(ctx, x0, f.top - 3, x1 - x0, y1 - f.top + 3, c.sel, 1.5);
  const [left, right] = [leftMargin(), f.w - RIGHT_MARGIN];
  ctx.beginPath();
  ctx.moveTo(x0, f.axisY + 19);
  ctx.lineTo(x1, f.axisY + 19);
  ctx.lineTo(right, f.h);
  ctx.lineTo(left, f.h);
  ctx.closePath();
  ctx.fillStyle = c.focus;
  ctx.fill();
  for (const [xa, xb] of [[x0, left], [x1, right]] as const) {
    line(ctx, xa, y1, xa, f.axisY + 19, c.line2);
    line(ctx, xa, f.axisY + 19, xb, f.h, c.line2);
  }
}

/** The open episode whose mark lies under a pixel; null: none. */
function episodeAt(f: Frame, state: State, site: Site, xPx: number, yPx: number): string | null {
  let best: string | null = null;
  let bestPx = PICK_PX;
  for (const episode of state.episodes.values()) {
    if (!episode.open) continue;
    const { s, u } = whereabouts(state, site, episode);
    const up = Number.isNaN(u) || f.y(u) < (f.top + f.bottom) / 2;
    const far = Math.hypot(f.x(s) - xPx, (up ? f.top - 12 : f.bottom + 12) - yPx);
    if (far < bestPx) [best, bestPx] = [episode.id, far];
  }
  return best;
}

export class OverviewView implements View {
  readonly rate = "road";
  private readonly canvas: HTMLCanvasElement;
  private frame: Frame | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  mount(host: Host): void {
    pickOnClick(this.canvas, this, host);
  }

  /** Give the pane its height at once; the next drawing is up to a second away. */
  setHeight(site: Site | null): void {
    this.canvas.parentElement!.style.height = `${overviewHeight(site)}px`;
  }

  draw(state: State): void {
    this.frame = drawOverview(this.canvas, state) ?? this.frame;
  }

  pick(state: State, xPx: number, yPx: number): Picked | null {
    if (this.frame === null || state.site === null) return null;
    const id = episodeAt(this.frame, state, state.site, xPx, yPx);
    if (id !== null) return { kind: "episode", id };
    const sM = stationAt(this.frame, state.site, xPx);
    return sM === null ? null : { kind: "station", sM };
  }
}
