/** Puts all vehicles where they were at any moment of a film, with the code that draws them live. Pure. */

import { Fleet } from "../fleet.ts";
import type { Ground } from "../fleet.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Film } from "./film.ts";

const TAIL_MS = 31_000; // before the moment, for the vehicles' tails
const STEP_MS_MAX = 1_600; // between two snapshots that vehicles are drawn between; a longer pause is a gap
const BACK_MS = 50; // less than a frame: rounding is no step back

export class Projector {
  fleet: Fleet;
  private readonly ground: Ground;
  private readonly film: Film;
  private readonly fed = new Map<string, number>(); // stamp of the newest snapshot that the fleet has, by RSU
  private atMs = NaN;

  constructor(ground: Ground, film: Film) {
    this.ground = ground;
    this.film = film;
    this.fleet = new Fleet(ground);
  }

  /** Begin anew: the film has more of the past, or the moment goes back. */
  rewind(): void {
    this.fleet = new Fleet(this.ground);
    this.fed.clear();
    this.atMs = NaN;
  }

  /** Show a moment [ms]. */
  show(tMs: number): void {
    if (!(tMs >= this.atMs - BACK_MS) || tMs - this.atMs > TAIL_MS) this.rewind();
    this.atMs = Number.isNaN(this.atMs) ? tMs : Math.max(this.atMs, tMs);
    const due: Snapshot[] = [];
    for (const [esn, frames] of this.film.reels) this.collect(esn, frames, tMs, due);
    due.sort((a, b) => a.stampMs - b.stampMs);
    for (const frame of due) this.fleet.ingest(frame);
    this.fleet.at(tMs);
  }

  /** Add the snapshots of an RSU up to the moment, and the one after it, so that two enclose the moment; but none beyond a gap. */
  private collect(esn: string, frames: readonly Snapshot[], tMs: number, due: Snapshot[]): void {
    const known = this.fed.get(esn);
    let last = known ?? tMs - TAIL_MS;
    const first = firstAfter(frames, last);
    if (known === undefined) due.push(...namesBefore(frames, first));
    for (let i = first; i < frames.length; i++) {
      const frame = frames[i]!;
      const before = frames[i - 1]?.stampMs ?? -Infinity;
      if (frame.stampMs > tMs && (last >= tMs || frame.stampMs - before > STEP_MS_MAX)) break;
      due.push(frame);
      last = frame.stampMs;
    }
    this.fed.set(esn, last);
  }
}

/** The newest snapshots with lanes and with names before the one at `first`: those after it don't repeat them. */
function namesBefore(frames: readonly Snapshot[], first: number): Snapshot[] {
  const found = new Set<Snapshot>();
  for (const key of ["lanes", "names"] as const) {
    for (let i = first - 1; i >= 0; i--) {
      if (frames[i]![key] === null) continue;
      found.add(frames[i]!);
      break;
    }
  }
  return [...found];
}

/** The place of the first snapshot after a time. */
function firstAfter(frames: readonly Snapshot[], stampMs: number): number {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle]!.stampMs <= stampMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
