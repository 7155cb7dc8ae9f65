/** The screen of the shift: who is on duty, the hand-over with its sheet, which can be printed, and the shelves. */

import { may, whoAmI } from "../accounts/me.ts";
import { get } from "../api.ts";
import { send } from "../send.ts";
import { Poll } from "../poll.ts";
import { isLinked } from "../state.ts";
import type { State } from "../state.ts";
import type { View } from "../views.ts";
import { t } from "../words.ts";
import { set } from "../written.ts";
import type { Dialog } from "./dialog.ts";
import type { Exercises } from "./exercise.ts";
import { exerciseHtml } from "./exercise.ts";
import { attempt } from "./notice.ts";
import type { Notice } from "./notice.ts";
import { dutyTable, sheetCsv, sheetHtml, shelvesTable } from "./sheet.ts";
import type { Sheet, ShiftNow } from "./sheet.ts";
import type { Shelving } from "./shelving.ts";

const ASK_MS = 5_000;
const SHIFT_MS = 12 * 3_600_000; // the longest time that a sheet covers where nobody is on duty

export class ShiftView implements View {
  readonly rate = "text";
  private readonly root: HTMLElement;
  private readonly dialog: Dialog;
  private readonly notice: Notice;
  private readonly shelving: Shelving;
  private readonly exercises: Exercises;
  private state: State | null = null;
  private sinceMs = NaN;
  private readonly shift = new Poll(ASK_MS, () => this.load(this.state!));

  constructor(root: HTMLElement, dialog: Dialog, notice: Notice, shelving: Shelving, exercises: Exercises) {
    this.root = root;
    this.dialog = dialog;
    this.notice = notice;
    this.shelving = shelving;
    this.exercises = exercises;
    root.innerHTML = `<section class="noprint"><h2></h2><div class="bar"></div>
      <div class="plot scroll" data-testid="duties" tabindex="0"></div>
      <h2></h2><div class="plot scroll" data-testid="shelves" tabindex="0"></div>
      <h2></h2><div class="bar" data-testid="exercises"></div></section>
      <section><h2></h2><div class="bar noprint"></div>
      <div class="plot scroll sheet" data-testid="sheet" tabindex="0"></div></section>`;
  }

  mount(): void {
    this.root.addEventListener("click", (event) => {
      const target = (event.target as HTMLElement).closest<HTMLElement>("button");
      if (target === null || target.getAttribute("aria-disabled") === "true") return;
      const shelf = target.dataset["shelf"];
      if (shelf !== undefined) return void this.shelving.end(Number(shelf)).then(() => this.renew());
      const name = target.dataset["shift"];
      const exercise = target.dataset["exercise"];
      if (exercise !== undefined) return void (exercise === "begin" ? this.exercises.begin() : this.exercises.end());
      if (name === "begin" || name === "end") void this.change({ act: name });
      if (name === "hand_over") void this.handOver();
      if (name === "print") window.print();
      if (name === "csv") this.download();
    });
  }

  /** Show the sheet since a time [ms]; empty: since the own shift began. */
  open(since: string): void {
    const sinceMs = since === "" ? NaN : Number(since);
    if (!Object.is(sinceMs, this.sinceMs)) this.shift.renew();
    this.sinceMs = sinceMs;
  }

  /** Ask again with the next drawing: somebody else's shift or shelf changed. */
  renew(): void {
    this.shift.renew();
  }

  draw(state: State, now: number): void {
    this.state = state;
    const linked = isLinked(state);
    if (!this.root.hidden && linked) this.shift.look(now);
    const titles = this.root.querySelectorAll<HTMLElement>("h2");
    const [title, shelvesTitle, exerciseTitle, sheetTitle] = [titles[0]!, titles[1]!, titles[2]!, titles[3]!];
    const failed = this.shift.failed ? `<span class="end">▲ ${t("sheetFailed")}</span>` : "";
    set(title, `${t("shift")} <span>${this.now === null ? "—" : this.now.on_duty.length}</span>${failed}`);
    const shelves = [...state.desk.shelves.values()];
    set(shelvesTitle, `${t("shelves")} <span>${shelves.filter((x) => x.ended_ns === null).length}</span>`);
    set(sheetTitle, `${t("sheet")} ${failed}`);
    const bars = this.root.querySelectorAll<HTMLElement>(".bar");
    const [duty, exercise, sheet] = [bars[0]!, bars[1]!, bars[2]!];
    set(duty, this.buttons(linked));
    set(exerciseTitle, t("exTitle"));
    set(exercise, exerciseHtml(state));
    set(
      sheet,
      `<button type="button" data-shift="print">${t("print")}</button><button type="button" data-shift="csv">${t("download")}</button>`,
    );
    const at = (name: string): HTMLElement => this.root.querySelector<HTMLElement>(`[data-testid=${name}]`)!;
    const blank = `<div class="blank dim">${t(linked ? "loading" : "qAway")}</div>`;
    set(at("duties"), this.now === null ? blank : dutyTable(this.now, state.viewMs()));
    set(at("shelves"), shelvesTable(shelves, linked, state.nowMs()));
    set(at("sheet"), this.sheet === null ? blank : sheetHtml(this.sheet, state));
  }

  private get now(): ShiftNow | null {
    return this.shift.found?.now ?? null;
  }

  private get sheet(): Sheet | null {
    return this.shift.found?.sheet ?? null;
  }

  private get onDuty(): boolean {
    const name = whoAmI()?.name;
    return this.now?.on_duty.some((x) => x.user === name) === true;
  }

  private buttons(linked: boolean): string {
    const mayAct = may("handle");
    const why = !linked ? t("noLink") : !mayAct ? t("noDeskRight") : "";
    const button = (name: string, word: string, fits: boolean): string => {
      const off = why !== "" ? why : fits ? "" : t("isDone");
      return `<button type="button" data-shift="${name}" aria-disabled="${off !== ""}" title="${off}">${word}</button>`;
    };
    return button("begin", t("beginShift"), !this.onDuty) + button("hand_over", t("handOver"), this.onDuty)
      + button("end", t("endShift"), this.onDuty);
  }

  private async load(state: State): Promise<{ now: ShiftNow; sheet: Sheet }> {
    const now = await get<ShiftNow>("/api/shift");
    const own = now.on_duty.find((x) => x.user === whoAmI()?.name)?.since_ns;
    const asked = Number.isNaN(this.sinceMs) ? null : `${this.sinceMs}000000`;
    const since = asked ?? own ?? `${Math.round(state.nowMs() - SHIFT_MS)}000000`;
    return { now, sheet: await get<Sheet>(`/api/shift/sheet?since_ns=${since}`) };
  }

  private async handOver(): Promise<void> {
    const { desk } = this.state!;
    const users = (desk.settings?.users ?? []).map((x) => x.name).filter((name) => name !== whoAmI()?.name);
    const answer = await this.dialog.ask({
      title: t("handOver"), about: t("sheetOpen"), users, toLabel: t("handTo"), text: { label: t("handText"), required: true },
    });
    if (answer !== null) await this.change({ act: "hand_over", to: answer.to, text: answer.text });
  }

  private async change(body: { act: string; to?: string | null; text?: string | null }): Promise<void> {
    await attempt(this.notice, () => send("POST", "/api/shift", body));
    this.renew();
    if (this.state !== null) this.draw(this.state, performance.now());
  }

  private download(): void {
    if (this.sheet === null || this.state === null) return;
    const url = URL.createObjectURL(new Blob(["\ufeff", sheetCsv(this.sheet, this.state)], { type: "text/csv;charset=utf-8" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `shift-${this.sheet.now_ns.slice(0, 10)}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}
