/** The pages of a vehicle, a carrier and an RSU, from what the centre says of them. They return HTML. */

import { get } from "../api.ts";
import { escape, moment, ms, station } from "../format.ts";
import { beganText, contactText, endText, gateName, lastedText, permitText, speedText, violationsText } from "../journeys.ts";
import type { Journey } from "../journeys.ts";
import { poseFacts } from "../poses.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { name, reason, t } from "../words.ts";
import { goodsOf, goodsText, vehicleLink } from "./goods.ts";
import { block, carrierLink, percent, rsuHref, stamp, table, violationTable } from "./tables.ts";
import type { Found } from "./tables.ts";

interface Registered {
  terminal: string;
  plate: string | null;
  class: string;
  hazmat_class: string | null;
  un: string | null;
  carrier: string | null;
  phone: string | null;
  driver: string | null;
  driver_phone: string | null;
}

interface Counts {
  rules: Record<string, number>;
  violations: number;
  false: number;
  records: number;
}

export interface VehiclePage {
  name: string;
  registered: Registered | null;
  permits: {
    permit: string;
    waybill: string | null;
    start_ns: string;
    end_ns: string;
    entry: string | null;
    exit: string | null;
    roads: string[];
    holds: boolean;
  }[];
  counts: Counts;
  journeys: Journey[];
  past: Found[];
}

export interface CarrierPage {
  name: string;
  vehicles: Registered[];
  counts: Counts;
  plates: { plate: string | null; n: number }[];
  past: Found[];
}

export interface LostItem {
  epoch: number;
  seq: number;
  received_ns: string;
  reason: string;
}

export interface RsuPage {
  esn: string;
  states: {
    at_ns: string;
    state: string;
    sensors?: Record<string, string>;
    degraded?: string[];
    clock_offset_ms?: number | null;
    p99_ms?: number | null;
    n?: number;
    version?: string | null;
  }[];
  /** `before` of the page of older changes; null: there is none. */
  next: number | null;
  /** What no file of it holds any more, newest first; nil in an earlier centre. */
  lost?: LostItem[];
  hours: { hour_ns: string; watched_s: number; online_s: number; road_km_h: number; judged_km_h: number }[];
  past: Found[];
}

const PAST = 20;

async function past(key: string, value: string): Promise<Found[]> {
  return (await get<{ items: Found[] }>(`/api/search?limit=${PAST}&${key}=${encodeURIComponent(value)}`)).items;
}

export async function loadVehicle(plate: string): Promise<VehiclePage> {
  const found = await get<Omit<VehiclePage, "past">>(`/api/vehicles/${encodeURIComponent(plate)}`);
  return { ...found, past: await past("vehicle", found.registered?.plate ?? plate) };
}

export async function loadCarrier(carrier: string): Promise<CarrierPage> {
  const found = await get<Omit<CarrierPage, "past">>(`/api/carriers/${encodeURIComponent(carrier)}`);
  return { ...found, past: await past("carrier", carrier) };
}

/** `before`: the number that a page of changes ends before; empty: the newest ones. */
export async function loadRsu(esn: string, before: string): Promise<RsuPage> {
  const cursor = /^\d+$/.test(before) ? `?before=${before}` : "";
  const found = await get<Omit<RsuPage, "past">>(`/api/rsus/${encodeURIComponent(esn)}/history${cursor}`);
  return { ...found, past: await past("esn", esn) };
}

function facts(pairs: readonly (readonly [string, string])[]): string {
  return `<dl>${pairs.map(([key, value]) => `<div><dt>${key}</dt><dd>${value}</dd></div>`).join("")}</dl>`;
}

function countsHtml(counts: Counts): string {
  const rules = Object.entries(counts.rules).sort((a, b) => b[1] - a[1]).map(([rule, n]) => `${escape(ruleName(rule))} <b>${n}</b>`);
  const total = t("qTotal", { n: counts.violations, f: counts.false, r: counts.records });
  return `<p>${[total, ...rules].join("　")}</p>`;
}

function pastHtml(state: State, rows: readonly Found[], counts: Counts | null, key: string, value: string): string {
  const all = `<a href="#search?${key}=${escape(encodeURIComponent(value))}">${t("qAll")}</a>`;
  const body = rows.length === 0 ? `<p class="dim">${t("qNone")}</p>` : violationTable(state, rows, t("qPast"));
  return block(t("qPast"), (counts === null ? "" : countsHtml(counts)) + body, all);
}

function phone(number: string | null): string {
  return number === null ? "—" : `<a href="tel:${escape(number.replace(/[^+\d]/g, ""))}">${escape(number)}</a>`;
}

function goodsHtml(un: string | null, kind: string | null): string {
  if (un === null) return kind === null ? "—" : escape(kind);
  const cls = kind ?? goodsOf(un)?.hazmat_class ?? null;
  return `<b>UN${escape(un)}</b> ${escape(goodsText(un))}${cls === null ? "" : ` · ${t("qClass")} ${escape(cls)}`}`;
}

function journeysHtml(state: State, journeys: readonly Journey[]): string {
  if (journeys.length === 0) return `<p class="dim">${t("qNoJourneys")}</p>`;
  const [gate, nowMs] = [gateName(state), state.nowMs()];
  const rows = journeys.map((x) => [
    `${stamp(x.start_ns).slice(0, 10)} ${beganText(x, gate, ms(x.start_ns))}`, lastedText(x, nowMs),
    x.open ? t("qNow") : endText(x, gate, ms(x.start_ns)), speedText(x), // with its date where it is of another day
    escape(permitText(x)), escape(violationsText(x)),
  ]);
  return table([t("cEntry"), t("cLasted"), t("cExit"), t("cMeanMax"), t("cPermit"), t("cRules")], rows, t("qJourneys"));
}

export function vehicleHtml(state: State, x: VehiclePage): string {
  const { registered } = x;
  const title = registered?.plate ?? x.name;
  const own = registered === null
    ? `<p class="dim">${t("qUnregistered")}</p>`
    : facts([
      [t("qTerminal"), escape(registered.terminal)], [t("qCargo"), goodsHtml(registered.un, registered.hazmat_class)],
      [t("qCarrier"), registered.carrier === null ? "—" : carrierLink(registered.carrier)], [t("qPhone"), phone(registered.phone)],
      [t("qDriver"), escape(registered.driver ?? "—")], [t("qDriverPhone"), phone(registered.driver_phone)],
    ]);
  const open = x.journeys.find((journey) => journey.open);
  const trip = open === undefined
    ? `<p class="dim">${t("qNoTrip")}</p>`
    : facts([
      [t("cEntry"), beganText(open, gateName(state), state.nowMs())], [t("cNow"), station(open.s_m)],
      [t("cLasted"), lastedText(open, state.nowMs())], [t("cOut"), open.eta_ns === null ? "—" : moment(ms(open.eta_ns), state.nowMs())],
      [t("cContact"), escape(contactText(open, state.nowMs()))],
      [t("cPermit"), escape(permitText(open))],
    ]);
  const permits = x.permits.length === 0
    ? `<p class="dim">${t("qNoPermits")}</p>`
    : table(
      [t("cPermit"), `${t("from")} · UTC+8`, t("to"), t("cEntry"), t("cExit"), t("qState")],
      x.permits.map((p) => [
        escape(p.permit + (p.waybill === null ? "" : ` · ${t("waybill", { n: p.waybill })}`)), stamp(p.start_ns), stamp(p.end_ns),
        escape(p.entry ?? "—"), escape(p.exit ?? "—"), t(p.holds ? "qValid" : "qNotValid"),
      ]),
      t("qPermits"),
    );
  return `<h2 data-testid="vehicle-title">${escape(title)}</h2><div class="two">${block(t("qRegistered"), own)}`
    + `${block(t("qTrip"), trip, `<a href="#journeys">${t("qBoard")}</a>`)}</div>`
    + pastHtml(state, x.past, x.counts, "plate", title)
    + block(t("qJourneys"), journeysHtml(state, x.journeys)) + block(t("qPermits"), permits);
}

export function carrierHtml(state: State, x: CarrierPage): string {
  const byPlate = new Map(x.plates.map((row) => [row.plate, row.n]));
  const fold = (plate: string): string => plate.normalize("NFKC").toUpperCase().replace(/[ ·•・‧.\-_]/g, "");
  const rows = x.vehicles.map((v) => [
    vehicleLink(v.plate ?? v.terminal), goodsHtml(v.un, v.hazmat_class), escape(v.driver ?? "—"), phone(v.driver_phone),
    String(byPlate.get(fold(v.plate ?? v.terminal)) ?? 0),
  ]);
  const vehicles = rows.length === 0
    ? `<p class="dim">${t("qUnregistered")}</p>`
    : table([t("qPlateShort"), t("qCargo"), t("qDriver"), t("qDriverPhone"), t("qViolations")], rows, t("qVehicles"));
  const dispatcher = x.vehicles.find((v) => v.phone !== null)?.phone ?? null;
  return `<h2 data-testid="carrier-title">${escape(x.name)}</h2>`
    + block(t("qVehicles"), facts([[t("qPhone"), phone(dispatcher)]]) + vehicles, `n ${x.vehicles.length}`)
    + pastHtml(state, x.past, x.counts, "carrier", x.name);
}

export function rsuHtml(state: State, x: RsuPage): string {
  const now = state.rsus.get(x.esn);
  const stretch = now?.stretch_m ?? null;
  const own = now === undefined ? `<p class="dim">${t("qUnknownRsu")}</p>` : facts([
    [t("qState"), escape(name(now.stale ? "staleBeat" : now.state))],
    [t("qStretch"), stretch === null ? "—" : `${station(stretch[0])} – ${station(stretch[1])}`],
    [t("qSensors"), sensors(now.sensors)], [t("qFaults"), faults(now.degraded)], [t("qClock"), number(now.clock_offset_ms)],
    [t("qP99"), `${number(now.latency.p99_ms)} (n ${now.latency.n})`], [t("qVersion"), escape(now.version ?? "—")],
    ...poseFacts(now, state.nowMs()).map(([sensor, about]): [string, string] => [escape(sensor), escape(about)]),
  ]);
  const changes = x.states.length === 0 ? `<p class="dim">${t("qNoHistory")}</p>` : table(
    [t("qSince"), t("qState"), t("qSensors"), t("qFaults"), t("qClock"), t("qP99"), t("qVersion")],
    x.states.map((s) => [
      stamp(s.at_ns), escape(name(s.state)), sensors(s.sensors ?? {}), faults(s.degraded ?? []),
      number(s.clock_offset_ms), `${number(s.p99_ms)}${s.n === undefined ? "" : ` (n ${s.n})`}`, escape(s.version ?? "—"),
    ]),
    t("qHistory"),
  );
  const sum = (key: "watched_s" | "online_s" | "road_km_h" | "judged_km_h"): number => x.hours.reduce((all, row) => all + row[key], 0);
  const [watched, road] = [sum("watched_s"), sum("road_km_h")];
  const hours = facts([
    [t("qAvailability"), watched === 0 ? "—" : percent(sum("online_s") / watched)],
    [t("qJudged"), road === 0 ? "—" : `${percent(sum("judged_km_h") / road)} (${sum("judged_km_h").toFixed(1)} / ${road.toFixed(1)} km·h)`],
    ["n", t("qWatched", { n: (watched / 3_600).toFixed(1) })],
  ]);
  return `<h2 data-testid="rsu-title">${escape(x.esn)}</h2><div class="two">${block(t("qNow"), own)}${block(t("qHours"), hours)}</div>`
    + lostHtml(x.lost ?? [], now?.lost ?? 0) + block(t("qHistory"), changes + older(x)) + pastHtml(state, x.past, null, "esn", x.esn);
}

/** The ways to the page of older changes, and back to the newest. */
function older(x: RsuPage): string {
  const page = rsuHref(x.esn);
  const back = `<a href="${page}">${t("qNewest")}</a>`;
  const on = x.next === null ? "" : `<a href="${page}?before=${x.next}" data-testid="before">${t("qOlder")}</a>`;
  return `<p class="turns">${on} ${back}</p>`;
}

/** The violations of an RSU that are lost: with their numbers, since nothing else is left of them. */
function lostHtml(items: readonly LostItem[], n: number): string {
  if (items.length === 0) return "";
  const rows = items.map((x) => [stamp(x.received_ns), String(x.epoch), String(x.seq), escape(x.reason)]);
  const body = table([t("qSince"), t("qEpoch"), t("qSeq"), t("qReason")], rows, t("itemsLost"));
  return block(`▲ ${t("itemsLost")}`, body, `n ${Math.max(n, items.length)}`);
}

function sensors(found: Readonly<Record<string, string>>): string {
  return Object.entries(found).map(([id, state]) => `${escape(id)} ${escape(name(state))}`).join(" · ") || "—";
}

function faults(found: readonly string[]): string {
  return found.map((key) => escape(reason(key))).join(" · ") || "—";
}

function number(value: number | null | undefined): string {
  return value === null || value === undefined ? "—" : value.toFixed(1);
}
