/** The list of violations: one row per episode, changed in place, never moved under the pointer. */

import type { Episode } from "./api.ts";
import { clock, escape, ms } from "./format.ts";
import { Hold } from "./hold.ts";
import { arrange, BLANK, canUnfold, isAlarm, neighbour, PAGE_ROWS } from "./order.ts";
import type { Layout, Section, SectionKey } from "./order.ts";
import { Pages } from "./pages.ts";
import { CELLS, cellsHtml, placeOf, plateOf, shownGrade } from "./row.ts";
import { ruleName } from "./rules.ts";
import { judgeableM } from "./site.ts";
import type { Step } from "./state.ts";
import type { State } from "./state.ts";
import { backlog, missingUpdates } from "./supervision.ts";
import type { View } from "./views.ts";
import { stretches, t } from "./words.ts";
import type { Word } from "./words.ts";

const NEWS_NAMED = 2; // of the new ones, named in the notice

export class List implements View {
  readonly rate = "alarm";
  private layout: Layout = BLANK;
  private readonly rows = new Map<string, HTMLElement>();
  private readonly unfolded = new Set<SectionKey>();
  private renew: SectionKey | null = null;
  private readonly pointer = new Hold();
  private readonly focus = new Hold();
  private readonly pages = new Pages();
  private readonly news: HTMLButtonElement;
  private order = "";
  private toReveal: string | null = null;
  private readonly onSelect: (id: string) => void;
  private readonly turned: () => void;
  /** Stores older episodes that were fetched. */
  private readonly onOlder: (items: readonly Episode[]) => void;
  private orders: ReadonlyMap<string, Episode> = new Map();
  private readonly box: HTMLElement;
  private readonly section: HTMLElement;

  constructor(section: HTMLElement, onSelect: (id: string) => void, onUnfold: () => void, onOlder: (items: readonly Episode[]) => void) {
    this.section = section;
    this.box = section.querySelector<HTMLElement>(".rows")!;
    this.news = document.createElement("button");
    this.news.type = "button";
    this.news.className = "news";
    this.news.dataset["testid"] = "news";
    this.news.hidden = true;
    section.append(this.news);
    this.turned = onUnfold;
    this.onOlder = onOlder;
    this.onSelect = onSelect;
  }

  mount(): void {
    this.news.addEventListener("click", () => this.release(this.turned));
    this.holdWhileRead();
    const idOf = (event: Event): string | undefined => (event.target as HTMLElement).closest<HTMLElement>(".row2")?.dataset["id"];
    this.box.addEventListener("click", (event) => {
      if (event.detail > 0) (document.activeElement as HTMLElement).blur(); // else the next key would make it keyboard focus
      const button = (event.target as HTMLElement).closest<HTMLElement>("[data-unfold], [data-turn]");
      if (button !== null) return this.turn(button.dataset["key"] as SectionKey, button.dataset["turn"]);
      const id = idOf(event);
      if (id !== undefined) this.onSelect(id);
    });
    this.box.addEventListener("keydown", (event) => {
      const id = idOf(event);
      if (id !== undefined && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        this.onSelect(id);
      }
      if (event.key === "Escape") (document.activeElement as HTMLElement).blur();
    });
  }

  /** The pointer, or a keyboard focus, holds the order; the focus of a click doesn't. */
  private holdWhileRead(): void {
    const { section } = this;
    section.addEventListener("pointerenter", () => this.pointer.begin(performance.now()));
    section.addEventListener("pointermove", () => this.pointer.stir(performance.now()));
    section.addEventListener("pointerleave", () => this.pointer.end());
    section.addEventListener("focusin", (event) => {
      if ((event.target as HTMLElement).matches(":focus-visible")) this.focus.begin(performance.now());
      else this.focus.end();
    });
    section.addEventListener("keydown", () => this.focus.stir(performance.now()));
    section.addEventListener("focusout", () => this.focus.end());
  }

  private get holding(): boolean {
    const now = performance.now();
    const [pointer, focus] = [this.pointer.holds(now), this.focus.holds(now)];
    return pointer || focus;
  }

  /** Show the new rows: the order is renewed, and the list scrolls to its top. */
  private release(show: () => void): void {
    this.pointer.end();
    this.focus.end();
    show();
    this.box.scrollTop = 0;
  }

  /** Unfold a section, fold it, or turn its pages. */
  private turn(key: SectionKey, turn: string | undefined): void {
    if (turn === "older") {
      const last = this.layout.sections.find((x) => x.key === key)?.ids.map((id) => this.orders.get(id)?.order ?? Infinity) ?? [];
      void this.pages.older(key, Math.min(...last), (items) => this.onOlder(items)).then(() => {
        this.renew = key; // only now: a drawing during the fetch would have reset it
        this.turned();
      });
      return;
    }
    this.renew = key;
    if (turn === "newer") this.pages.newer(key);
    else if (this.unfolded.delete(key)) this.pages.close(key);
    else this.unfolded.add(key);
    this.turned();
  }

  step(id: string | null, by: number): string | null {
    return neighbour(this.layout, id, by);
  }

  /** Show a row that was chosen by key or link. */
  reveal(id: string): void {
    const row = this.rows.get(id);
    if (row?.isConnected) row.scrollIntoView({ block: "nearest" });
    else this.toReveal = id; // a link is followed before the list is drawn
  }

  draw(state: State): void {
    this.heading(state);
    if (state.connection === "loading") {
      this.layout = BLANK;
      this.blank(loadingHtml(state));
      return;
    }
    this.orders = state.episodes;
    state.paged = new Set([...this.pages.current().values()].flat());
    const frozen = this.holding && this.layout.sections.length > 0;
    const wish = { unfolded: this.unfolded, chosen: state.selected, pages: this.pages.current(), totals: totalsOf(state) };
    this.layout = arrange(state.episodes, frozen ? this.layout : null, wish, this.renew);
    this.renew = null;
    this.heading(state);
    for (const id of this.layout.sections.flatMap((x) => x.ids)) this.row(state, state.episodes.get(id)!);
    this.place(state);
    this.notice(state);
    if (this.toReveal !== null && this.rows.get(this.toReveal)?.isConnected) {
      this.rows.get(this.toReveal)!.scrollIntoView({ block: "nearest" });
      this.toReveal = null;
    }
  }

  /** The new open alarms while the order is held: they must not wait until the pointer leaves. */
  private notice(state: State): void {
    const { news } = this.layout;
    const shown = news.slice(0, NEWS_NAMED).map((id) => state.episodes.get(id)!);
    const named = shown.map((x) => `${escape(plateOf(x))} ${escape(ruleName(x.rule))} ${placeOf(state, x)}`).join("　");
    if (this.news.hidden !== (news.length === 0)) this.news.hidden = news.length === 0;
    set(
      this.news,
      news.length === 0
        ? ""
        : `<b>▲ ${t("newOpen", { n: news.length })}</b><span>${named}${news.length > NEWS_NAMED ? " …" : ""}</span><i>${t("showNow")}</i>`,
    );
  }

  private heading(state: State): void {
    const open = [...state.episodes.values()].filter((x) => x.open && isAlarm(x)).length;
    const hold = this.holding && state.connection !== "loading"
      ? `‖ ${t("hold")}${this.layout.held > 0 ? ` · ${t("arrived")} ${this.layout.held}` : ""}`
      : t("keys");
    const toCome = state.connection === "loading" ? 0 : backlog(state);
    const late = toCome === 0 ? "" : `<span class="held" data-testid="catch-up">▲ ${t("catchUp", { n: toCome })}</span>`;
    set(
      this.section.querySelector("h2")!,
      `${t("list")} <span>${t("openN")} ${state.connection === "loading" ? "—" : open}</span>${late}`
        + `<span class="end ${this.layout.held > 0 ? "held" : ""}">${hold}</span>`,
    );
    const head = (upper: Word, lower: Word, style = ""): string => `<div${style}>${t(upper)}<br>${t(lower)}</div>`;
    const right = ' class="r"';
    set(
      this.section.querySelector(".cols")!,
      `${head("cGrade", "cBegan")}${head("cPlate", "cUn")}${head("cRule", "cPlace")}
      ${head("cExcess", "max", right)}${head("cLasted", "cProb", right)}${head("cAge", "cState", right)}`,
    );
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
    const classes =
      `row2 g-${shownGrade(episode)}${state.isNew(episode) ? " new" : ""}${episode.id === state.selected ? " sel" : ""}`
        + `${episode.open ? "" : " ended"}${missingUpdates(state, episode) === "" ? "" : " lost"}`;
    if (row.className !== classes) row.className = classes;
    for (const [key, value] of [["grade", episode.grade], ["rule", episode.rule], ["open", String(episode.open)]] as const) {
      if (row.dataset[key] !== value) row.dataset[key] = value;
    }
  }

  /** Put the rows into the box; nothing is touched while their order stays. */
  private place(state: State): void {
    const empty = this.layout.sections[0]?.ids.length === 0 ? emptyHtml(state) : "";
    const order = this.layout.sections.map(
      (x) => `${x.key}${x.ids.length > 0}${canUnfold(x)}${this.unfolded.has(x.key)}${this.pages.skipped(x.key)}${x.ids.join()}`
    ).join("|")
      + (empty === "" ? "" : "|empty");
    if (order !== this.order) this.build(order, empty);
    this.section.querySelectorAll<HTMLElement>("[data-words]").forEach((el) => {
      const section = this.layout.sections.find((x) => x.key === el.dataset["key"]);
      if (el.dataset["words"] === "empty") set(el, empty);
      else if (section !== undefined) set(el, this.word(section, el.dataset["words"]!));
    });
    for (const id of this.rows.keys()) if (!state.episodes.has(id)) this.rows.delete(id);
  }

  private word(section: Section, what: string): string {
    if (what === "head") return headHtml(section, this.pages.skipped(section.key) > 0);
    if (what === "older" || what === "newer") return t(what);
    if (what === "unfold") return this.unfolded.has(section.key) ? t("showFew") : t("showAll", { n: section.total });
    const from = this.pages.skipped(section.key);
    return t("pageOf", { a: from + 1, b: Math.min(section.total, from + section.ids.length), n: section.total });
  }

  /** Under an unfolded section of more than one page: the numbers of these rows, and buttons to the others. */
  private pager(section: Section): Node[] {
    const { key } = section;
    if (!this.unfolded.has(key) || section.total <= PAGE_ROWS || key === "secOpen") return [];
    const button = (turn: string, hidden: boolean): string =>
      `<button type="button" data-turn="${turn}" data-key="${key}" data-words="${turn}"${hidden ? " hidden" : ""}></button>`;
    return [
      block(
        "grp pager",
        `${button("newer", this.pages.skipped(key) === 0)}`
          + `<span data-words="page" data-key="${key}"></span>${button("older", this.pages.atEnd(key) === true)}`,
      )
    ];
  }

  private build(order: string, empty: string): void {
    this.order = order;
    const focus = document.activeElement;
    const parts: Node[] = [];
    if (empty !== "") parts.push(block("blank", "", "empty"));
    for (const section of this.layout.sections) {
      if (section.ids.length === 0) continue;
      const head = block("grp", `<b data-words="head" data-key="${section.key}"></b>`);
      if (canUnfold(section)) {
        head.insertAdjacentHTML("beforeend", `<button type="button" data-unfold data-words="unfold" data-key="${section.key}"></button>`);
      }
      parts.push(head);
      for (const id of section.ids) parts.push(this.rows.get(id)!);
      parts.push(...this.pager(section));
    }
    const top = this.box.scrollTop;
    const seen = top === 0 ? [] : this.inView();
    arrangeChildren(this.box, parts);
    this.box.scrollTop = top + middle(seen.filter(([row]) => row.isConnected).map(([row, was]) => row.offsetTop - was));
    if (focus instanceof HTMLElement && focus !== document.activeElement && this.box.contains(focus)) focus.focus({ preventScroll: true });
  }

  /** The rows that are in view, and where each lies. */
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

/** Most rows move together; a row that moves to another section does not count. */
function middle(shifts: number[]): number {
  return shifts.sort((a, b) => a - b)[Math.floor(shifts.length / 2)] ?? 0;
}

/** Make `parts` the children of `box`; a child in the right place is not touched, so that a new row costs one insertion. */
function arrangeChildren(box: HTMLElement, parts: readonly Node[]): void {
  const kept = new Set(parts);
  for (const child of [...box.childNodes]) if (!kept.has(child)) child.remove();
  let next = box.firstChild;
  for (const part of parts) {
    if (next !== null && part === next.nextSibling) {
      const [gone, then]: [ChildNode, ChildNode] = [next, next.nextSibling as ChildNode];
      gone.remove(); // it moves further down and is inserted there later
      next = then;
    }
    if (part === next) next = next.nextSibling;
    else box.insertBefore(part, next);
  }
}

function block(kind: string, html: string, words = ""): HTMLElement {
  const el = document.createElement("div");
  el.className = kind;
  el.innerHTML = html;
  if (words !== "") el.dataset["words"] = words;
  return el;
}

/** The section's word, how many episodes it has, and how many of the recorded ones are still open. */
function headHtml(section: Section, leafing: boolean): string {
  const { total, ids } = section;
  const open = section.key === "secRecord" && section.open > 0 ? ` <span>${t("openN")} ${section.open}</span>` : "";
  const of = total > ids.length && section.key !== "secOpen" && !leafing ? ` <span>${t("newest")} ${ids.length}</span>` : "";
  return `${t(section.key)} ${total}${open}${of}`;
}

/** What the centre counts; needed only where this page has not loaded all. */
function totalsOf(state: State): Partial<Record<SectionKey, number>> {
  const counted = state.summary?.sections;
  return state.complete || counted === undefined ? {} : { secEnded: counted.ended, secRecord: counted.record };
}

/** Write a part of the page only when it has changed, so that selections and tooltips survive. */
export function set(el: Element, html: string): void {
  const holder = el as Element & { written?: string };
  if (holder.written === html) return;
  holder.written = html;
  el.innerHTML = html;
}

function emptyHtml(state: State): string {
  if (state.site === null || state.summary === null) return "";
  if (state.connection === "disconnected") {
    return `<p><b>${t("emptyTitle")}</b></p><p class="dim">${t("frozen")} ${clock(state.viewMs())}</p>`;
  }
  const length = state.site.to - state.site.from;
  const good = judgeableM(state.site, state.hatches);
  const lastMs = ms(state.summary.last_alarm_ns);
  const lengths = { n: state.summary.hazmat, a: (good / 1_000).toFixed(1), b: (length / 1_000).toFixed(2) };
  return `<p><b>${t("emptyTitle")}</b></p><p class="dim">${t("emptyJudging", lengths)}<br>
    ${t("emptyNot", { n: stretches(state.hatches.length), a: ((length - good) / 1_000).toFixed(1) })}<br>
    ${Number.isFinite(lastMs) ? t("emptyLast", { t: clock(lastMs) }) : t("emptyNone")}</p>`;
}

function loadingHtml(state: State): string {
  const steps: [Step, string][] = [
    ["site", t("loadSite")], ["map", t("loadMap")], ["list", t("loadList")], ["rsus", t("loadRsus")], ["vehicles", t("loadVehicles")],
  ];
  const lines = steps.map(([step, word]) => `${state.steps.has(step) ? "✓" : "…"} ${word}`).join("<br>");
  return `<p><b>${t("loadTitle")}</b></p><p class="dim">${lines}</p><p class="dim">${t("loadNote")}</p>`;
}
