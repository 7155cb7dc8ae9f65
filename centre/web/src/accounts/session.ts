/** Who is signed in, in the header and its panel; and what is shown when the session has ended. */

import { Refused } from "../api.ts";
import { escape } from "../format.ts";
import { send } from "../send.ts";
import { t } from "../words.ts";
import { failureText, SignInForm } from "./form.ts";
import { loadMe, may, setMe, whoAmI } from "./me.ts";
import type { Me } from "./me.ts";
import "./accounts.css";

const ASK_MS = 2_000; // while the page loads or the link is down: is it the session?
const NAME_CHARS = 12;

export class Session {
  private readonly who: () => HTMLElement | null;
  private readonly panel: HTMLElement;
  private readonly ended: HTMLElement;
  private readonly resumed: () => void;
  private readonly form: SignInForm;
  private before: string | null = null;
  private askedAt = -Infinity;
  private drawn = "";

  /** `resumed` is called after the same person has signed in again: the streams can be opened. */
  constructor(resumed: () => void) {
    this.resumed = resumed;
    this.who = () => document.querySelector("header .who");
    this.panel = panelOf("account");
    this.panel.setAttribute("role", "region");
    this.ended = panelOf("ended");
    this.ended.setAttribute("role", "alertdialog");
    this.ended.setAttribute("aria-labelledby", "ended-title");
    this.ended.innerHTML = `<h2 id="ended-title"></h2><p></p><form class="fields" data-testid="signin"></form>`;
    this.form = new SignInForm(this.ended.querySelector("form")!, (me) => this.signedIn(me));
    this.panel.addEventListener("click", (event) => void this.press((event.target as HTMLElement).dataset["act"]));
    this.panel.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.changePassword(event.target as HTMLFormElement);
    });
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.panel.hidden) return;
      event.preventDefault(); // it closes the panel only: a replay goes on, and the chosen alarm stays chosen
      this.toggle(false);
    });
    addEventListener("hashchange", () => this.toggle(false));
  }

  /** Ask who is signed in; call it before anything else is loaded. */
  async begin(): Promise<void> {
    this.askedAt = performance.now();
    const found = await loadMe();
    if (found === "nobody") this.end();
    else if (found !== "unknown") this.before = found.name;
  }

  toggle(open = this.panel.hidden): void {
    this.panel.hidden = !open;
    this.who()?.querySelector("button")?.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.panel.setAttribute("aria-label", t("myAccount"));
    this.panel.innerHTML = panelHtml();
    this.panel.querySelector<HTMLElement>("a, button")?.focus();
  }

  /** Draw who is signed in; find out whether a lost link means that the session has ended. */
  draw(): void {
    const me = whoAmI();
    const el = this.who();
    if (el !== null) {
      const html = whoHtml(me);
      if (this.drawn !== html || el.childElementCount === 0) el.innerHTML = this.drawn = html;
    }
    if (!this.ended.hidden) this.drawEnded();
    const shows = ["live", "stale"].includes(document.documentElement.dataset["link"] ?? "");
    if ((shows && me !== null) || performance.now() - this.askedAt < ASK_MS) return;
    this.askedAt = performance.now();
    void this.ask();
  }

  private async ask(): Promise<void> {
    const found = await loadMe();
    if (found === "nobody") this.end();
    else if (found !== "unknown" && (!this.ended.hidden || found.name !== this.before)) this.signedIn(found); // in another window
  }

  private end(): void {
    if (!this.ended.hidden) return;
    this.toggle(false);
    this.ended.hidden = false;
    document.documentElement.dataset["session"] = "ended";
    this.drawEnded();
    this.form.focus();
  }

  private drawEnded(): void {
    this.ended.querySelector("h2")!.textContent = t("sessionEnded");
    this.ended.querySelector("p")!.textContent = t("sessionEndedText");
    this.form.draw();
  }

  private signedIn(me: Me): void {
    if (this.before !== null && me.name !== this.before) return location.reload(); // nothing of the other's screen is left
    this.before = me.name;
    this.ended.hidden = true;
    delete document.documentElement.dataset["session"];
    this.resumed();
  }

  private async press(act: string | undefined): Promise<void> {
    if (act === "close") this.toggle(false);
    if (act !== "sign-out") return;
    await send("POST", "/api/sign-out").catch(() => undefined);
    location.reload();
  }

  private async changePassword(form: HTMLFormElement): Promise<void> {
    const value = (name: string): string => form.querySelector<HTMLInputElement>(`[name=${name}]`)!.value;
    const why = form.querySelector(".why")!;
    if (value("new") !== value("again")) {
      why.textContent = t("passwordsDiffer");
      return;
    }
    try {
      setMe(await send<Me>("POST", "/api/me/password", { old: value("old"), new: value("new") }));
      form.reset();
      why.textContent = t("passwordChanged");
    } catch (error) {
      const status = error instanceof Refused ? error.status : 0;
      why.textContent = status === 403 ? t("oldWrong") : status === 400 ? t("passwordRule") : failureText(error);
    }
  }
}

function panelOf(id: string): HTMLElement {
  const el = document.createElement("div");
  el.id = id;
  el.className = "panel";
  el.hidden = true;
  el.dataset["testid"] = id;
  document.body.append(el);
  return el;
}

function whoHtml(me: Me | null): string {
  if (me === null) return "";
  const name = me.demo ? t("demoUser") : me.accounts ? me.display : t("noAccounts");
  const short = [...name].length > NAME_CHARS && me.accounts ? `${[...name].slice(0, NAME_CHARS).join("")}…` : name;
  const role = me.accounts ? `<small>${t(me.role)}</small>` : "";
  const title = `${name} · ${t(me.role)}${me.desk === "" ? "" : ` · ${t("desk")} ${me.desk}`}`;
  const what = `data-do="account" aria-haspopup="true" aria-expanded="false" title="${escape(title)}"`;
  return `<button type="button" ${what}>${escape(short)}${role}</button>`;
}

function panelHtml(): string {
  const me = whoAmI();
  if (me === null) return "";
  const open = me.demo ? t("demoText") : `${t("noAccountsText")} ${t("addFirst")}`;
  const about = me.accounts ? `${escape(me.name)} · ${t(me.role)}` : open;
  const desk = me.desk === "" ? "" : ` · ${t("desk")} ${escape(me.desk)}`;
  const users = may("accounts") ? `<a href="#users">${t("users")}</a>` : "";
  const log = may("audit") ? `<a href="#audit">${t("auditLog")}</a>` : "";
  const password = !me.accounts ? "" : `<form class="fields"><h2>${t("changePassword")}</h2>
    <input type="text" name="username" autocomplete="username" value="${escape(me.name)}" hidden>
    ${passwordField("old", t("oldPassword"), "current-password")}${passwordField("new", t("newPassword"), "new-password")}
    ${passwordField("again", t("passwordAgain"), "new-password")}<p class="rule">${t("passwordRule")}</p><p class="why" role="alert"></p>
    <button type="submit">${t("changePassword")}</button></form>`;
  const out = me.accounts ? `<button type="button" data-act="sign-out" data-testid="sign-out">${t("signOut")}</button>` : "";
  return `<h2>${escape(me.accounts ? me.display : t("myAccount"))}</h2><p class="dim">${about}${desk}</p>
    <div class="line">${users} ${log}</div><div class="line">${out}</div>${password}`;
}

export function passwordField(name: string, label: string, kind: "current-password" | "new-password"): string {
  return `<label><span>${label}</span><input name="${name}" type="password" autocomplete="${kind}" maxlength="128" required></label>`;
}
