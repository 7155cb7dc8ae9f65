/** Names new alarms and the lost connection for a screen reader: at most one line a second, so that a flood can be followed. */

import { station } from "../format.ts";
import { plateShown } from "../row.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import type { View } from "../views.ts";
import { name, t } from "../words.ts";
import { gradeOf } from "./alarms.ts";
import { isExerciseId } from "./model.ts";
import { lossName } from "./deskrow.ts";

export class Announcer implements View {
  readonly rate = "text";
  private readonly el: HTMLElement;
  private connection = "loading";
  private known: Set<string> | null = null; // alarms that were there when the page loaded are not read out

  constructor(el: HTMLElement) {
    this.el = el;
  }

  mount(): void {}

  draw(state: State): void {
    if (!state.desk.loaded) return;
    const fresh: string[] = this.connectionWord(state);
    const known = this.known ?? new Set<string>();
    const waiting = new Set<string>();
    for (const x of state.episodes.values()) {
      if (!state.isUnseen(x)) continue;
      waiting.add(x.id);
      const made = isExerciseId(x.id) ? `${t("exercise")} ` : "";
      if (!known.has(x.id)) fresh.push(`${made}${name(gradeOf(x))}: ${plateShown(state, x)}, ${ruleName(x.rule)}, ${station(x.s_m)}`);
    }
    for (const x of state.desk.losses.values()) {
      if (!state.desk.isUnseen(x.id)) continue;
      waiting.add(x.id);
      if (!known.has(x.id)) fresh.push(`${t("loss")}: ${x.part}, ${lossName(x)}`);
    }
    const first = this.known === null;
    this.known = waiting;
    if (first || fresh.length === 0) return;
    this.el.textContent = fresh.length === 1 ? fresh[0]! : `${fresh[0]!} +${fresh.length - 1}`;
  }

  private connectionWord(state: State): string[] {
    const [was, is] = [this.connection, state.connection];
    this.connection = is;
    if (was === "loading" || (was === "disconnected") === (is === "disconnected")) return [];
    return [t(is === "disconnected" ? "saidLost" : "saidLive")];
  }
}
