/** Two lines above the list: an alarm flood with its groups, and what came while nobody looked. */

import { whoAmI } from "../accounts/me.ts";
import { get } from "../api.ts";
import { age, escape } from "../format.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { wide } from "../strip.ts";
import type { View } from "../views.ts";
import { t } from "../words.ts";
import { set } from "../written.ts";
import { unseen } from "./alarms.ts";
import { GROUPINGS, grouped } from "./groups.ts";
import type { Grouping } from "./groups.ts";

const AWAY_MS = 60_000;
const SEEN_EACH_MS = 5_000;
const GROUPS_SHOWN = [6, 4] as const; // on a wide screen and on a narrow one: one line
const WORDS = { vehicle: "byVehicle", place: "byPlace", rule: "byRule" } as const;

interface Away {
  raised: number;
  ended: number;
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
  private found: { away: Away; forMs: number } | null = null;
  private seenMs = NaN; // by the centre's clock, when somebody could last see this page
  private asked = false;

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
    const shown = GROUPS_SHOWN[wide() ? 0 : 1];
    const named = groups.slice(0, shown).map((x) => {
      const name = x.key === "" ? t("unknown") : this.by === "rule" ? ruleName(x.key) : x.key;
      return `<button type="button" data-id="${escape(x.id)}">${escape(name)} <b>${x.n}</b></button>`;
    }).join("");
    const rest = groups.slice(shown).reduce((n, x) => n + x.n, 0);
    const by = GROUPINGS.map((one) =>
      `<button type="button" data-by="${one}" aria-pressed="${one === this.by}">${t(WORDS[one])}</button>`
    ).join("");
    return `<div><b>▲ ${t("floodTitle", { n: state.summary?.desk?.last_10_min ?? 0, m: minutes })}</b>`
      + `<span>${t("unacked")} ${unseen(state).all} · ${t("floodNothing")}</span><span class="by">${by}</span></div>`
      + `<div>${named}${rest > 0 ? `<span>${t("floodOther", { n: rest })}</span>` : ""}</div>`;
  }

  private awayHtml({ away, forMs }: { away: Away; forMs: number }): string {
    const n = away.unacknowledged.length;
    const words = t("awayLine", {
      t: age(forMs / 1_000), r: away.raised, e: away.ended, u: n, a: away.acts_of_others, l: away.losses,
    });
    const open = n > 0 ? `<button type="button" data-away="open">${t("awayOpen")}</button>` : "";
    return `<span>${words}</span>${open}<button type="button" data-away="close">${t("awayClose")}</button>`;
  }

  /** Note when the page could be seen; after a minute without, ask what happened meanwhile. */
  private watch(state: State): void {
    const name = whoAmI()?.name;
    if (document.hidden || name === undefined || (state.connection !== "live" && state.connection !== "stale")) return;
    const key = `seen:${name}`;
    const now = state.nowMs();
    if (Number.isNaN(this.seenMs)) this.seenMs = Number(localStorage.getItem(key) ?? now); // a fresh page, or a fresh sign-in
    const forMs = now - this.seenMs;
    if (forMs > AWAY_MS && !this.asked) void this.ask(this.seenMs, forMs);
    if (forMs > SEEN_EACH_MS) localStorage.setItem(key, String(Math.round(now)));
    if (forMs > SEEN_EACH_MS) this.seenMs = now;
  }

  private async ask(sinceMs: number, forMs: number): Promise<void> {
    this.asked = true;
    try {
      const away = await get<Away>(`/api/away?since_ns=${Math.round(sinceMs)}000000`);
      const n = away.raised + away.ended + away.unacknowledged.length + away.acts_of_others + away.losses;
      this.found = n === 0 ? null : { away, forMs }; // a line of noughts is no news
    } catch (error) {
      console.warn(error); // the worklist itself shows all of it; only the summary is missing
    } finally {
      this.asked = false;
    }
  }
}
