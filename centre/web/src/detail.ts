/** Four kilometres of the road, lateral true to scale: footprints, one sigma, speed, tails, and what can't be judged. */

import type { Episode, Row } from "./api.ts";
import { banner, beginOpaque, brackets, colours, frame, gradeColour, hatch, line, mark, rect, ringOn, LabelSpace, stake, stakeSpan, stakeWords, Still, text, textWidth } from "./draw.ts";
import type { Ctx } from "./draw.ts";
import { clock, ms, shortPlate, station } from "./format.ts";
import { isAlarm } from "./order.ts";
import { paint } from "./painter.ts";
import type { Lens } from "./painter.ts";
import { placeWords } from "./places.ts";
import { ruleView } from "./rules.ts";
import type { Hatch, Site } from "./site.ts";
import { HAZMAT } from "./snapshot.ts";
import { WINDOW_M } from "./state.ts";
import type { State } from "./state.ts";
import { isLost, p99Of } from "./supervision.ts";
import { carriageways, labelled, leftMargin, placeName, RIGHT_MARGIN, rowName, wide } from "./strip.ts";
import { liveOf, seenExcess, seenSlot, whereabouts } from "./where.ts";
import type { Where } from "./where.ts";
import { getLang, name, reason, t } from "./words.ts";

const SHOULDER_M = 1.5;
const REASON_HALF_PX = 45; // of the words that say why a stretch is not judged

interface Frame {
  w: number;
  h: number;
  perMetre: number;
  from: number;
  to: number;
  x: (s: number) => number;
  y: (u: number) => number;
  top: number;
  bottom: number;
  left: number;
  right: number;
}

let last: Frame | null = null;
const still = new Still();

function lay(site: Site, w: number, from: number): Frame {
  const perMetre = wide() ? 7.6 : 5.2;
  const left = leftMargin();
  const right = w - RIGHT_MARGIN;
  const high = (site.rows[0]?.offset_m[1] ?? 4) + SHOULDER_M;
  const low = (site.rows.at(-1)?.offset_m[0] ?? -4) - SHOULDER_M;
  const top = 22;
  const bottom = top + (high - low) * perMetre;
  const to = from + Math.min(WINDOW_M, site.to - site.from);
  return {
    w, h: bottom + 6 + 18 + 5 + 14, perMetre, from, to, left, right, top, bottom,
    x: (s) => left + ((s - from) / (to - from)) * (right - left),
    y: (u) => top + (high - u) * perMetre,
  };
}

export function detailHeight(site: Site | null): number {
  return site === null ? 200 : lay(site, 1_000, site.from).h;
}

/** Hazmat trucks in view, for the heading. */
export function drawDetail(canvas: HTMLCanvasElement, state: State): number {
  const { site, fleet } = state;
  const w = canvas.parentElement!.clientWidth;
  const ctx = beginOpaque(canvas, w, detailHeight(site));
  if (ctx === null || site === null) return 0;
  const f = lay(site, w, state.windowFrom);
  last = f;
  const hollow = state.connection === "disconnected";
  still.under(ctx, w, f.h, [f.from, getLang(), state.connection, state.roadChanges, state.late.esns.length, state.late.esns.length > 0 ? state.late.ageS.toFixed(1) : ""].join(), (under) => drawStill(under, f, state, site));
  ctx.save();
  ctx.beginPath();
  ctx.rect(f.left, 0, f.right - f.left, f.h);
  ctx.clip();
  let trucks = 0;
  const labels = new LabelSpace(); // at their heights, in any row: what is written first is not written over
  const [bannerX, bannerY, bannerWords] = [f.left + 10, f.y(0) - 24, `${t("frozen")} ${clock(state.viewMs())}`];
  if (hollow) for (const y of [bannerY - 9, bannerY - 1]) labels.reserve(f.left, bannerX + 8 + (textWidth(ctx, bannerWords, true) * 14) / 12, -Infinity, y);
  if (fleet !== null && state.steps.has("vehicles")) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(f.left, f.top - 2, f.right - f.left, f.bottom - f.top + 4);
    ctx.clip();
    if (!hollow) drawTails(ctx, f, state);
    paint(ctx, fleet, lens(state, f), { kind: "box", vectorS: 4, sigma: true, hollow });
    ctx.restore();
    trucks = drawLabels(ctx, f, state, site, labels);
  } else text(ctx, (f.left + f.right) / 2, (f.top + f.bottom) / 2 + 5, t("waitVehicles"), { bold: true, sizePx: 14, colour: colours().tx, align: "center", halo: colours().bg });
  if (state.connection !== "loading") for (const x of state.hatches) drawReason(ctx, f, state, site, x, labels);
  ctx.restore();
  if (hollow) banner(ctx, bannerX, bannerY, bannerWords);
  return trucks;
}

function drawStill(ctx: Ctx, f: Frame, state: State, site: Site): void {
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
      line(ctx, f.left, f.y(row.offset_m[0]), f.right, f.y(row.offset_m[0]), solid ? c.solid : c.lane, solid ? 1.6 : 1, solid ? [] : [8, 12]);
    });
    for (const u of [high, low]) line(ctx, f.left, f.y(u), f.right, f.y(u), c.solid, 1.2);
    for (const row of rows) {
      text(ctx, f.left - 6, f.y((row.offset_m[0] + row.offset_m[1]) / 2) + 4, rowName(row), { align: "right", bold: row.hazmat, colour: row.hazmat ? c.tx : c.tx2 });
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
  const y = upper !== undefined && lower !== undefined ? f.y((upper.offset_m[0] + lower.offset_m[1]) / 2) : f.bottom + 12;
  if (groups.some((rows) => rows[0]!.direction < 0)) text(ctx, f.left - 6, y - 2.5, t("nbArrow"), { align: "right", colour: c.tx3 });
  if (groups.some((rows) => rows[0]!.direction > 0)) text(ctx, f.left - 6, y + 10.5, t("sbArrow"), { align: "right", colour: c.tx3 });
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

function drawReason(ctx: Ctx, f: Frame, state: State, site: Site, x: Hatch, labels: LabelSpace): void {
  if (x.to <= f.from || x.from >= f.to) return;
  const c = colours();
  const [x0, x1] = [Math.max(f.left, f.x(x.from)), Math.min(f.right, f.x(x.to))];
  const lines = [t("notJudged"), x.reason === "offline" || x.reason === "never" ? `${x.esn ? `${x.esn} ` : "RSU "}${name(x.reason)}` : reason(x.reason)];
  const since = ms(x.sinceNs);
  if (Number.isFinite(since) && x.reason !== "never") lines.push(`${t("since")} ${clock(since)}`);
  const inside = state.fleet === null ? 0 : countIn(state, x);
  if (x.reason === "offline" && inside > 0) lines.push(t("lastKnown", { n: inside }));
  const rows = site.rows.filter((row) => !row.hazmat && row.offset_m[1] <= x.high + 0.1 && row.offset_m[0] >= x.low - 0.1);
  rows.slice(0, lines.length).forEach((row, i) => {
    const y = f.y((row.offset_m[0] + row.offset_m[1]) / 2);
    const middle = (x0 + x1) / 2;
    const word = [lines[i]!, ...(i === 0 && x1 - x0 > 10 ? ["?"] : [])].find((each) => {
      const half = textWidth(ctx, each, i === 0) / 2;
      return (each === "?" || 2 * half < x1 - x0 - 4) && labels.reserve(middle - half, middle + half, 2, y);
    });
    if (word !== undefined) text(ctx, middle, y + 4, word, { align: "center", bold: i === 0, colour: c.tx, halo: c.bg });
  });
}

function countIn(state: State, x: Hatch): number {
  const fleet = state.fleet!;
  let n = 0;
  for (let i = 0; i < fleet.nLive; i++) {
    const s = fleet.s[fleet.live[i]!]!;
    if (s >= x.from && s < x.to) n++;
  }
  return n;
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

/** Thirty seconds of where the trucks with an alarm and the chosen one went. */
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

/** Slots of vehicles with an open episode (the highest), and the followed one (null). */
function marked(state: State): Map<number, Episode | null> {
  const fleet = state.fleet!;
  const out = new Map<number, Episode | null>();
  if (state.follow !== null && fleet.slot(state.follow) >= 0) out.set(fleet.slot(state.follow), null);
  const shown = [...state.episodes.values()].filter((x) => x.open && (isAlarm(x) || x.id === state.selected));
  for (const episode of shown.sort((a, b) => a.order - b.order)) {
    const slot = seenSlot(state, episode);
    if (slot >= 0) out.set(slot, episode);
  }
  return out;
}

function drawLabels(ctx: Ctx, f: Frame, state: State, site: Site, labels: LabelSpace): number {
  const fleet = state.fleet!;
  const c = colours();
  const special = marked(state);
  const stakes = places(state, site);
  const staked = new Set(stakes.map(({ where }) => where.hull)); // their plates stand on the stakes
  const rowLabels = site.rows.map(() => new LabelSpace());
  const labelsOfRow = (u: number): LabelSpace => rowLabels[nearestRow(site, u)]!;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    const x = f.x(fleet.s[slot]!);
    if (fleet.kind[slot] === HAZMAT && x >= f.left && x <= f.right && !Number.isNaN(fleet.u[slot]!)) labelsOfRow(fleet.u[slot]!).reserve(x - 5, x + 5, -Infinity);
  }
  for (const x of state.hatches) {
    const middle = (Math.max(f.left, f.x(x.from)) + Math.min(f.right, f.x(x.to))) / 2;
    site.rows.forEach((row, i) => row.hazmat || rowLabels[i]!.reserve(middle - REASON_HALF_PX, middle + REASON_HALF_PX, -Infinity));
  }
  // what is marked first; plates give way to it
  for (const slot of special.keys()) labels.reserve(f.x(fleet.s[slot]!) - 8, f.x(fleet.s[slot]!) + 8, -Infinity, markHeight(f, fleet.u[slot]!));
  for (const { episode, where } of stakes) {
    labels.reserve(f.x(where.s) - 7, f.x(where.s) + 7, -Infinity, markHeight(f, where.u));
    if (episode.id === state.selected) labels.reserve(...stakeSpan(ctx, f.x(where.s), f.right, placeWords(state, episode, where)), -Infinity, markHeight(f, where.u));
  }
  const free = (u: number, from: number, to: number): boolean => labels.reserve(from, to, 2, markHeight(f, u));
  for (const [slot, episode] of [...special].reverse()) drawMarked(ctx, f, state, slot, episode, free);
  let trucks = 0;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    const [x, u] = [f.x(fleet.s[slot]!), fleet.u[slot]!];
    if (fleet.kind[slot] !== HAZMAT || !(x >= f.left && x <= f.right) || Number.isNaN(u)) continue;
    if (fleet.stale[slot] === 0 || state.connection === "disconnected") trucks++; // as the header counts
    const plate = shortPlate(fleet.plate(slot));
    const y = f.y(u);
    if (special.has(slot) || staked.has(slot) || plate === "" || y < f.top || y > f.bottom) continue;
    const width = textWidth(ctx, plate);
    const x0 = fleet.way[slot]! < 0 ? x + 8 : x - 8 - width;
    if (x0 < f.left || x0 + width > f.right || !labelsOfRow(u).reserve(x0, x0 + width, 1) || !labels.reserve(x0, x0 + width, 1, y)) continue;
    text(ctx, x0, y + 4, plate, { halo: c.haz });
  }
  drawStakes(ctx, f, state, stakes, labels);
  return trucks;
}

/** Alarms whose vehicle is not seen (of silent RSUs, lost tracks), and the chosen one where it ended: places with an age. */
function places(state: State, site: Site): { episode: Episode; where: Where }[] {
  return [...state.episodes.values()]
    .filter((x) => x.id === state.selected || (x.open && isAlarm(x)))
    .map((episode) => ({ episode, where: whereabouts(state, site, episode) }))
    .filter(({ where }) => where.slot < 0 && !Number.isNaN(where.u));
}

function drawStakes(ctx: Ctx, f: Frame, state: State, stakes: ReturnType<typeof places>, labels: LabelSpace): void {
  for (const { episode, where } of stakes) {
    const chosen = episode.id === state.selected;
    const x = f.x(where.s);
    if (!(x > f.left - 20 && x < f.right + 20)) continue;
    const y = f.y(where.u);
    const head = markHeight(f, where.u);
    stake(ctx, episode.grade, x, y, y - head, episode.open, chosen);
    const words = placeWords(state, episode, where);
    const [from, to] = stakeSpan(ctx, x, f.right, words);
    if (chosen || labels.reserve(from, to, 2, head)) stakeWords(ctx, x, head + 4, f.right, words); // the chosen one's space is already reserved
  }
}

function nearestRow(site: Site, u: number): number {
  let [best, far] = [0, Infinity];
  site.rows.forEach((row, i) => {
    const d = Math.abs((row.offset_m[0] + row.offset_m[1]) / 2 - u);
    if (d < far) [best, far] = [i, d];
  });
  return best;
}

/** Where the mark of a vehicle stands, and its label beside it: above its outline. */
function markHeight(f: Frame, u: number): number {
  return Math.max(24, f.y(u) - 1.25 * f.perMetre - 10);
}

function drawMarked(ctx: Ctx, f: Frame, state: State, slot: number, episode: Episode | null, free: (u: number, from: number, to: number) => boolean): void {
  const fleet = state.fleet!;
  const c = colours();
  const [x, y] = [f.x(fleet.s[slot]!), f.y(fleet.u[slot]!)];
  if (!(x > f.left - 20 && x < f.right + 20)) return;
  const half = 1.25 * f.perMetre;
  const chosen = episode !== null && episode.id === state.selected;
  if (chosen || fleet.track[slot] === state.follow) brackets(ctx, x - 9, y - half - 4, 18, 2 * half + 8);
  const my = markHeight(f, fleet.u[slot]!);
  if (episode !== null) mark(ctx, episode.grade, x, my, 5.5, true, state.isNew(episode) && ringOn(state.viewMs()));
  const plate = shortPlate(fleet.plate(slot)) || (episode?.vehicle?.plate ? shortPlate(episode.vehicle.plate) : t("unknown"));
  const out = episode === null || episode.grade === "undecidable" ? null : seenExcess(episode, liveOf(state, episode));
  const depth = episode !== null && out !== null && out > 0 ? `${out.toFixed(2)} ${ruleView(episode.rule).unit}` : "";
  const width = textWidth(ctx, plate, true);
  const total = width + (depth ? 10 + textWidth(ctx, depth, true) : 0);
  const x0 = [x + 12, x - 12 - total].find((at) => at >= f.left && at + total <= f.right && free(fleet.u[slot]!, at, at + total));
  if (x0 === undefined) return;
  text(ctx, x0, my + 4, plate, { bold: true, colour: c.tx, halo: c.bg });
  if (depth && episode !== null) text(ctx, x0 + width + 10, my + 4, depth, { bold: true, colour: gradeColour(episode.grade), halo: c.bg });
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
    frame(ctx, x0 + 0.5, y + 0.5, x1 - x0 - 1, 17, kind === "offline" ? c.w : kind === "online" ? c.line2 : c.tx3, kind === "offline" ? 1.5 : 1, kind === "never" ? [2, 3] : []);
    const p99 = now === undefined ? null : p99Of(now.latency);
    const age = state.connection === "stale" && state.late.esns.includes(rsu.esn) ? `${state.late.ageS.toFixed(1)} s` : "";
    const stale = age ? ` · ${t("dataOld", { t: age })}` : "";
    const long = `${rsu.esn} ${state.connection === "loading" ? "…" : name(kind)}${kind === "online" && p99 !== null && !stale ? ` ${p99.toFixed(0)} ms` : ""}${stale}`;
    const cross = kind === "offline" ? "✕ " : "";
    const short = age ? [`${rsu.esn} · ${age}`, `▲ ${age}`] : []; // how old it is counts more than whose it is
    const label = [cross + long, ...short, cross + rsu.esn, cross].find((each) => textWidth(ctx, each) < x1 - x0 - 6);
    if (label) text(ctx, (x0 + x1) / 2, y + 13, label, { align: "center" });
    if (rsu.s_m !== null && rsu.s_m > f.from && rsu.s_m < f.to) line(ctx, f.x(rsu.s_m), y - 4, f.x(rsu.s_m), y, c.line2, 2);
  }
  if (state.connection !== "loading") {
    for (const [a, b] of state.covers) {
      if (b > f.from && a < f.to) rect(ctx, Math.max(f.left, f.x(a)), y + 23, Math.min(f.right, f.x(b)) - Math.max(f.left, f.x(a)), 6, c.tx2);
    }
  }
  text(ctx, f.left - 6, y + 13, "RSU", { align: "right", colour: c.tx3 });
  text(ctx, f.left - 6, y + 31, t("radar"), { align: "right", colour: c.tx3 });
}

/** The vehicle under a pointer in the detail strip; -1 for none. */
export function detailPick(state: State, xPx: number, yPx: number): number {
  const { fleet } = state;
  if (last === null || fleet === null) return -1;
  let best = -1;
  let bestPx = 14;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    const far = Math.hypot(last.x(fleet.s[slot]!) - xPx, last.y(fleet.u[slot]!) - yPx);
    if (far < bestPx) [best, bestPx] = [slot, far];
  }
  return best;
}
