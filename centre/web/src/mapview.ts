/** The drawings above the two maps: vehicles, marks, RSUs, labels, the north arrow and the scale. */

import type { Episode, Row } from "./api.ts";
import type { Camera } from "./camera.ts";
import { isExerciseId } from "./desk/model.ts";
import { isDragged } from "./detail/zoom.ts";
import {
  begin, beginOpaque, brackets, colours, gradeColour, hatchPath, line, mark, rect, ringOn, LabelSpace, madeUpMark, madeUpVehicle, stake,
  stakeWords, text, textWidth,
} from "./draw.ts";
import type { Ctx } from "./draw.ts";
import { byName, kmh, moment, shortPlate, station } from "./format.ts";
import type { ClosePane, Pane } from "./maps.ts";
import { isAlarm } from "./order.ts";
import { paint } from "./painter.ts";
import type { Lens } from "./painter.ts";
import { agoOf, labelOf, placeWords } from "./places.ts";
import { drawWays, niceScale, north, northOverRoad } from "./mapmarks.ts";
import { NEAR } from "./basemap.ts";
import { nearestStation } from "./site.ts";
import type { Site } from "./site.ts";
import { HAZMAT, widthOf } from "./snapshot.ts";
import type { State } from "./state.ts";
import { labelled, placeName } from "./strip.ts";
import { homeOf, liveOf, seenExcess, whereabouts } from "./where.ts";
import type { Where } from "./where.ts";
import { t } from "./words.ts";

function lens(state: State, camera: Camera): Lens {
  const fleet = state.fleet!;
  const [cos, sin, k] = [Math.cos(camera.turn), Math.sin(camera.turn), camera.perMetre];
  return (slot, out) => {
    const x = camera.toX(fleet.x[slot]!, fleet.y[slot]!);
    const y = camera.toY(fleet.x[slot]!, fleet.y[slot]!);
    if (x < -80 || x > camera.w + 80 || y < -80 || y > camera.h + 80) return false;
    const [hx, hy] = [fleet.hx[slot]!, fleet.hy[slot]!];
    out[0] = x;
    out[1] = y;
    out[2] = (hx * cos + hy * sin) * k;
    out[3] = -(-hx * sin + hy * cos) * k;
    out[4] = out[3]; // left of forward: turned a quarter counter-clockwise, y pointing down
    out[5] = -out[2];
    return true;
  };
}

/** Fit the whole road into the pane, K0 on the left. */
export function fitWhole(pane: Pane, site: Site): void {
  const { w, h } = pane.camera;
  if (site.axis === null || w < 10 || h < 10) return;
  const [a, b] = [site.axis.at(site.from), site.axis.at(site.to)];
  const turn = Math.atan2(b.y - a.y, b.x - a.x);
  let [lo, hi, left, right] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i <= 200; i++) {
    const p = site.axis.at(site.from + ((site.to - site.from) * i) / 200);
    const along = p.x * Math.cos(turn) + p.y * Math.sin(turn);
    const side = -p.x * Math.sin(turn) + p.y * Math.cos(turn);
    [lo, hi] = [Math.min(lo, side), Math.max(hi, side)];
    [left, right] = [Math.min(left, along), Math.max(right, along)];
  }
  const perMetre = Math.min(Math.max(10, w - 60) / Math.max(1, right - left), Math.max(10, h - 62) / Math.max(1, hi - lo));
  const [along, side] = [(left + right) / 2, (lo + hi) / 2];
  pane.show({ x: along * Math.cos(turn) - side * Math.sin(turn), y: along * Math.sin(turn) + side * Math.cos(turn), turn, perMetre });
}

/** Draw everything that moves above the map, by the map's present camera. */
export function drawWhole(pane: Pane, state: State): void {
  const { site, fleet } = state;
  const { camera, canvas } = pane;
  pane.read();
  const ctx = begin(canvas, camera.w, camera.h);
  if (ctx === null || site === null) return;
  pane.drawn();
  const c = colours();
  if (site.axis !== null) {
    if (state.connection !== "loading") drawHatches(ctx, camera, state, site, pane.gl.getZoom() < NEAR);
    ctx.globalAlpha = 0.25;
    stretch(ctx, camera, site, state.windowFrom, state.windowFrom + state.windowM, c.sel, 19, []);
    ctx.globalAlpha = 1;
  }
  if (fleet !== null && state.steps.has("vehicles")) {
    const near = camera.perMetre > 0.8;
    paint(
      ctx, fleet, lens(state, camera), { kind: near ? "hull" : "arrow", onlyTrucks: !near, hollow: state.connection === "disconnected" },
    );
  }
  const labels = new LabelSpace();
  if (state.connection !== "loading") drawMarks(ctx, camera, state, site);
  for (const place of labelled(site.body.places)) drawPlace(ctx, camera, site, labels, place);
  north(ctx, camera, camera.w - 46, 34);
  const metres = niceScale(camera.perMetre, camera.w / 5);
  line(ctx, 12, 12, 12 + metres * camera.perMetre, 12, c.line2, 2);
  text(ctx, 18 + metres * camera.perMetre, 16, metres >= 1_000 ? `${metres / 1_000} km` : `${metres} m`, { colour: c.tx3, halo: c.bg });
}

function stretch(ctx: Ctx, camera: Camera, site: Site, from: number, to: number, colour: string, width: number, dash: number[]): void {
  ctx.beginPath();
  for (let s = from; ; s = Math.min(to, s + 150)) {
    const p = site.axis!.at(s);
    ctx.lineTo(camera.toX(p.x, p.y), camera.toY(p.x, p.y));
    if (s >= to) break;
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

const NORTH_PX = 76; // of the upper right corner
const BAND_PX = 8; // half the width of the road from far
const SHOULDER_M = 1.5;

/** Stretches that nobody judges now: from far a dotted band along the road, near by hatched ground of its true width. */
function drawHatches(ctx: Ctx, camera: Camera, state: State, site: Site, far: boolean): void {
  const reach = Math.hypot(camera.w, camera.h) / camera.perMetre;
  const middle = far ? 0 : nearestStation(site, camera.x, camera.y);
  for (const x of state.hatches) {
    if (far) stretch(ctx, camera, site, x.from, x.to, colours().u, 15, [2, 3]);
    else ground(
      ctx, camera, site, Math.max(x.from, middle - reach), Math.min(x.to, middle + reach), x.low - SHOULDER_M, x.high + SHOULDER_M,
    );
  }
}

function ground(ctx: Ctx, camera: Camera, site: Site, from: number, to: number, low: number, high: number): void {
  if (from >= to) return;
  const n = Math.max(1, Math.ceil((to - from) / 20));
  ctx.beginPath();
  for (const [u, way] of [[high, 1], [low, -1]] as const) {
    for (let i = 0; i <= n; i++) {
      const p = site.axis!.at(from + ((to - from) * (way > 0 ? i : n - i)) / n, u);
      ctx.lineTo(camera.toX(p.x, p.y), camera.toY(p.x, p.y));
    }
  }
  ctx.closePath();
  hatchPath(ctx);
}

function drawPlace(ctx: Ctx, camera: Camera, site: Site, labels: LabelSpace, place: Site["body"]["places"][number]): void {
  const c = colours();
  const s = place.to_m === null ? place.s_m : (place.s_m + place.to_m) / 2;
  const p = site.axis?.at(s) ?? { x: site.plane.x(place.lon_deg), y: site.plane.y(place.lat_deg) };
  const [x, y] = [camera.toX(p.x, p.y), camera.toY(p.x, p.y)];
  if (x < 0 || x > camera.w || y < 0 || y > camera.h) return;
  const isGate = site.body.places.some((other) => other.kind === "gate" && Math.abs(other.s_m - s) < 100);
  line(ctx, x, isGate ? y - 11 : y + 8, x, isGate ? y + 11 : y + 12, c.solid, isGate ? 2.5 : 1);
  const label = placeName(place);
  const width = textWidth(ctx, label);
  const x0 = Math.max(4, Math.min(camera.w - width - 4, x - width / 2));
  if (labels.reserve(x0, x0 + width, 6)) text(ctx, x0, besideRoad(camera, site, s, [x0, x0 + width]), label, { halo: c.bg });
}

/** The line for words beside the road [px]: below all of it that passes between two pixels, above it where the picture ends there. */
export function besideRoad(camera: Camera, site: Site, s: number, [from, to]: readonly [number, number]): number {
  let [low, high] = [-Infinity, Infinity];
  const reach = (to - from) / camera.perMetre;
  for (let i = -12; i <= 12; i++) {
    const p = site.axis?.at(s + (reach * i) / 12);
    if (p === undefined) break;
    const [x, y] = [camera.toX(p.x, p.y), camera.toY(p.x, p.y)];
    if (i !== 0 && (x < from - BAND_PX || x > to + BAND_PX)) continue;
    [low, high] = [Math.max(low, y), Math.min(high, y)];
  }
  const [below, above] = [low + 3 * BAND_PX, high - 2 * BAND_PX];
  if (below <= camera.h - 4) return below;
  return to > camera.w - NORTH_PX && above < NORTH_PX ? camera.h - 4 : above; // never over the north arrow
}

function drawMarks(ctx: Ctx, camera: Camera, state: State, site: Site): void {
  const words = new LabelSpace();
  for (const episode of state.episodes.values()) {
    const chosen = episode.id === state.selected;
    if (!chosen && (!episode.open || !isAlarm(episode))) continue;
    const where = whereabouts(state, site, episode);
    const [x, y] = [camera.toX(where.x, where.y), camera.toY(where.x, where.y)];
    if (where.slot < 0) {
      if (x < 0 || x > camera.w || y < 0 || y > camera.h) continue;
      stake(ctx, episode.grade, x, y, 20, state.isUnseen(episode), chosen);
      if (isExerciseId(episode.id)) {
        madeUpMark(ctx, x, y - 20);
        const free = !chosen && words.reserve(x + 12, x + 12 + textWidth(ctx, t("exercise"), true), 2, y);
        if (free) text(ctx, x + 12, y - 16, t("exercise"), { bold: true, colour: colours().tx, halo: colours().bg });
      }
      if (chosen) stakeWords(ctx, x, Math.max(12, y - 16), camera.w, placeWords(state, episode, where));
      continue;
    }
    line(ctx, x, y - 20, x, y, gradeColour(episode.grade), 1.5);
    mark(ctx, episode.grade, x, y - 20, 4.5, state.isUnseen(episode));
    if (chosen) brackets(ctx, x - 9, y - 29, 18, 18);
  }
}

const RIM_M = 4; // a followed vehicle stays this far inside

/** The target of the close-up: a vehicle (slot), an episode's place (slot -1), or the middle of the window (no `where`). */
interface Target {
  slot: number;
  s: number;
  u: number;
  episode: Episode | null;
  where: Where | null;
}

/** Where the close-up looks: the followed vehicle, the chosen episode's place, or the middle of the window. */
function target(state: State, site: Site): Target {
  const { fleet } = state;
  const episode = state.chosen;
  if (episode !== null) {
    const where = whereabouts(state, site, episode);
    if (!Number.isNaN(where.s)) return { slot: where.slot, s: where.s, u: where.u, episode, where };
  }
  const slot = state.follow !== null && fleet !== null ? fleet.slot(state.follow) : -1;
  if (fleet !== null && slot >= 0 && !Number.isNaN(fleet.s[slot]!)) {
    return { slot, s: fleet.s[slot]!, u: fleet.u[slot]!, episode: null, where: null };
  }
  return { slot: -1, s: state.windowFrom + state.windowM / 2, u: NaN, episode: null, where: null };
}

/** Words for the map's heading. */
export function closeTitle(state: State): string {
  if (state.site === null) return "";
  const at = target(state, state.site);
  const plate = at.slot < 0 ? "" : labelOf(state, at.episode, state.fleet!.plate(at.slot), state.fleet!.nameP(at.slot));
  const what = at.slot >= 0
    ? `${t("following")} ${plate}`
    : at.where === null
    ? ""
    : at.episode!.open
    ? (isExerciseId(at.episode!.id) ? `${t("exercise")} · ${t("simulated")}` : t("lastPlace", { t: agoOf(state, at.where) }))
    : t("placeOf", { t: moment(at.where.atMs, state.nowMs()) });
  const dragged = isDragged(state) ? ` · ${t("closeDragged")}` : "";
  return `${t("closeUp")} ${station(at.s)}${what === "" ? "" : ` · ${what}`}${dragged}`;
}

export function drawClose(pane: ClosePane, state: State): void {
  const { site, fleet } = state;
  const { camera } = pane;
  if (site === null || site.axis === null || camera.w < 10) return;
  const at = target(state, site);
  const [high, low] = [site.rows[0]?.offset_m[1] ?? 8, site.rows.at(-1)?.offset_m[0] ?? -8];
  camera.perMetre = Math.max(6.1, Math.min(13, camera.h / (high - low + 6))) * state.closeZoom;
  const fits = camera.h / camera.perMetre >= high - low;
  const middle = fits || Number.isNaN(at.u)
    ? (high + low) / 2
    : at.u > (high + low) / 2
    ? high + 3 - camera.h / camera.perMetre / 2
    : low - 3 + camera.h / camera.perMetre / 2;
  const reach = camera.h / camera.perMetre / 2 - RIM_M;
  // off the road too
  const centre = site.axis.at(at.s, Number.isNaN(at.u) ? middle : Math.max(at.u - reach, Math.min(at.u + reach, middle)));
  const [a, b] = state.closeShift;
  const [cos, sin] = [Math.cos(centre.theta), Math.sin(centre.theta)];
  [camera.x, camera.y, camera.turn] = [centre.x + a * cos - b * sin, centre.y + a * sin + b * cos, centre.theta];
  const ctx = beginOpaque(pane.canvas, camera.w, camera.h);
  if (ctx === null) return;
  pane.ground.draw(ctx, camera);
  if (state.connection !== "loading") drawHatches(ctx, camera, state, site, false);
  const hollow = state.connection === "disconnected";
  drawRsus(ctx, camera, state, site);
  if (fleet !== null && state.steps.has("vehicles")) {
    if (at.slot >= 0 && !hollow) drawTail(ctx, camera, state, site, at.slot);
    paint(ctx, fleet, lens(state, camera), { kind: "hull", vectorS: 0.6, sigma: true, hollow });
    drawPlates(ctx, camera, state, at.where?.hull ?? at.slot); // its own plate is beside its brackets or stake
  }
  if (at.slot >= 0) drawTarget(ctx, camera, state, site, at.slot, at.episode);
  else if (at.episode !== null && at.where !== null) drawStake(ctx, camera, state, at.episode, at.where);
  northOverRoad(ctx, camera, camera.w - 40, 34);
  const c = colours();
  line(ctx, camera.w - 24 - 20 * camera.perMetre, camera.h - 10, camera.w - 24, camera.h - 10, c.line2, 2);
  text(ctx, camera.w - 30 - 20 * camera.perMetre, camera.h - 6, "20 m", { align: "right", colour: c.tx3, halo: c.bg });
  drawWays(ctx, camera, site, at.s);
  if (hollow) {
    text(
      ctx, camera.w / 2, 20, `${t("frozen")} ${moment(state.viewMs(), state.nowMs())}`,
      { bold: true, sizePx: 14, align: "center", colour: c.tx, halo: c.bg },
    );
  }
}

/** The stake reaches over the edge of the road, so that its head and words do not cover the vehicles. */
function drawStake(ctx: Ctx, camera: Camera, state: State, episode: Episode, where: Where): void {
  const [x, y] = [camera.toX(where.x, where.y), camera.toY(where.x, where.y)];
  const up = y > 58 ? Math.min(y - 24, 3.2 * camera.perMetre) : -Math.min(camera.h - y - 24, 3.2 * camera.perMetre); // inside the picture
  if (isExerciseId(episode.id)) {
    if (episode.open) madeUpVehicle(ctx, x, y, 12 * camera.perMetre, 2.5 * camera.perMetre);
    madeUpMark(ctx, x, y - up);
  }
  stake(ctx, episode.grade, x, y, up, state.isUnseen(episode), true);
  stakeWords(ctx, x, y - up + 4, camera.w, placeWords(state, episode, where));
}

function drawRsus(ctx: Ctx, camera: Camera, state: State, site: Site): void {
  const c = colours();
  for (const rsu of site.body.rsus) {
    const [x, y] = [site.plane.x(rsu.lon_deg), site.plane.y(rsu.lat_deg)];
    const [px, py] = [camera.toX(x, y), camera.toY(x, y)];
    if (px < -3_500 || px > camera.w + 3_500 || state.rsus.get(rsu.esn)?.state !== "online") continue;
    for (const radar of rsu.radars) {
      const [rx, ry] = [site.plane.x(radar.lon_deg), site.plane.y(radar.lat_deg)];
      for (const side of [-0.5, 0.5]) {
        const angle = ((90 - radar.heading_deg + side * radar.fov_deg) * Math.PI) / 180;
        const [ex, ey] = [rx + radar.range_m_max * Math.cos(angle), ry + radar.range_m_max * Math.sin(angle)];
        line(ctx, camera.toX(rx, ry), camera.toY(rx, ry), camera.toX(ex, ey), camera.toY(ex, ey), c.lane, 1, [1, 5]);
      }
    }
    if (px < 6 || px > camera.w - 60 || py < 8 || py > camera.h - 8) continue; // no part of its words
    rect(ctx, px - 5, py - 5, 10, 10, c.veh);
    const range = rsu.radars[0]?.range_m_max;
    text(ctx, px + 10, py + 4, `${rsu.esn}${range === undefined ? "" : ` · ${t("radar")} ${range.toFixed(0)} m`}`, { halo: c.bg });
  }
}

function drawTail(ctx: Ctx, camera: Camera, state: State, site: Site, slot: number): void {
  const fleet = state.fleet!;
  const [from, to] = fleet.tail(slot);
  ctx.beginPath();
  for (let i = Math.max(from, to - 10); i < to; i++) {
    const p = site.axis!.at(fleet.tailS[i]!, fleet.tailU[i]!);
    ctx.lineTo(camera.toX(p.x, p.y), camera.toY(p.x, p.y));
  }
  ctx.lineTo(camera.toX(fleet.x[slot]!, fleet.y[slot]!), camera.toY(fleet.x[slot]!, fleet.y[slot]!));
  ctx.strokeStyle = colours().truck;
  ctx.lineWidth = 1.5;
  ctx.stroke();
}

function drawPlates(ctx: Ctx, camera: Camera, state: State, except: number): void {
  const fleet = state.fleet!;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    if (slot === except || fleet.kind[slot] !== HAZMAT) continue;
    const [x, y] = [camera.toX(fleet.x[slot]!, fleet.y[slot]!), camera.toY(fleet.x[slot]!, fleet.y[slot]!)];
    if (x < 0 || x > camera.w || y < 0 || y > camera.h) continue;
    const half = 1.25 * camera.perMetre;
    const above = y - half - 6;
    const name = byName(shortPlate(fleet.plate(slot)), fleet.nameP(slot)) || t("unknown");
    text(ctx, x, above < 12 ? y + half + 14 : above, name, { align: "center", halo: colours().bg });
  }
}

/** The followed vehicle: brackets, lateral one sigma, its part over the line, plate and speed. */
function drawTarget(ctx: Ctx, camera: Camera, state: State, site: Site, slot: number, episode: Episode | null): void {
  const fleet = state.fleet!;
  const c = colours();
  const half = widthOf(fleet.kind[slot]!) / 2;
  const long = fleet.length[slot]! / 2;
  const [s, u] = [fleet.s[slot]!, fleet.u[slot]!];
  const out = episode === null ? null : seenExcess(episode, liveOf(state, episode));
  if (episode !== null && out !== null && rankedColour(episode) && state.connection !== "disconnected") {
    overLine(ctx, camera, site, homeOf(site, fleet, slot), s, u, half, long, gradeColour(episode.grade));
  }
  const [x, y] = [camera.toX(fleet.x[slot]!, fleet.y[slot]!), camera.toY(fleet.x[slot]!, fleet.y[slot]!)];
  const sigma = fleet.sigma[slot]! * camera.perMetre;
  for (const [colour, width] of [[c.bg, 3.2], [c.tx2, 1.4]] as const) {
    line(ctx, x, y - sigma, x, y + sigma, colour, width);
    for (const k of [-1, 1]) line(ctx, x - 5, y + k * sigma, x + 5, y + k * sigma, colour, width);
  }
  const [bw, bh] = [long * camera.perMetre + 6, half * camera.perMetre + 6];
  brackets(ctx, x - bw, y - bh, 2 * bw, 2 * bh);
  const ty = y + bh + 34 > camera.h ? y - bh - 24 : y + bh + 14; // no word below the rim
  const corrected = episode === null ? null : state.desk.of(episode.id).plate;
  const plate = corrected ?? (byName(fleet.plate(slot), fleet.nameP(slot)) || episode?.vehicle?.plate || t("unknown"));
  if (episode !== null) {
    mark(ctx, episode.grade, x - bw + 6, ty - 4, 5.5, state.isUnseen(episode), state.isNew(episode) && ringOn(state.viewMs()));
  }
  text(ctx, x - bw + 20, ty, plate, { bold: true, colour: c.tx, halo: c.bg });
  if (camera.h > 150) {
    text(ctx, x - bw + 20, ty + 16, `${kmh(fleet.speed[slot]!)} km/h · ${t("sigma")} ${fleet.sigma[slot]!.toFixed(2)} m`, { halo: c.bg });
  }
}

function rankedColour(episode: Episode): boolean {
  return episode.grade !== "undecidable";
}

function overLine(
  ctx: Ctx, camera: Camera, site: Site, home: Row | undefined, s: number, u: number, half: number, long: number, colour: string,
): void {
  if (home === undefined) return;
  const [low, high] = home.offset_m;
  const out: [number, number] | null = u + half > high
    ? [Math.max(high, u - half), u + half]
    : u - half < low
    ? [u - half, Math.min(low, u + half)]
    : null;
  if (out === null) return;
  ctx.beginPath();
  for (const [ds, uu] of [[-long, out[0]], [long, out[0]], [long, out[1]], [-long, out[1]]] as const) {
    const p = site.axis!.at(s + ds, uu);
    ctx.lineTo(camera.toX(p.x, p.y), camera.toY(p.x, p.y));
  }
  ctx.closePath();
  ctx.globalAlpha = 0.85;
  ctx.fillStyle = colour;
  ctx.fill();
  ctx.globalAlpha = 1;
}
