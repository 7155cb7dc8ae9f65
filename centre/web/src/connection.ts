/** Judges the connection to the centre: live, late or lost. */

import type { Events } from "./streams.ts";
import type { State } from "./state.ts";
import { losses, nobodyWatches } from "./supervision.ts";

const SILENT_MS = 3_000; // without an event: the centre sends one each second
const BROKEN_MS = 1_500; // without an event on a stream that is known to be closed
const REOPEN_MS = 6_000; // open without an event: connect again
const FIRST_MS = 10_000; // until the first snapshot arrives, the page is still loading
export const LATE_MS = 1_000; // of an RSU's snapshots: ten are due

/** Set the state's `connection`, `late` and `losses` from the time of each RSU's last snapshot [performance.now()]. */
export function watchConnection(state: State, events: Events | null, snapshotAt: ReadonlyMap<string, number>): void {
  const now = performance.now();
  const silent = events === null ? 0 : now - events.lifeAt;
  state.late = lateness(state, snapshotAt, now);
  state.losses = losses(state);
  const was = state.connection;
  const loaded = (["site", "map", "list", "rsus"] as const).every((step) => state.steps.has(step));
  const waiting = !state.steps.has("vehicles") && [...state.rsus.values()].some((x) => x.state === "online");
  if (silent > SILENT_MS || (events?.waiting && silent > BROKEN_MS)) state.connection = "disconnected";
  else if (!loaded || (waiting && now < FIRST_MS)) state.connection = "loading";
  else {
    const whole = state.losses.length === 0 && !nobodyWatches(state) && state.late.esns.length === 0 && !state.late.all && !waiting;
    state.connection = whole ? "live" : "stale";
  }
  if (state.connection === "disconnected" && was !== "disconnected") state.lostSinceMs = events?.lifeAt ?? now;
  if (events !== null && !events.waiting && silent > REOPEN_MS && now - events.openedAt > REOPEN_MS) events.reconnect();
  const root = document.documentElement;
  if (root.dataset["link"] === state.connection) return;
  root.dataset["state"] = state.connection === "live" ? "normal" : state.connection;
  root.dataset["link"] = state.connection;
}

/** Return the RSUs whose snapshots are overdue at `now`, the greatest age, and whether no vehicle moves at all. */
export function lateness(state: State, snapshotAt: ReadonlyMap<string, number>, now: number): State["late"] {
  const esns: string[] = [];
  let [newest, oldest] = [Infinity, 0];
  for (const [esn, at] of snapshotAt) {
    newest = Math.min(newest, now - at);
    if (now - at <= LATE_MS || state.rsus.get(esn)?.state !== "online") continue; // an RSU that is off is reported elsewhere
    esns.push(esn);
    oldest = Math.max(oldest, now - at);
  }
  const ageS = esns.length > 0 ? oldest / 1_000 : newest === Infinity ? 0 : Math.max(0, newest) / 1_000;
  return { esns, ageS, all: snapshotAt.size > 0 && newest > LATE_MS }; // also when every RSU is off: nothing moves
}
