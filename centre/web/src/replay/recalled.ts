/** Episodes of replayed minutes that the page does not hold: it has the newest ones, a day may have many thousands. Pure. */

import { byArrival } from "../arrival.ts";
import type { Episode } from "../api.ts";
import { ms } from "../format.ts";

const MINUTE_MS = 60_000;
const MINUTES_MAX = 30; // that are held; the farthest from the present moment go first

export class Recalled {
  /** Counts what was added or dropped. */
  changes = 0;
  private readonly byId = new Map<string, Episode>();
  private minutes = new Set<number>();

  clear(): void {
    this.changes += 1;
    this.byId.clear();
    this.minutes.clear();
  }

  has(minute: number): boolean {
    return this.minutes.has(minute);
  }

  /** Add all that lasted at some moment of a minute; `aboutMs`: the shown moment. */
  add(minute: number, episodes: readonly Episode[], aboutMs: number): void {
    this.minutes.add(minute);
    for (const x of episodes) this.byId.set(x.id, byArrival(x));
    this.changes += 1;
    if (this.minutes.size > MINUTES_MAX) this.forget(Math.floor(aboutMs / MINUTE_MS));
  }

  /** Those that `held` lacks. */
  *beside(held: ReadonlyMap<string, Episode>): Iterable<Episode> {
    for (const x of this.byId.values()) if (!held.has(x.id)) yield x;
  }

  private forget(about: number): void {
    this.minutes = new Set([...this.minutes].filter((x) => Math.abs(x - about) <= MINUTES_MAX / 2));
    for (const [id, x] of this.byId) {
      const [from, to] = [x.start_ns, x.end_ns ?? x.stamps.measured_ns].map((at) => Math.floor(ms(at) / MINUTE_MS)) as [number, number];
      if (![...this.minutes].some((minute) => minute >= from && (x.open || minute <= to))) this.byId.delete(id);
    }
  }
}
