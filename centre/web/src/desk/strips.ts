/** Two lines above the list: an alarm flood with its groups, and what came while nobody looked. */

import { isWall } from "../access/wall.ts";
import { whoAmI } from "../accounts/me.ts";
import { get } from "../api.ts";
import { age, clock, date, escape, ms } from "../format.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { wide } from "../strip.ts";
import type { View } from "../views.ts";
import { t } from "../words.ts";
import { set } from "../written.ts";
import { Absence } from "./absence.ts";
import { unseen } from "./alarms.ts";
import { fitting, GROUPINGS, grouped } from "./groups.ts";
import type { Group, Grouping } from "./groups.ts";

const SEEN_EACH_MS = 5_000;
const RETRY_MS = 10_000;
const LINE_PX = [544, 528] as const; // of the list on a wide screen and on a narrow one, at least
const GROUPS_MAX = 6;
const WORDS = { vehicle: "byVehicle", place: "byPlace", rule: "byRule" } as const;

/** A group and how many are in it; on a wall nobody presses anything. */
function groupHtml(name: string, { id, n }: Group): string {
  const words = `${escape(name)} <b>${n}</b>`;
  return isWall() ? `<span>${words}</span>` : `<button type="button" data-id="${escape(id)}">${words}</button>`;
}

/** `/api/away`. */
interface Away {
  since_ns: string;
  raised: number;
  ended: number;
  not_closed: number;
  unacknowledged: string[];
  acts_of_others: number;
  losses: number;
}

export class Strips implements View {
  readonly rate = "text";
  private readonly flood: HTMLElement;
  private readonly away: HTMLElement;
  private readonly select: (id: string) => void;
  private state: State | null = null;
  private by: Grouping = "vehicle";
  private found: { away: Away; backMs: number } | null = null; // stays until it is dismissed: a second absence adds to it
  private absence: Absence | null = null; // by the centre's clock
  private inputAt = performance.now(); // of the last key or pointer; a page is loaded by somebody
  private sinceMs: number | null = null; // what is to be asked for; NaN: since his last act, as the centre knows it
  private savedMs = NaN;
  private asking = false;
  private retryAt = 0;

  constructor(section: HTMLElement, select: (id: string) => void) {
    this.select = select;
    const strip = (name: string): HTMLElement => {
      const el = document.createElement("div");
      el.className = `strip ${name}`;
      el.dataset["testid"] = name;
      el.hidden = true;
      section.querySelector(".cols")!.before(el);
      return el;
    };
    this.flood = strip("flood");
    this.away = strip("away");
  }

  mount(): void {
    const input = (): void => void (this.inputAt = performance.now());
    for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) addEventListener(kind, input, { capture: true, passive: true });
    document.addEventListener("visibilitychange", input); // a screen is unlocked, a tab is chosen, by somebody
    this.flood.addEventListener("click", (event) => {
      const target = (event.target as HTMLElement).closest<HTMLElement>("button");
      const by = target?.dataset["by"];
      if (by !== undefined) this.by = by as Grouping;
      if (target?.dataset["id"] !== undefined) this.select(target.dataset["id"]);
      if (this.state !== null) this.draw(this.state);
    });
    this.away.addEventListener("click", (event) => {
      const name = (event.target as HTMLElement).closest<HTMLElement>("button")?.dataset["away"];
      if (name === undefined) return;
      const first = this.found?.away.unacknowledged[0];
      if (name === "open" && first !== undefined) this.select(first);
      if (name === "sheet") location.hash = `#shift=${Math.floor(ms(this.found!.away.since_ns))}`;
      this.found = null;
      if (this.state !== null) this.draw(this.state);
    });
  }

  draw(state: State): void {
    this.state = state;
    this.watch(state);
    const flood = state.summary?.desk?.flood === true && state.connection !== "loading";
    if (this.flood.hidden === flood) this.flood.hidden = !flood;
    if (flood) set(this.flood, this.floodHtml(state));
    if (this.away.hidden !== (this.found === null)) this.away.hidden = this.found === null;
    if (this.found !== null) set(this.away, this.awayHtml(this.found));
  }

  private floodHtml(state: State): string {
    const { minutes } = state.desk.settings?.flood ?? { minutes: 10 };
    const waiting = [...state.episodes.values()].filter((x) => state.isUnseen(x));
    const groups = grouped(waiting, this.by);
    const nameOf = (key: string): string => (key === "" ? t("unknown") : this.by === "rule" ? ruleName(key) : key);
    const first = groups.slice(0, GROUPS_MAX);
    const shown = fitting(first.map((x) => `${nameOf(x.key)} ${x.n}`), Math.min(innerWidth - 40, LINE_PX[wide() ? 0 : 1]));
    const named = first.slice(0, shown).map((x) => groupHtml(nameOf(x.key), x)).join("");
    const rest = groups.slice(shown).reduce((n, x) => n + x.n, 0);
    const by = GROUPINGS.map((one) =>
      `<button type="button" data-by="${one}" aria-pressed="${one === this.by}">${t(WORDS[one])}</button>`
    ).join("");
    return `<div><b>▲ ${t("floodTitle", { n: state.summary?.desk?.last_10_min ?? 0, m: minutes })}</b>`
      + `<span>${t("unacked")} ${unseen(state).all} · ${t("floodNothing")}</span><span class="by">${by}</span></div>`
      + `<div>${named}${rest > 0 ? `<span>${t("floodOther", { n: rest })}</span>` : ""}</div>`;
  }

  private awayHtml({ away, backMs }: { away: Away; backMs: number }): string {
    const n = away.unacknowledged.length;
    const sinceMs = ms(away.since_ns);
    const since = date(sinceMs) === date(backMs) ? clock(sinceMs).slice(0, 5) : `${date(sinceMs)} ${clock(sinceMs).slice(0, 5)}`;
    const awayS = (backMs - sinceMs) / 1_000;
    const words = t("awayLine", {
      t: awayS < 3_600 ? age(awayS) : `${Math.round(awayS / 3_600)} h`, c: since, r: away.raised, e: away.ended, u: n, o: away.not_closed,
    });
    const more = (["acts_of_others", "losses"] as const).map((key) =>
      away[key] === 0 ? "" : t(key === "losses" ? "awayLosses" : "awayActs", { n: away[key] })
    ).join("");
    const button = (name: string, word: string): string => `<button type="button" data-away="${name}">${word}</button>`;
    return `<span>${words}${more}</span><span class="by">${n > 0 ? button("open", t("awayOpen")) : ""}${button("sheet", t("sheet"))}${
      button("close", t("awayClose"))
    }</span>`;
  }

  /** Note when somebody was here; who comes back, or signs in where he never was, reads what happened meanwhile. */
  private watch(state: State): void {
    const me = whoAmI();
    if (document.hidden || me === null || (state.connection !== "live" && state.connection !== "stale")) return;
    const [key, now] = [`seen:${me.name}`, state.nowMs()];
    if (this.absence === null) {
      const kept = localStorage.getItem(key);
      this.absence = new Absence(Number(kept ?? NaN));
      if (kept === null && me.accounts) this.sinceMs = NaN;
    }
    const sinceMs = this.absence.look(now, now - (performance.now() - this.inputAt));
    const unread = this.found === null ? Infinity : ms(this.found.away.since_ns);
    if (sinceMs !== null) this.sinceMs = Math.min(sinceMs, this.sinceMs ?? Infinity, unread);
    if (this.sinceMs !== null && !this.asking && performance.now() >= this.retryAt) void this.ask(this.sinceMs, now);
    const { seenMs } = this.absence;
    if (!(seenMs < this.savedMs + SEEN_EACH_MS)) localStorage.setItem(key, String(Math.round(this.savedMs = seenMs)));
  }

  private async ask(sinceMs: number, backMs: number): Promise<void> {
    this.asking = true;
    try {
      const away = await get<Away>(Number.isNaN(sinceMs) ? "/api/away" : `/api/away?since_ns=${Math.round(sinceMs)}000000`);
      const n = away.raised + away.ended + away.unacknowledged.length + away.acts_of_others + away.losses;
      this.found = n === 0 ? null : { away, backMs }; // a line of noughts is no news
      if (Object.is(this.sinceMs, sinceMs)) this.sinceMs = null; // else he was away once more meanwhile
    } catch (error) {
      console.warn(error); // the worklist itself shows all of it; the summary comes later
      this.retryAt = performance.now() + RETRY_MS;
    } finally {
      this.asking = false;
    }
  }
}
