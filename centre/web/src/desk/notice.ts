/** One line of words at the foot of the page: why an act was not done, or that it was. It leaves by itself. */

import { Refused } from "../api.ts";
import { t } from "../words.ts";

const SHOWN_MS = 8_000;

export class Notice {
  private readonly el: HTMLElement;
  private timer = 0;

  constructor(el: HTMLElement) {
    this.el = el;
    el.addEventListener("click", () => this.clear());
  }

  /** Show a text; `refused`: it says that something was not done. */
  say(text: string, refused: boolean): void {
    clearTimeout(this.timer);
    this.el.textContent = `${refused ? "▲ " : ""}${text}`;
    this.el.dataset["refused"] = String(refused);
    this.el.hidden = false;
    this.timer = window.setTimeout(() => this.clear(), SHOWN_MS);
  }

  clear(): void {
    this.el.hidden = true;
    this.el.textContent = "";
  }
}

/** Why the centre did not do what it was asked for: it refused, or nothing reached it. */
export function failureWords(error: unknown): string {
  return t(error instanceof Refused ? "refusedBy" : "notSent", { d: (error as Error).message });
}

/** Do what was asked for; a failure is said, a success clears what was said before. */
export async function attempt(notice: Pick<Notice, "say" | "clear">, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
    notice.clear();
  } catch (error) {
    notice.say(failureWords(error), true);
  }
}
