/** What stands above a map whatever drives there: the north arrow, the scale's length, the words for the ways. */

import type { Camera } from "./camera.ts";
import { colours, line, text } from "./draw.ts";
import type { Ctx } from "./draw.ts";
import type { Site } from "./site.ts";
import { t } from "./words.ts";

const WORD_PX = 14;

/** The arrow on a ground of its own, where vehicles pass below it. */
export function northOverRoad(ctx: Ctx, camera: Camera, x: number, y: number): void {
  disc(ctx, x + 5 * Math.sin(camera.turn), y - 5 * Math.cos(camera.turn), 28);
  north(ctx, camera, x, y);
}

export function north(ctx: Ctx, camera: Camera, x: number, y: number): void {
  const c = colours();
  const angle = Math.PI / 2 - camera.turn; // of north on the screen
  const [dx, dy] = [Math.cos(angle), -Math.sin(angle)];
  line(ctx, x - 11 * dx, y - 11 * dy, x + 9 * dx, y + 9 * dy, c.solid, 1.4);
  ctx.beginPath();
  ctx.moveTo(x + 14 * dx, y + 14 * dy);
  ctx.lineTo(x + 7 * dx - 3.5 * dy, y + 7 * dy + 3.5 * dx);
  ctx.lineTo(x + 7 * dx + 3.5 * dy, y + 7 * dy - 3.5 * dx);
  ctx.closePath();
  ctx.fillStyle = c.truck;
  ctx.fill();
  text(ctx, x + dx * 24, y + dy * 24 + 4, t("north"), { bold: true, align: "center", colour: c.tx });
}

/** A ground for what stands above the road. */
function disc(ctx: Ctx, x: number, y: number, r: number): void {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.fillStyle = colours().bg;
  ctx.globalAlpha = 0.85;
  ctx.fill();
  ctx.globalAlpha = 1;
}

/** A length of 1, 2 or 5 by a power of ten that fits into so many pixels [m]. */
export function niceScale(perMetre: number, px: number): number {
  const raw = px / perMetre;
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([5, 2, 1].find((k) => k * power <= raw) ?? 1) * power;
}

/** The words for the ways, above and below the middle of the road at the left rim. */
export function drawWays(ctx: Ctx, camera: Camera, site: Site, s: number): void {
  const middle = site.axis!.at(s - (camera.w / 2 - 24) / camera.perMetre, 0); // the road may bend: this is its middle at the words
  const [up, down] = wayWords(camera.toY(middle.x, middle.y), camera.h);
  const style = { colour: colours().tx3, halo: colours().bg };
  if (up !== null && site.rows.some((row) => row.direction < 0)) text(ctx, 10, up, t("nbArrow"), style);
  if (down !== null && site.rows.some((row) => row.direction > 0)) text(ctx, 10, down, t("sbArrow"), style);
}

/** The lines of the words for the ways above and below the road's middle [px]; null: that side is out of the picture. */
export function wayWords(middlePx: number, heightPx: number): [number | null, number | null] {
  return [
    middlePx < WORD_PX ? null : Math.min(middlePx - 2.5, heightPx - 4),
    middlePx > heightPx - WORD_PX ? null : Math.max(middlePx + 11.5, WORD_PX),
  ];
}
