/** Where the label of an alarm has room on the detail strip, and the line to its mark. */

import { colours } from "../draw.ts";
import type { Ctx } from "../draw.ts";
import type { Frame } from "./frame.ts";

const LEVEL_PX = 14; // between two lines of labels

/** Whether a text at height y has room between two places; where it has, they are its own. */
export type Free = (y: number, from: number, to: number) => boolean;

export function inView(f: Frame, x: number): boolean {
  return x > f.left - 20 && x < f.right + 20;
}

/** Where an alarm's label has room: beside its mark, else farther out on a leader line. It is never dropped. */
export function placeLabel(
  f: Pick<Frame, "left" | "right" | "bottom">, x: number, y: number, width: number, free: Free,
): [number, number] {
  const inside = (at: number): number => Math.max(f.left, Math.min(f.right - width, at));
  for (const out of [12, 40, 80, 140]) {
    for (const down of out === 12 ? [0] : [0, LEVEL_PX, -LEVEL_PX, 2 * LEVEL_PX, 3 * LEVEL_PX]) {
      const at = y + down;
      if (at < LEVEL_PX || at > f.bottom) continue;
      for (const x0 of [x + out, x - out - width]) if (inside(x0) === x0 && free(at, x0, x0 + width)) return [x0, at];
    }
  }
  return [inside(x + 12), y]; // no room at all: over others, but there
}

export function leader(ctx: Ctx, x: number, y: number, x1: number, y1: number): void {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x1, y1);
  ctx.strokeStyle = colours().tx2;
  ctx.lineWidth = 1;
  ctx.stroke();
}
