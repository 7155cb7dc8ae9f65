/** The part of the history that the page holds: snapshots by RSU and time, gaps, the RSUs' states. Pure. */

import type { Rsu } from "../api.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Answer, Gap, RsusAt } from "./answer.ts";

const SPANS_MAX = 30; // minutes that are held, or clips; the farthest from the present moment go first

/** A time of which the film has all that the centre keeps [ms]. */
interface Span {
  readonly fromMs: number;
  toMs: number;
}

export class Film {
  readonly reels = new Map<string, Snapshot[]>(); // by RSU, ascending, one of each stamp
  gaps: readonly Gap[] = [];
  private spans: Span[] = [];
  private rsus: RsusAt[] = [];

  /** Add an answer. `whole`: it has all RSUs; a clip has the ones around it only. */
  add(answer: Answer, whole: boolean, aboutMs = answer.fromMs): void {
    const byRsu = new Map<string, Snapshot[]>();
    for (const frame of answer.frames) {
      const held = byRsu.get(frame.esn);
      if (held === undefined) byRsu.set(frame.esn, [frame]);
      else held.push(frame);
    }
    for (const [esn, frames] of byRsu) this.reels.set(esn, merged(this.reels.get(esn) ?? [], frames));
    this.rsus = mergedStates(this.rsus, answer.rsus);
    if (!whole) return;
    this.gaps = [...this.gaps.filter((gap) => gap.toMs <= answer.fromMs || gap.fromMs >= answer.toMs), ...answer.gaps];
    this.spans.push({ fromMs: answer.fromMs, toMs: answer.toMs });
    this.spans = joined(this.spans);
    this.forget(aboutMs);
  }

  /** How far the film reaches without a break from a moment on [ms]; NaN: it does not have the moment. */
  heldUntil(tMs: number): number {
    const span = this.spans.find((x) => tMs >= x.fromMs && tMs <= x.toMs);
    return span === undefined ? NaN : span.toMs;
  }

  /** The gap of all RSUs that a moment lies in, else that of the RSU `esn`, else of any one; null: none. */
  gapAt(tMs: number, esn: string | null = null): Gap | null {
    const found = this.gaps.filter((gap) => tMs > gap.fromMs && tMs < gap.toMs);
    return found.find((gap) => gap.esn === null) ?? found.find((gap) => gap.esn === esn) ?? found[0] ?? null;
  }

  /** The RSUs as they were at a moment; the first ones known where they are from later. */
  rsusAt(tMs: number): readonly Rsu[] {
    let found = this.rsus[0];
    for (const each of this.rsus) if (each.stampMs <= tMs) found = each;
    return found?.rows ?? [];
  }

  private forget(aboutMs: number): void {
    const keepMs = (SPANS_MAX / 2) * 60_000;
    if (!this.spans.some((x) => x.fromMs < aboutMs - keepMs || x.toMs > aboutMs + keepMs)) return;
    const [low, high] = [aboutMs - keepMs, aboutMs + keepMs];
    this.spans = this.spans.filter((x) => x.toMs > low && x.fromMs < high)
      .map((x) => ({ fromMs: Math.max(low, x.fromMs), toMs: Math.min(high, x.toMs) }));
    for (const [esn, frames] of this.reels) this.reels.set(esn, frames.filter((x) => x.stampMs >= low && x.stampMs <= high));
    this.rsus = this.rsus.filter((x, i) => (this.rsus[i + 1]?.stampMs ?? Infinity) >= low && x.stampMs <= high);
    this.gaps = this.gaps.filter((x) => x.toMs > low && x.fromMs < high);
  }
}

function merged(held: readonly Snapshot[], added: readonly Snapshot[]): Snapshot[] {
  const byStamp = new Map(held.map((x) => [x.stampMs, x]));
  // one with names stays: without names it would leave vehicles nameless until the next ones
  for (const frame of added) if ((byStamp.get(frame.stampMs)?.names ?? null) === null) byStamp.set(frame.stampMs, frame);
  return [...byStamp.values()].sort((a, b) => a.stampMs - b.stampMs);
}

function mergedStates(held: readonly RsusAt[], added: readonly RsusAt[]): RsusAt[] {
  const byStamp = new Map([...held, ...added].map((x) => [x.stampMs, x]));
  return [...byStamp.values()].sort((a, b) => a.stampMs - b.stampMs);
}

function joined(spans: readonly Span[]): Span[] {
  const out: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = out.at(-1);
    if (last !== undefined && span.fromMs <= last.toMs + 1) last.toMs = Math.max(last.toMs, span.toMs);
    else out.push({ ...span });
  }
  return out;
}
