/** The statistics of a period and the daily report. They return HTML; each number has its n. */

import { escape } from "../format.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import type { Word } from "../words.ts";
import { stampOf } from "./form.ts";
import { bar, block, carrierLink, percent, rsuLink, stamp, table, violationTable } from "./tables.ts";
import type { Found } from "./tables.ts";

interface Counted {
  violations: number;
  false: number;
  n: number;
  false_share: number;
}

interface Shares {
  watched_h: number;
  online_share: number | null;
  road_km_h: number;
  judged_km_h: number;
  judged_share: number | null;
}

export interface Figures {
  since_ns: string;
  until_ns: string;
  totals: { violations: number; false: number; records: number; false_share: number | null; n: number };
  rules: (Counted & { rule: string })[];
  places: (Counted & { km: number | null })[];
  hours: (Counted & { hour: number })[];
  carriers: (Counted & { carrier: string | null })[];
  stations: (Counted & { esn: string })[];
  latency: { p50_ms: number | null; p95_ms: number | null; p99_ms: number | null; n: number };
  units: Shares & { rsus: (Shares & { esn: string })[]; n: number; never_seen: number };
  traffic: {
    lanes: { esn: string; lane: string; n: number; hazmat: number }[];
    hours: { hour: number; n: number; hazmat: number }[];
    n: number;
  };
  items?: Found[];
  items_n?: number;
}

const DAY_MS = 86_400_000;
const ZONE_MS = 8 * 3_600_000;

export function dayOf(timeMs: number): string {
  return new Date(timeMs + ZONE_MS).toISOString().slice(0, 10);
}

/** From the first day's begin to the last day's end; without words, today. */
export function periodOf(words: URLSearchParams, nowMs: number): { from: string; to: string; query: string } {
  const from = stampOf(words.get("from") ?? "") === null ? dayOf(nowMs) : words.get("from")!;
  const wanted = words.get("to") ?? "";
  const to = stampOf(wanted) === null || wanted < from ? from : wanted;
  const end = `${Number(stampOf(to)!.slice(0, -6)) + DAY_MS}000000`;
  return { from, to, query: `since_ns=${stampOf(from)}&until_ns=${end}` };
}

export function pickerHtml(words: URLSearchParams, nowMs: number): string {
  const { from, to } = periodOf(words, nowMs);
  const day = (ago: number): string => dayOf(nowMs - ago * DAY_MS);
  const links: [Word, string, string][] = [
    ["qToday", day(0), day(0)], ["qYesterday", day(1), day(1)], ["q7", day(6), day(0)], ["q30", day(29), day(0)],
  ];
  const quick = links.map(([word, a, b]) =>
    `<a href="#statistics?from=${a}&to=${b}"${a === from && b === to ? ' aria-current="true"' : ""}>${t(word)}</a>`
  ).join("");
  return `<form data-testid="period">${quick}<label><span>${t("qPeriod")}</span><input type="date" name="from" value="${from}"></label>`
    + `<label><span>${t("qTo")}</span><input type="date" name="to" value="${to}"></label>`
    + `<button type="submit">${t("qShow")}</button></form>`;
}

/** The links to the files of the same figures. */
export function filesHtml(path: string, lang: string): string {
  const link = (kind: string): string =>
    `<a href="/api/${escape(path)}&format=${kind}&lang=${lang}" download data-testid="${kind}">${kind.toUpperCase()}</a>`;
  return `${link("csv")} ${link("xlsx")}`;
}

function counted<T extends Counted>(title: Word, head: string, rows: readonly T[], label: (row: T) => string): string {
  const total = rows.reduce((all, row) => all + row.n, 0);
  if (rows.length === 0) return block(t(title), `<p class="dim">${t("qNoFigures")}</p>`, "n 0");
  const most = Math.max(...rows.map((row) => row.n));
  const cells = rows.map((row) => [
    label(row), bar(row.violations, row.false, most), String(row.violations), String(row.false), percent(row.false_share), String(row.n),
  ]);
  return block(t(title), table([head, "", t("qViolations"), t("qFalse"), t("qShare"), "n"], cells, t(title)), `n ${total}`);
}

function key(label: string, value: string, n: string): string {
  return `<div><dt>${label}</dt><dd><b>${value}</b> <span class="dim">${n}</span></dd></div>`;
}

const msText = (value: number | null): string => (value === null ? "—" : `${value.toFixed(0)} ms`);

/** Of how many RSUs, watched how long, and how many were never seen: those are in no share. */
function unitsNote(units: Figures["units"]): string {
  const never = units.never_seen === 0 ? "" : ` · ${t("qNeverSeen", { n: units.never_seen })}`;
  return `n ${units.n} RSU · ${t("qWatched", { n: units.watched_h.toFixed(1) })}${never}`;
}

/** `more`: blocks of other figures, which come last. */
export function figuresHtml(state: State, x: Figures, more = ""): string {
  const { totals, latency, units, traffic } = x;
  const head = `<dl class="keys" data-testid="totals">${key(t("qViolations"), String(totals.violations), `n ${totals.n}`)}`
    + `${key(t("qFalse"), `${totals.false} · ${percent(totals.false_share)}`, `n ${totals.n}`)}`
    + `${key(t("qRecords"), String(totals.records), `n ${totals.n + totals.records}`)}`
    + `${key(`${t("qLatency")} p50 / p99`, `${msText(latency.p50_ms)} / ${msText(latency.p99_ms)}`, `n ${latency.n}`)}`
    + `${key(t("qAvailability"), percent(units.online_share, 2), unitsNote(units))}`
    + `${key(t("qJudged"), percent(units.judged_share, 2), `${units.judged_km_h.toFixed(1)} / ${units.road_km_h.toFixed(1)} km·h`)}</dl>`;
  const period = `<p class="dim">${stamp(x.since_ns)} – ${stamp(x.until_ns)} · UTC+8 · ${t("qExercise")} `
    + `${t("qLatency")}: ${t("qLatencyNote")}</p>`;
  const km = (row: { km: number | null }): string => (row.km === null ? t("qUnknown") : `K${row.km}`);
  const hour = (h: number): string => `${String(h).padStart(2, "0")}:00`;
  const rsus = units.rsus.length === 0 ? `<p class="dim">${t("qNoFigures")}</p>` : table(
    ["RSU", "", t("qOnline"), t("qJudged"), "km·h", "n"],
    units.rsus.map((row) => [
      rsuLink(row.esn), bar(row.online_share ?? 0, 0, 1), percent(row.online_share, 2), percent(row.judged_share, 2),
      `${row.judged_km_h.toFixed(1)} / ${row.road_km_h.toFixed(1)}`, `${row.watched_h.toFixed(1)} h`,
    ]),
    t("qAvailability"),
  );
  const flow = (title: Word, first: string, rows: { n: number; hazmat: number; name: string }[]): string => {
    if (rows.length === 0) return block(t(title), `<p class="dim">${t("qNoFigures")}</p>`, "n 0");
    const most = Math.max(...rows.map((row) => row.n));
    const cells = rows.map((row) => [
      row.name, bar(row.hazmat, row.n - row.hazmat, most), String(row.hazmat), String(row.n - row.hazmat), String(row.n),
    ]);
    return block(t(title), table([first, "", t("qHazmat"), t("qOther"), "n"], cells, t(title)), `n ${traffic.n}`);
  };
  return period + head + '<div class="two">'
    + counted("qByRule", t("qRule"), x.rules, (row) => escape(ruleName(row.rule)))
    + counted("qByHour", t("qBegan"), x.hours, (row) => hour(row.hour))
    + counted("qByPlace", "km", x.places, km)
    + counted("qByCarrier", t("qCarrier"), x.carriers, (row) => (row.carrier === null ? t("qNoCarrier") : carrierLink(row.carrier)))
    + counted("qByRsu", "RSU", x.stations, (row) => rsuLink(row.esn))
    + block(t("qAvailability"), rsus, unitsNote(units))
    + flow("qTrafficHour", t("qBegan"), traffic.hours.map((row) => ({ ...row, name: hour(row.hour) })))
    + flow("qTraffic", `RSU · ${t("qLane")}`, traffic.lanes.map((row) => ({
      ...row, name: `${rsuLink(row.esn)} ${escape(row.lane || t("qOffLane"))}`,
    })))
    + more + "</div>" + (x.items === undefined ? "" : listHtml(state, x.items, x.items_n ?? x.items.length));
}

function listHtml(state: State, items: readonly Found[], n: number): string {
  const note = items.length < n ? t("qListCut", { a: items.length, n }) : `n ${n}`;
  return block(t("qList"), items.length === 0 ? `<p class="dim">${t("qNone")}</p>` : violationTable(state, items, t("qList")), note);
}
