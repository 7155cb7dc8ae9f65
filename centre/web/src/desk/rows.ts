/** The rows of the list: one element each, written in place. */

import { isAlarm } from "../order.ts";
import { CELLS, cellsHtml, plateShown, shownGrade } from "../row.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { missingUpdates } from "../supervision.ts";
import { getLang } from "../words.ts";
import { set } from "../written.ts";
import { isOpen, mostUrgent } from "./alarms.ts";
import { dueHtml, elsewhereWords, lossCells, lossName, lossPart, rowButton, rowIds, rowLabel } from "./deskrow.ts";
import type { RowButton } from "./deskrow.ts";
import { isExerciseId } from "./model.ts";
import type { Handling } from "./model.ts";
import { Sight } from "./sight.ts";

/** The element of a row, and what was written to it last: reading the page back would cost more than the drawing. */
interface Row {
  readonly el: HTMLElement;
  marks: string;
  folded: boolean;
  isMember: boolean;
  lang: string; // of its texts; empty before it has any
}

export class Rows {
  private readonly rows = new Map<string, Row>();
  private readonly sight: Sight;
  private state: State | null = null;

  constructor(box: HTMLElement) {
    this.sight = new Sight(box, (id) => this.fill(id));
  }

  at(id: string): HTMLElement | undefined {
    return this.rows.get(id)?.el;
  }

  /** Drop the rows that are not in `ids`. */
  keep(ids: { has(id: string): boolean }): void {
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      this.sight.remove(row.el);
      this.rows.delete(id);
    }
  }

  /**
   * Write a row: its marks always, its texts only while it is in sight.
   *
   * `folded`: it stands for its whole case; `isMember`: it is one of an unfolded case, and not its first.
   */
  draw(state: State, id: string, folded: boolean, isMember: boolean): void {
    this.state = state;
    const row = this.rows.get(id) ?? this.create(state, id);
    [row.folded, row.isMember] = [folded, isMember];
    const episode = state.episodes.get(id);
    const alarm = episode === undefined || isAlarm(episode);
    const handling = mostUrgent(state, rowIds(state, id, folded));
    const open = isOpen(state, id);
    const classes = classesOf(state, id, { folded, isMember, alarm, open }, handling);
    const [grade, rule, done] = [episode?.grade ?? "loss", episode?.rule ?? "loss", alarm ? handling.state : ""];
    const marks = `${classes}|${grade}|${rule}|${open}|${done}`;
    if (row.marks !== marks) {
      row.marks = marks;
      row.el.className = classes;
      Object.assign(row.el.dataset, { grade, rule, open: String(open), state: done });
      row.el.setAttribute("aria-current", String(id === state.selected));
    }
    // what is out of sight is read by screen readers all the same: never in the language of before
    if (!this.sight.has(id) && (row.lang === "" || row.lang === getLang())) return;
    row.lang = getLang();
    write(state, row.el, id, folded, alarm ? handling : null);
  }

  private create(state: State, id: string): Row {
    const el = document.createElement("div");
    el.innerHTML = CELLS;
    el.tabIndex = 0;
    el.setAttribute("role", "group");
    el.dataset["id"] = id;
    el.dataset["testid"] = state.episodes.has(id) ? "violation" : "loss";
    const row = { el, marks: "", folded: true, isMember: false, lang: "" };
    this.rows.set(id, row);
    this.sight.add(el);
    return row;
  }

  /** A row came into sight. */
  private fill(id: string): void {
    const row = this.rows.get(id);
    if (row !== undefined && this.state !== null) this.draw(this.state, id, row.folded, row.isMember);
  }
}

function classesOf(
  state: State, id: string, row: { folded: boolean; isMember: boolean; alarm: boolean; open: boolean }, handling: Handling,
): string {
  const { desk } = state;
  const episode = state.episodes.get(id);
  const waits = row.alarm && handling.state === "new" && handling.shelf === null;
  const late = handling.escalated > 0 && handling.state !== "closed";
  const noted = row.alarm && (desk.refused.has(id) || late || (row.folded && desk.of(id).case_n > 1)
    || elsewhereWords(state, id) !== "" || isExerciseId(id)) || episode?.clock_unset === true;
  const lost = episode !== undefined && missingUpdates(state, episode) !== "";
  const names: [string, boolean][] = [
    ["new", waits], ["ring", waits && row.open], ["sel", id === state.selected], ["ended", !row.open && !waits], ["lost", lost],
    ["noted", noted], ["member", row.isMember],
  ];
  const grade = episode === undefined ? "warning" : shownGrade(episode);
  return `row2 g-${grade}${names.map(([name, is]) => (is ? ` ${name}` : "")).join("")}`;
}

/** The texts and the button of a row; `handling` null: it is only on record and has no button. */
function write(state: State, row: HTMLElement, id: string, folded: boolean, handling: Handling | null): void {
  const episode = state.episodes.get(id);
  const loss = state.desk.losses.get(id);
  const cells = episode !== undefined ? cellsHtml(state, episode, folded) : loss !== undefined ? lossCells(state, loss, folded) : [];
  const note = cells.length - 1; // before it stands the button's cell
  cells.forEach((html, i) => set(row.children[i === note ? note + 1 : i]!, html));
  const what = episode !== undefined
    ? [plateShown(state, episode), ruleName(episode.rule)]
    : [loss === undefined ? "" : lossPart(loss), loss === undefined ? "" : lossName(loss)];
  const label = rowLabel(state, id, what[0]!, what[1]!);
  if (row.getAttribute("aria-label") !== label) row.setAttribute("aria-label", label);
  const button = row.querySelector<HTMLButtonElement>(".act button")!;
  if (button.hidden !== (handling === null)) button.hidden = handling === null;
  if (handling === null) return;
  writeButton(button, rowButton(state, id, handling), label);
  set(row.querySelector(".act i")!, dueHtml(handling, state.viewMs()));
}

function writeButton(el: HTMLButtonElement, button: RowButton, label: string): void {
  if (el.dataset["act"] !== button.act) el.dataset["act"] = button.act;
  if (el.textContent !== button.label) el.textContent = button.label;
  const classes = button.primary ? "pri" : "";
  if (el.className !== classes) el.className = classes;
  if (el.title !== button.why) el.title = button.why;
  for (const [key, value] of [["aria-disabled", String(button.why !== "")], ["aria-label", `${button.label} · ${label}`]] as const) {
    if (el.getAttribute(key) !== value) el.setAttribute(key, value);
  }
}
