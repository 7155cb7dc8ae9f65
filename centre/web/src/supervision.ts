/** Who supervises the road no longer: RSUs and gateways that are off or silent, and what that means for a row. Pure. */

import type { Episode, Gateway, Rsu } from "./api.ts";
import { wrongClocks } from "./clocks.ts";
import { clock, ms } from "./format.ts";
import type { State } from "./state.ts";
import { t } from "./words.ts";

/** A quantile of fewer samples is chance: it is neither shown nor judged. */
export const SAMPLES_MIN = 20;
const CLOCK_MS_MAX = 20;
const OUTBOX_MAX = 50;
const P99_MS_MAX = 100;
const BACKLOG_MIN = 5; // below it an outbox only holds what is on its way

/** One that was there and is not any more; `sinceMs` is when it was last known to be there. */
export interface Loss {
  readonly kind: "rsu" | "gateway";
  readonly id: string;
  readonly sinceMs: number;
}

/** Off, or without a heartbeat for so long that it counts as off; one that never came is no loss. */
export function isLost(x: Pick<Rsu | Gateway, "state" | "stale">): boolean {
  return x.state === "offline" || (x.state === "online" && x.stale);
}

/** All that are lost, gateways first, then RSUs in the site's order. */
export function losses(state: State): Loss[] {
  const lost = (kind: Loss["kind"], id: string, x: Rsu | Gateway): Loss => ({ kind, id, sinceMs: lostSinceMs(x) });
  const rsus = state.rsuOrder.map((esn) => state.rsus.get(esn)!).filter(isLost);
  return [...state.gateways.filter(isLost).map((x) => lost("gateway", x.id, x)), ...rsus.map((x) => lost("rsu", x.esn, x))];
}

/** A will comes when the connection broke; one that fell silent was last there at its last heartbeat, NaN where none came. */
function lostSinceMs(x: Rsu | Gateway): number {
  return x.state === "offline" ? ms(x.since_ns ?? x.beat_ns) : ms(x.beat_ns);
}

/** The time of day since when one is lost, or that nobody saw it. */
export function sinceWord(sinceMs: number): string {
  return Number.isNaN(sinceMs) ? t("beforeStart") : clock(sinceMs);
}

/** Whether no RSU at all judges: none is there, or none ever was. */
export function nobodyWatches(state: State): boolean {
  return state.rsus.size > 0 && ![...state.rsus.values()].some((x) => x.state === "online" && !x.stale);
}

/** The loss of the RSU that has an open episode: nobody knows how it goes on. */
export function lossOf(state: State, episode: Episode): Loss | null {
  if (!episode.open) return null;
  return state.losses.find((x) => x.kind === "rsu" && x.id === episode.esn) ?? null;
}

/** Violations that wait in the outboxes of RSUs that are there; 0 where it is only what is on its way. */
export function backlog(state: State): number {
  let n = 0;
  for (const x of state.rsus.values()) if (x.state === "online" && !x.stale) n += x.outbox_depth ?? 0;
  return n < BACKLOG_MIN ? 0 : n;
}

/** The p99 of an RSU or the road [ms]; null where too few samples make it. */
export function p99Of(latency: { p99_ms: number | null; n: number }): number | null {
  return latency.n < SAMPLES_MIN ? null : latency.p99_ms;
}

export function isSlow(rsu: Rsu): boolean {
  return (p99Of(rsu.latency) ?? 0) > P99_MS_MAX;
}

/** What makes an online RSU worth a look: late heartbeat, clock, backlog, slow, a silent sensor. */
export function hasFault(rsu: Rsu): boolean {
  return rsu.stale || Math.abs(rsu.clock_offset_ms ?? 0) > CLOCK_MS_MAX || (rsu.outbox_depth ?? 0) > OUTBOX_MAX || isSlow(rsu)
    || rsu.degraded.length > 0 || rsu.missing > 50 || Object.values(rsu.sensors).some((x) => x === "silent" || x === "clock") || wrongClocks(rsu) > 0;
}
