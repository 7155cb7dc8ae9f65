/** What was handled at the site's other centre, as it said last; the own desk is not changed by it. */

import { get } from "../api.ts";
import { ms } from "../format.ts";
import { isLinked } from "../state.ts";
import type { State } from "../state.ts";
import type { View } from "../views.ts";
import { URGENCY } from "./model.ts";
import type { Handling } from "./model.ts";

/** One alarm at the other centre, and until when that is known to be true [ms]. */
export interface Elsewhere {
  readonly centre: string;
  readonly state: Handling["state"];
  readonly user: string;
  readonly atMs: number;
  readonly asOfMs: number;
}

/** `/api/desk/others`. */
export interface OthersBody {
  readonly items: readonly {
    centre: string;
    stamp_ns: string;
    alarms: readonly { id: string; state: Handling["state"]; user: string; at_ns: string }[];
  }[];
}

const RETRY_MS = 5_000;

/** The alarms of all other centres by id; of one that several have handled, what is farthest. */
export function elsewhereOf(body: OthersBody): Map<string, Elsewhere> {
  const found = new Map<string, Elsewhere>();
  for (const { centre, stamp_ns, alarms } of body.items) {
    for (const { id, state, user, at_ns } of alarms) {
      const held = found.get(id);
      if (held !== undefined && URGENCY[held.state] >= URGENCY[state]) continue;
      found.set(id, { centre, state, user, atMs: ms(at_ns), asOfMs: ms(stamp_ns) });
    }
  }
  return found;
}

/** Asks for it whenever the summary says that another centre has said something new. */
export class Others implements View {
  readonly rate = "text";
  private held = "";
  private asking = false;
  private retryAt = 0;

  mount(): void {
    // it draws nothing itself
  }

  draw(state: State, now: number): void {
    const centres = state.summary?.centres ?? [];
    const said = centres.map((x) => `${x.centre} ${x.desk?.stamp_ns ?? ""}`).join();
    const linked = isLinked(state);
    if (said === this.held || this.asking || !linked || now < this.retryAt) return;
    if (centres.some((x) => x.desk != null)) void this.ask(state, said);
    else this.held = said;
  }

  private async ask(state: State, said: string): Promise<void> {
    this.asking = true;
    try {
      state.desk.putElsewhere(elsewhereOf(await get<OthersBody>("/api/desk/others")));
      this.held = said;
    } catch (error) {
      console.warn(error);
      this.retryAt = performance.now() + RETRY_MS;
    } finally {
      this.asking = false;
    }
  }
}
