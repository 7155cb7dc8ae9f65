/** The part of the detail strip that does not move: lanes, scale, places, stretches that cannot be judged, RSUs. */

import type { Row } from "../api.ts";
import { colours, frame, hatch, LabelSpace, line, rect, text, textWidth } from "../draw.ts";
import type { Ctx } from "../draw.ts";
import { station } from "../format.ts";
import type { Hatch, Site } from "../site.ts";
import type { State } from "../state.ts";
import { carriageways, labelled, placeName, rowName, wide } from "../strip.ts";
import { isLost } from "../supervision.ts";
import { name, t } from "../words.ts";
import { SHOULDER_M } from "./frame.ts";
import type { Frame } from "./frame.ts";

const ONE_WAY_Y = 14; // [px]

export function drawStill(ctx: Ctx, f: Frame, state: State, site: Site): void {
  drawRoad(ctx, f, site);
  ctx.save();
  ctx.beginPath();
  ctx.rect(f.left, 0, f.right - f.left, f.h);
  ctx.clip();
  if (state.connection !== "loading") for (const x of state.hatches) drawHatch(ctx, f, x);
  drawPlaces(ctx, f, site);
  ctx.restore();
  drawRsus(ctx, f, state, site);
}

function drawRoad(ctx: Ctx, f: Frame, site: Site): void {
  const c = colours();
  const wid = f.right - f.left;
  for (const rows of carriageways(site.rows)) {
    const [high, low] = [rows[0]!.offset_m[1], rows.at(-1)!.offset_m[0]];
    const outer = rows[0] === site.rows[0] ? SHOULDER_M : 0;
    const inner = rows.at(-1) === site.rows.at(-1) ? SHOULDER_M : 0;
    rect(ctx, f.left, f.y(high + outer), wid, (high - low + outer + inner) * f.perMetre, c.road);
    rows.forEach((row, i) => {
      if (row.hazmat) rect(ctx, f.left, f.y(row.offset_m[1]), wid, (row.offset_m[1] - row.offset_m[0]) * f.perMetre, c.haz);
      const next: Row | undefined = rows[i + 1];
      if (next === undefined) return;
      const solid = row.hazmat || next.hazmat;
      line(
        ctx, f.left, f.y(row.offset_m[0]), f.right, f.y(row.offset_m[0]), solid ? c.solid : c.lane, solid ? 1.6 : 1, solid ? [] : [8, 12],
      );
    });
    for (const u of [high, low]) line(ctx, f.left, f.y(u), f.right, f.y(u), c.solid, 1.2);
    for (const row of rows) {
      text(
        ctx, f.left - 6, f.y((row.offset_m[0] + row.offset_m[1]) / 2) + 4, rowName(row),
        { align: "right", bold: row.hazmat, colour: row.hazmat ? c.tx : c.tx2 },
      );
    }
  }
  drawMedian(ctx, f, site);
  line(ctx, f.left, 18, f.right, 18, c.line2);
  const labels = new LabelSpace();
  for (let s = Math.ceil(f.from / 100) * 100; s <= f.to; s += 100) {
    const isNamed = s % 500 === 0;
    line(ctx, f.x(s), isNamed ? 13 : 15, f.x(s), 18, c.line2);
    if (!isNamed) continue;
    line(ctx, f.x(s), 18, f.x(s), f.bottom, c.line);
    const align = s === f.from ? "left" : s === f.to ? "right" : "center";
    if (labels.reserveText(f.x(s), textWidth(ctx, station(s)), align)) text(ctx, f.x(s), 11, station(s), { align });
  }
}

/** Directions beside the median, and the lateral scale. */
function drawMedian(ctx: Ctx, f: Frame, site: Site): void {
  const c = colours();
  const groups = carriageways(site.rows);
  const [upper, lower] = [groups[0]?.at(-1), groups[1]?.[0]];
  // on a one-way road beside the scale: below the lanes stands what the RSUs and radars are
  const [up, down] = upper !== undefined && lower !== undefined
    ? [-2.5, 10.5].map((px) => f.y((upper.offset_m[0] + lower.offset_m[1]) / 2) + px) as [number, number]
    : [ONE_WAY_Y, ONE_WAY_Y];
  if (groups.some((rows) => rows[0]!.direction < 0)) text(ctx, f.left - 6, up, t("nbArrow"), { align: "right", colour: c.tx3 });
  if (groups.some((rows) => rows[0]!.direction > 0)) text(ctx, f.left - 6, down, t("sbArrow"), { align: "right", colour: c.tx3 });
  const row = lower ?? site.rows[0];
  if (row === undefined) return;
  const [y0, y1] = [f.y(row.offset_m[1]), f.y(row.offset_m[0])];
  line(ctx, 5, y0 + 0.5, 5, y1 - 0.5, c.line2);
  for (const yy of [y0 + 0.5, y1 - 0.5]) line(ctx, 2, yy, 8, yy, c.line2);
  const width = (row.offset_m[1] - row.offset_m[0]).toFixed(2);
  text(ctx, 9, (y0 + y1) / 2 + 4, wide() ? `${width} m` : width, { colour: c.tx3 });
}

function drawHatch(ctx: Ctx, f: Frame, x: Hatch): void {
  if (x.to <= f.from || x.from >= f.to) return;
  const [x0, x1] = [Math.max(f.left - 2, f.x(x.from)), Math.min(f.right + 2, f.x(x.to))];
  const y0 = Math.max(f.top, f.y(x.high + SHOULDER_M));
  hatch(ctx, x0, y0, x1 - x0, Math.min(f.bottom, f.y(x.low - SHOULDER_M)) - y0);
}

function drawPlaces(ctx: Ctx, f: Frame, site: Site): void {
  const c = colours();
  const groups = carriageways(site.rows);
  const y = groups.length > 1 ? f.y((groups[0]!.at(-1)!.offset_m[0] + groups[1]![0]!.offset_m[1]) / 2) : f.top + 8;
  const labels = new LabelSpace();
  for (const place of labelled(site.body.places)) {
    const to = place.to_m ?? place.s_m;
    if (to < f.from || place.s_m > f.to) continue;
    const width = textWidth(ctx, placeName(place));
    const middle = (f.x(place.s_m) + f.x(to)) / 2;
    const at = Math.max(f.left + width / 2 + 4, Math.min(f.right - width / 2 - 4, middle));
    if (!labels.reserve(at - width / 2, at + width / 2, 6)) continue;
    if (to > place.s_m) {
      line(ctx, f.x(place.s_m), y, f.x(to), y, c.line2);
      for (const s of [place.s_m, to]) line(ctx, f.x(s), y - 4, f.x(s), y + 4, c.line2);
    }
    text(ctx, at, y + 4, placeName(place), { align: "center", halo: c.bg });
  }
}

function drawRsus(ctx: Ctx, f: Frame, state: State, site: Site): void {
  const c = colours();
  const y = f.bottom + 6;
  for (const rsu of site.body.rsus) {
    if (rsu.stretch_m === null || rsu.stretch_m[1] <= f.from || rsu.stretch_m[0] >= f.to) continue;
    const [x0, x1] = [Math.max(f.left, f.x(rsu.stretch_m[0])) + 1, Math.min(f.right, f.x(rsu.stretch_m[1])) - 1];
    const now = state.rsus.get(rsu.esn);
    const kind = state.connection === "loading" || now === undefined ? "never" : isLost(now) ? "offline" : now.state;
    if (kind === "online") rect(ctx, x0, y, x1 - x0, 18, c.road);
    frame(
      ctx, x0 + 0.5, y + 0.5, x1 - x0 - 1, 17, kind === "offline" ? c.w : kind === "online" ? c.line2 : c.tx3, kind === "offline" ? 1.5 : 1,
      kind === "never" ? [2, 3] : [],
    );
    const p99 = now === undefined ? null : now.latency.p99_ms;
    const age = state.connection === "stale" && state.late.esns.includes(rsu.esn) ? `${state.late.ageS.toFixed(1)} s` : "";
    const stale = age ? ` · ${t("dataOld", { t: age })}` : "";
    const latency = kind === "online" && p99 !== null && !stale ? ` ${p99.toFixed(0)} ms` : "";
    const long = `${rsu.esn} ${state.connection === "loading" ? "…" : name(kind)}${latency}${stale}`;
    const cross = kind === "offline" ? "✕ " : "";
    const short = age ? [`${rsu.esn} · ${age}`, `▲ ${age}`] : []; // its age is more important than its name
    const label = [cross + long, ...short, cross + rsu.esn, cross].find((each) => textWidth(ctx, each) < x1 - x0 - 6);
    if (label) text(ctx, (x0 + x1) / 2, y + 13, label, { align: "center" });
    if (rsu.s_m !== null && rsu.s_m > f.from && rsu.s_m < f.to) line(ctx, f.x(rsu.s_m), y - 4, f.x(rsu.s_m), y, c.line2, 2);
  }
  if (state.connection !== "loading") {
    for (const [a, b] of state.covers) {
      if (b > f.from && a < f.to) {
        rect(ctx, Math.max(f.left, f.x(a)), y + 23, Math.min(f.right, f.x(b)) - Math.max(f.left, f.x(a)), 6, c.tx2);
      }
    }
  }
  text(ctx, f.left - 6, y + 13, "RSU", { align: "right", colour: c.tx3 });
  text(ctx, f.left - 6, y + 31, t("radar"), { align: "right", colour: c.tx3 });
}
