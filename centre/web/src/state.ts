/** The page's state: one object, which the streams and keys change and the views read. */

import { byArrival } from "./arrival.ts";
import type { Episode, EpisodeDetail, Gateway, Rsu, Summary } from "./api.ts";
import { Desk } from "./desk/desk.ts";
import { hasVersions } from "./desk/model.ts";
import type { Fleet } from "./fleet.ts";
import { StreamClock } from "./fleet.ts";
import { ms } from "./format.ts";
import { isAlarm, isNewer } from "./order.ts";
import type { Hatch, Site } from "./site.ts";
import type { Loss } from "./supervision.ts";

export type ConnectionState = "loading" | "live" | "stale" | "disconnected";
export type Step = "site" | "map" | "list" | "rsus" | "vehicles";
export type Theme = "dark" | "light";

export const WINDOW_M = 4_000;
const EPISODES_MAX = 2_000;
const DAY_MS = 86_400_000;
const WAITED_MS_MAX = 10_000; // detected to sent: longer, and it was stored and forwarded

/** Whether the centre answers: what a person does now reaches it. */
export function isLinked(state: Pick<State, "connection">): boolean {
  return state.connection === "live" || state.connection === "stale";
}

/**
 * Whether it was sent long after its detection: it waited in an outbox while the link was down. Both times are
 * from the RSU's clock, so that a wrong clock makes nothing late.
 */
export function isLate(episode: Episode): boolean {
  const waitedMs = ms(episode.first_sent_ns) - ms(episode.first_detected_ns);
  if (episode.clock_unset === true && waitedMs > DAY_MS) return episode.late; // it was set in between
  return episode.late || waitedMs > WAITED_MS_MAX;
}

export class State {
  site: Site | null = null;
  fleet: Fleet | null = null;
  readonly episodes = new Map<string, Episode>();
  readonly details = new Map<string, EpisodeDetail | "loading" | "missing">();
  readonly rsus = new Map<string, Rsu>();
  rsuOrder: string[] = [];
  gateways: Gateway[] = [];
  summary: Summary | null = null;
  hatches: Hatch[] = [];
  covers: [number, number][] = [];
  /** Grows with each change of an episode. */
  changes = 0;
  /** Grows whenever RSUs, hatches or covers may have changed: still pictures are painted anew. */
  roadChanges = 0;
  readonly steps = new Set<Step>();
  connection: ConnectionState = "loading";
  theme: Theme = "dark";
  selected: string | null = null;
  follow: bigint | null = null;
  windowFrom = 0;
  readonly desk = new Desk();
  /** How much of the road the detail strip shows [m]. */
  windowM = WINDOW_M;
  /** How much larger the close-up is drawn. */
  closeZoom = 1;
  /** How far the close-up was dragged from what it follows: to the right and upwards on the screen [m]. */
  closeShift: readonly [number, number] = [0, 0];
  readonly stream = new StreamClock();
  /** RSUs that are online without new snapshots, the age of the oldest [s]; `all`: no vehicle moves. */
  late: { esns: readonly string[]; ageS: number; all: boolean } = { esns: [], ageS: 0, all: false };
  /** Lost RSUs and gateways, and lost connections of the centre. */
  losses: readonly Loss[] = [];
  /** Whether the page has all episodes of the centre: then it counts its own. */
  complete = false;
  /** Older episodes of the pages that are shown. */
  paged: ReadonlySet<string> = new Set();
  lostSinceMs = NaN;
  /** The moment that the pictures replay [ms]; NaN: they are live. The list and the alarms always are. */
  replayMs = NaN;
  /** Whether this is the state of a replayed moment, in which nothing is new. */
  isPast = false;
  attempt = 0;
  nextTryMs = NaN;
  private centreMs = NaN;
  private centreTimeSetAt = NaN;
  private frozenMs = NaN;

  /** Set the time that the centre sent, when it arrived (`local`, performance.now()). */
  setCentreTime(ns: string, local: number): void {
    this.centreMs = ms(ns);
    this.centreTimeSetAt = local;
    this.frozenMs = this.centreMs;
  }

  /** Whether the centre has said its time: until then `nowMs` is the browser's. */
  get knowsTime(): boolean {
    return !Number.isNaN(this.centreMs);
  }

  /** The centre's time; it advances also while the connection is lost. */
  nowMs(): number {
    return Number.isNaN(this.centreMs) ? Date.now() : this.centreMs + performance.now() - this.centreTimeSetAt;
  }

  /** The time that the picture shows; it does not advance while the connection is lost. */
  viewMs(): number {
    return this.connection === "disconnected" && !Number.isNaN(this.frozenMs) ? this.frozenMs : this.nowMs();
  }

  put(found: Episode): boolean {
    const episode = byArrival(found);
    const before = this.episodes.get(episode.id);
    if (!isNewer(episode, before)) return false;
    this.desk.watch(before, episode);
    this.episodes.set(episode.id, episode);
    this.changes++;
    if (this.episodes.size > EPISODES_MAX) this.forget();
    return true;
  }

  /** A page that stays open for weeks keeps what is open or waits for somebody, what is chosen, and the newest of the rest. */
  private forget(): void {
    const waits = (x: Episode): boolean => isAlarm(x) && this.desk.of(x.id).state !== "closed";
    const kept = (x: Episode): boolean => x.open || waits(x) || x.id === this.selected || this.paged.has(x.id);
    const old = [...this.episodes.values()].filter((x) => !kept(x)).sort((a, b) => a.order - b.order);
    if (old.length > 0) this.complete = false;
    this.changes++;
    for (const { id } of old.slice(0, EPISODES_MAX / 4)) {
      for (const map of [this.episodes, this.details]) map.delete(id);
    }
  }

  get chosen(): Episode | null {
    return this.selected === null ? null : (this.episodes.get(this.selected) ?? null);
  }

  /** Whether the evidence of the chosen episode must be fetched: there is none, or it is of an older version. */
  get wantsDetail(): boolean {
    if (this.selected === null || !hasVersions(this.selected)) return false;
    const held = this.details.get(this.selected);
    if (held === undefined) return true;
    if (held === "loading" || this.chosen === null) return false;
    return held === "missing" || !isNewer(held.episode, this.chosen) || held.episode.versions < this.chosen.versions;
  }

  /** An alarm that nobody has acknowledged. */
  isUnseen(episode: Episode): boolean {
    return isAlarm(episode) && this.desk.isUnseen(episode.id);
  }

  /** New: it goes on, and nobody has acknowledged it; it is ringed. */
  isNew(episode: Episode): boolean {
    return !this.isPast && episode.open && this.isUnseen(episode);
  }

  moveWindow(from: number, gridM = 10): void {
    if (this.site === null) return;
    const top = Math.max(this.site.from, this.site.to - this.windowM);
    this.windowFrom = Math.max(this.site.from, Math.min(top, Math.round(from / gridM) * gridM));
  }
}
