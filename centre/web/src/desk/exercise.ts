/** Exercises: an instructor begins and ends one on the screen of the shift; while it runs, every screen says so. */

import { may } from "../accounts/me.ts";
import { escape, moment, ms, span } from "../format.ts";
import { send } from "../send.ts";
import type { State } from "../state.ts";
import { getLang, pick, t } from "../words.ts";
import type { Word } from "../words.ts";
import type { Dialog } from "./dialog.ts";
import type { ExerciseScript, Running } from "./model.ts";
import { attempt } from "./notice.ts";
import type { Notice } from "./notice.ts";

export class Exercises {
  private readonly state: State;
  private readonly dialog: Pick<Dialog, "ask">;
  private readonly notice: Pick<Notice, "say" | "clear">;
  private readonly changed: () => void;

  constructor(state: State, dialog: Pick<Dialog, "ask">, notice: Pick<Notice, "say" | "clear">, changed: () => void) {
    this.state = state;
    this.dialog = dialog;
    this.notice = notice;
    this.changed = changed;
  }

  /** Let the instructor choose a script, and begin it. */
  async begin(): Promise<void> {
    const why = exerciseHindrance(this.state, "begin");
    if (why !== null) return this.notice.say(t(why), true);
    const answer = await this.dialog.ask({
      title: t("exBegin"), about: t("exAbout"), reasonsLabel: t("exScript"),
      reasons: this.state.desk.scripts.map((x) => ({ code: x.name, zh: scriptWords(x, "zh"), en: scriptWords(x, "en"), is_false: false })),
    });
    if (answer !== null) await this.tryTo(() => send<Running>("POST", "/api/exercise", { script: answer.reason }));
  }

  /** End the exercise before its time: its alarms are closed. */
  async end(): Promise<void> {
    const why = exerciseHindrance(this.state, "end");
    if (why !== null) return this.notice.say(t(why), true);
    const answer = await this.dialog.ask({ title: t("exEnd"), about: t("exEndAbout") });
    if (answer !== null) await this.tryTo(async () => (await send<{ running: Running | null }>("DELETE", "/api/exercise")).running);
  }

  private async tryTo(act: () => Promise<Running | null>): Promise<void> {
    await attempt(this.notice, async () => this.state.desk.putRunning(await act()));
    this.changed();
  }
}

/** Why an exercise can't be begun or ended here; null where it can. Pure but for the role. */
export function exerciseHindrance(state: State, act: "begin" | "end"): Word | null {
  const { running } = state.desk;
  if (state.connection !== "live" && state.connection !== "stale") return "noLink";
  if (!may("exercise")) return "supervisorOnly";
  if (act === "begin") return running === null ? null : "exRuns";
  return running === null ? "exNone" : null;
}

/** The part of the shift's screen: the buttons, and what runs. */
export function exerciseHtml(state: State): string {
  const button = (act: "begin" | "end", word: Word): string => {
    const why = exerciseHindrance(state, act);
    const off = `aria-disabled="${why !== null}" title="${why === null ? "" : t(why)}"`;
    return `<button type="button" data-exercise="${act}" ${off}>${t(word)}</button>`;
  };
  return `${button("begin", "exBegin")}${button("end", "exEnd")}<span class="dim">${runningWords(state) || t("exNone")}</span>`;
}

/** What runs, by whom, and until when; empty where nothing does. */
export function runningWords(state: State): string {
  const { running, scripts } = state.desk;
  if (running === null) return "";
  const script = scripts.find((x) => x.name === running.script);
  const title = script === undefined ? running.script : pick(script.zh, script.en);
  return t("exRunning", { s: escape(title), u: escape(running.user), t: moment(ms(running.until_ns), state.nowMs()) });
}

/** The banner's words: on each screen nobody takes a made-up alarm for a real one. */
export function exerciseBanner(state: State): string {
  const words = runningWords(state);
  if (words === "") return "";
  return `<span data-testid="exercise"><b>${t("exercise")}</b>${getLang() === "zh" ? "：" : ": "}${words} · ${t("exMarked")}</span>`;
}

function scriptWords(x: ExerciseScript, lang: "zh" | "en"): string {
  const about = lang === "zh" ? `（${x.alarms} 条，${span(x.lasts_s)}）` : ` (${x.alarms} alarms, ${span(x.lasts_s)})`;
  return `${lang === "zh" ? x.zh : x.en}${about}`;
}
