/** The screen of the log of acts: newest first, filtered by its address, a page at a time; and whether its chain is whole. */

import { get, Refused } from "../api.ts";
import { reasonWord } from "../desk/carddesk.ts";
import { doneWord, stateNamed } from "../desk/deskrow.ts";
import { clock, date, escape, ms } from "../format.ts";
import { Poll } from "../poll.ts";
import { ruleName } from "../rules.ts";
import { wordsOf } from "../search/form.ts";
import { send } from "../send.ts";
import type { State } from "../state.ts";
import type { Host, View } from "../views.ts";
import { getLang, name, t, wordOf } from "../words.ts";
import type { Word } from "../words.ts";
import { may, whoAmI } from "./me.ts";
import { set } from "../written.ts";

interface Act {
  n: number;
  at_ns: string;
  user: string;
  role: string;
  act: string;
  subject: string;
  body: Record<string, unknown>;
  sha256: string;
}

interface ActsPage {
  items: Act[];
  next: number | null;
}

interface Check {
  whole: boolean;
  n: number;
  sha256: string;
  fault: { n: number; reason: string } | null;
  /** Up to which row, and when, all of it was looked through; what came since is verified each time. */
  full: { n: number; at_ns: string } | null;
}

const ASK_MS = 5_000;
const ROWS = 100;
const ZONE = "+08:00"; // times are entered and shown in the road's own
const COLUMNS: readonly Word[] = ["cNumber", "cTime", "cWho", "cRole", "cAct", "cSubject", "cDetails"];
/** Subjects that are no name of anybody or anything. */
const SUBJECTS: Readonly<Record<string, Word>> = { desk: "desk", exercise: "exercise", log: "auditLog" };
const FILTERS: readonly (readonly [string, Word])[] = [
  ["user", "cWho"], ["act", "cAct"], ["subject", "cSubject"], ["from", "from"], ["to", "to"],
];

/** Addresses of this screen, without the `#`. */
export const AUDIT_HASH = /^#(audit(?:\?.*)?)$/;

/** What the words of an address narrow the log to; empty ones don't narrow. */
export function filterOf(words: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams();
  for (const key of ["user", "act", "subject"]) {
    const word = words.get(key)?.trim() ?? "";
    if (word !== "") query.set(key, word);
  }
  for (const key of ["from", "to"]) {
    const time = Date.parse(`${words.get(key) ?? ""}${ZONE}`);
    if (words.get(key) && Number.isFinite(time)) query.set(`${key}_ns`, `${time}000000`);
  }
  return query;
}

/** The query of a page of the log. */
export function queryOf(words: URLSearchParams): string {
  const query = filterOf(words);
  query.set("limit", String(ROWS));
  const before = Number(words.get("before") ?? NaN);
  if (Number.isSafeInteger(before) && before >= 0) query.set("before", String(before));
  return query.toString();
}

export class Audit implements View {
  readonly rate = "text";
  private readonly root: HTMLElement;
  /** What is asked for, as the address says it: what is typed and not yet submitted is not in it. */
  private words = new URLSearchParams();
  private page = this.pageOf(this.words);
  private checked: Check | "asking" | "failed" | null = null;
  private toCheck = true;
  private state: State | null = null;
  private lang = "";

  constructor(root: HTMLElement) {
    this.root = root;
  }

  mount(_host: Host): void {
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.go(wordsOf(event.target as HTMLFormElement));
    });
    this.root.addEventListener("click", (event) => {
      switch ((event.target as HTMLElement).closest<HTMLElement>("[data-act]")?.dataset["act"]) {
        case "older": return this.turn(this.page.found?.next ?? null);
        case "newest": return this.turn(null);
        case "check": return void this.check(true);
        case "clear": return this.go(new URLSearchParams());
      }
    });
  }

  /** Ask for what an address names; whether the chain is whole is looked at when the screen is opened. */
  open(address: string): void {
    const at = address.indexOf("?");
    this.words = new URLSearchParams(at < 0 ? "" : address.slice(at + 1));
    this.page = this.pageOf(this.words); // an answer for the one before comes too late to be shown
    this.lang = "";
    if (this.root.hidden || this.checked === null) this.toCheck = true;
    this.drawAgain();
  }

  draw(state: State): void {
    this.state = state;
    if (this.root.hidden) return;
    if (this.lang !== getLang()) this.drawForm();
    if (may("audit")) {
      this.page.look(performance.now());
      if (this.toCheck) void this.check();
    }
    const { found, fault } = this.page;
    set(this.root.querySelector("h2")!, `${t("auditLog")} <a href="#">${t("back")}</a><span class="end">UTC+8</span>`);
    set(this.root.querySelector(".chain")!, chainHtml(this.checked, filterOf(this.words)));
    const table = this.root.querySelector(".plot")!;
    if (!may("audit")) set(table, `<div class="blank">${noRight()}</div>`);
    else if (fault !== null) set(table, `<div class="blank">▲ ${t("refusedAct", { t: faultWords(fault) })}</div>`);
    else if (found === null) set(table, `<div class="blank dim">${t("loading")}</div>`);
    else set(table, tableHtml(state, found.items, found.next, this.words.has("before")));
  }

  private drawForm(): void {
    this.lang = getLang();
    const form = this.root.querySelector("form")!;
    form.innerHTML = FILTERS.map(([key, word]) => {
      const kind = key === "from" || key === "to" ? "datetime-local" : "text";
      const value = `value="${escape(this.words.get(key) ?? "")}"${kind === "text" ? "" : " step=\"1\""}`;
      return `<label><span>${t(word)}</span><input name="${key}" type="${kind}" maxlength="64" ${value}></label>`;
    }).join("") + `<button type="submit">${t("filter")}</button><button type="button" data-act="clear">${t("clear")}</button>`;
  }

  /** Turn to another page of what is asked for. */
  private turn(before: number | null): void {
    const words = new URLSearchParams(this.words);
    if (before === null) words.delete("before");
    else words.set("before", String(before));
    this.go(words);
  }

  /** Open the address of these words; the same one again asks again. */
  private go(words: URLSearchParams): void {
    const address = words.size === 0 ? "audit" : `audit?${words}`;
    if (location.hash === `#${address}`) this.open(address);
    else location.hash = address;
  }

  /** A page of the log; an older one stays as it is read. */
  private pageOf(words: URLSearchParams): Poll<ActsPage> {
    const load = (): Promise<ActsPage> => get(`/api/audit?${queryOf(words)}`);
    return new Poll(words.has("before") ? Infinity : ASK_MS, load, () => this.drawAgain());
  }

  private drawAgain(): void {
    if (this.state !== null) this.draw(this.state);
  }

  /** Ask whether the chain is whole; `all`: look through all of it, not only what came since the last such look. */
  private async check(all = false): Promise<void> {
    this.toCheck = false;
    if (this.checked === "asking") return;
    this.checked = "asking";
    this.drawAgain();
    const asked = all ? send<Check>("POST", "/api/audit/check") : get<Check>("/api/audit/check");
    this.checked = await asked.catch(() => "failed" as const);
    this.drawAgain();
  }
}

function faultWords(fault: unknown): string {
  return fault instanceof Refused ? String(fault.status) : t("unreachable");
}

function chainHtml(checked: Check | "asking" | "failed" | null, filter: URLSearchParams): string {
  const button = `<button type="button" data-act="check"${checked === "asking" ? " disabled" : ""}>${t("checkChain")}</button>`
    + exportHtml(filter);
  if (checked === "asking") return `${button}<span class="dim">${t("checking")}</span>`;
  const hint = `<span class="dim">${t("chainHint")}</span>`;
  if (checked === null) return button + hint;
  if (checked === "failed") return `${button}<span data-testid="chain">▲ ${t("chainUnread")}</span>`;
  if (checked.fault !== null) {
    return `${button}<b data-testid="chain">▲ ${t("chainBroken", { n: checked.fault.n, t: escape(checked.fault.reason) })}</b>`;
  }
  const whole = `${t("chainWhole", { n: checked.n, t: "" })}<code lang="zxx">${escape(checked.sha256)}</code>`;
  const { full } = checked;
  const when = full === null ? "" : t("chainFull", { n: full.n, t: `${date(ms(full.at_ns))} ${clock(ms(full.at_ns))}` });
  return `${button}<span data-testid="chain">${whole} <span class="dim">${when}</span></span>${hint}`;
}

function noRight(): string {
  return t("noRight", { t: t(whoAmI()?.role ?? "viewer") });
}

/** The file of what is asked for, with the columns of the chain; a link, so that the browser saves it as it comes. */
function exportHtml(filter: URLSearchParams): string {
  if (!may("audit")) return `<button type="button" disabled title="${noRight()}">${t("exportActs")}</button>`;
  const path = `/api/audit/export${filter.size === 0 ? "" : `?${filter}`}`;
  return `<a class="button" href="${escape(path)}" download data-testid="export-acts">${t("exportActs")}</a>`;
}

function tableHtml(state: State, items: readonly Act[], next: number | null, isOlder: boolean): string {
  if (items.length === 0) return `<div class="blank">${t("noActs")}</div>`;
  const head = COLUMNS.map((word) => `<th scope="col">${t(word)}</th>`).join("");
  const turn = `<div class="turn"><button type="button" data-act="newest"${isOlder ? "" : " disabled"}>${t("newestActs")}</button>`
    + `<button type="button" data-act="older"${next === null ? " disabled" : ""}>${t("olderActs")}</button></div>`;
  return `<table><thead><tr>${head}</tr></thead><tbody>${items.map((x) => rowHtml(state, x)).join("")}</tbody></table>${turn}`;
}

/** What an act says beside who and what: codes and times in words, everything else as it was written. */
export function detailsOf(state: State, body: Readonly<Record<string, unknown>>): string {
  const text = (key: string, value: unknown): string => {
    if (key.endsWith("_ns")) return `${date(ms(String(value)))} ${clock(ms(String(value)))}`;
    if (typeof value !== "string") return typeof value === "boolean" ? t(value ? "qYes" : "qNo") : JSON.stringify(value);
    if (key === "reason") return reasonWord(state, value);
    if (key === "rule") return ruleName(value);
    return key === "role" ? name(value) : key === "state" ? stateNamed(value) : value;
  };
  const said = Object.entries(body).filter(([, value]) => value !== null && value !== "");
  return said.map(([key, value]) => `${wordOf("detail", key)} ${text(key, value)}`).join(" · ");
}

/** Whom or what an act is about: an id or an account's name, which may be any word, or the centre's own part. */
export function subjectWord(subject: string): string {
  return Object.hasOwn(SUBJECTS, subject) ? t(SUBJECTS[subject]!) : subject;
}

function rowHtml(state: State, x: Act): string {
  const role = x.role === "" ? "" : name(x.role);
  const body = detailsOf(state, x.body);
  const cells = [
    String(x.n), `${date(ms(x.at_ns))} ${clock(ms(x.at_ns), 1)}`,
    escape(x.user === "" ? t("itself") : x.user), escape(role),
    escape(doneWord(x.act)), escape(subjectWord(x.subject)), escape(body),
  ];
  return `<tr data-testid="act" data-act-name="${escape(x.act)}">${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}
