/** Plays the history: which moment is shown, how fast it goes on, and what is fetched for it. */

import { ask, get, Refused } from "../api.ts";
import type { Episode } from "../api.ts";
import { ms } from "../format.ts";
import type { Fleet } from "../fleet.ts";
import type { State } from "../state.ts";
import { lanePlace } from "../site.ts";
import { readAnswer } from "./answer.ts";
import type { Answer, Gap } from "./answer.ts";
import type { GradesBody } from "./grades.ts";
import { Film } from "./film.ts";
import { Past } from "./past.ts";
import { Projector } from "./projector.ts";

export const SPEEDS = [0.5, 1, 2, 4, 8] as const;
export const LEAD_MS = 30_000; // a violation is replayed from so long before its start
const MINUTE_MS = 60_000;
const EDGE_MS = 3_000; // behind the present: what is nearer has not come from all RSUs
const AHEAD_S = 15; // of real time: so far ahead is fetched
const FRAME_MS_MAX = 3_000; // a page that was hidden for longer does not leap
const RETRY_MS = 2_000;
const GRADES_EACH_MS = 5_000; // what happens meanwhile has grades too

/** What the centre keeps. */
export interface Bounds {
  readonly fromMs: number;
  /** How long it is kept, as the site says. */
  readonly keepS: number;
  readonly gaps: readonly Gap[];
}

/** `/api/history/bounds`. */
interface BoundsBody {
  readonly from_ns: string;
  readonly keep_s: number;
  readonly gaps: readonly { from_ns: string; to_ns: string; reason: string; esn: string | null }[];
}

/** `/api/search`. */
type Found = { readonly items: readonly Episode[]; readonly older: string | null };

export class Player {
  readonly past = new Past();
  film = new Film();
  active = false;
  playing = false;
  speed = 1;
  /** The moment that is shown [ms]. */
  tMs = NaN;
  /** Waits for what is being fetched. */
  loading = false;
  /** Why the history can't be read; empty while it can. */
  fault = "";
  bounds: Bounds | null = null;
  readonly live: State;
  private projector: Projector | null = null;
  private lastMs = NaN; // performance.now() of the last frame
  private readonly fetching = new Set<string>();
  private retryAt = 0;
  private gradesToMs = NaN; // until when the grades have been asked for
  private gradesAt = 0;

  constructor(live: State) {
    this.live = live;
  }

  /** The state that pictures draw: the replayed one, or the live one. */
  get shown(): State {
    return this.active && this.projector !== null ? this.past.state : this.live;
  }

  /** Begin at a moment [ms], with the clip of a violation where one is named. */
  open(tMs: number, violation: string | null = null): void {
    const { site } = this.live;
    if (site === null) return;
    if (!this.active) {
      this.active = true;
      this.film = new Film();
      this.projector = new Projector({ plane: site.plane, axis: site.axis, lane: (lane) => lanePlace(site, lane) }, this.film);
      this.past.follow = null;
      this.past.grades.clear();
      this.past.recalled.clear();
      this.gradesToMs = NaN;
      this.speed = 1;
    }
    this.playing = true;
    this.fault = "";
    this.retryAt = 0;
    void this.fetchBounds().then(() => this.fetchGrades());
    if (violation !== null) void this.fetchClip(violation);
    this.seek(tMs);
  }

  close(): void {
    this.active = false;
    this.playing = false;
    this.projector = null;
    this.film = new Film();
    this.live.replayMs = NaN;
  }

  /** Show another moment. */
  seek(tMs: number): void {
    const low = this.bounds?.fromMs ?? -Infinity;
    this.tMs = Math.max(low, Math.min(this.edgeMs(), tMs));
    this.live.replayMs = this.tMs;
    this.fetchAround();
  }

  /** The newest moment that can be replayed [ms]. */
  edgeMs(): number {
    return this.live.nowMs() - EDGE_MS;
  }

  /** Move on by the time since the last frame, and put everything where it was. */
  advance(nowMs: number): void {
    const dtMs = Number.isNaN(this.lastMs) ? 0 : Math.min(FRAME_MS_MAX, nowMs - this.lastMs);
    this.lastMs = nowMs;
    if (!this.active || this.projector === null) return;
    const held = this.film.heldUntil(this.tMs);
    this.loading = Number.isNaN(held);
    if (this.playing && !this.loading) {
      this.tMs = Math.max(this.tMs, Math.min(this.tMs + dtMs * this.speed, held, this.edgeMs()));
      this.loading = held - this.tMs < 1 && this.edgeMs() - this.tMs > 1_000;
    }
    this.fetchAround();
    if (nowMs > this.gradesAt) void this.fetchGrades();
    this.live.replayMs = this.tMs;
    this.projector.show(this.tMs);
    this.past.show(this.live, this.fleet!, this.film.rsusAt(this.tMs), this.tMs);
  }

  get fleet(): Fleet | null {
    return this.projector?.fleet ?? null;
  }

  /** Why nothing was kept at the shown moment; null: it was. */
  gap(): Gap | null {
    const all = (this.bounds?.gaps ?? []).find((gap) => this.tMs > gap.fromMs && this.tMs < gap.toMs);
    return all ?? this.film.gapAt(this.tMs, this.live.chosen?.esn ?? null);
  }

  // --- fetching

  private fetchAround(): void {
    if (performance.now() < this.retryAt) return;
    const from = Math.floor((this.tMs - LEAD_MS) / MINUTE_MS);
    const to = Math.floor(Math.min(this.edgeMs(), this.tMs + AHEAD_S * 1_000 * this.speed) / MINUTE_MS);
    for (let minute = from; minute <= to; minute++) {
      const [low, high] = [minute * MINUTE_MS, Math.min((minute + 1) * MINUTE_MS, this.live.nowMs() - EDGE_MS / 2)];
      if (high <= low) continue;
      if (low < (this.bounds?.fromMs ?? 0) - MINUTE_MS) continue;
      if (!this.live.complete && !this.past.recalled.has(minute)) void this.fetchEpisodes(minute);
      const held = this.film.heldUntil(low);
      const wanted = Math.min(high, this.edgeMs());
      if (Number.isNaN(held)) void this.fetchRange(low, high, minute);
      else if (held < wanted - (playsNear(this.tMs, held) ? 0 : MINUTE_MS)) void this.fetchRange(held, high, minute);
    }
  }

  private async fetchRange(fromMs: number, toMs: number, minute: number): Promise<void> {
    let from: bigint | null = nanoseconds(fromMs);
    const to = nanoseconds(toMs);
    await this.once(`m${minute}`, async (film) => {
      while (from !== null && film === this.film) { // a replay that has ended needs no more
        const answer: Answer = await fetchAnswer(`/api/history?from_ns=${from}&to_ns=${to}`);
        film.add(answer, true, this.tMs);
        from = answer.next;
      }
      if (fromMs < this.tMs) this.projector?.rewind(); // of the past there is more now
    });
  }

  /** Fetch the episodes of a minute that the page may not hold: it has the newest ones, and all that last. */
  private async fetchEpisodes(minute: number): Promise<void> {
    const [since, until] = [minute, minute + 1].map((x) => nanoseconds(x * MINUTE_MS));
    const path = `/api/search?lasted=true&limit=500&since_ns=${since}&until_ns=${until}`;
    await this.once(`e${minute}`, async (film) => {
      const found: Episode[] = [];
      for (let before: string | null = ""; before !== null;) {
        const page: Found = await get<Found>(before === "" ? path : `${path}&before=${encodeURIComponent(before)}`);
        found.push(...page.items);
        before = page.older;
        if (film !== this.film) return; // a replay that has ended needs no more
      }
      this.past.recalled.add(minute, found, this.tMs);
    });
  }

  private async fetchClip(violation: string): Promise<void> {
    await this.once(`v${violation}`, async (film) => {
      try {
        film.add(await fetchAnswer(`/api/violations/${encodeURIComponent(violation)}/clip`), false);
        this.projector?.rewind();
      } catch (error) {
        if (!(error instanceof Refused && error.status === 404)) throw error; // at 1 Hz then
      }
    });
  }

  async fetchBounds(): Promise<void> {
    await this.once("bounds", async () => {
      const body = await get<BoundsBody>("/api/history/bounds");
      const gaps = body.gaps.map((x) => ({ fromMs: ms(x.from_ns), toMs: ms(x.to_ns), reason: x.reason, esn: x.esn }));
      this.bounds = { fromMs: ms(body.from_ns), keepS: body.keep_s, gaps };
      if (this.active && this.tMs < this.bounds.fromMs) this.seek(this.bounds.fromMs);
    });
  }

  /** Fetch which grade each episode had when: at first of all that is kept, then of what has happened since. */
  private async fetchGrades(): Promise<void> {
    this.gradesAt = performance.now() + GRADES_EACH_MS;
    const toMs = this.live.nowMs();
    const fromMs = Number.isNaN(this.gradesToMs) ? this.bounds?.fromMs : this.gradesToMs - MINUTE_MS;
    if (fromMs === undefined) return;
    await this.once("grades", async (film) => {
      const path = `/api/grades?from_ns=${nanoseconds(fromMs)}&to_ns=${nanoseconds(toMs)}`;
      const isWhole = await this.past.grades.read(async (before) => {
        const body = await get<GradesBody>(before === null ? path : `${path}&before=${encodeURIComponent(before)}`);
        return film === this.film ? body : null; // a replay that has ended needs no more
      });
      if (isWhole) this.gradesToMs = toMs;
    });
  }

  /** Run one fetch at a time of each name; a failure is shown, and tried again later. */
  private async once(name: string, work: (film: Film) => Promise<void>): Promise<void> {
    if (this.fetching.has(name)) return;
    this.fetching.add(name);
    const { film } = this;
    try {
      await work(film);
      this.fault = "";
    } catch (error) {
      if (film !== this.film) return; // of a replay that has ended
      const isOff = error instanceof Refused && error.problem["reason"] === "history_off";
      this.fault = isOff ? "off" : String(error instanceof Error ? error.message : error);
      this.retryAt = performance.now() + RETRY_MS;
    } finally {
      this.fetching.delete(name);
    }
  }
}

/** Whether the shown moment comes so near to the end of what is held that more of the present is worth a request. */
function playsNear(tMs: number, heldMs: number): boolean {
  return heldMs - tMs < 5_000;
}

async function fetchAnswer(path: string): Promise<Answer> {
  return readAnswer(new Uint8Array(await (await ask(path, {})).arrayBuffer()));
}

function nanoseconds(timeMs: number): bigint {
  return BigInt(Math.floor(timeMs)) * 1_000_000n;
}
