/** The form by which people sign in: of the first page, and over the road where a session has ended. */

import { Refused } from "../api.ts";
import { send } from "../send.ts";
import { t } from "../words.ts";
import { setMe } from "./me.ts";
import type { Me } from "./me.ts";

const NAME_KEY = "petroroad.name";
const DESK_KEY = "petroroad.desk";

/** Why a sign-in failed, in the page's language; which half was wrong is never said. */
export function failureText(error: unknown): string {
  if (!(error instanceof Refused)) return t("unreachable");
  if (error.status === 401) return t("wrongPassword");
  if (error.status === 429) return t("waitSignIn", { n: String(error.problem["wait_s"] ?? 1) });
  if (error.status === 503 && error.problem["reason"] === "busy") return t("busySignIn");
  return error.status === 400 ? t("wrongPassword") : t("faultSignIn", { t: error.message });
}

export class SignInForm {
  private readonly form: HTMLFormElement;
  private readonly done: (me: Me) => void;
  private failure: unknown = null;

  /** `done` is called once the centre has begun a session. */
  constructor(form: HTMLFormElement, done: (me: Me) => void) {
    this.form = form;
    this.done = done;
    form.noValidate = true; // the page says what is missing, in its own language
    form.innerHTML = `<label><span></span>
      <input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="32" required></label>
      <label><span></span><input name="password" type="password" autocomplete="current-password" maxlength="128" required></label>
      <label><span></span><input name="desk" autocomplete="off" maxlength="32"></label>
      <p class="why" role="alert"></p><button type="submit" class="primary"></button>`;
    this.input("name").value = localStorage.getItem(NAME_KEY) ?? "";
    this.input("desk").value = localStorage.getItem(DESK_KEY) ?? "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
    this.draw();
  }

  /** Write its texts in the language of now. */
  draw(): void {
    const spans = this.form.querySelectorAll("span");
    [t("userName"), t("password"), `${t("desk")} (${t("deskHint")})`].forEach((text, i) => (spans[i]!.textContent = text));
    this.form.querySelector("button")!.textContent = t("signIn");
    const why = this.failure === "empty" ? t("fillIn") : failureText(this.failure);
    this.form.querySelector(".why")!.textContent = this.failure === null ? "" : why;
  }

  focus(): void {
    this.input(this.input("name").value === "" ? "name" : "password").focus();
  }

  private input(name: string): HTMLInputElement {
    return this.form.querySelector<HTMLInputElement>(`[name=${name}]`)!;
  }

  private async submit(): Promise<void> {
    const [name, password, desk] = (["name", "password", "desk"] as const).map((key) => this.input(key).value) as [string, string, string];
    const button = this.form.querySelector("button")!;
    if (name.trim() === "" || password === "") return this.fail("empty");
    button.disabled = true;
    try {
      const me = await send<Me>("POST", "/api/sign-in", { name: name.trim(), password, desk: desk.trim() });
      localStorage.setItem(NAME_KEY, me.name);
      localStorage.setItem(DESK_KEY, desk.trim());
      this.input("password").value = "";
      this.failure = null;
      setMe(me);
      this.done(me);
    } catch (error) {
      this.fail(error);
    } finally {
      button.disabled = false;
    }
  }

  private fail(failure: unknown): void {
    this.failure = failure;
    this.draw();
    this.input("password").value = "";
    this.focus();
  }
}
