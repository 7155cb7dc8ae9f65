/** Fetches what the desk needs: handlings, losses of view, shelves, reasons, and who sits here. */

import { loadMe } from "../accounts/me.ts";
import { get } from "../api.ts";
import type { Episode, Page } from "../api.ts";
import type { State } from "../state.ts";
import type { DeskSettings, ExerciseScript, Handling, LossAlarm, Running, Shelf } from "./model.ts";

const ROWS_MAX = 500;
const PAGES_MAX = 8;

/** Load the desk after the newest episodes; older ones that still wait for somebody are fetched too. */
export async function loadDesk(state: State): Promise<void> {
  const { desk } = state;
  const [handlings, losses, shelves, exercise, settings, me] = await Promise.all([
    get<{ items: Handling[]; more: boolean }>("/api/handling"),
    get<{ items: LossAlarm[] }>(`/api/losses?state=all&limit=${ROWS_MAX}`),
    get<{ items: Shelf[] }>("/api/shelves"),
    get<{ items: Episode[]; scripts: ExerciseScript[]; running: Running | null }>("/api/exercise"),
    get<DeskSettings>("/api/desk"),
    loadMe(),
  ]);
  for (const x of exercise.items) state.put(x);
  for (const x of losses.items) desk.putLoss(x);
  for (const x of handlings.items) desk.put(x);
  desk.cut = handlings.more;
  for (const x of shelves.items) desk.putShelf(x);
  if (typeof me === "string") throw new Error("the centre does not say who sits here");
  desk.settings = settings;
  desk.scripts = exercise.scripts;
  desk.putRunning(exercise.running);
  await loadWaiting(state);
  desk.loaded = true;
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
      if ("id" in (body as object)) state.put(body as Episode);
      else desk.putRunning((body as { running: Running | null }).running); // an exercise began or ended
    }],
    ["shelf", (body) => desk.putShelf(body as Shelf)],
  ]);
}

