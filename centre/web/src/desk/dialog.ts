/** The dialog of an act: reasons, words, a plate, a person. Enter acts, Esc leaves, and the focus returns to where it was. */

import { escape } from "../format.ts";
import { pick, t } from "../words.ts";
import { kbd } from "../written.ts";
import type { ReasonCode } from "./model.ts";

/** What a dialog asks for; a member that is left out is not asked. */
export interface Question {
  readonly title: string;
  readonly about: string;
  readonly reasons?: readonly ReasonCode[];
  /** What the reasons are called, where they are something else. */
  readonly reasonsLabel?: string;
  readonly text?: { readonly label: string; readonly required: boolean };
  readonly plate?: string;
  /** Names that are proposed; any other can be written. */
  readonly users?: readonly string[];
  readonly toLabel?: string;
  /** Several choices, of which any may be taken; `on` those that are taken at first. */
  readonly scope?: readonly { readonly key: string; readonly label: string; readonly on: boolean }[];
  readonly hours?: readonly number[];
  /** How many alarms the case has, where the act may be for all of them. */
  readonly wholeN?: number;
  readonly whole?: boolean;
}

export interface Answer {
  readonly reason: string | null;
  readonly text: string | null;
  readonly plate: string | null;
  readonly to: string | null;
  readonly scope: readonly string[];
  readonly hours: number;
  readonly whole: boolean;
}

const TEXT_MAX = 500;

export class Dialog {
  private readonly el: HTMLDialogElement;
  private readonly hindered: () => string;
  private question: Question | null = null;
  private done: ((answer: Answer | null) => void) | null = null;

  /** hindered : why nothing can be sent now; empty: it can. The dialog stays open meanwhile, with what was written */
  constructor(el: HTMLDialogElement, hindered: () => string) {
    this.el = el;
    this.hindered = hindered;
    el.addEventListener("close", () => { // Esc; it comes late: the next question may be open already
      if (!el.open) this.end(null);
    });
    el.addEventListener("click", (event) => {
      const name = (event.target as HTMLElement).closest<HTMLElement>("[data-ask]")?.dataset["ask"];
      if (name === "ok") this.accept();
      if (name === "cancel") el.close();
    });
    el.addEventListener("keydown", (event) => this.key(event));
  }

  /** Ask; null where the person left. */
  ask(question: Question): Promise<Answer | null> {
    this.end(null);
    this.question = question;
    this.el.innerHTML = bodyHtml(question);
    this.el.setAttribute("aria-label", question.title);
    this.el.showModal();
    (this.el.querySelector<HTMLElement>("input:not([type=checkbox]), textarea, select, input") ?? this.el).focus();
    return new Promise((done) => (this.done = done));
  }

  private end(answer: Answer | null): void {
    const { done } = this;
    this.done = null;
    this.question = null;
    if (this.el.open) this.el.close();
    done?.(answer);
  }

  private key(event: KeyboardEvent): void {
    if (!this.el.open) return; // Esc has shut it, and the focus leaves with the next frame: the key is the page's
    event.stopPropagation(); // the page's keys rest meanwhile
    const target = event.target as HTMLElement;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && target.dataset["ask"] !== "cancel") {
      event.preventDefault();
      this.accept();
      return;
    }
    if (target.closest("textarea, select, input:not([type=radio]):not([type=checkbox])") !== null) return;
    const choices = [...this.el.querySelectorAll<HTMLInputElement>("input[name=reason]")];
    const chosen = choices[Number(event.key) - 1];
    if (chosen === undefined) return;
    event.preventDefault();
    chosen.checked = true;
    chosen.focus();
  }

  private accept(): void {
    const { el, question } = this;
    if (question === null || !el.open) return;
    const value = (selector: string): string | null => el.querySelector<HTMLInputElement>(selector)?.value.trim() || null;
    const answer: Answer = {
      reason: el.querySelector<HTMLInputElement>("input[name=reason]:checked")?.value ?? null,
      text: value("textarea"), plate: value("input[name=plate]"), to: value("input[name=to]"),
      scope: [...el.querySelectorAll<HTMLInputElement>("input[name=scope]:checked")].map((x) => x.value),
      hours: Number(value("select[name=hours]") ?? 1),
      whole: el.querySelector<HTMLInputElement>("input[name=whole]")?.checked ?? question.whole ?? false,
    };
    const [missing, at] = whatIsMissing(question, answer);
    const why = missing !== "" ? missing : this.hindered();
    if (why === "") return this.end(answer);
    el.querySelector<HTMLElement>(".missing")!.textContent = `▲ ${why}`;
    if (missing !== "") el.querySelector<HTMLElement>(at)?.focus();
  }
}

/** What an answer lacks, and where it is asked for; empty where it is whole. */
export function whatIsMissing(question: Question, answer: Answer): [string, string] {
  if (question.reasons !== undefined && answer.reason === null) return [t("reasonMissing"), "input[name=reason]"];
  if (question.scope !== undefined && answer.scope.length === 0) return [t("shelfEmpty"), "input[name=scope]"];
  if (question.plate !== undefined && answer.plate === null) return [t("textMissing"), "input[name=plate]"];
  if (question.users !== undefined && answer.to === null) return [t("textMissing"), "input[name=to]"];
  if (question.text?.required === true && answer.text === null) return [t("textMissing"), "textarea"];
  if ((answer.text ?? "").length > TEXT_MAX) return [t("textLong", { n: TEXT_MAX }), "textarea"];
  return ["", ""];
}

function bodyHtml(x: Question): string {
  const parts = [`<h3>${escape(x.title)}</h3><p class="dim">${escape(x.about)}</p>`];
  if (x.reasons !== undefined) {
    const rows = x.reasons.map((one, i) => {
      const key = kbd(i < 9 ? String(i + 1) : "");
      return `<label><input type="radio" name="reason" value="${escape(one.code)}">${key} ${escape(pick(one.zh, one.en))}</label>`;
    });
    const body = rows.join("") || `<span class="dim">${t("reasonsMissing")}</span>`;
    parts.push(`<fieldset class="two"><legend>${escape(x.reasonsLabel ?? t("askReason"))}</legend>${body}</fieldset>`);
  }
  if (x.scope !== undefined) {
    const rows = x.scope.map((one) =>
      `<label><input type="checkbox" name="scope" value="${one.key}"${one.on ? " checked" : ""}> ${escape(one.label)}</label>`
    );
    parts.push(`<fieldset><legend>${t("shelfScope")}</legend>${rows.join("")}</fieldset>`);
  }
  if (x.hours !== undefined) {
    const rows = x.hours.map((n) => `<option value="${n}">${t("hoursN", { n })}</option>`).join("");
    parts.push(`<label class="line">${t("askUntil")} <select name="hours">${rows}</select></label>`);
  }
  if (x.plate !== undefined) {
    parts.push(`<label class="line">${t("askPlate")} <input name="plate" maxlength="32" value="${escape(x.plate)}"></label>`);
  }
  if (x.users !== undefined) {
    const rows = x.users.map((name) => `<option value="${escape(name)}"></option>`).join("");
    parts.push(
      `<label class="line">${escape(x.toLabel ?? t("askTo"))} <input name="to" maxlength="64" list="ask-users"></label>`
        + `<datalist id="ask-users">${rows}</datalist>`,
    );
  }
  if (x.text !== undefined) {
    parts.push(`<label class="line">${escape(x.text.label)} <textarea rows="2" maxlength="${TEXT_MAX}"></textarea></label>`);
  }
  if ((x.wholeN ?? 1) > 1) {
    parts.push(
      `<label><input type="checkbox" name="whole"${x.whole === true ? " checked" : ""}> ${t("askWhole", { n: x.wholeN ?? 1 })}</label>`
    );
  }
  return `${parts.join("")}<p class="missing" role="alert"></p><div class="ends">
    <button type="button" class="pri" data-ask="ok">${t("okKey")}${kbd("Enter")}</button>
    <button type="button" data-ask="cancel">${t("cancelKey")}${kbd("Esc")}</button></div>`;
}
