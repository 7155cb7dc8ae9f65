/** The alarms of the page: violations and losses of view, in cases, as the list orders them and as acts see them. */

import { whoAmI } from "../accounts/me.ts";
import type { Episode, Grade } from "../api.ts";
import { ms } from "../format.ts";
import { isAlarm, rank, sectionOf } from "../order.ts";
import type { Ranked } from "../order.ts";
import { isLinked } from "../state.ts";
import type { State } from "../state.ts";
import { lossOf } from "../supervision.ts";
import type { Circumstances, Handling } from "./model.ts";
import { isLossId, URGENCY } from "./model.ts";

const lossOrders = new WeakMap<State, Map<string, number>>();
const cases = new WeakMap<State, Map<string, string[]>>(); // as the last ranking found them

/** All rows that the list may show, by id. */
export function rankAll(state: State): Map<string, Ranked> {
  const { desk } = state;
  const all = new Map<string, Ranked>();
  for (const x of state.episodes.values()) {
    const handling = isAlarm(x) ? desk.of(x.id) : null;
    all.set(x.id, { id: x.id, section: sectionOf(handling, x.open), order: x.order, open: x.open, lead: handling?.case ?? x.id });
  }
  for (const x of desk.losses.values()) {
    const handling = desk.of(x.id);
    const open = x.end_ns === null;
    all.set(x.id, { id: x.id, section: sectionOf(handling, open), order: lossOrder(state, x.id), open, lead: handling.case });
  }
  cases.set(state, indexCases(all));
  return all;
}

/** A loss stands after the episodes that were opened before it. */
function lossOrder(state: State, id: string): number {
  const held = lossOrders.get(state) ?? new Map<string, number>();
  lossOrders.set(state, held);
  const known = held.get(id);
  if (known !== undefined) return known;
  const startMs = ms(state.desk.losses.get(id)!.start_ns);
  let order = 0;
  for (const x of state.episodes.values()) if (ms(x.first_committed_ns ?? x.start_ns) <= startMs) order = Math.max(order, x.order);
  const number = Number(id.slice("loss-".length));
  order += 0.5 + (Number.isFinite(number) ? (number % 1e6) * 4e-7 : 0); // several losses after one episode
  held.set(id, order);
  return order;
}

/** The alarms of the case of `id` that the page has, first to last, as they were ranked last. */
export function caseOf(state: State, id: string): string[] {
  return cases.get(state)?.get(state.desk.of(id).case) ?? [id];
}

function indexCases(ranked: ReadonlyMap<string, Ranked>): Map<string, string[]> {
  const found = new Map<string, Ranked[]>();
  for (const x of ranked.values()) {
    const held = found.get(x.lead);
    if (held === undefined) found.set(x.lead, [x]);
    else held.push(x);
  }
  return new Map([...found].map(([lead, x]) => [lead, x.sort((a, b) => a.order - b.order).map((one) => one.id)]));
}

/** The handling that a folded case shows: that of its most urgent alarm. */
export function mostUrgent(state: State, ids: readonly string[]): Handling {
  const all = ids.map((id) => state.desk.of(id));
  return all.reduce((a, b) => (URGENCY[b.state] < URGENCY[a.state] ? b : a));
}

export function isOpen(state: State, id: string): boolean {
  return isLossId(id) ? state.desk.losses.get(id)?.end_ns === null : state.episodes.get(id)?.open === true;
}

/** What decides whether `act` can be done with an alarm; null for no alarm: nothing is chosen. */
export function circumstances(state: State, id: string | null): Circumstances {
  const { desk } = state;
  const episode = id === null ? undefined : state.episodes.get(id);
  const loss = id === null ? undefined : desk.losses.get(id);
  const known = episode !== undefined || loss !== undefined;
  return {
    handling: id !== null && known ? desk.of(id) : null,
    open: id !== null && isOpen(state, id),
    alarm: loss !== undefined || (episode !== undefined && isAlarm(episode)),
    loss: loss !== undefined,
    linked: isLinked(state),
    rights: whoAmI()?.rights ?? [],
    rsuLost: episode !== undefined && lossOf(state, episode)?.kind === "rsu",
    pending: id !== null && desk.pending.has(id),
  };
}

/** Alarms that nobody has acknowledged and that are not shelved, by what they are. */
export interface Unseen {
  violation: number;
  warning: number;
  loss: number;
  all: number;
}

export function unseen(state: State): Unseen {
  const held = unseenHere(state);
  const all = state.summary?.desk?.new;
  if (!state.desk.cut || all === undefined) return held;
  const most = (x: "violation" | "warning" | "loss"): number => Math.max(held[x], all[x]);
  const [violation, warning, loss] = [most("violation"), most("warning"), most("loss")];
  return { violation, warning, loss, all: violation + warning + loss };
}

/** Those of them that this page holds. */
export function unseenHere(state: State): Unseen {
  const stamp = state.changes + state.desk.changes;
  const held = counted.get(state);
  if (held?.stamp === stamp) return held.n;
  const n = count(state);
  counted.set(state, { stamp, n });
  return n;
}

const counted = new WeakMap<State, { stamp: number; n: Unseen }>(); // asked for several times per drawing

function count(state: State): Unseen {
  const n: Unseen = { violation: 0, warning: 0, loss: 0, all: 0 };
  for (const x of state.episodes.values()) {
    if (!state.isUnseen(x)) continue;
    n[gradeOf(x) === "violation" ? "violation" : "warning"]++;
    n.all++;
  }
  for (const id of state.desk.losses.keys()) {
    if (!state.desk.isUnseen(id)) continue;
    n.loss++;
    n.all++;
  }
  return n;
}

/** The highest grade of an alarm that waits: it is not less urgent for having fallen since. */
export function gradeOf(x: Episode): Grade {
  return rank(x.grade_max) > rank(x.grade) ? x.grade_max : x.grade;
}

/** Open alarms by their present grade, acknowledged or not. */
export function openAlarms(state: State): { all: number; byGrade: Record<Grade, number> } {
  const byGrade: Record<Grade, number> = { violation: 0, warning: 0, notice: 0, undecidable: 0 };
  let all = 0;
  for (const episode of state.episodes.values()) {
    if (!episode.open || !isAlarm(episode)) continue;
    all++;
    byGrade[episode.grade]++;
  }
  return { all, byGrade };
}
