/** What the centre serves (centre/API.md): its shapes, and fetching them. Times are decimal strings of nanoseconds. */

import type { DeskSummary } from "./desk/model.ts";

export type Grade = "undecidable" | "notice" | "warning" | "violation";
export const GRADES: readonly Grade[] = ["undecidable", "notice", "warning", "violation"];

export interface Lane {
  lane: string;
  road: string;
  index: number;
  level: number;
  allowed: string[];
  speed_limit_mps: number | null;
  direction: number;
  from_m: number;
  to_m: number;
  offset_m: [number, number];
  row: number | null;
}

export interface Row {
  row: number;
  direction: number;
  index: number;
  offset_m: [number, number];
  hazmat: boolean;
  allowed: string[];
  speed_limit_mps: number | null;
}

export interface SitePlace {
  kind: string;
  role: string | null;
  name: string;
  name_en: string | null;
  /** Its name on the map, by which messages name it. */
  id?: string | null;
  s_m: number;
  to_m: number | null;
  lon_deg: number;
  lat_deg: number;
  level: number;
}

export interface Radar {
  id: string;
  accepted: boolean;
  lon_deg: number;
  lat_deg: number;
  heading_deg: number;
  range_m_max: number;
  fov_deg: number;
  s_m: number | null;
}

export interface SiteRsu {
  esn: string;
  /** Address of its camera's page, with {esn}, {stamp_s} and {plate}. */
  camera?: string | null;
  lon_deg: number;
  lat_deg: number;
  s_m: number | null;
  stretch_m: [number, number] | null;
  neighbours: string[];
  radars: Radar[];
}

export interface SiteBody {
  name: string;
  title: { zh: string; en: string };
  synthetic: boolean;
  origin: [number, number];
  map_version: string;
  rules_version: string;
  length_m: number;
  axis: { lon: number[]; lat: number[]; s_m: number[] } | null;
  range_m: [number, number];
  lanes: Lane[];
  rows: Row[];
  places: SitePlace[];
  rsus: SiteRsu[];
  gateway: string | null;
  rules: Record<string, unknown>;
}

export interface Vehicle {
  plate: string | null;
  terminal: string | null;
  hazmat_class: string | null;
  un: string | null;
  carrier: string | null;
}

export interface Episode {
  id: string;
  version: number;
  hop: number;
  phase: string;
  grade: Grade;
  grade_max: Grade;
  rule: string;
  vehicle: Vehicle | null;
  identity_p: number | null;
  track: string;
  esn: string;
  start_ns: string;
  confirmed_ns: string | null;
  end_ns: string | null;
  lon_deg: number;
  lat_deg: number;
  lane: string | null;
  zone: string | null;
  s_m: number | null;
  d_m: number | null;
  sigma_d_m: number | null;
  p_violation: number;
  speed_mps: number;
  limit_mps: number | null;
  /** The layer that states the limit: `lane`, `zone:NAME`, …; missing from an RSU of an earlier version. */
  limit_of?: string | null;
  /** The station of its lane's road, where that has an axis of its own; missing from an RSU of an earlier version. */
  road_s_m?: number | null;
  map_version: string;
  rules_version: string;
  stamps: { measured_ns: string; arrived_ns: string; by?: string | null };
  reason: string | null;
  late: boolean;
  /** Whether the terminal raised an alarm of its own for it; nil: it never does. */
  terminal_alarm?: boolean | null;
  order: number;
  open: boolean;
  excess_m: number | null;
  excess_m_max: number | null;
  p_violation_max: number;
  versions: number;
  hops: string[];
  /** Until when the rule was known to be broken; for a closed episode its end. */
  last_violating_ns: string | null;
  /** The earliest detection of any version, and the earliest sending of one that was stored, by the RSU's clock. */
  first_detected_ns: string | null;
  first_sent_ns: string | null;
  /** Where and how fast it was when its highest grade was decided. */
  decided: Pick<Episode, "lon_deg" | "lat_deg" | "lane" | "zone" | "s_m" | "d_m" | "speed_mps"> | null;
  detected_ns: string | null;
  sent_ns: string | null;
  received_ns: string | null;
  committed_ns: string | null;
  first_committed_ns: string | null;
  latency_ms: number | null;
  /** Its RSU's clock was never set when it detected the shown version: its stamps are no times. Missing from an earlier centre. */
  clock_unset?: boolean;
}

type OfEpisodeOnly =
  | "order" | "open" | "versions" | "hops" | "grade_max" | "excess_m" | "excess_m_max" | "p_violation_max" | "last_violating_ns"
  | "first_detected_ns" | "first_sent_ns" | "decided";

export interface Version extends Omit<Episode, OfEpisodeOnly> {
  evidence: Record<string, unknown>;
}

export interface EpisodeDetail {
  episode: Episode;
  versions: Version[];
}

export interface Latency {
  p50_ms: number | null;
  p99_ms: number | null;
  n: number;
  /** Samples that waited in an outbox; the quantiles leave them out. */
  deferred: number;
}

export type RsuState = "online" | "offline" | "never";

export interface Unjudged {
  road: string;
  from_m: number;
  to_m: number;
  reason: string;
  since_ns: string | null;
}

/** What is wrong with one clock. */
export interface Clock {
  kind: string;
  offset_s: number;
  corrected: boolean;
  since_ns: string;
  n: number;
}

/** What must be added to a radar's survey: east, north [m], rotation [rad], time [s], range [m]. */
export type PoseErrors = readonly [number, number, number, number, number];

export interface Pose {
  state: string;
  estimate: PoseErrors;
  sigma: PoseErrors;
  /** In use now. */
  applied: PoseErrors;
  n_trucks: number;
  n_pairs: number;
  since_ns: string | null;
}

export interface Rsu {
  esn: string;
  known: boolean;
  stretch_m: [number, number] | null;
  state: RsuState;
  stale: boolean;
  since_ns: string | null;
  beat_ns: string | null;
  beat_age_s: number | null;
  epoch: number | null;
  outbox_depth: number | null;
  stored: number;
  missing: number;
  /** Of the missing: asked for now; asked for and come; in no file of the RSU any more. Nil in an earlier centre. */
  asked?: number;
  recovered?: number;
  lost?: number;
  lost_since_ns?: string | null;
  config: string | null;
  map: string | null;
  version: string | null;
  clock_offset_ms: number | null;
  sensors: Record<string, string>;
  counts: Record<string, number>;
  unjudged: Unjudged[];
  degraded: string[];
  /** By terminal and by radar: the address of who was refused under its name. */
  strange_terminals: Record<string, string>;
  strange_radars: Record<string, string>;
  /** How often two RSUs of this name took turns within the last minute; 0: it has no twin. */
  twin_n: number;
  clocks: Record<string, Clock>;
  clocks_n: number;
  radar_clocks: Record<string, Clock>;
  /** Errors of radars' poses by sensor; a centre of an earlier version says nothing. */
  registration?: Record<string, Pose>;
  host_clock: Clock | null;
  latency: Latency;
}

export interface Gateway {
  id: string;
  state: RsuState;
  stale: boolean;
  since_ns: string | null;
  beat_ns: string | null;
  beat_age_s: number | null;
  counts: Record<string, number>;
  degraded: string[];
  clock_offset_ms: number | null;
  version: string | null;
  strange_terminals: Record<string, string>;
}

export interface Rsus {
  now_ns: string;
  rsus: Rsu[];
  gateways: Gateway[];
}

/** One line of the banner: `parts` are the first names of `n`, `detail` is text as a part said it. */
export interface Warning {
  kind: string;
  parts: string[];
  n: number;
  detail: string;
}

export interface Summary {
  now_ns: string;
  cursor: number;
  open: Record<Grade, number>;
  total: number;
  last_alarm_ns: string | null;
  rsus: Record<string, number>;
  gateways: Record<string, number>;
  vehicles: number;
  hazmat: number;
  unjudged_m: number;
  length_m: number;
  latency: Latency & { window_s: number };
  /** Episodes of each section of the list, and alarms by when they came, all of the database. */
  sections: { open: number; ended: number; record: number; record_open: number };
  alarms: { last_10_min: number; last_hour: number; per_10_min: number[] };
  outbox_depth: number;
  quarantined: number;
  missing: number;
  /** The error of a database that refuses; null while it works. */
  database?: { fault: string; since_ns: string } | null;
  /** Whether the centre has the message broker, since when; why the broker refuses it, where that is known. */
  broker?: { connected: boolean; since_ns: string; refused?: string | null };
  /** What an operator must look after, though it works; a centre of an earlier version has none. */
  warnings?: Warning[];
  /** The desk's figures. */
  desk?: DeskSummary;
  /** The site's centres; `desk`: what another one said last of its desk. */
  centres?: { centre: string; state: string; own: boolean; desk?: { n: number; stamp_ns: string } | null }[];
}

/** The centre refused a request: `status`, and its problem (RFC 9457), with its own members beside the standard ones. */
export class Refused extends Error {
  readonly status: number;
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, body: unknown) {
    const found = (typeof body === "object" ? body : null) as Record<string, unknown> | null;
    const problem = { ...(found?.["extra"] as object | undefined), ...found };
    super(String(found?.["detail"] ?? status));
    this.status = status;
    this.problem = problem;
  }
}

/** The answer to a request; throws `Refused`, or a TypeError where the centre can't be reached. */
export async function ask(path: string, how: RequestInit = { cache: "no-store" }): Promise<Response> {
  const answer = await fetch(path, how);
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => null));
  return answer;
}

export async function get<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

export interface Page {
  cursor: number;
  next: number | null;
  items: Episode[];
}

const RECENT_MAX = 500;
const PAGES_MAX = 20;

/** All open episodes and the newest others. The cursor is read first: an episode that arrives twice is one row. */
export async function loadEpisodes(): Promise<{ cursor: number; items: Episode[]; complete: boolean }> {
  const recent = await get<Page>(`/api/violations?state=all&limit=${RECENT_MAX}`);
  const items = [...recent.items];
  let before = recent.next;
  for (let i = 0; before !== null && i < PAGES_MAX; i++) {
    const page: Page = await get<Page>(`/api/violations?state=open&limit=${RECENT_MAX}&before=${before}`);
    items.push(...page.items);
    before = page.next;
  }
  return { cursor: recent.cursor, items, complete: recent.next === null };
}
