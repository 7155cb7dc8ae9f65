/** Draws the vehicles of every view from the fleet's arrays: a lens gives the place, a shape the form; colours are batched. */

import { colours } from "./draw.ts";
import type { Ctx, Palette } from "./draw.ts";
import type { Fleet } from "./fleet.ts";
import { HAZMAT, widthOf } from "./snapshot.ts";

/** Where a slot lies: writes x, y, forward (fx, fy) and left (lx, ly) in pixels per metre; false: not in view. */
export type Lens = (slot: number, out: Float64Array) => boolean;

export interface Shape {
  /** tick: fixed marks; arrow: fixed arrow with heading beside the line; box: footprint; hull: footprint with a nose. */
  kind: "tick" | "arrow" | "box" | "hull";
  /** Height of the strip's row for ticks [px]. */
  rowPx?: number;
  /** Seconds of the speed vector; 0: none. */
  vectorS?: number;
  sigma?: boolean;
  onlyTrucks?: boolean;
  hollow: boolean;
}

const SIGMA_M_MAX = 3; // a vehicle without a usable lateral position must not be drawn across the road

const out = new Float64Array(6);

/** Paint all vehicles in view, others first, hazmat trucks above them. */
export function paint(ctx: Ctx, fleet: Fleet, lens: Lens, shape: Shape): void {
  const palette = colours();
  if (shape.sigma && !shape.hollow) paintSigma(ctx, fleet, lens, palette);
  for (const trucks of shape.onlyTrucks ? [true] : [false, true]) {
    const colour = trucks ? palette.truck : palette.veh;
    if ((shape.vectorS ?? 0) > 0 && !shape.hollow) paintVectors(ctx, fleet, lens, shape.vectorS!, trucks, colour);
    paintBodies(ctx, fleet, lens, shape, trucks, false, colour, palette);
    paintBodies(ctx, fleet, lens, shape, trucks, true, colour, palette);
  }
}

function paintBodies(
  ctx: Ctx, fleet: Fleet, lens: Lens, shape: Shape, trucks: boolean, stale: boolean, colour: string, palette: Palette,
): void {
  ctx.beginPath();
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    if ((fleet.kind[slot] === HAZMAT) !== trucks || (shape.hollow || fleet.stale[slot] === 1) !== stale) continue;
    if (!lens(slot, out)) continue;
    if (shape.kind === "tick") tick(ctx, trucks, shape.rowPx!);
    else if (shape.kind === "arrow") arrow(ctx);
    else body(ctx, fleet.length[slot]!, widthOf(fleet.kind[slot]!), shape.kind === "hull");
  }
  if (!stale) {
    ctx.fillStyle = colour;
    ctx.fill();
    return;
  }
  ctx.fillStyle = palette.bg;
  ctx.strokeStyle = palette.tx3;
  ctx.lineWidth = 1;
  if (shape.kind !== "tick" || trucks) ctx.fill();
  ctx.stroke();
}

function tick(ctx: Ctx, truck: boolean, rowPx: number): void {
  const [x, y] = [out[0]!, out[1]!];
  const k = out[2]! < 0 ? -1 : 1;
  if (!truck) {
    ctx.rect(x - 0.6, y - rowPx * 0.23, 1.2, rowPx * 0.46);
    return;
  }
  const half = rowPx / 2 - 1.6;
  ctx.moveTo(x + k * 2.8, y);
  ctx.lineTo(x - k * 2.4, y - half);
  ctx.lineTo(x - k * 2.4, y + half);
  ctx.closePath();
}

/** A triangle beside the line, on the side where it drives. */
function arrow(ctx: Ctx): void {
  const norm = Math.hypot(out[2]!, out[3]!) || 1;
  const [fx, fy] = [out[2]! / norm, out[3]! / norm];
  const x = out[0]! - fy * 4.2;
  const y = out[1]! + fx * 4.2;
  ctx.moveTo(x + 3.4 * fx, y + 3.4 * fy);
  ctx.lineTo(x - 2.4 * fx - 2.2 * fy, y - 2.4 * fy + 2.2 * fx);
  ctx.lineTo(x - 2.4 * fx + 2.2 * fy, y - 2.4 * fy - 2.2 * fx);
  ctx.closePath();
}

function body(ctx: Ctx, lengthM: number, widthM: number, nose: boolean): void {
  const [x, y, fx, fy, lx, ly] = [out[0]!, out[1]!, out[2]!, out[3]!, out[4]!, out[5]!];
  const perMetre = Math.hypot(fx, fy) || 1;
  const half = Math.max(lengthM / 2, 1.5 / perMetre); // never thinner than 3 px
  const w = widthM / 2;
  const at = (a: number, b: number, first = false): void => {
    const [px, py] = [x + a * fx + b * lx, y + a * fy + b * ly];
    if (first) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
  };
  const cut = nose ? Math.min(2.2, half * 0.7) : 0;
  at(-half, w, true);
  at(half - cut, w);
  if (nose) {
    at(half, w * 0.56);
    at(half, -w * 0.56);
  }
  at(half - cut, -w);
  at(-half, -w);
  ctx.closePath();
}

function paintVectors(ctx: Ctx, fleet: Fleet, lens: Lens, seconds: number, trucks: boolean, colour: string): void {
  ctx.beginPath();
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    if ((fleet.kind[slot] === HAZMAT) !== trucks || fleet.stale[slot] === 1 || fleet.speed[slot]! < 1 || !lens(slot, out)) continue;
    const reach = fleet.length[slot]! / 2 + fleet.speed[slot]! * seconds;
    ctx.moveTo(out[0]!, out[1]!);
    ctx.lineTo(out[0]! + out[2]! * reach, out[1]! + out[3]! * reach);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.stroke();
}

/** Lateral one sigma on both sides of the trucks' footprints. */
function paintSigma(ctx: Ctx, fleet: Fleet, lens: Lens, palette: Palette): void {
  ctx.beginPath();
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    if (fleet.kind[slot] !== HAZMAT || fleet.stale[slot] === 1 || !lens(slot, out)) continue;
    body(
      ctx, fleet.length[slot]! + 2 / (Math.hypot(out[2]!, out[3]!) || 1), widthOf(HAZMAT) + 2 * Math.min(SIGMA_M_MAX, fleet.sigma[slot]!),
      false,
    );
  }
  ctx.globalAlpha = 0.32;
  ctx.fillStyle = palette.truck;
  ctx.fill();
  ctx.globalAlpha = 1;
}
