/** The list of violations: one row per episode, changed in place, never moved under the pointer. */

import type { Episode } from "./api.ts";
import { age, escape, ms, probability, span, station, withUnit } from "./format.ts";
import { markSvg } from "./icons.ts";
import { arrange, canUnfold, isAlarm, neighbour } from "./order.ts";
import type { Layout, Section, SectionKey } from "./order.ts";
import { homeRow, judgeableM } from "./site.ts";
import type { Step } from "./state.ts";
import type { State } from "./state.ts";
import { rowShort } from "./strip.ts";
import { name, stretches, t } from "./words.ts";
import { clock } from "./format.ts";

export class List {
  private layout: Layout = { sections: [], held: 0 };
  private readonly rows = new Map<string, HTMLElement>();
  private readonly unfolded = new Set<SectionKey>();
  private renew: SectionKey | null = null;
  private pointed = false;
  private focused = false;
  private order = "";
  private readonly box: HTMLElement;
  private readonly section: HTMLElement;

  constructor(section: HTMLElement, onSelect: (id: string) => void, onUnfold: () => void) {
    this.section = section;
    this.box = section.querySelector<HTMLElement>(".rows")!;
    section.addEventListener("pointerenter", () => (this.pointed = true));
    section.addEventListener("pointerleave", () => (this.pointed = false));
    // only focus that the keyboard put there holds the order
    section.addEventListener("focusin", (event) => (this.focused = (event.target as HTMLElement).matches(":focus-visible")));
    section.addEventListener("focusout", () => (this.focused = false));
    const idOf = (event: Event): string | undefined => (event.target as HTMLElement).closest<HTMLElement>(".row2")?.dataset["id"];
    this.box.addEventListener("click", (event) => {
      if (event.detail > 0) (document.activeElement as HTMLElement).blur(); // else the next key would make it keyboard focus, for good
      const key = (event.target as HTMLElement).closest<HTMLElement>("[data-unfold]")?.dataset["unfold"] as SectionKey | undefined;
      if (key !== undefined) {
        if (!this.unfolded.delete(key)) this.unfolded.add(key);
        this.renew = key;
        return onUnfold();
      }
      const id = idOf(event);
      if (id !== undefined) onSelect(id);
    });
    this.box.addEventListener("keydown", (event) => {
      const id = idOf(event);
      if (id !== undefined && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        onSelect(id);
      }
      if (event.key === "Escape") (document.activeElement as HTMLElement).blur();
    });
  }

  get held(): number {
    return this.layout.held;
  }

  step(id: string | null, by: number): string | null {
    return neighbour(this.layout, id, by);
  }

  /** Show a row that was chosen by key or link. */
  reveal(id: string): void {
    this.rows.get(id)?.scrollIntoView({ block: "nearest" });
  }

  render(state: State): void {
    this.heading(state);
    if (state.link === "loading") {
      this.layout = { sections: [], held: 0 };
      this.blank(loadingHtml(state));
      return;
    }
    const frozen = (this.pointed || this.focused) && this.layout.sections.length > 0;
    const wish = { unfolded: this.unfolded, chosen: state.selected };
    this.layout = arrange(state.episodes, frozen ? this.layout : null, wish, this.renew);
    this.renew = null;
    this.heading(state);
    for (const id of this.layout.sections.flatMap((x) => x.ids)) this.row(state, state.episodes.get(id)!);
    this.place(state);
  }

  private heading(state: State): void {
    const open = [...state.episodes.values()].filter((x) => x.open && isAlarm(x)).length;
    const holding = this.pointed || this.focused;
    const hold = holding && state.link !== "loading" ? `‖ ${t("hold")}${this.layout.held > 0 ? ` · ${t("arrived")} ${this.layout.held}` : ""}` : t("keys");
    set(this.section.querySelector("h2")!, `${t("list")} <span>${t("openN")} ${state.link === "loading" ? "—" : open}</span><span class="end ${this.layout.held > 0 ? "held" : ""}">${hold}</span>`);
    set(this.section.querySelector(".cols")!, `<div>${t("cGrade")}</div><div>${t("cPlate")}<br>${t("cUn")}</div><div>${t("cRule")}<br>${t("cPlace")}</div>
      <div class="r">${t("cExcess")}<br>${t("max")}</div><div class="r">${t("cLasted")}<br>${t("cProb")}</div><div class="r">${t("cAge")}<br>${t("cState")}</div>`);
  }

  /** Write a row, cell by cell and only what changed. */
  private row(state: State, episode: Episode): void {
    let row = this.rows.get(episode.id);
    if (row === undefined) {
      row = document.createElement("div");
      row.innerHTML = CELLS;
      row.tabIndex = 0;
      row.dataset["id"] = episode.id;
      row.dataset["testid"] = "violation";
      this.rows.set(episode.id, row);
    }
    cellsHtml(state, episode).forEach((html, i) => set(row.children[i]!, html));
    const classes = `row2 g-${episode.grade}${state.isNew(episode) ? " new" : ""}${episode.id === state.selected ? " sel" : ""}${episode.open ? "" : " ended"}`;
    if (row.className !== classes) row.className = classes;
    for (const [key, value] of [["grade", episode.grade], ["rule", episode.rule], ["open", String(episode.open)]] as const) {
      if (row.dataset[key] !== value) row.dataset[key] = value;
    }
  }

  /** Put the rows into the box; nothing is touched while their order stays. */
  private place(state: State): void {
    const empty = this.layout.sections[0]?.ids.length === 0 ? emptyHtml(state) : "";
    const order = this.layout.sections.map((x) => `${x.key}${x.ids.length > 0}${canUnfold(x)}${x.ids.join()}`).join("|") + (empty === "" ? "" : "|empty");
    if (order !== this.order) this.build(order, empty);
    this.section.querySelectorAll<HTMLElement>("[data-words]").forEach((el) => {
      const section = this.layout.sections.find((x) => x.key === el.dataset["key"]);
      if (el.dataset["words"] === "empty") set(el, empty);
      else if (section !== undefined) set(el, el.dataset["words"] === "head" ? headHtml(section) : this.unfoldWord(section));
    });
    for (const id of this.rows.keys()) if (!state.episodes.has(id)) this.rows.delete(id);
  }

  private unfoldWord(section: Section): string {
    return this.unfolded.has(section.key) ? t("showFew") : t("showAll", { n: section.ids.length + section.more });
  }

  private build(order: string, empty: string): void {
    this.order = order;
    const focus = document.activeElement;
    const parts: Node[] = [];
    if (empty !== "") parts.push(block("blank", "", "empty"));
    for (const section of this.layout.sections) {
      if (section.ids.length === 0) continue;
      const head = block("grp", `<b data-words="head" data-key="${section.key}"></b>`);
      if (canUnfold(section)) head.insertAdjacentHTML("beforeend", `<button type="button" data-unfold="${section.key}" data-words="unfold" data-key="${section.key}"></button>`);
      parts.push(head);
      for (const id of section.ids) parts.push(this.rows.get(id)!);
    }
    const top = this.box.scrollTop;
    const seen = top === 0 ? [] : this.inView();
    this.box.replaceChildren(...parts);
    this.box.scrollTop = top + middle(seen.filter(([row]) => row.isConnected).map(([row, was]) => row.offsetTop - was));
    if (focus instanceof HTMLElement && focus !== document.activeElement && this.box.contains(focus)) focus.focus({ preventScroll: true });
  }

  /** The rows that are being read, and where each lies. */
  private inView(): [HTMLElement, number][] {
    const { scrollTop, clientHeight, offsetTop } = this.box;
    return [...this.box.querySelectorAll<HTMLElement>(".row2")]
      .map((row): [HTMLElement, number] => [row, row.offsetTop])
      .filter(([, at]) => at >= offsetTop + scrollTop && at < offsetTop + scrollTop + clientHeight);
  }

  private blank(html: string): void {
    if (this.order === html) return;
    this.order = html;
    this.box.replaceChildren(block("blank", html));
  }
}

/** Most rows move together; one that goes to another section is no measure. */
function middle(shifts: number[]): number {
  return shifts.sort((a, b) => a - b)[Math.floor(shifts.length / 2)] ?? 0;
}

function block(kind: string, html: string, words = ""): HTMLElement {
  const el = document.createElement("div");
  el.className = kind;
  el.innerHTML = html;
  if (words !== "") el.dataset["words"] = words;
  return el;
}

/** The section's word, how many it holds, and how many rows of the record are still going on. */
function headHtml(section: Section): string {
  const all = section.ids.length + section.more;
  const open = section.key === "secRecord" && section.open > 0 ? ` <span>${t("openN")} ${section.open}</span>` : "";
  const of = section.more > 0 ? ` <span>${t("newest")} ${section.ids.length}</span>` : "";
  return `${t(section.key)} ${all}${open}${of}`;
}

/** Write a piece of page only when it changed, so that selections and tooltips survive. */
export function set(el: Element, html: string): void {
  const holder = el as Element & { written?: string };
  if (holder.written === html) return;
  holder.written = html;
  el.innerHTML = html;
}

const CELLS = '<div class="gr"></div><div></div><div></div><div class="r"></div><div class="r"></div><div class="r"></div>';

function cellsHtml(state: State, episode: Episode): string[] {
  const { vehicle } = episode;
  const plate = vehicle?.plate ?? vehicle?.terminal ?? t("unknown");
  const un = vehicle?.un ? `UN${vehicle.un}${vehicle.hazmat_class ? ` · ${vehicle.hazmat_class} ${t("classN")}` : ""}` : vehicle === null ? t("noPosition") : "—";
  const depth = depthOf(state, episode);
  const most = maxOf(episode);
  const frozen = state.link === "disconnected" && episode.open ? "≥" : "";
  const word = state.isNew(episode) ? `<span class="chip">${t("new")}</span>` : !isAlarm(episode) ? t("logged") : episode.late ? t("lateMark") : t(episode.open ? "open" : "ended");
  return [
    `${markSvg(episode.grade, 7, episode.open)}${name(`${episode.grade}S`)}`,
    `<span class="p" title="${escape(plate)}">${escape(plate)}</span><i>${escape(un)}</i>`,
    `<span class="rl">${escape(name(episode.rule))}</span><i>${placeOf(state, episode)}</i>`,
    `<span class="a">${withUnit(depth)}</span><i>${depth === "—" || most === "" ? "&nbsp;" : episode.open ? `${t("max")} ${most}` : t("max")}</i>`,
    `<span class="a">${frozen}${lastedOf(state, episode)}</span><i>${probabilityOf(episode)}</i>`,
    `<span class="a">${age((state.nowMs() - ms(episode.first_committed_ns ?? episode.start_ns)) / 1_000)}</span><i>${word}</i>`,
  ];
}

export function lastedOf(state: State, episode: Episode): string {
  const end = episode.end_ns === null ? state.viewMs() : ms(episode.end_ns);
  return span((end - ms(episode.start_ns)) / 1_000);
}

/** How far beyond the rule it is now, or was at most once it has ended, in the rule's own unit. */
export function depthOf(state: State, episode: Episode): string {
  if (episode.grade === "undecidable" || state.site === null) return "—";
  if (!episode.open && episode.excess_m_max === null) return "—"; // the closing version's speed is no excess
  switch (episode.rule) {
    case "lane_departure": case "off_dedicated_road": {
      const out = episode.open ? episode.excess_m : episode.excess_m_max;
      return out === null ? "—" : `${Math.max(0, out).toFixed(2)} m`;
    }
    case "overspeed": case "too_slow":
      return episode.limit_mps === null ? "—" : `${episode.speed_mps >= episode.limit_mps ? "+" : "−"}${Math.abs((episode.speed_mps - episode.limit_mps) * 3.6).toFixed(0)} km/h`;
    case "illegal_stop": case "wrong_way":
      return `${(episode.speed_mps * 3.6).toFixed(0)} km/h`;
    default:
      return "—";
  }
}

/** The deepest excess in metres, without unit; empty where the rule has none. */
export function maxOf(episode: Episode): string {
  return episode.grade === "undecidable" || episode.excess_m_max === null ? "" : Math.max(0, episode.excess_m_max).toFixed(2);
}

/** How sure it is, or was at most once it has ended: the closing version's own is near 0 and says nothing. */
export function probabilityOf(episode: Episode): string {
  if (episode.grade_max === "undecidable") return "—";
  return probability(episode.open ? episode.p_violation : episode.p_violation_max);
}

export function placeOf(state: State, episode: Episode): string {
  const lane = episode.lane === null ? undefined : state.site?.lanes.get(episode.lane);
  const row = lane?.row == null ? undefined : state.site?.rows.find((x) => x.row === lane.row);
  const direction = lane?.direction ?? (state.site === null || episode.s_m === null ? 0 : (homeRow(state.site, episode)?.direction ?? 0));
  const way = direction === 0 ? "" : ` ${t(direction < 0 ? "nb" : "sb")}`;
  const where = row !== undefined ? ` ${rowShort(row)}` : lane !== undefined ? ` ${t("ramp")}` : episode.zone !== null ? ` ${escape(episode.zone)}` : ` ${t("outside")}`;
  return `${station(episode.s_m)}${way}${where}`;
}

function emptyHtml(state: State): string {
  if (state.site === null || state.summary === null) return "";
  if (state.link === "disconnected") return `<p><b>${t("emptyTitle")}</b></p><p class="dim">${t("frozen")} ${clock(state.viewMs())}</p>`;
  const length = state.site.to - state.site.from;
  const good = judgeableM(state.site, state.hatches);
  const lastMs = ms(state.summary.last_alarm_ns);
  return `<p><b>${t("emptyTitle")}</b></p><p class="dim">${t("emptyJudging", { n: state.summary.hazmat, a: (good / 1_000).toFixed(1), b: (length / 1_000).toFixed(2) })}<br>
    ${t("emptyNot", { n: stretches(state.hatches.length), a: ((length - good) / 1_000).toFixed(1) })}<br>
    ${Number.isFinite(lastMs) ? t("emptyLast", { t: clock(lastMs) }) : t("emptyNone")}</p>`;
}

function loadingHtml(state: State): string {
  const steps: [Step, string][] = [["site", t("loadSite")], ["map", t("loadMap")], ["list", t("loadList")], ["rsus", t("loadRsus")], ["vehicles", t("loadVehicles")]];
  const lines = steps.map(([step, word]) => `${state.steps.has(step) ? "✓" : "…"} ${word}`).join("<br>");
  return `<p><b>${t("loadTitle")}</b></p><p class="dim">${lines}</p><p class="dim">${t("loadNote")}</p>`;
}
