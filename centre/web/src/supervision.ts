/** Lost supervision: RSUs and gateways that are off or silent, lost connections, and their effect on a row. Pure. */

import type { Episode, Gateway, Rsu } from "./api.ts";
import { wrongClocks } from "./clocks.ts";
import { escape, moment, ms } from "./format.ts";
import type { State } from "./state.ts";
import { t } from "./words.ts";

const CLOCK_MS_MAX = 20;
const OUTBOX_MAX = 50;
const P99_MS_MAX = 100;
const BACKLOG_MIN = 5; // below it an outbox only holds what is on its way

const UPDATES_MISSED = 3; // versions of an open episode, one each `update_s`: after so many its state is unknown
const UPDATE_S = 5; // of a site that does not say

/**
 * One lost part of the supervision; `sinceMs` is the last time when it was known to work, NaN where that was never.
 *
 * rsu, gateway: it was online before, or it is needed and was never online (`never`); broker: the centre's connection to
 * it (`id`: why it is refused): without it no state is known; database: it refuses, nothing new is stored or shown (`id`: its error).
 */
export interface Loss {
  readonly kind: "rsu" | "gateway" | "broker" | "database";
  readonly id: string;
  readonly sinceMs: number;
  readonly never?: boolean;
}

/** Off, or without a heartbeat for so long that it counts as off. */
export function isLost(x: Pick<Rsu | Gateway, "state" | "stale">): boolean {
  return x.state === "offline" || (x.state === "online" && x.stale);
}

/**
 * All losses: the centre's own connections, gateways, then RSUs in the site's order. An RSU that was never online is no loss on a
 * partly equipped road, unless it has an open episode; a gateway serves the whole road.
 */
export function losses(state: State): Loss[] {
  const { broker, database } = state.summary ?? {};
  if (broker?.connected === false) {
    return [...databaseLoss(database), { kind: "broker", id: broker.refused ?? "", sinceMs: ms(broker.since_ns) }];
  }
  const owners = new Set([...state.episodes.values()].filter((x) => x.open).map((x) => x.esn));
  const rsus = state.rsuOrder.map((esn) => state.rsus.get(esn)!).filter((x) => isLost(x) || (x.state === "never" && owners.has(x.esn)));
  const gateways = state.gateways.filter((x) => isLost(x) || x.state === "never");
  return [...databaseLoss(database), ...gateways.map((x) => lossBy("gateway", x.id, x)), ...rsus.map((x) => lossBy("rsu", x.esn, x))];
}

function lossBy(kind: Loss["kind"], id: string, x: Rsu | Gateway): Loss {
  return { kind, id, sinceMs: lostSinceMs(x), ...(x.state === "never" ? { never: true } : {}) };
}

function databaseLoss(fault: { fault: string; since_ns: string } | null | undefined): Loss[] {
  return fault == null ? [] : [{ kind: "database", id: fault.fault, sinceMs: ms(fault.since_ns) }];
}

/** A will arrives when the connection breaks; a silent unit worked until its last heartbeat. NaN where there was none. */
function lostSinceMs(x: Rsu | Gateway): number {
  return x.state === "offline" ? ms(x.since_ns ?? x.beat_ns) : ms(x.beat_ns);
}

/** The time of a loss, or the words for one from before the centre's start. */
export function sinceWord(sinceMs: number, nowMs: number): string {
  return Number.isNaN(sinceMs) ? t("beforeStart") : moment(sinceMs, nowMs);
}

/** Whether no RSU judges at all. False while it is unknown, because the centre is cut off from the RSUs. */
export function nobodyWatches(state: State): boolean {
  if (state.summary?.broker?.connected === false) return false;
  return state.rsus.size > 0 && ![...state.rsus.values()].some((x) => x.state === "online" && !x.stale);
}

/** The loss that makes the state of an open episode unknown: its RSU, or the connection to it. */
export function lossOf(state: State, episode: Episode): Loss | null {
  if (!episode.open) return null;
  return state.losses.find((x) => x.kind === "broker" || x.kind === "database" || (x.kind === "rsu" && x.id === episode.esn)) ?? null;
}

/** Whether several versions of an open episode are overdue although its RSU is online. */
export function isOverdue(state: State, episode: Episode): boolean {
  const updateS = state.site?.body.rules["update_s"];
  const limitMs = UPDATES_MISSED * (typeof updateS === "number" ? updateS : UPDATE_S) * 1_000;
  return episode.open && state.connection !== "disconnected" && state.nowMs() - ms(episode.received_ns) > limitMs;
}

/** The words for why an open episode gets no updates; empty if it gets them. */
export function missingUpdates(state: State, episode: Episode): string {
  const loss = lossOf(state, episode);
  if (loss === null) {
    const newest = moment(ms(episode.received_ns), state.nowMs());
    return isOverdue(state, episode) ? t("noNews", { r: escape(episode.esn), t: newest }) : "";
  }
  const since = sinceWord(loss.sinceMs, state.nowMs());
  if (loss.kind === "broker") return t("brokerSince", { t: since });
  if (loss.kind === "database") return t("databaseSince", { t: since });
  return t(loss.never === true ? "neverHeard" : "offSince", { r: escape(loss.id), t: since });
}

/** Violations that wait in the outboxes of online RSUs; 0 if they are so few that they are only being sent. */
export function backlog(state: State): number {
  let n = 0;
  for (const x of state.rsus.values()) if (x.state === "online" && !x.stale) n += x.outbox_depth ?? 0;
  return n < BACKLOG_MIN ? 0 : n;
}

export function isSlow(rsu: Rsu): boolean {
  return (rsu.latency.p99_ms ?? 0) > P99_MS_MAX;
}

/** Whether an online RSU has a fault: late heartbeat, clock, backlog, latency, a sensor that is silent or was never heard. */
export function hasFault(rsu: Rsu): boolean {
  return rsu.stale || Math.abs(rsu.clock_offset_ms ?? 0) > CLOCK_MS_MAX || (rsu.outbox_depth ?? 0) > OUTBOX_MAX || isSlow(rsu)
    || rsu.degraded.length > 0 || rsu.missing > 50 || (rsu.lost ?? 0) > 0
    || Object.values(rsu.sensors).some((x) => x !== "online")
    || wrongClocks(rsu) > 0;
}
