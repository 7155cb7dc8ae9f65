/** The list of violations: one row per episode, changed in place, never moved under the pointer. */

import type { Episode } from "./api.ts";
import { caseOf, mostUrgent, openAlarms, rankAll, unseen, unseenHere } from "./desk/alarms.ts";
import { lossName } from "./desk/deskrow.ts";
import type { Act } from "./desk/model.ts";
import { Revealed } from "./desk/revealed.ts";
import { Rows } from "./desk/rows.ts";
import { escape } from "./format.ts";
import { Hold } from "./hold.ts";
import { emptyHtml, headHtml, loadingHtml, totalsOf } from "./listwords.ts";
import { arrange, BLANK, canUnfold, neighbour, PAGE_ROWS } from "./order.ts";
import type { Layout, Ranked, Section, SectionKey } from "./order.ts";
import { hasPages, Pages } from "./pages.ts";
import { placeOf, plateShown } from "./row.ts";
import { ruleName } from "./rules.ts";
import type { State } from "./state.ts";
import { backlog } from "./supervision.ts";
import type { View } from "./views.ts";
import { t } from "./words.ts";
import type { Word } from "./words.ts";
import { set } from "./written.ts";

const NEWS_NAMED = 2; // of the new ones, named in the notice

/** What the list passes on: a row was chosen; something is to be drawn; older episodes were fetched; a row's button was pressed. */
export interface ListActions {
  select(id: string): void;
  changed(): void;
  older(items: readonly Episode[]): void;
  act(id: string, act: Act, wholeCase: boolean): void;
}

export class List implements View {
  readonly rate = "alarm";
  private layout: Layout = BLANK;
  private readonly unfolded = new Set<SectionKey>();
  private renew: SectionKey | null = null;
  private readonly pointer = new Hold();
  private readonly focus = new Hold();
  private readonly pages = new Pages();
  private readonly news: HTMLButtonElement;
  private order = "";
  private readonly revealed: Revealed;
  private scrolled = 0; // [px]; read where the browser says so, since asking for it lays the page out
  private worded: HTMLElement[] = []; // parts between the rows whose words are written with each drawing
  private readonly actions: ListActions;
  private readonly openCases = new Set<string>();
  private readonly chosenStays = new Hold();
  private orders: ReadonlyMap<string, Episode> = new Map();
  private chosen: { id: string; section: SectionKey } | null = null;
  private readonly rows: Rows;
  private state: State | null = null;
  private readonly box: HTMLElement;
  private readonly section: HTMLElement;

  constructor(section: HTMLElement, actions: ListActions) {
    this.section = section;
    this.box = section.querySelector<HTMLElement>(".rows")!;
    this.rows = new Rows(this.box);
    this.revealed = new Revealed(this.box, (id) => this.rows.at(id));
    this.news = document.createElement("button");
    this.news.type = "button";
    this.news.className = "news";
    this.news.dataset["testid"] = "news";
    this.news.hidden = true;
    section.append(this.news);
    this.actions = actions;
  }

  mount(): void {
    this.news.addEventListener("click", () => this.release(() => this.actions.changed()));
    this.holdWhileRead();
    this.box.addEventListener("scroll", () => this.scrolled = this.box.scrollTop, { passive: true });
    const idOf = (event: Event): string | undefined => (event.target as HTMLElement).closest<HTMLElement>(".row2")?.dataset["id"];
    this.box.addEventListener("click", (event) => {
      if (event.detail > 0) (document.activeElement as HTMLElement).blur(); // else the next key would make it keyboard focus
      const button = (event.target as HTMLElement).closest<HTMLElement>("[data-unfold], [data-turn]");
      if (button !== null) return this.turn(button.dataset["key"] as SectionKey, button.dataset["turn"]);
      const id = idOf(event);
      if (id === undefined) return;
      const target = event.target as HTMLElement;
      if (target.closest("[data-case]") !== null) return this.unfoldCase(id);
      this.actions.select(id);
      this.revealed.show(id);
      const act = target.closest<HTMLElement>(".act button")?.dataset["act"];
      if (act !== undefined) this.actions.act(id, act as Act, this.standsForCase(id));
    });
    this.box.addEventListener("keydown", (event) => {
      const id = idOf(event);
      if (id !== undefined && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        this.actions.select(id);
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
      void this.pages.older(key, Math.min(...last), (items) => this.actions.older(items)).then(() => {
        this.renew = key; // only now: a drawing during the fetch would have reset it
        this.actions.changed();
      });
      return;
    }
    this.renew = key;
    if (turn === "newer") this.pages.newer(key);
    else if (this.unfolded.delete(key)) this.pages.close(key);
    else this.unfolded.add(key);
    this.actions.changed();
  }

  /** Whether the row stands for its whole case; else it is one alarm of an unfolded one. */
  standsForCase(id: string): boolean {
    if (this.state === null) return false;
    const others = caseOf(this.state, id).filter((other) => other !== id);
    return !this.layout.sections.some((x) => x.ids.includes(id) && others.some((other) => x.ids.includes(other)));
  }

  /** Show the other alarms of a case, or fold them; the rows of its section are renewed also while the order is held. */
  unfoldCase(id: string): void {
    const lead = caseOf(this.state!, id)[0] ?? id;
    if (!this.openCases.delete(lead)) this.openCases.add(lead);
    this.renew = this.layout.sections.find((x) => x.ids.includes(lead))?.key ?? null;
    this.actions.changed();
  }

  /** An act was done with a row: it stays where it is for a while. */
  stirred(): void {
    this.chosenStays.stir(performance.now());
  }

  step(id: string | null, by: number): string | null {
    return neighbour(this.layout, id, by);
  }

  /** Show a row that was chosen by key or link. */
  reveal(id: string): void {
    this.revealed.show(id);
  }

  draw(state: State): void {
    this.heading(state);
    if (state.connection === "loading") {
      this.layout = BLANK;
      this.blank(loadingHtml(state));
      return;
    }
    this.orders = state.episodes;
    this.state = state;
    state.paged = new Set([...this.pages.current().values()].flat());
    const frozen = this.holding && this.layout.sections.length > 0;
    const ranked = rankAll(state);
    const wish = {
      unfolded: this.unfolded, chosen: state.selected, cases: this.openCases, pages: this.pages.current(), totals: totalsOf(state, ranked),
      stays: this.staysOf(state),
    };
    this.layout = arrange(ranked, frozen ? this.layout : null, wish, this.renew);
    this.renew = null;
    this.heading(state);
    for (const section of this.layout.sections) this.drawSection(state, section);
    this.place(state, ranked);
    this.notice(state);
    this.revealed.drawn();
  }

  /** Where the chosen row stands since it was chosen; null after the longest hold. */
  private staysOf(state: State): { id: string; section: SectionKey } | null {
    const id = state.selected;
    const now = performance.now();
    if (id !== this.chosen?.id) {
      this.chosenStays.end();
      const section = id === null ? undefined : this.layout.sections.find((x) => x.ids.includes(id));
      this.chosen = section === undefined ? null : { id: id!, section: section.key };
      if (this.chosen !== null) this.chosenStays.begin(now);
    }
    return this.chosenStays.holds(now) ? this.chosen : null;
  }

  /** Write the rows of one section: those in sight in full, of the others only what marks them. */
  private drawSection(state: State, section: Section): void {
    const inSection = new Set(section.ids);
    for (const id of section.ids) {
      const all = caseOf(state, id);
      const folded = !all.some((other) => other !== id && inSection.has(other));
      this.rows.draw(state, id, folded, !folded && all[0] !== id);
    }
  }

  /** How many alarms to acknowledge lie above the rows in view. */
  private above(state: State): number {
    if (this.scrolled === 0) return 0;
    const ids = this.layout.sections.filter((x) => x.key === "secNew" || x.key === "secUnseen").flatMap((x) => x.ids);
    const top = this.box.offsetTop + this.scrolled;
    let [from, to] = [0, ids.length];
    while (from < to) {
      const mid = (from + to) >> 1;
      const row = this.rows.at(ids[mid]!);
      if (row !== undefined && row.offsetTop + row.offsetHeight / 2 < top) from = mid + 1;
      else to = mid;
    }
    return ids.slice(0, from).filter((id) => mostUrgent(state, caseOf(state, id)).state === "new").length;
  }

  /** Names the alarms that came while the order is held, else counts those above the view: none waits to be found by chance. */
  private notice(state: State): void {
    const { news } = this.layout;
    const above = news.length > 0 ? 0 : this.above(state);
    const named = news.slice(0, NEWS_NAMED).map((id) => {
      const [episode, loss] = [state.episodes.get(id), state.desk.losses.get(id)];
      if (episode !== undefined) {
        return `${escape(plateShown(state, episode))} ${escape(ruleName(episode.rule))} ${placeOf(state, episode)}`;
      }
      return loss === undefined ? "" : `${escape(loss.part)} ${escape(lossName(loss))}`;
    }).join("　");
    const nothing = news.length + above === 0;
    if (this.news.hidden !== nothing) {
      const high = this.box.clientHeight;
      this.news.hidden = nothing;
      if (this.scrolled > 0) this.box.scrollTop += high - this.box.clientHeight; // the row that a link shows stays in view
    }
    set(
      this.news,
      nothing
        ? ""
        : news.length === 0
        ? `<b>▲ ${t("waitAbove", { n: above })}</b><i>${t("showNow")}</i>`
        : `<b>▲ ${t("newOpen", { n: news.length })}</b><span>${named}${news.length > NEWS_NAMED ? " …" : ""}</span><i>${t("showNow")}</i>`,
    );
  }

  private heading(state: State): void {
    const open = openAlarms(state).all;
    const waiting = unseen(state).all;
    const hold = this.holding && state.connection !== "loading"
      ? `‖ ${t("hold")}${this.layout.held > 0 ? ` · ${t("arrived")} ${this.layout.held}` : ""}`
      : t("keys");
    const toCome = state.connection === "loading" ? 0 : backlog(state);
    const here = unseenHere(state).all;
    const cut = state.desk.cut && waiting > here ? `<span class="held" data-testid="cut">▲ ${t("listCut", { a: here })}</span>` : "";
    const late = toCome === 0 ? "" : `<span class="held" data-testid="catch-up">▲ ${t("catchUp", { n: toCome })}</span>`;
    set(
      this.section.querySelector("h2")!,
      `${t("list")} <span>${t("openN")} ${state.connection === "loading" ? "—" : open} · ${t("unacked")} ${
        state.connection === "loading" ? "—" : waiting
      }</span>${cut}${late}`
        + `<span class="end ${this.layout.held > 0 ? "held" : ""}">${hold}</span>`,
    );
    const head = (upper: Word, lower: Word, style = ""): string => `<div${style}>${t(upper)}<br>${t(lower)}</div>`;
    const right = ' class="r"';
    set(
      this.section.querySelector(".cols")!,
      `${head("cGrade", "cBegan")}${head("cPlate", "cUn")}${head("cRule", "cPlace")}
      ${head("cExcess", "max", right)}${head("cLasted", "cProb", right)}${head("cAge", "cState", right)}
      ${head("cDeskAct", "cDue", ' class="m"')}`,
    );
  }

  /** Put the rows into the box; nothing is touched while their order stays. */
  private place(state: State, ranked: ReadonlyMap<string, Ranked>): void {
    const waits = this.layout.sections.some((x) => x.key !== "secRecord" && x.key !== "secClosed" && x.ids.length > 0);
    const empty = waits || openAlarms(state).all > 0 ? "" : emptyHtml(state);
    const order = this.layout.sections.map(
      (x) => `${x.key}${x.ids.length > 0}${canUnfold(x)}${this.unfolded.has(x.key)}${this.pages.skipped(x.key)}${x.ids.join()}`
    ).join("|")
      + (empty === "" ? "" : "|empty");
    if (order !== this.order) this.build(order, empty);
    for (const el of this.worded) {
      const section = this.layout.sections.find((x) => x.key === el.dataset["key"]);
      if (el.dataset["words"] === "empty") set(el, empty);
      else if (section !== undefined) set(el, this.word(section, el.dataset["words"]!));
    }
    this.rows.keep(ranked);
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
    if (!this.unfolded.has(key) || section.total <= PAGE_ROWS || !hasPages(key)) return [];
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
      for (const id of section.ids) parts.push(this.rows.at(id)!);
      parts.push(...this.pager(section));
    }
    const top = this.box.scrollTop;
    const seen = top === 0 ? [] : this.inView();
    arrangeChildren(this.box, parts);
    this.worded = parts.filter((x) => !(x as HTMLElement).classList.contains("row2")).flatMap((x) => {
      const el = x as HTMLElement;
      return [...(el.dataset["words"] === undefined ? [] : [el]), ...el.querySelectorAll<HTMLElement>("[data-words]")];
    });
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
