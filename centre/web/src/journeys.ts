/** Journeys as the centre serves them: their order on the board, and the texts of their cells. */

import { get } from "./api.ts";
import type { Vehicle } from "./api.ts";
import { age, escape, kmh, moment, ms, station } from "./format.ts";
import { ruleName } from "./rules.ts";
import type { State } from "./state.ts";
import { pick, reason, t } from "./words.ts";

export interface Dwell {
  s_m: number | null;
  lon_deg: number;
  lat_deg: number;
  start_ns: string;
  standing_s: number;
}

export interface Journey {
  id: string;
  terminal: string;
  vehicle: Vehicle | null;
  esn: string;
  road: string | null;
  began: string;
  start_ns: string;
  entry: string | null;
  exit: string | null;
  expected_ns: string | null;
  due_ns: string | null;
  eta_ns: string | null;
  overdue: boolean;
  seen_ns: string;
  s_m: number | null;
  share: number | null;
  speed_mps: number;
  speed_mps_max: number;
  mean_mps: number;
  standing_s: number;
  standing_since_ns: string;
  dwells: Dwell[];
  contact: string;
  cause: string | null;
  violations: Record<string, number>;
  end_ns: string | null;
  reason: string | null;
  permit: string | null;
  waybill: string | null;
  /** What it breaks now, by rule and cause. */
  broken: Record<string, { since_ns: string; p: number }>;
  open: boolean;
  order: number;
}

interface JourneyPage {
  next: number | null;
  items: Journey[];
}

const OPEN_ROWS = 500;
export const ENDED_ROWS = 50;
const PAGES_MAX = 8;

/** All open journeys, and as many of those that ended last; `more`: there are older ones. */
export async function loadJourneys(endedRows: number): Promise<{ open: Journey[]; ended: Journey[]; more: boolean }> {
  const [open, ended] = await Promise.all([loadState("open", OPEN_ROWS * PAGES_MAX), loadState("closed", endedRows)]);
  return { open: open.items, ended: ended.items, more: ended.next !== null };
}

async function loadState(state: "open" | "closed", rows: number): Promise<JourneyPage> {
  const items: Journey[] = [];
  for (let before = ""; ;) {
    const limit = Math.min(OPEN_ROWS, rows - items.length);
    const found = await get<JourneyPage>(`/api/journeys?state=${state}&limit=${limit}${before}`);
    items.push(...found.items);
    if (found.next === null || items.length >= rows) return { items, next: found.next };
    before = `&before=${found.next}`;
  }
}

/** Whether it is overdue at a time of the centre: the version that says so may be some seconds away. */
export function isOverdue(x: Journey, nowMs: number): boolean {
  return x.open && (x.overdue || ms(x.due_ns) < nowMs);
}

/** Overdue first, the longest on top; then who is lost; then by the time of arrival; who has none last. */
export function ordered(open: readonly Journey[], nowMs: number): Journey[] {
  const place = (x: Journey): number => (isOverdue(x, nowMs) ? 0 : x.contact === "lost" ? 1 : 2);
  const time = (x: Journey): number => {
    const at = place(x) === 0 ? ms(x.due_ns) : place(x) === 1 ? ms(x.seen_ns) : ms(x.eta_ns);
    return Number.isNaN(at) ? Infinity : at;
  };
  return [...open].sort((a, b) => place(a) - place(b) || compare(time(a), time(b)) || a.order - b.order);
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

export function plateOf(x: Journey): string {
  return x.vehicle?.plate ?? x.terminal;
}

export function cargoOf(x: Journey): string {
  const { un, hazmat_class: kind } = x.vehicle ?? { un: null, hazmat_class: null };
  return [un === null ? "" : `UN${un}`, kind === null ? "" : `${kind}${t("classN")}`].filter((part) => part !== "").join(" · ") || "—";
}

/** Who sees it; where nobody does, why, and how long ago it was seen. */
export function contactText(x: Journey, nowMs: number): string {
  if (x.contact === "lost") {
    const why = x.cause === null ? "" : ` · ${reason(x.cause)}`;
    return `${t("contactLost")}${why} · ${age((nowMs - ms(x.seen_ns)) / 1_000)}`;
  }
  if (x.contact === "radar") return `${t("radar")} · ${reason("terminal_silent")}`;
  return x.contact === "terminal" ? t("byTerminal") : t("byBoth");
}

/** Where it stood longest, and for how long; what stands now counts until now. */
export function dwellText(x: Journey, nowMs: number): string {
  const since = ms(x.standing_since_ns);
  const total = x.standing_s + (x.open && since > 0 ? Math.max(0, (nowMs - ms(x.seen_ns)) / 1_000) : 0);
  if (total < 1) return "—";
  let longest: Dwell | null = null;
  for (const dwell of x.dwells) if (longest === null || dwell.standing_s > longest.standing_s) longest = dwell;
  return `${age(total)}${longest === null ? "" : ` · ${station(longest.s_m)} ${age(longest.standing_s)}`}`;
}

/** The permit that it drives under with its waybill, and what it lacks. */
export function permitText(x: Journey): string {
  const faults = Object.keys(x.broken).map((key) => reason(key.split("/")[1] ?? key));
  const waybill = x.waybill === null ? "" : t("waybill", { n: x.waybill });
  return [x.permit ?? "", waybill, ...faults].filter((part) => part !== "").join(" · ") || "—";
}

export function violationsText(x: Journey): string {
  const parts = Object.entries(x.violations).map(([rule, n]) => `${ruleName(rule)}${n > 1 ? ` ×${n}` : ""}`);
  return parts.join(t("comma")) || "—";
}

/** A gate under its name on the map, in the page's language where it has one. */
export type GateName = (gate: string) => string;

/** The names of the site's gates, by id; a gate without one keeps its id. */
export function gateName(state: State): GateName {
  const places = new Map((state.site?.body.places ?? []).map((x) => [x.id ?? x.name, x] as const));
  return (gate) => {
    const place = places.get(gate);
    return place === undefined ? gate : pick(place.name, place.name_en);
  };
}

export function beganText(x: Journey, gate: GateName, nowMs: number): string {
  return `${moment(ms(x.start_ns), nowMs)} ${x.entry === null ? t("firstSeen") : escape(gate(x.entry))}`;
}

export function lastedText(x: Journey, nowMs: number): string {
  return age(((x.open ? nowMs : ms(x.end_ns)) - ms(x.start_ns)) / 1_000);
}

export function speedText(x: Journey): string {
  return `${kmh(x.mean_mps)} / ${kmh(x.speed_mps_max)}`;
}

export function endText(x: Journey, gate: GateName, nowMs: number): string {
  const how = x.reason === "exit" && x.exit !== null ? escape(gate(x.exit)) : reason(`end_${x.reason ?? ""}`);
  return `${moment(ms(x.end_ns), nowMs)} ${how}`;
}
