/** The selected episode's charts as one SVG: lateral position or speed, P(violation) in log-odds, latency budget. */

import type { EpisodeDetail } from "./api.ts";
import { budget, deciding, history, logOdds } from "./evidence.ts";
import type { History, Sample } from "./evidence.ts";
import { gapChart, gapsOf } from "./charts/gap.ts";
import { area, clipped, line, poly, rect, spread, text, worstMark } from "./charts/parts.ts";
import type { Frame, Point } from "./charts/parts.ts";
import { againstChart, durationChart } from "./charts/timed.ts";
import { LabelSpace } from "./draw.ts";
import { moment, ms } from "./format.ts";
import { ruleView } from "./rules.ts";
import type { Site } from "./site.ts";
import { getLang, t } from "./words.ts";

const STEPS_S = [1, 2, 5, 10, 30, 60, 120, 300] as const;
const LATENCY_LIMIT_MS = 100;
const LOW_PX = 60; // a lower chart has no room for the words of both its worst point and the decision
const LATENCY_FROM_PX = 160; // lower, the bar would lie on the time axis
/** The charts of an episode; times that are not of the day of `nowMs` have their date. */
export function chartsSvg(site: Site, detail: EpisodeDetail, w: number, h: number, nowMs: number): string {
  const data = history(site, detail);
  const left = getLang() === "en" ? 52 : 46;
  const right = w - (getLang() === "en" ? 106 : 92);
  const latencyH = h < LATENCY_FROM_PX ? 0 : 26;
  const lowerH = Math.max(34, Math.min(84, h * 0.2));
  const upperH = Math.max(34, h - 40 - lowerH - 22 - latencyH);
  const x = (tMs: number): number => left + ((tMs - data.fromMs) / (data.toMs - data.fromMs || 1)) * (right - left);
  const f: Frame = { w, left, right, x, top: 16, upperH, lowerTop: 16 + upperH + 14, lowerH };
  const body = [
    '<defs><pattern id="overline" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
      + '<rect width="1.6" height="5" fill="var(--c)"/></pattern></defs>',
    upperChart(f, site, data, detail),
    probabilityChart(f, data, detail),
    timeAxis(f, data, nowMs),
    instants(f, data, detail, nowMs),
    latencyH === 0 ? "" : latencyBar(f, detail, h),
  ].join("");
  const label = `${t("excess")}, ${t("pv")}, ${t("latency")}`;
  const box = `width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"`;
  return `<svg class="g-${detail.episode.grade_max}" ${box} role="img" aria-label="${label}">${body}</svg>`;
}

/** The chart that fits the rule; without a lane, or without the rule's own values, its speed. */
function upperChart(f: Frame, site: Site, data: History, detail: EpisodeDetail): string {
  const { chart } = ruleView(detail.episode.rule);
  const gaps = chart === "gap" ? gapsOf(detail).filter((x) => x.tMs >= data.fromMs && x.tMs <= data.toMs) : [];
  if (gaps.length > 0) return gapChart(f, gaps);
  if (chart === "duration" || chart === "gap") return durationChart(f, site, data, detail);
  if (chart === "against" && data.samples.some((x) => !Number.isNaN(x.over))) return againstChart(f, site, data, detail);
  return chart === "lateral" && !Number.isNaN(data.halfLaneM) ? lateralChart(f, data, detail) : speedChart(f, data, detail);
}

function lateralChart(f: Frame, data: History, detail: EpisodeDetail): string {
  const known = data.samples.filter((s) => !Number.isNaN(s.y));
  const deepest = known.reduce((best, s) => (Math.abs(s.y) > Math.abs(best) ? s.y : best), 0);
  const side = deepest < 0 ? -1 : 1; // the edge that leaves is drawn on top
  const edge = (s: Sample): number => side * s.y + data.halfWidthM;
  const half = data.halfLaneM;
  const low = Math.min(-1.6, ...known.map((s) => side * s.y - 0.3));
  const high = Math.max(half + 1.5, ...known.map((s) => edge(s) + (s.sigma || 0) + 0.2));
  const y = (m: number): number => f.top + ((high - m) / (high - low)) * f.upperH;
  const band = (a: (s: Sample) => number, b: (s: Sample) => number): Point[] =>
    [...known.map((s): Point => [f.x(s.tMs), y(a(s))]), ...known.map((s): Point => [f.x(s.tMs), y(b(s))]).reverse()];
  let out = rect(f.left, f.top, f.right - f.left, y(half) - f.top, 'fill="var(--road)"')
    + rect(f.left, y(half), f.right - f.left, f.top + f.upperH - y(half), 'fill="var(--haz)"');
  out += area(band(edge, (s) => Math.max(low, side * s.y - data.halfWidthM)), "", 'fill="var(--veh)" opacity=".28"');
  if (detail.episode.grade_max !== "undecidable") {
    out += area(
      band((s) => Math.max(half, edge(s)), () => half), "",
      detail.episode.grade_max === "violation" ? 'fill="url(#overline)"' : 'fill="var(--c)" opacity=".45"',
    );
  }
  const sure = known.filter((s) => !Number.isNaN(s.sigma));
  out += area(
    [
      ...sure.map((s): Point => [f.x(s.tMs), y(Math.min(high, edge(s) + s.sigma))]),
      ...sure.map((s): Point => [f.x(s.tMs), y(Math.max(low, edge(s) - s.sigma))]).reverse()
    ],
    "sg",
  );
  out += poly(known.map((s): Point => [f.x(s.tMs), y(edge(s))]), "tail");
  out += poly(
    known.map((s): Point => [f.x(s.tMs), y(side * s.y)]), "ln", 'stroke-dasharray="4 3" stroke-width="1.2" data-ink="2"',
  );
  out = clipped(f, f.top, f.upperH, out) + line(f.left, y(half), f.right, y(half), "sl", 'stroke-width="2"')
    + line(f.left, y(0), f.right, y(0), "axl");
  for (const m of [0.3, 1]) {
    if (half + m < high) {
      out += line(f.left, y(half + m), f.right, y(half + m), "ln", 'stroke-dasharray="2 4"')
        + (m < 1 && y(half + m) - y(half + 1) < 12 ? "" : text(f.left + 4, y(half + m) - 3, `+${m.toFixed(1)}`, "q"));
    }
  }
  out += text(f.left - 5, y(half) + 4, "0", "e b") + (y(0) - y(half) < 12 ? "" : text(f.left - 5, y(0) + 4, t("mid"), "e q"))
    + text(f.left - 5, f.top - 3, "m", "e q");
  const newest = known.at(-1);
  const labels: [number, string, string][] = [[y(half), t("laneLine"), ""]];
  if (newest !== undefined) {
    labels.push([y(edge(newest)), t(side > 0 ? "leftEdge" : "rightEdge"), "b"], [y(side * newest.y), t("centre"), ""]);
  }
  return out + spread(labels, f.right + 5, f.top + f.upperH) + deepestMark(f, data, detail, (s) => y(edge(s)));
}

/** Where its edge was farthest over the line, between start and end, and by how much. */
function deepestMark(f: Frame, data: History, detail: EpisodeDetail, y: (s: Sample) => number): string {
  const beyond = (s: Sample): number => (Number.isNaN(s.over) ? s.excess : s.over);
  const worst = worstOf(data, detail, beyond);
  if (worst === null || beyond(worst) <= 0 || Number.isNaN(worst.y)) return "";
  return worstMark(f, f.x(worst.tMs), y(worst), `+${beyond(worst).toFixed(2)} m`);
}

/** The sample of the greatest value between start and end; null without one. */
function worstOf(data: History, detail: EpisodeDetail, value: (s: Sample) => number): Sample | null {
  const [from, to] = [ms(detail.episode.start_ns), ms(detail.episode.end_ns ?? detail.episode.stamps.measured_ns)];
  const within = data.samples.filter((s) => s.tMs >= from && s.tMs <= to && !Number.isNaN(value(s)));
  return within.reduce<Sample | null>((best, s) => (best === null || value(s) > value(best) ? s : best), null);
}

function speedChart(f: Frame, data: History, detail: EpisodeDetail): string {
  const known = data.samples.filter((s) => !Number.isNaN(s.speed));
  const limit = detail.episode.limit_mps;
  const high = Math.max(5, (limit ?? 0) * 1.25, ...known.map((s) => s.speed * 1.15)) * 3.6;
  const y = (kmh: number): number => f.top + (1 - kmh / high) * f.upperH;
  const path = known.map((s): Point => [f.x(s.tMs), y(s.speed * 3.6)]);
  let out = rect(f.left, f.top, f.right - f.left, f.upperH, 'fill="var(--road)"');
  const step = high > 90 ? 30 : high > 30 ? 20 : 5;
  for (let v = 0; v <= high; v += step) { // the highest gives way to the unit
    out += line(f.left, y(v), f.right, y(v), "axl") + (y(v) - f.top < 10 ? "" : text(f.left - 5, y(v) + 4, String(v), "e q"));
  }
  if (limit !== null) {
    const over = known.map((s): Point => [f.x(s.tMs), Math.min(y(limit * 3.6), y(s.speed * 3.6))]);
    if (over.length > 1) {
      out += area([...over, [over.at(-1)![0], y(limit * 3.6)], [over[0]![0], y(limit * 3.6)]], "", 'fill="var(--c)" opacity=".45"');
    }
    out += line(f.left, y(limit * 3.6), f.right, y(limit * 3.6), "sl", 'stroke-width="2"');
  }
  out += poly(path, "tail")
    + path.map(([px, py]) => (path.length < 4 ? `<circle cx="${px}" cy="${py}" r="2.5" fill="var(--truck)"/>` : "")).join("")
    + text(f.left - 5, f.top - 3, "km/h", "e q");
  const slow = detail.episode.rule === "too_slow";
  const worst = limit === null ? null : worstOf(data, detail, (x) => (slow ? -x.speed : x.speed));
  if (worst !== null) out += worstMark(f, f.x(worst.tMs), y(worst.speed * 3.6), `${(worst.speed * 3.6).toFixed(0)} km/h`);
  const labels: [number, string, string][] = [];
  if (limit !== null) labels.push([y(limit * 3.6), `${t("limitLine")} ${(limit * 3.6).toFixed(0)}`, ""]);
  if (known.length > 0) labels.push([y(known.at(-1)!.speed * 3.6), t("speedLine"), "b"]);
  return out + spread(labels, f.right + 5, f.top + f.upperH);
}

const ODDS_LOW = -7;
const ODDS_HIGH = 9.6;

function probabilityChart(f: Frame, data: History, detail: EpisodeDetail): string {
  const y = (p: number): number =>
    f.lowerTop + f.lowerH - ((Math.max(ODDS_LOW, Math.min(ODDS_HIGH, logOdds(p))) - ODDS_LOW) / (ODDS_HIGH - ODDS_LOW)) * f.lowerH;
  let out = rect(f.left, f.lowerTop, f.right - f.left, f.lowerH, 'fill="var(--road)"');
  const ticks: [number, string][] = f.lowerH > 60
    ? [[0.01, "0.01"], [0.5, "0.5"], [0.99, "0.99"], [0.9999, ".9999"]]
    : [[0.01, "0.01"], [0.99, "0.99"]];
  for (const [p, word] of ticks) out += line(f.left, y(p), f.right, y(p), "axl") + text(f.left - 5, y(p) + 4, word, "e q");
  const known = data.samples.filter((s) => !Number.isNaN(s.p));
  if (detail.episode.grade_max === "undecidable" || known.length === 0) {
    out += text(
      (f.left + f.right) / 2, f.lowerTop + f.lowerH / 2 + 4,
      detail.episode.grade_max === "undecidable" ? t("undecidable") : t("noEvidence"), "lab b m",
    );
  } else {
    out += poly(known.map((s): Point => [f.x(s.tMs), y(s.p)]), "tail");
    if (known.length < 40) {
      out += known.map((s) => `<circle cx="${f.x(s.tMs).toFixed(1)}" cy="${y(s.p).toFixed(1)}" r="2" fill="var(--truck)"/>`).join("");
    }
    const decided = deciding(detail);
    if (decided !== null) {
      const at = ms(decided.stamps.measured_ns);
      if (at >= data.fromMs) out += `<circle cx="${f.x(at).toFixed(1)}" cy="${y(decided.p_violation).toFixed(1)}" r="4" fill="var(--c)"/>`;
    }
  }
  return out + text(f.right + 5, f.lowerTop + f.lowerH - 4, t("pv"), "b");
}

function timeAxis(f: Frame, data: History, nowMs: number): string {
  const bottom = f.lowerTop + f.lowerH;
  const seconds = (data.toMs - data.fromMs) / 1_000;
  const room = Math.max(2, Math.floor((f.right - f.left) / 56)); // labels beside each other
  const step = STEPS_S.find((each) => seconds / each <= room) ?? STEPS_S.at(-1)!;
  let out = "";
  for (let s = 0; s <= seconds; s += step) {
    const x = f.x(data.toMs - s * 1_000);
    const ago = s % 60 === 0 ? `-${s / 60} min` : `-${s} s`;
    out += line(x, bottom, x, bottom + 4, "ax");
    out += s === 0 ? endLabel(x, bottom + 15, moment(data.toMs, nowMs)) : text(x, bottom + 15, ago, "m q");
  }
  return out;
}

/** The time at the axis' end: under its tick, or, with a date, to the right of the label before it. */
function endLabel(x: number, y: number, words: string): string {
  return words.includes(" ") ? text(x - 26, y, words) : text(x, y, words, "m");
}

/** The times of its start, of its decision and of its handovers. */
function instants(f: Frame, data: History, detail: EpisodeDetail, nowMs: number): string {
  const bottom = f.lowerTop + f.lowerH;
  const named = new LabelSpace();
  const mark = (at: number, word: string, left: boolean): string => {
    if (at < data.fromMs || at > data.toMs) return "";
    const x = f.x(at) + (left ? -4 : 4);
    const width = word.length * (getLang() === "zh" ? 12 : 6.5);
    const free = named.reserveText(x, width, left ? "right" : "left");
    return line(f.x(at), f.top, f.x(at), bottom, "ln", 'stroke-dasharray="1 3"') + (free ? text(x, f.top - 3, word, left ? "e" : "") : "");
  };
  const start = ms(detail.episode.start_ns);
  let out = mark(start, t(ruleView(detail.episode.rule).started), f.x(start) > f.left + 60);
  detail.versions.forEach((version, i) => {
    const before = detail.versions[i - 1];
    // not over the edge's name
    if (before !== undefined && version.hop > before.hop) {
      out += mark(ms(version.stamps.measured_ns), t("handover"), f.x(ms(version.stamps.measured_ns)) > f.right - 60);
    }
  });
  const decided = deciding(detail);
  if (decided !== null) {
    const at = ms(decided.stamps.measured_ns);
    if (at >= data.fromMs && at <= data.toMs) {
      const words = `${t("decided")} ${moment(at, nowMs, 1)}`;
      const left = f.x(at) > f.left + words.length * 6.5 + 10;
      out += line(f.x(at), f.top, f.x(at), bottom, "", 'data-ink="grade" stroke-width="2"')
        + text(f.x(at) + (left ? -5 : 5), f.upperH < LOW_PX ? f.lowerTop - 3 : f.top + f.upperH - 6, words, `lab b${left ? " e" : ""}`);
    }
  }
  return out;
}

function latencyBar(f: Frame, detail: EpisodeDetail, h: number): string {
  const y = h - 15;
  const decided = deciding(detail);
  const found = decided === null ? null : budget(decided);
  let out = text(12, y - 6, t("latency"), "b");
  if (found === null) return out + text(getLang() === "en" ? 66 : f.left, y - 6, decided?.stamps.by != null ? t("byTick") : "—", "q");
  const full = Math.max(120, found.totalMs * 1.1);
  const x = (v: number): number => f.left + (v / full) * (f.right - f.left);
  let at = 0;
  found.parts.forEach((part, i) => {
    out += rect(x(at) + 0.5, y, x(at + part.ms) - x(at) - 1, 9, `fill="var(--veh)" opacity="${[1, 0.55, 0.85][i]}"`);
    at += part.ms;
  });
  const parts = found.parts.map(
    (p) => `${t(p.word)} <tspan class="b">${p.ms < 10 ? p.ms.toFixed(1) : p.ms.toFixed(0)}</tspan>`
  ).join("\u3000");
  const slow = found.totalMs > LATENCY_LIMIT_MS ? ' data-ink="late"' : "";
  return out + text(getLang() === "en" ? 66 : f.left, y - 6, parts)
    + line(x(LATENCY_LIMIT_MS), y - 3, x(LATENCY_LIMIT_MS), y + 12, "sl", 'stroke-width="2"')
    + text(f.w - 8, y + 9, `${t("limit")} ${LATENCY_LIMIT_MS} ms`, "e")
      + text(f.w - 8, y - 6, `${slow ? "▲ " : ""}${t("total")} ${found.totalMs.toFixed(0)} ms`, "b e", slow);
}
