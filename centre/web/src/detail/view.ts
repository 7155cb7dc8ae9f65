/** Four kilometres of the road, lateral true to scale: footprints, one sigma, speed, tails, and unjudged stretches. */

import { banner, beginOpaque, colours, LabelSpace, Still, text, textWidth } from "../draw.ts";
import type { Ctx } from "../draw.ts";
import type { Fleet } from "../fleet.ts";
import { moment } from "../format.ts";
import { paint } from "../painter.ts";
import type { Lens } from "../painter.ts";
import type { Site } from "../site.ts";
import type { State } from "../state.ts";
import { pickOnClick } from "../views.ts";
import type { Host, Picked, View } from "../views.ts";
import { getLang, t } from "../words.ts";
import { detailHeight, layOut } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { drawLabels, drawReason, marked } from "./labels.ts";
import { drawStill } from "./road.ts";
import { resetWindow, zoomable, zoomWindow } from "./zoom.ts";

const PICK_PX = 14; // a vehicle is chosen from this near
const still = new Still();

/** Draw the strip; returns where it lies and how many hazmat trucks are in view, null without a site or without space. */
export function drawDetail(canvas: HTMLCanvasElement, state: State): { frame: Frame; trucks: number } | null {
  const { site, fleet } = state;
  const w = canvas.parentElement!.clientWidth;
  const ctx = beginOpaque(canvas, w, detailHeight(site));
  if (ctx === null || site === null) return null;
  const f = layOut(site, w, state.windowFrom, state.windowM);
  const hollow = state.connection === "disconnected";
  const { esns, ageS } = state.late;
  const age = esns.length > 0 ? ageS.toFixed(1) : "";
  const stillKey = [f.from, f.to, getLang(), state.connection, state.roadChanges, esns.length, age].join();
  still.under(ctx, w, f.h, stillKey, (under) => drawStill(under, f, state, site));
  ctx.save();
  ctx.beginPath();
  ctx.rect(f.left, 0, f.right - f.left, f.h);
  ctx.clip();
  let trucks = 0;
  const labels = new LabelSpace(); // at any height: a later label never covers an earlier one
  const [bannerX, bannerY, bannerWords] = [f.left + 10, f.y(0) - 24, `${t("frozen")} ${moment(state.viewMs(), state.nowMs())}`];
  if (hollow) {
    const right = bannerX + 8 + (textWidth(ctx, bannerWords, true) * 14) / 12;
    for (const y of [bannerY - 9, bannerY - 1]) labels.reserve(f.left, right, -Infinity, y);
  }
  if (fleet !== null && state.steps.has("vehicles")) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top - 2, f.right - f.left, f.bottom - f.top + 4);
    ctx.clip();
    if (!hollow) drawTails(ctx, f, state);
    paint(ctx, fleet, lens(state, f), { kind: "box", vectorS: 4, sigma: true, hollow });
    ctx.restore();
    trucks = drawLabels(ctx, f, state, site, labels);
  } else {
    const style = { bold: true, sizePx: 14, colour: colours().tx, align: "center", halo: colours().bg } as const;
    text(ctx, (f.left + f.right) / 2, (f.top + f.bottom) / 2 + 5, t("waitVehicles"), style);
  }
  if (state.connection !== "loading") for (const x of state.hatches) drawReason(ctx, f, state, site, x, labels);
  ctx.restore();
  if (hollow) banner(ctx, bannerX, bannerY, bannerWords);
  return { frame: f, trucks };
}

function lens(state: State, f: Frame): Lens {
  const fleet = state.fleet!;
  const perX = f.x(f.from + 1) - f.x(f.from);
  return (slot, out) => {
    const s = fleet.s[slot]!;
    if (!(s >= f.from - 60 && s <= f.to + 60) || Number.isNaN(fleet.u[slot]!)) return false;
    out[0] = f.x(s);
    out[1] = f.y(fleet.u[slot]!);
    out[2] = fleet.way[slot]! * perX;
    out[3] = 0;
    out[4] = 0;
    out[5] = -fleet.way[slot]! * f.perMetre;
    return true;
  };
}

/** The way of the last thirty seconds, of trucks with an alarm and of the chosen one. */
function drawTails(ctx: Ctx, f: Frame, state: State): void {
  const fleet = state.fleet!;
  for (const slot of marked(state).keys()) {
    const [from, to] = fleet.tail(slot);
    ctx.beginPath();
    for (let i = from; i < to; i++) ctx.lineTo(f.x(fleet.tailS[i]!), f.y(fleet.tailU[i]!));
    ctx.lineTo(f.x(fleet.s[slot]!), f.y(fleet.u[slot]!));
    ctx.strokeStyle = colours().truck;
    ctx.lineWidth = 1.5;
    ctx.stroke();
  }
}

/** The slot of the vehicle under a pixel of the strip; -1: none. */
function vehicleAt(f: Frame, fleet: Fleet, xPx: number, yPx: number): number {
  let best = -1;
  let bestPx = PICK_PX;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    const far = Math.hypot(f.x(fleet.s[slot]!) - xPx, f.y(fleet.u[slot]!) - yPx);
    if (far < bestPx) [best, bestPx] = [slot, far];
  }
  return best;
}

export class DetailView implements View {
  readonly rate = "strip";
  /** Hazmat trucks in view, for the title. */
  trucks = 0;
  private readonly canvas: HTMLCanvasElement;
  private frame: Frame | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  mount(host: Host): void {
    const { state } = host;
    const station = (xPx: number): number => {
      const f = this.frame;
      if (f === null || Number.isNaN(xPx)) return state.windowFrom + state.windowM / 2;
      return f.from + ((xPx - f.left) / (f.right - f.left)) * (f.to - f.from);
    };
    zoomable(this.canvas, {
      zoom: (factor, xPx) => zoomWindow(state, factor, station(xPx)),
      reset: () => resetWindow(state),
      drag: (dxPx) => {
        const f = this.frame;
        if (f !== null) state.moveWindow(state.windowFrom - (dxPx / (f.right - f.left)) * (f.to - f.from), 1);
      },
    });
    pickOnClick(this.canvas, this, host);
  }

  /** Give the pane its height at once; the next drawing is up to a second away. */
  setHeight(site: Site | null): void {
    this.canvas.parentElement!.style.height = `${detailHeight(site)}px`;
  }

  draw(state: State): void {
    const drawn = drawDetail(this.canvas, state);
    this.trucks = drawn?.trucks ?? 0;
    this.frame = drawn?.frame ?? this.frame;
  }

  pick(state: State, xPx: number, yPx: number): Picked | null {
    if (this.frame === null || state.fleet === null) return null;
    const slot = vehicleAt(this.frame, state.fleet, xPx, yPx);
    return slot < 0 ? null : { kind: "vehicle", slot };
  }
}
