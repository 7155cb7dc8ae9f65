/** Ask for the evidence file, warn the driver, open the camera; the card's foot says what became of it. */

import "./evidence.css";
import { may } from "../accounts/me.ts";
import { get, Refused } from "../api.ts";
import type { Episode } from "../api.ts";
import { disable } from "../desk/actsbar.ts";
import { hasEvidence } from "../desk/model.ts";
import { escape, ms } from "../format.ts";
import { send } from "../send.ts";
import type { State } from "../state.ts";
import type { View } from "../views.ts";
import { t } from "../words.ts";
import { cameraUrl, fileHtml, isMoving, warningHtml, whyNot } from "./state.ts";
import type { EvidenceFile, Warnings } from "./state.ts";
import { set } from "../written.ts";

const POLL_MS = 1_000;

export class OutwardPanel implements View {
  readonly rate = "text";
  private readonly card: HTMLElement;
  /** Where the buttons stand, each with its `data-slot`. */
  private readonly bar: HTMLElement;
  private readonly acted: () => void;
  private id = "";
  private files: EvidenceFile[] = [];
  private warnings: Warnings | null = null;
  private problem = "";
  private nDead = 0; // events that other platforms never got
  private isWriting = false;
  private isOff = true;
  private timer = 0;

  constructor(card: HTMLElement, bar: HTMLElement, acted: () => void) {
    this.card = card;
    this.bar = bar;
    this.acted = acted;
  }

  mount(): void {
    this.bar.addEventListener("click", (event) => {
      const what = (event.target as HTMLElement).closest<HTMLElement>("[data-slot]")?.dataset["slot"];
      if (what === "evidence") this.evidence();
      if (what === "warn") this.warn();
    });
    this.card.addEventListener("click", (event) => {
      const what = (event.target as HTMLElement).closest<HTMLElement>("[data-outward]")?.dataset["outward"];
      if (what === "send") void this.sendWarning();
      if (what === "cancel") this.close();
    });
    this.card.addEventListener("keydown", (event) => {
      if (!(event.target instanceof HTMLTextAreaElement)) return;
      event.stopPropagation(); // letters are text here
      if (event.key === "Escape") this.close();
    });
  }

  /** Ask for the evidence file of the chosen episode. */
  evidence(): void {
    if (this.isRefused("evidence") || this.files[0]?.state === "waiting") return;
    void this.act(async (id) => {
      const file = await send<EvidenceFile>("POST", `/api/violations/${id}/evidence`);
      if (id === this.id) this.files = [file, ...this.files.filter((x) => x.id !== file.id)];
    });
  }

  /** Open the text for the driver of the chosen episode. */
  warn(): void {
    if (this.isRefused("warn") || this.warnings === null) return;
    this.isWriting = true;
    this.acted();
    const box = this.card.querySelector<HTMLTextAreaElement>(".outward textarea");
    if (box !== null && box.value === "") box.value = this.warnings.text;
    box?.focus();
  }

  private isRefused(slot: string): boolean {
    return this.id === "" || this.bar.querySelector(`[data-slot="${slot}"]`)?.getAttribute("aria-disabled") !== "false";
  }

  draw(state: State): void {
    const episode = state.chosen;
    this.isOff = state.connection !== "live" && state.connection !== "stale";
    if ((episode?.id ?? "") !== this.id) this.choose(episode?.id ?? "");
    const never = this.hindrance(state);
    this.button("evidence", never || this.lacks("evidence"));
    this.button("warn", never || this.lacks("warn") || whyNot(this.warnings));
    if (episode === null || this.card.querySelector(".plot") === null) return;
    const foot = this.foot();
    set(foot.querySelector(".cam")!, cameraHtml(state, episode));
    const dead = this.nDead > 0 ? `▲ ${t("deadLetters", { n: this.nDead })}` : "";
    const problem = this.problem === "" ? "" : `▲ ${escape(this.problem)}`;
    const said = [problem, fileHtml(this.files[0]), warningHtml(this.warnings, state.nowMs()), dead].filter((x) => x !== "");
    set(foot.querySelector(".said")!, said.map((x) => `<div>${x}</div>`).join(""));
    this.drawForm(foot);
  }

  private drawForm(foot: HTMLElement): void {
    const form = foot.querySelector<HTMLElement>(".form")!;
    form.hidden = !this.isWriting;
    const [label, yes, no] = [t("warnText"), t("warnSend"), t("warnCancel")];
    const labelEl = form.querySelector("label")!;
    if (labelEl.firstChild!.nodeValue !== label) labelEl.firstChild!.nodeValue = label;
    set(form.querySelector('[data-outward="send"]')!, yes);
    set(form.querySelector('[data-outward="cancel"]')!, no);
  }

  private foot(): HTMLElement {
    const held = this.card.querySelector<HTMLElement>(".outward");
    if (held !== null) return held;
    const foot = document.createElement("div");
    foot.className = "outward";
    foot.dataset["testid"] = "outward";
    foot.innerHTML = '<div class="cam"></div><div class="form" hidden><label> <textarea maxlength="100" rows="2"></textarea></label>'
      + '<button type="button" class="main" data-outward="send"></button><button type="button" data-outward="cancel"></button></div>'
      + '<div class="said" role="status"></div>';
    this.card.append(foot);
    return foot;
  }

  /** Why neither can be done now; empty where they can. */
  private hindrance(state: State): string {
    if (this.isOff) return t("why_disconnected");
    if (state.chosen === null) return t("noRow");
    return hasEvidence(state.chosen.id) ? "" : t("why_exercise");
  }

  private lacks(right: string): string {
    return may(right) ? "" : t("noDeskRight");
  }

  private button(slot: string, why: string): void {
    disable(this.bar.querySelector<HTMLButtonElement>(`[data-slot="${slot}"]`)!, why);
  }

  private choose(id: string): void {
    [this.id, this.files, this.warnings, this.problem] = [id, [], null, ""];
    this.clear();
    clearTimeout(this.timer);
    if (id !== "" && hasEvidence(id)) void this.load(id);
  }

  private clear(): void {
    this.isWriting = false;
    const box = this.card.querySelector<HTMLTextAreaElement>(".outward textarea");
    if (box !== null) box.value = "";
  }

  private close(): void {
    this.clear();
    this.acted();
  }

  private async sendWarning(): Promise<void> {
    const text = this.card.querySelector<HTMLTextAreaElement>(".outward textarea")?.value ?? "";
    await this.act(async (id) => {
      await send("POST", `/api/violations/${id}/warn`, { text });
      this.close();
    });
  }

  /** Do something, show what is wrong with it, and fetch what became of it. */
  private async act(what: (id: string) => Promise<void>): Promise<void> {
    const { id } = this;
    this.problem = "";
    try {
      await what(id);
    } catch (error) {
      const why = error instanceof Refused ? error.message : t("why_disconnected");
      if (id === this.id) this.problem = t("actFailed", { r: why });
    }
    await this.load(id);
  }

  private async load(id: string): Promise<void> {
    clearTimeout(this.timer);
    try {
      const [files, warnings, ways] = await Promise.all([
        get<{ items: EvidenceFile[] }>(`/api/violations/${id}/evidence`),
        get<Warnings>(`/api/violations/${id}/warnings`),
        get<Record<string, { dead: number }>>("/api/outreach"),
      ]);
      this.nDead = Object.values(ways).reduce((sum, way) => sum + way.dead, 0);
      if (id !== this.id) return;
      [this.files, this.warnings] = [files.items, warnings];
    } catch {
      if (id !== this.id) return; // shown by the connection; asked for again
      this.timer = window.setTimeout(() => void this.load(id), 5 * POLL_MS);
      return;
    }
    this.acted();
    const waitMs = isMoving(this.files, this.warnings) ? POLL_MS : 10 * POLL_MS;
    this.timer = window.setTimeout(() => void this.load(id), waitMs);
  }
}

function cameraHtml(state: State, episode: Episode): string {
  const rsu = state.site?.body.rsus.find((x) => x.esn === episode.esn);
  const stamp = Math.floor(ms(episode.confirmed_ns ?? episode.start_ns) / 1_000);
  const url = cameraUrl(rsu?.camera, { esn: episode.esn, stamp_s: String(stamp), plate: episode.vehicle?.plate ?? "" });
  return url === null ? "" : `<a href="${escape(url)}" target="_blank" rel="noopener noreferrer">${t("camera")}</a>`;
}
