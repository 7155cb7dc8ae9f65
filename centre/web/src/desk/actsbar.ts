/** The buttons of the chosen alarm: they never change place, and what can't be done is disabled and says why. */

import { may } from "../accounts/me.ts";
import type { State } from "../state.ts";
import type { View } from "../views.ts";
import { t } from "../words.ts";
import type { Word } from "../words.ts";
import { setKeyed } from "../written.ts";
import { circumstances } from "./alarms.ts";
import { hindrance, isExerciseId, isLossId, nextAct } from "./model.ts";
import type { Act } from "./model.ts";
import { scopesOf } from "./scopes.ts";

interface Button {
  readonly name: string;
  readonly word: Word;
  /** The word of a narrow page. */
  readonly short?: Word;
  readonly key: string;
  /** Of this part; null: the button is another part's, which finds it by its `data-slot`. */
  readonly act: Act | "shelve" | null;
}

const FIRST: readonly Button[] = [
  { name: "acknowledge", word: "actAcknowledge", key: "A", act: "acknowledge" },
  { name: "handle", word: "actHandle", key: "H", act: "handle" },
  { name: "close", word: "actClose", key: "C", act: "close" },
  { name: "warn", word: "actWarn", short: "actWarnS", key: "W", act: null },
  { name: "evidence", word: "actEvidence", short: "actEvidenceS", key: "E", act: null },
  { name: "false", word: "actFalse", short: "actFalseS", key: "F", act: "false" },
];
const SECOND: readonly Button[] = [
  { name: "note", word: "actNote", key: "N", act: "note" },
  { name: "assign", word: "actAssign", key: "", act: "assign" },
  { name: "correct", word: "actCorrect", key: "", act: "correct" },
  { name: "shelve", word: "actShelve", key: "S", act: "shelve" },
  { name: "replay", word: "replayS", key: "P", act: null },
  { name: "end", word: "actEnd", key: "", act: "end" },
  { name: "reopen", word: "actReopen", key: "", act: "reopen" },
];

export interface BarActions {
  act(act: Act): void;
  /** The alarm that acts begin with: the chosen one, or the most urgent of its folded case. */
  target(): string | null;
  shelve(): void;
}

export class ActsBar implements View {
  readonly rate = "alarm";
  private readonly root: HTMLElement;
  private readonly actions: BarActions;

  constructor(root: HTMLElement, actions: BarActions) {
    this.root = root;
    this.actions = actions;
    const row = (buttons: readonly Button[], name: string): string =>
      `<div class="${name}" role="toolbar">${
        buttons.map((x) => `<button type="button" ${placeOf(x)}></button>`).join("")
      }</div>`;
    root.innerHTML = row(FIRST, "main-acts") + row(SECOND, "more-acts");
    for (const x of FIRST) if (x.act === null) disable(this.button(x), t("notYet"));
  }

  mount(): void {
    this.root.addEventListener("click", (event) => {
      const name = (event.target as HTMLElement).closest<HTMLElement>("[data-name]")?.dataset["name"];
      const button = [...FIRST, ...SECOND].find((x) => x.name === name);
      if (button === undefined) return;
      if (event.detail > 0) (document.activeElement as HTMLElement).blur(); // else the next key would press it again
      if (button.act === "shelve") this.actions.shelve();
      else if (button.act !== null) this.actions.act(button.act);
    });
  }

  draw(state: State): void {
    const target = this.actions.target();
    const at = circumstances(state, target);
    const wide = innerWidth > 1600;
    this.root.querySelector(".main-acts")!.setAttribute("aria-label", t("cDeskAct"));
    this.root.querySelector(".more-acts")!.setAttribute("aria-label", t("moreActs"));
    for (const x of [...FIRST, ...SECOND]) {
      const el = this.button(x);
      const word = wide || x.short === undefined ? x.word : x.short;
      setKeyed(el, t(word), x.key);
      if (x.name === "replay") disable(el, state.chosen === null ? t("noRow") : "");
      if (x.act === null) continue;
      const why = x.act === "shelve" ? (target === null ? "noRow" : shelfHindrance(state, target)) : hindrance(x.act, at);
      disable(el, why === null ? "" : t(why));
      el.classList.toggle("pri", why === null && x.act === nextAct(target === null ? "new" : state.desk.of(target).state));
    }
  }

  private button(x: Button): HTMLButtonElement {
    return this.root.querySelector<HTMLButtonElement>(x.act === null ? `[data-slot="${x.name}"]` : `[data-name="${x.name}"]`)!;
  }
}

/** Why an alarm, or without one anything at all, can't be shelved; null: it can. */
export function shelfHindrance(state: State, id: string | null = null): Word | null {
  if (state.connection !== "live" && state.connection !== "stale") return "noLink";
  if (!may("shelve")) return "noShelf";
  if (id === null) return null;
  if (isExerciseId(id)) return "shelfExercise";
  return scopesOf(state, id).length > 0 ? null : isLossId(id) ? "shelfNever" : "noRow";
}

/** How a button is found: by its act, by the part that owns it, or as one of the page's own buttons. */
function placeOf(x: Button): string {
  if (x.act !== null) return `data-name="${x.name}"`;
  return `data-slot="${x.name}"${x.name === "replay" ? ' data-do="replay"' : ""}`;
}

/** Disable a button with its reason; empty: enable it. It is written only when it changes. */
export function disable(el: HTMLButtonElement, why: string): void {
  if (el.title !== why) el.title = why;
  const off = String(why !== "");
  if (el.getAttribute("aria-disabled") !== off) el.setAttribute("aria-disabled", off);
}
