/** The screen of all accounts, for administrators. */

import { get, Refused } from "../api.ts";
import { clock, date, escape, ms } from "../format.ts";
import { Poll } from "../poll.ts";
import { send } from "../send.ts";
import type { Host, View } from "../views.ts";
import { getLang, t } from "../words.ts";
import type { Word } from "../words.ts";
import { loadMe, may, ROLES, whoAmI } from "./me.ts";
import type { Role } from "./me.ts";
import { passwordField } from "./session.ts";
import { set } from "../written.ts";

interface User {
  name: string;
  display: string;
  role: Role;
  disabled: boolean;
  changed_ns: string;
  signed_in_ns: string | null;
  failed: number;
}

const ASK_MS = 5_000;
const COLUMNS: readonly Word[] = ["cUser", "cDisplay", "cRole", "cActive", "cSignedIn", "cFailed", "cActs"];

export class Users implements View {
  readonly rate = "text";
  private readonly root: HTMLElement;
  private readonly users = new Poll(ASK_MS, async () => (await get<{ items: User[] }>("/api/users")).items, () => this.draw());
  private lang = "";
  /** Whose password is being set; null: the side shows the form of a new user. */
  private setting: string | null = null;

  constructor(root: HTMLElement) {
    this.root = root;
  }

  mount(_host: Host): void {
    this.root.addEventListener("click", (event) => {
      const button = (event.target as HTMLElement).closest<HTMLElement>("[data-act]");
      const name = button?.closest<HTMLElement>("tr")?.dataset["name"] ?? "";
      switch (button?.dataset["act"]) {
        case "disable": return void this.change(name, { disabled: true });
        case "enable": return void this.change(name, { disabled: false });
        case "password": return this.showForm(name);
        case "cancel": return this.showForm(null);
      }
    });
    this.root.addEventListener("change", (event) => {
      const select = event.target as HTMLSelectElement;
      if (select.matches("td select")) void this.change(select.closest("tr")!.dataset["name"]!, { role: select.value as Role });
    });
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit(event.target as HTMLFormElement);
    });
  }

  draw(): void {
    if (this.root.hidden) return;
    if (may("accounts")) this.users.look(performance.now());
    const { found, failed } = this.users;
    if (this.lang !== getLang()) {
      this.lang = getLang();
      this.showForm(this.setting);
    }
    const note = failed ? `▲ ${t("boardFailed")}` : `${t("usersNote")} UTC+8`;
    const n = `<span>${found?.length ?? ""}</span>`;
    set(this.root.querySelector("h2")!, `${t("users")} ${n}<a href="#">${t("back")}</a><span class="end">${note}</span>`);
    if (this.root.querySelector("td select:focus") !== null) return; // it is open: a new one would close it
    const table = this.root.querySelector(".plot")!;
    this.root.querySelectorAll<HTMLElement>("section")[1]!.hidden = !may("accounts");
    if (!may("accounts")) set(table, `<div class="blank">${t("noRight", { t: t(whoAmI()?.role ?? "viewer") })}</div>`);
    else set(table, found === null ? `<div class="blank dim">${t("loading")}</div>` : tableHtml(found));
  }

  private showForm(name: string | null): void {
    this.setting = name;
    const side = this.root.querySelector<HTMLElement>(".side")!;
    this.root.querySelectorAll("h2")[1]!.textContent = name === null ? t("addUser") : `${t("setPassword")}: ${name}`;
    const options = ROLES.map((role) => `<option value="${role}">${t(role)}</option>`).join("");
    const who = `<label><span>${t("userName")}</span>
      <input name="name" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="32" required></label>
      <p class="rule">${t("userNameRule")}</p>
      <label><span>${t("cDisplay")}</span><input name="display" autocomplete="off" maxlength="64"></label>
      <label><span>${t("cRole")}</span><select name="role">${options}</select></label>`;
    side.innerHTML = `<form class="fields">${name === null ? who : ""}${passwordField("password", t("newPassword"), "new-password")}
      ${passwordField("again", t("passwordAgain"), "new-password")}<p class="rule">${t("passwordRule")}</p>
      <button type="submit" class="primary">${name === null ? t("addUser") : t("save")}</button>
      ${name === null ? "" : `<button type="button" data-act="cancel">${t("cancel")}</button>`}</form>`;
    const select = side.querySelector("select");
    if (select !== null) select.value = this.users.found?.length === 0 ? "administrator" : "operator"; // the first one adds the others
    if (name !== null) side.querySelector("input")!.focus();
  }

  private async submit(form: HTMLFormElement): Promise<void> {
    const value = (name: string): string => form.querySelector<HTMLInputElement>(`[name=${name}]`)?.value ?? "";
    if (value("password") !== value("again")) return this.say(t("passwordsDiffer"));
    const name = this.setting ?? value("name").trim();
    const made = this.setting === null;
    const password = value("password");
    const body = made ? { name, display: value("display"), role: value("role"), password } : { password };
    const said = t(made ? "added" : "changed_", { t: name });
    const done = await this.act(made ? "POST" : "PATCH", made ? "/api/users" : pathOf(name), body, said);
    if (done) this.showForm(null);
  }

  private async change(name: string, body: Partial<User>): Promise<void> {
    await this.act("PATCH", pathOf(name), body, t("changed_", { t: name }));
  }

  private async act(method: "POST" | "PATCH", path: string, body: unknown, said: string): Promise<boolean> {
    let done = true;
    try {
      await send(method, path, body);
      this.say(said);
    } catch (error) {
      done = false;
      this.say(refusalText(error));
    }
    (document.activeElement as HTMLElement | null)?.blur();
    this.users.renew();
    if (whoAmI()?.accounts === false) await loadMe(); // the first account: everybody has to sign in from now on
    this.draw();
    return done;
  }

  private say(text: string): void {
    this.root.querySelector(".said")!.textContent = text;
  }
}

function pathOf(name: string): string {
  return `/api/users/${encodeURIComponent(name)}`;
}

function refusalText(error: unknown): string {
  if (!(error instanceof Refused)) return t("unreachable");
  if (error.status === 403) return t("noRight", { t: t(whoAmI()?.role ?? "viewer") });
  return t("refusedAct", { t: String(error.problem["rule"] ?? error.message) });
}

function tableHtml(users: readonly User[]): string {
  const administrators = users.filter((x) => x.role === "administrator" && !x.disabled);
  const head = COLUMNS.map((word) => `<th scope="col">${t(word)}</th>`).join("");
  const last = administrators.length === 1 ? administrators[0] : null;
  const rows = users.map((x) => rowHtml(x, x === last)).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table>`;
}

function rowHtml(x: User, last: boolean): string {
  const why = last ? ` disabled title="${t("lastAdministrator")}"` : "";
  const options = ROLES.map((role) => `<option value="${role}"${role === x.role ? " selected" : ""}>${t(role)}</option>`).join("");
  const when = x.signed_in_ns === null ? "—" : `${date(ms(x.signed_in_ns))} ${clock(ms(x.signed_in_ns))}`;
  const cells = [
    `<b>${escape(x.name)}</b>`, escape(x.display), `<select aria-label="${t("cRole")}: ${escape(x.name)}"${why}>${options}</select>`,
    t(x.disabled ? "disabled" : "active"), when, String(x.failed),
    `<button type="button" data-act="${x.disabled ? "enable" : "disable"}"${why}>${t(x.disabled ? "enable" : "disable")}</button>`
      + `<button type="button" data-act="password">${t("setPassword")}</button>`,
  ];
  const kind = x.disabled ? " class=\"off\"" : "";
  return `<tr data-name="${escape(x.name)}" data-testid="user"${kind}>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}
