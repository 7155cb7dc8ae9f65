/** What the page knows of the desk: the alarms' handling, losses of view, shelves, and acts on their way. */

import type { Episode } from "../api.ts";
import type { DeskSettings, ExerciseScript, Handling, LossAlarm, Running, Shelf } from "./model.ts";
import { untouched } from "./model.ts";
import type { Elsewhere } from "./others.ts";

const LOSSES_MAX = 1_000;
const HANDLINGS_MAX = 5_000;

/** Somebody else was first, or the act did not arrive; `who` is empty where nobody was. */
export interface Refusal {
  readonly act: string;
  readonly who: string;
  readonly atNs: string | null;
  readonly detail: string;
}

export class Desk {
  readonly handlings = new Map<string, Handling>();
  readonly losses = new Map<string, LossAlarm>();
  readonly shelves = new Map<number, Shelf>();
  settings: DeskSettings | null = null;
  /** What was handled at another centre. */
  elsewhere: ReadonlyMap<string, Elsewhere> = new Map();
  /** What an exercise can play, and what is played now. */
  scripts: readonly ExerciseScript[] = [];
  running: Running | null = null;
  /** Acts that were sent and not answered, by alarm. */
  readonly pending = new Map<string, string>();
  readonly refused = new Map<string, Refusal>();
  /** Alarms whose grade rose after they were acknowledged, until somebody looks at them. */
  readonly risen = new Set<string>();
  /** More alarms are not closed than the centre lists: the page counts by the centre's summary. */
  cut = false;
  /** Grows with each change of what is shown. */
  changes = 0;
  private isLoaded = false;
  private readonly raised = new Set<string>(); // became alarms while this page watched

  /** Whether the handling of all alarms that are not closed has been loaded. */
  get loaded(): boolean {
    return this.isLoaded;
  }

  set loaded(to: boolean) {
    this.isLoaded = to;
    this.changes++; // what was not listed counts as closed from now on
  }

  /** The handling of an alarm. One that the centre did not list when this page loaded was closed long ago. */
  of(id: string): Handling {
    const held = this.handlings.get(id);
    if (held !== undefined) return held;
    return untouched(id, this.loaded && !this.raised.has(id) ? "closed" : "new");
  }

  putElsewhere(found: ReadonlyMap<string, Elsewhere>): void {
    this.elsewhere = found;
    this.changes++;
  }

  isUnseen(id: string): boolean {
    const held = this.handlings.get(id);
    return held === undefined ? !this.loaded || this.raised.has(id) : held.state === "new" && held.shelf === null;
  }

  /** Take a row unless a newer one is held; returns whether it was taken. */
  put(handling: Handling): boolean {
    const held = this.handlings.get(handling.id);
    if (held !== undefined && held.version > handling.version) return false;
    this.handlings.set(handling.id, handling);
    if (held !== undefined && handling.version > held.version) {
      this.pending.delete(handling.id); // done, whatever its answer does
      this.refused.delete(handling.id); // an act that came after it is what counts now
    }
    if (handling.state === "closed") this.risen.delete(handling.id);
    if (this.handlings.size > HANDLINGS_MAX) this.forget();
    this.changes++;
    return true;
  }

  putLoss(loss: LossAlarm): void {
    if (this.loaded && !this.losses.has(loss.id)) this.raised.add(loss.id);
    this.losses.set(loss.id, loss);
    this.changes++;
    for (const [id, x] of this.losses) {
      if (this.losses.size <= LOSSES_MAX) break;
      if (x.end_ns !== null && this.of(id).state === "closed") this.losses.delete(id);
    }
  }

  putShelf(shelf: Shelf): void {
    this.shelves.set(shelf.n, shelf);
    this.changes++;
  }

  putRunning(running: Running | null): void {
    this.running = running;
    this.changes++;
  }

  /** An episode changed: it may have become an alarm, or have risen after somebody acknowledged it. */
  watch(before: Episode | undefined, now: Episode): void {
    if (!this.loaded) return;
    const [was, is] = [alarmRank(before), alarmRank(now)];
    if (is === 0 || is <= was) return;
    if (was === 0) this.raised.add(now.id);
    else if (this.of(now.id).state !== "new" && this.of(now.id).state !== "closed") this.risen.add(now.id);
  }

  private forget(): void {
    for (const [id, x] of this.handlings) {
      if (this.handlings.size <= HANDLINGS_MAX * 0.75) break;
      if (x.state === "closed") this.handlings.delete(id);
    }
  }
}

function alarmRank(episode: Episode | undefined): number {
  return episode === undefined ? 0 : { undecidable: 0, notice: 0, warning: 1, violation: 2 }[episode.grade_max ?? episode.grade];
}
