/** Says to screen readers what has changed: new alarms and the connection, politely and not more than they can read. */

import { plateOf, placeOf } from "../row.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { name, t } from "../words.ts";

const PAUSE_MS = 4_000; // between two announcements: a reader that is interrupted says nothing to the end
const KEPT = 2_000; // ids of alarms that were said

export class Announcer {
  private readonly said = new Set<string>();
  private connection = "loading";
  private nextAt = -Infinity;
  private readonly el: HTMLElement;

  /** `el` has the role `status`. */
  constructor(el: HTMLElement) {
    this.el = el;
  }

  /** Write what is new since the last call; `now` is performance.now(). */
  announce(state: State, now: number): void {
    if (state.connection === "loading" || now < this.nextAt) return;
    const parts = [...this.connectionWord(state), ...this.alarms(state)];
    if (parts.length === 0) return;
    this.nextAt = now + PAUSE_MS;
    this.el.textContent = parts.join(" · ");
  }

  private connectionWord(state: State): string[] {
    const [was, is] = [this.connection, state.connection];
    this.connection = is;
    if ((was === "disconnected") === (is === "disconnected")) return [];
    return [t(is === "disconnected" ? "saidLost" : "saidLive")];
  }

  private alarms(state: State): string[] {
    const fresh = [...state.episodes.values()].filter((x) => state.isNew(x) && !this.said.has(x.id));
    for (const { id } of fresh) this.said.add(id);
    if (this.said.size > KEPT) for (const id of [...this.said].slice(0, KEPT / 2)) this.said.delete(id);
    const [first] = fresh.sort((a, b) => b.order - a.order);
    if (first === undefined) return [];
    const line = `${name(first.grade)} ${ruleName(first.rule)} ${plateOf(first)} ${plain(placeOf(state, first))}`;
    return fresh.length === 1 ? [line] : [line, t("saidMore", { n: fresh.length - 1 })];
  }
}

/** The list's cells are HTML; what is said is text. */
function plain(html: string): string {
  return html.replace(/<[^>]*>/g, "").replace(/&amp;/g, "&").replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"');
}
