/** The labels of the detail strip: marks of episodes, plates, and why a stretch is not judged. None overlaps another. */

import type { Episode } from "../api.ts";
import { brackets, colours, gradeColour, LabelSpace, mark, ringOn, stakeSpan, text, textWidth } from "../draw.ts";
import type { Ctx } from "../draw.ts";
import { byName, moment, ms, shortPlate } from "../format.ts";
import { isAlarm } from "../order.ts";
import { labelOf, placeWords } from "../places.ts";
import { ruleView } from "../rules.ts";
import type { Hatch, Site } from "../site.ts";
import { HAZMAT } from "../snapshot.ts";
import type { State } from "../state.ts";
import { liveOf, seenExcess, seenSlot } from "../where.ts";
import { name, reason, t } from "../words.ts";
import { markHeight, nearestRow } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { inView, leader, placeLabel } from "./placing.ts";
import type { Free } from "./placing.ts";
import { drawStakes, places, stand } from "./stakes.ts";

const REASON_HALF_PX = 45; // half the width of the words for why a stretch is not judged

/** Slots of vehicles with an open episode (the highest), and the followed one (null). */
export function marked(state: State): Map<number, Episode | null> {
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

export function drawLabels(ctx: Ctx, f: Frame, state: State, site: Site, labels: LabelSpace): number {
  const fleet = state.fleet!;
  const c = colours();
  const special = marked(state);
  const stakes = places(state, site);
  const staked = new Set(stakes.map(({ where }) => where.hull)); // their plates are written at the stakes
  const rowLabels = site.rows.map(() => new LabelSpace());
  const labelsOfRow = (u: number): LabelSpace => rowLabels[nearestRow(site, u)]!;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    const x = f.x(fleet.s[slot]!);
    if (fleet.kind[slot] === HAZMAT && x >= f.left && x <= f.right && !Number.isNaN(fleet.u[slot]!)) {
      labelsOfRow(fleet.u[slot]!).reserve(x - 5, x + 5, -Infinity);
    }
  }
  for (const x of state.hatches) {
    const middle = (Math.max(f.left, f.x(x.from)) + Math.min(f.right, f.x(x.to))) / 2;
    site.rows.forEach((row, i) => row.hazmat || rowLabels[i]!.reserve(middle - REASON_HALF_PX, middle + REASON_HALF_PX, -Infinity));
  }
  // marked vehicles first; plates avoid them
  for (const slot of special.keys()) {
    labels.reserve(f.x(fleet.s[slot]!) - 8, f.x(fleet.s[slot]!) + 8, -Infinity, markHeight(f, fleet.u[slot]!));
  }
  for (const { episode, where } of stakes) {
    if (!inView(f, f.x(where.s))) continue;
    labels.reserve(f.x(where.s) - 7, f.x(where.s) + 7, -Infinity, markHeight(f, where.u));
    if (episode.id === state.selected) {
      labels.reserve(...stakeSpan(ctx, f.x(where.s), f.right, placeWords(state, episode, where)), -Infinity, markHeight(f, where.u));
    }
  }
  const free: Free = (y, from, to) => labels.reserve(from, to, 2, y);
  for (const [slot, episode] of [...special].reverse()) drawMarked(ctx, f, state, slot, episode, free);
  const marks = [...special.keys()].map((slot) => ({ x: f.x(fleet.s[slot]!), y: markHeight(f, fleet.u[slot]!) }));
  const standing = stand(ctx, f, state, stakes, marks, free); // before the plates of those that nobody asked for
  let trucks = 0;
  for (let i = 0; i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    const [x, u] = [f.x(fleet.s[slot]!), fleet.u[slot]!];
    if (fleet.kind[slot] !== HAZMAT || !(x >= f.left && x <= f.right) || Number.isNaN(u)) continue;
    if (fleet.stale[slot] === 0 || state.connection === "disconnected") trucks++; // as the header counts
    const plate = byName(shortPlate(fleet.plate(slot)), fleet.nameP(slot));
    const y = f.y(u);
    if (special.has(slot) || staked.has(slot) || plate === "" || y < f.top || y > f.bottom) continue;
    const width = textWidth(ctx, plate);
    const x0 = fleet.way[slot]! < 0 ? x + 8 : x - 8 - width;
    if (x0 < f.left || x0 + width > f.right || !labelsOfRow(u).reserve(x0, x0 + width, 1) || !labels.reserve(x0, x0 + width, 1, y)) {
      continue;
    }
    text(ctx, x0, y + 4, plate, { halo: c.haz });
  }
  drawStakes(ctx, f, state, standing);
  return trucks;
}

function drawMarked(
  ctx: Ctx, f: Frame, state: State, slot: number, episode: Episode | null, free: Free,
): void {
  const fleet = state.fleet!;
  const c = colours();
  const [x, y] = [f.x(fleet.s[slot]!), f.y(fleet.u[slot]!)];
  if (!inView(f, x)) return;
  const half = 1.25 * f.perMetre;
  const chosen = episode !== null && episode.id === state.selected;
  if (chosen || fleet.track[slot] === state.follow) brackets(ctx, x - 9, y - half - 4, 18, 2 * half + 8);
  const my = markHeight(f, fleet.u[slot]!);
  if (episode !== null) mark(ctx, episode.grade, x, my, 5.5, state.isUnseen(episode), state.isNew(episode) && ringOn(state.viewMs()));
  const plate = labelOf(state, episode, fleet.plate(slot), fleet.nameP(slot));
  const out = episode === null || episode.grade === "undecidable" ? null : seenExcess(episode, liveOf(state, episode));
  const depth = episode !== null && out !== null && out > 0 ? `${out.toFixed(2)} ${ruleView(episode.rule).unit}` : "";
  const width = textWidth(ctx, plate, true);
  const total = width + (depth ? 10 + textWidth(ctx, depth, true) : 0);
  const [x0, ly] = placeLabel(f, x, my, total, free);
  if (ly !== my || (x0 !== x + 12 && x0 !== x - 12 - total)) leader(ctx, x, my, x0 > x ? x0 - 2 : x0 + total + 2, ly);
  text(ctx, x0, ly + 4, plate, { bold: true, colour: c.tx, halo: c.bg });
  if (depth && episode !== null) text(ctx, x0 + width + 10, ly + 4, depth, { bold: true, colour: gradeColour(episode.grade), halo: c.bg });
}

export function drawReason(ctx: Ctx, f: Frame, state: State, site: Site, x: Hatch, labels: LabelSpace): void {
  if (x.to <= f.from || x.from >= f.to) return;
  const c = colours();
  const [x0, x1] = [Math.max(f.left, f.x(x.from)), Math.min(f.right, f.x(x.to))];
  const lines = [
    t("notJudged"), x.reason === "offline" || x.reason === "never" ? `${x.esn ? `${x.esn} ` : "RSU "}${name(x.reason)}` : reason(x.reason),
  ];
  const since = ms(x.sinceNs);
  if (Number.isFinite(since) && x.reason !== "never") lines.push(`${t("since")} ${moment(since, state.nowMs())}`);
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
