/** Does what a person asks for an alarm: asks for what belongs to it, sends it, and shows what came of it. */

import { Refused } from "../api.ts";
import { send } from "../send.ts";
import type { State } from "../state.ts";
import { plateShown } from "../row.ts";
import { ruleName } from "../rules.ts";
import { t } from "../words.ts";
import { caseOf, circumstances, mostUrgent } from "./alarms.ts";
import { actWord, lossName, refusalText } from "./deskrow.ts";
import type { Answer, Dialog, Question } from "./dialog.ts";
import { asksReason, hindrance } from "./model.ts";
import type { Act, ActBody, Handling } from "./model.ts";
import { failureWords } from "./notice.ts";
import type { Notice } from "./notice.ts";

export interface ActingEffects {
  /** Draw the text again. */
  changed(): void;
  /** The chosen row was acted on: it stays where it is for a while. */
  stirred(): void;
}

export class Acting {
  private readonly state: State;
  private readonly dialog: Pick<Dialog, "ask">;
  private readonly notice: Pick<Notice, "say" | "clear">;
  private readonly effects: ActingEffects;

  constructor(state: State, dialog: Pick<Dialog, "ask">, notice: Pick<Notice, "say" | "clear">, effects: ActingEffects) {
    this.state = state;
    this.dialog = dialog;
    this.notice = notice;
    this.effects = effects;
  }

  /** Begin an act with an alarm, or with its whole case; says why not where it can't be done. */
  async begin(act: Act, row: string | null, wholeCase = false): Promise<void> {
    const { state } = this;
    const id = row !== null && wholeCase ? mostUrgent(state, caseOf(state, row)).id : row;
    const why = hindrance(act, circumstances(state, id));
    if (why !== null || id === null) return this.notice.say(t(why ?? "noRow"), true);
    this.effects.stirred();
    const { version } = state.desk.of(id); // what the person decides on: what others do while a dialog is open is not seen
    const question = this.question(act, id, wholeCase);
    if (question === null) return this.send(act, id, { version, whole_case: wholeCase });
    const answer = await this.dialog.ask(question);
    if (answer !== null) await this.send(act, id, { version, ...bodyOf(answer) });
  }

  /** What an act asks for; null: nothing. */
  private question(act: Act, id: string, whole: boolean): Question | null {
    const { desk } = this.state;
    const wholeN = desk.of(id).case_n;
    const base = { title: actWord(act), about: aboutOf(this.state, id), wholeN, whole };
    const words = { label: t("askText"), required: false };
    if (asksReason(act)) {
      const reasons = (desk.settings?.reasons ?? []).filter((x) => act === "false" ? x.is_false : !x.is_false);
      return { ...base, reasons, text: words };
    }
    if (act === "note") return { ...base, text: { label: t("askNote"), required: true } };
    if (act === "reopen") return { ...base, text: { label: t("askWhy"), required: true } };
    if (act === "correct") return { ...base, plate: desk.of(id).plate ?? "", text: words };
    if (act === "assign") return { ...base, users: (desk.settings?.users ?? []).map((x) => x.name), text: words };
    return null;
  }

  /** Send an act; the row changes when the centre has committed it. Nothing is kept for later. */
  private async send(act: Act, id: string, body: ActBody): Promise<void> {
    const { desk } = this.state;
    const why = hindrance(act, circumstances(this.state, id)); // the link may have broken while the dialog was open
    if (why !== null) return this.notice.say(t(why), true);
    desk.pending.set(id, act);
    desk.refused.delete(id);
    this.effects.changed();
    try {
      const path = `/api/alarms/${encodeURIComponent(id)}/acts`;
      const answer = await send<{ items: Handling[] }>("POST", path, { act, ...body });
      for (const x of answer.items) {
        desk.put(x);
        desk.risen.delete(x.id);
      }
      this.notice.clear();
    } catch (error) {
      this.refuse(act, id, error);
    } finally {
      desk.pending.delete(id);
      this.effects.changed();
    }
  }

  private refuse(act: Act, id: string, error: unknown): void {
    const { desk } = this.state;
    const problem: Refused["problem"] = error instanceof Refused ? error.problem : {};
    const handling = problem["handling"] as Handling | undefined;
    const detail = failureWords(error);
    if (handling !== undefined) desk.put(handling);
    const who = typeof problem["by"] === "string" ? problem["by"] : "";
    const done = handling === undefined ? act : stateAct(handling);
    desk.refused.set(id, { act: done, who, atNs: (problem["at_ns"] as string | undefined) ?? null, detail });
    this.notice.say(refusalText(this.state, id), true);
  }
}

/** The act that led to a state. */
function stateAct(handling: Handling): string {
  if (handling.state === "closed") return handling.is_false ? "false" : "close";
  return { new: "reopen", acknowledged: "acknowledge", handled: "handle" }[handling.state];
}

function bodyOf(answer: Answer): Omit<ActBody, "version"> {
  return { reason: answer.reason, text: answer.text, plate: answer.plate, to: answer.to, whole_case: answer.whole };
}

/** Plate and rule of an alarm, for a person who must not act on the wrong one. */
export function aboutOf(state: State, id: string): string {
  const [episode, loss] = [state.episodes.get(id), state.desk.losses.get(id)];
  if (episode !== undefined) return `${plateShown(state, episode)} · ${ruleName(episode.rule)}`;
  return loss === undefined ? id : `${loss.part} · ${lossName(loss)}`;
}
