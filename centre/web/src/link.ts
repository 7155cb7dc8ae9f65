/** Judges the link: whether what the page shows is live, late or no longer connected. */

import type { Events } from "./streams.ts";
import type { State } from "./state.ts";
import { losses, nobodyWatches } from "./supervision.ts";

const SILENT_MS = 3_000; // of the event stream: the centre speaks each second
const BROKEN_MS = 1_500; // silent, and known to be closed
const REOPEN_MS = 6_000; // open but silent: ask anew
const FIRST_MS = 10_000; // this long the first snapshot may take
export const LATE_MS = 1_000; // of an RSU's snapshots: ten are due

/** Set the state's `link` and `late`; `heard` says when each RSU's last snapshot came [performance.now()]. */
export function watchLink(state: State, events: Events | null, heard: ReadonlyMap<string, number>): void {
  const now = performance.now();
  const silent = events === null ? 0 : now - events.lifeAt;
  state.late = lateness(state, heard, now);
  state.losses = losses(state);
  const was = state.link;
  const loaded = (["site", "map", "list", "rsus"] as const).every((step) => state.steps.has(step));
  const waiting = !state.steps.has("vehicles") && [...state.rsus.values()].some((x) => x.state === "online");
  if (silent > SILENT_MS || (events?.waiting && silent > BROKEN_MS)) state.link = "disconnected";
  else if (!loaded || (waiting && now < FIRST_MS)) state.link = "loading";
  else {
    const whole = state.losses.length === 0 && !nobodyWatches(state) && state.late.esns.length === 0 && !state.late.all && !waiting;
    state.link = whole ? "live" : "stale";
  }
  if (state.link === "disconnected" && was !== "disconnected") state.lostSinceMs = events?.lifeAt ?? now;
  if (events !== null && !events.waiting && silent > REOPEN_MS && now - events.openedAt > REOPEN_MS) events.again();
  const root = document.documentElement;
  if (root.dataset["link"] === state.link) return;
  root.dataset["state"] = state.link === "live" ? "normal" : state.link;
  root.dataset["link"] = state.link;
}

/** Say whose snapshots are overdue at `now`, and whether nothing moves at all. */
export function lateness(state: State, heard: ReadonlyMap<string, number>, now: number): State["late"] {
  const esns: string[] = [];
  let [newest, oldest] = [Infinity, 0];
  for (const [esn, at] of heard) {
    newest = Math.min(newest, now - at);
    if (now - at <= LATE_MS || state.rsus.get(esn)?.state !== "online") continue; // one that is off is no news here
    esns.push(esn);
    oldest = Math.max(oldest, now - at);
  }
  const ageS = esns.length > 0 ? oldest / 1_000 : newest === Infinity ? 0 : newest / 1_000;
  return { esns, ageS, all: heard.size > 0 && newest > LATE_MS }; // also when every RSU is off: nothing moves
}
