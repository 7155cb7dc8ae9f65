/** The screen of search, pages and statistics: what its address names is asked for once, and shown as answered. */

import "./look.css";
import { get, Refused } from "../api.ts";
import { escape } from "../format.ts";
import { Poll } from "../poll.ts";
import type { State } from "../state.ts";
import type { Host, View } from "../views.ts";
import { getLang, t } from "../words.ts";
import type { Word } from "../words.ts";
import { dayOf, figuresHtml, filesHtml, periodOf, pickerHtml } from "./figures.ts";
import type { Figures } from "./figures.ts";
import { HEALTH_DAYS, healthHtml } from "./health.ts";
import type { HealthReport } from "./health.ts";
import { asked, formHtml, wordsOf } from "./form.ts";
import { loadGoods } from "./goods.ts";
import { carrierHtml, loadCarrier, loadRsu, loadVehicle, rsuHtml, vehicleHtml } from "./pages.ts";
import { loadQuarantine, quarantineHtml } from "./quarantine.ts";
import { violationTable } from "./tables.ts";
import type { Found } from "./tables.ts";
import { set } from "../written.ts";

/** Addresses of this screen, without the `#`. */
export const LOOK_HASH = /^#((?:search|statistics|report|quarantine)(?:\?.*)?|(?:vehicle|carrier|rsu)=.+)$/;
const PAGE_ROWS = 50;
const PAGES: readonly string[] = ["vehicle", "rsu", "quarantine"]; // asked for again while they are shown
const AGAIN_MS = 15_000;

interface SearchPage {
  items: Found[];
  n: number;
  more: boolean;
  complete: boolean;
  older: string | null;
  newer: string | null;
}

type Answer = (state: State) => string;
const NAV: readonly (readonly [string, Word])[] = [
  ["search", "qSearch"], ["statistics", "qStatistics"], ["report", "qReport"],
  ["quarantine", "qQuarantine"], ["journeys", "qBoard"], ["", "qRoad"],
];

export class Look implements View {
  readonly rate = "text";
  private readonly root: HTMLElement;
  private readonly state: State;
  private address = "search";
  private answer = new Poll(Infinity, () => this.load());
  private shown = "";
  private drawn: Answer | null = null;
  private toFocus = false;
  private formOf = "";

  constructor(root: HTMLElement, state: State) {
    this.root = root;
    this.state = state;
    root.innerHTML = '<nav></nav><div class="head"></div><div class="body" tabindex="0" data-testid="look"></div>';
  }

  mount(_host: Host): void {
    void loadGoods();
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      const words = wordsOf(event.target as HTMLFormElement).toString();
      location.hash = `${this.kind}${words === "" ? "" : `?${words}`}`;
    });
    this.root.addEventListener("click", (event) => {
      const act = (event.target as HTMLElement).closest<HTMLElement>("[data-look]")?.dataset["look"];
      if (act === "clear") location.hash = "search";
      if (act === "print") print();
    });
  }

  /** Ask for what an address names. */
  open(address: string): void {
    this.address = address;
    this.formOf = "";
    this.answer = new Poll(PAGES.includes(this.kind) ? AGAIN_MS : Infinity, () => this.load());
    this.ask(performance.now());
  }

  /** Ask for what the address names; days are the centre's, and so wait until it has said its time. */
  private ask(now: number): void {
    if (!this.isOfDays || this.state.knowsTime) this.answer.look(now);
  }

  private get isOfDays(): boolean {
    return this.kind === "statistics" || this.kind === "report";
  }

  /** Open the search, and put the cursor into its first field. */
  focus(): void {
    if (this.kind !== "search" || this.root.hidden) location.hash = "search";
    this.toFocus = true; // the form is drawn with the next words
    this.focusPlate();
  }

  private focusPlate(): void {
    const field = this.root.hidden || this.kind !== "search" ? null : this.root.querySelector<HTMLInputElement>('[name="plate"]');
    if (!this.toFocus || field === null) return;
    this.toFocus = false;
    field.focus();
  }

  private get kind(): string {
    return /^[a-z]+/.exec(this.address)![0];
  }

  private get words(): URLSearchParams {
    const at = this.address.indexOf("?");
    return new URLSearchParams(at < 0 ? "" : this.address.slice(at + 1));
  }

  private get named(): string {
    const text = this.address.slice(this.address.indexOf("=") + 1).split("?")[0]!; // in a name it is %3F
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // a lone %
    }
  }

  private async load(): Promise<Answer> {
    switch (this.kind) {
      case "search": {
        const [words, page] = [this.words, await get<SearchPage>(`/api/search?${asked(this.words, PAGE_ROWS)}`)];
        return (state) => searchHtml(state, page, words);
      }
      case "vehicle": {
        const found = await loadVehicle(this.named);
        return (state) => vehicleHtml(state, found);
      }
      case "carrier": {
        const found = await loadCarrier(this.named);
        return (state) => carrierHtml(state, found);
      }
      case "rsu": {
        const found = await loadRsu(this.named, this.words.get("before") ?? "");
        return (state) => rsuHtml(state, found);
      }
      case "quarantine": {
        const found = await loadQuarantine(this.words.get("before"));
        return () => quarantineHtml(found);
      }
      default: {
        const [found, health] = await Promise.all([
          get<Figures>(`/api/${this.file(this.state.nowMs())}`),
          this.kind === "statistics" ? get<HealthReport>(`/api/desk/false?days=${HEALTH_DAYS}`) : null,
        ]);
        return (state) => figuresHtml(state, found, health === null ? "" : healthHtml(health, state.summary?.desk ?? null));
      }
    }
  }

  /** The path of the figures, also of their files. */
  private file(nowMs: number): string {
    const { from, query } = periodOf(this.words, nowMs);
    return this.kind === "report" ? `reports/daily?day=${encodeURIComponent(this.words.get("day") ?? from)}` : `statistics?${query}`;
  }

  draw(state: State, now: number): void {
    if (this.root.hidden) return;
    const nav = NAV.map(([to, word]) => `<a href="#${to}"${to === this.kind ? ' aria-current="page"' : ""}>${t(word)}</a>`).join("");
    set(this.root.querySelector("nav")!, nav);
    const day = this.isOfDays ? dayOf(state.nowMs()) : "";
    const form = `${getLang()} ${this.address} ${state.site !== null} ${day}`; // written once: what is typed stays
    if (form !== this.formOf) {
      this.formOf = form;
      this.root.querySelector(".head")!.innerHTML = this.headHtml(state);
    }
    this.focusPlate();
    // not under a keyboard focus or a selection of text: what is read stays
    const read = this.root.querySelector(".body")!.contains(document.activeElement) || !(getSelection()?.isCollapsed ?? true);
    if (!read) this.ask(now);
    const { found, fault } = this.answer;
    const what = `${getLang()} ${this.address} ${String(fault)} ${state.site !== null}`;
    if (this.shown === what && this.drawn === found) return;
    [this.shown, this.drawn] = [what, found];
    const html = fault !== null
      ? `<div class="blank" role="alert">▲ ${fault instanceof Refused ? t("qFailed", { t: escape(fault.message) }) : t("qAway")}</div>`
      : found === null ? `<div class="blank dim">${t("loading")}</div>` : found(state);
    set(this.root.querySelector(".body")!, html);
  }

  private headHtml(state: State): string {
    const nowMs = state.nowMs();
    if (this.kind === "search") return formHtml(state, this.words);
    if (!this.isOfDays) return "";
    const files = filesHtml(this.file(nowMs), getLang());
    if (this.kind === "statistics") return `${pickerHtml(this.words, nowMs)}${files}`;
    const day = this.words.get("day") ?? periodOf(this.words, nowMs).from;
    return `<form data-testid="day"><label><span>${t("qDay")}</span><input type="date" name="day" value="${escape(day)}"></label>`
      + `<button type="submit">${t("qShow")}</button></form><button type="button" data-look="print">${t("qPrint")}</button>${files}`;
  }
}

function searchHtml(state: State, page: SearchPage, words: URLSearchParams): string {
  const turn = (key: "before" | "after", cursor: string | null, word: Word): string => {
    const to = new URLSearchParams(words);
    to.delete("before");
    to.delete("after");
    if (cursor === null) return `<span class="q" aria-disabled="true">${t(word)}</span>`;
    to.set(key, cursor);
    return `<a href="#search?${escape(to.toString())}" data-testid="${key}">${t(word)}</a>`;
  };
  const head = `<p class="turns"><b data-testid="count">${t(page.more ? "qMore" : "qFound", { n: page.n })}</b> `
    + `<span class="dim">${t("qSorted")}</span>`
    + `${turn("after", page.newer, "qNewer")} ${turn("before", page.older, "qOlder")}</p>`;
  const filling = page.complete ? "" : `<p>▲ ${t("qFilling")}</p>`;
  if (page.items.length === 0) return `${head}${filling}<div class="blank dim">${t("qNone")}</div>`;
  return head + filling + violationTable(state, page.items, t("qSearch"));
}
