/** Fetches what the desk needs: handlings, losses of view, shelves, reasons, and who sits here. */

import { get, Refused } from "../api.ts";
import type { Episode, Page } from "../api.ts";
import { setCsrf } from "../send.ts";
import type { State } from "../state.ts";
import type { DeskSettings, Handling, LossAlarm, Me, Shelf } from "./model.ts";

const ROWS_MAX = 500;
const PAGES_MAX = 8;
const LOCAL: Me = { name: "local", display: "", role: "administrator", rights: ["look", "handle", "shelve"], desk: "" };

/** Load the desk after the newest episodes; older ones that still wait for somebody are fetched too. */
export async function loadDesk(state: State): Promise<void> {
  const { desk } = state;
  const [handlings, losses, shelves, exercise, settings, me] = await Promise.all([
    get<{ items: Handling[] }>("/api/handling"),
    getIfServed<{ items: LossAlarm[] }>(`/api/losses?state=all&limit=${ROWS_MAX}`, { items: [] }),
    getIfServed<{ items: Shelf[] }>("/api/shelves", { items: [] }),
    getIfServed<{ items: Episode[] }>("/api/exercise", { items: [] }),
    get<DeskSettings>("/api/desk"),
    loadMe(),
  ]);
  for (const x of exercise.items) state.put(x);
  for (const x of losses.items) desk.putLoss(x);
  for (const x of handlings.items) desk.put(x);
  for (const x of shelves.items) desk.putShelf(x);
  desk.settings = settings;
  desk.me = me;
  await loadWaiting(state);
  desk.loaded = true;
}

/** Fetch what a centre of an earlier version does not serve; other failures are the caller's. */
async function getIfServed<T>(path: string, otherwise: T): Promise<T> {
  try {
    return await get<T>(path);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return otherwise;
    throw error;
  }
}

/** Who sits here; without accounts whoever sits at the centre's machine. */
async function loadMe(): Promise<Me> {
  const me = await getIfServed<Me & { csrf?: string }>("/api/me", LOCAL);
  if (me.csrf !== undefined) setCsrf(me.csrf);
  return me;
}

/** Fetch the ended alarms that nobody has closed and that are older than the newest episodes. */
async function loadWaiting(state: State): Promise<void> {
  const isMissing = (x: Handling): boolean => x.kind === "violation" && x.state !== "closed" && !state.episodes.has(x.id);
  let missing = [...state.desk.handlings.values()].filter(isMissing).length;
  let before = Math.min(...[...state.episodes.values()].filter((x) => !x.open).map((x) => x.order));
  for (let i = 0; missing > 0 && i < PAGES_MAX && Number.isFinite(before); i++) {
    const page: Page = await get<Page>(`/api/violations?state=closed&kind=alarm&limit=${ROWS_MAX}&before=${before}`);
    for (const x of page.items) if (state.desk.handlings.has(x.id)) state.put(x);
    missing = [...state.desk.handlings.values()].filter(isMissing).length;
    if (page.next === null) break;
    before = page.next;
  }
}

/** Apply an event of the desk to the state, by its kind. */
export function deskEvents(state: State): Map<string, (body: unknown) => void> {
  const { desk } = state;
  return new Map<string, (body: unknown) => void>([
    ["handling", (body) => void desk.put(body as Handling)],
    ["loss", (body) => desk.putLoss(body as LossAlarm)],
    ["exercise", (body) => {
      if ("id" in (body as object)) state.put(body as Episode); // else: an exercise began or ended
    }],
    ["shelf", (body) => desk.putShelf(body as Shelf)],
  ]);
}

