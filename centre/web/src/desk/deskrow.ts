/** What the desk adds to a row: chip, state, button, time left, note; and the whole row of a loss of view. */

import type { Episode } from "../api.ts";
import { age, beganHtml, briefAge, escape, moment, ms, span } from "../format.ts";
import { markSvg } from "../icons.ts";
import { isAlarm } from "../order.ts";
import { ruleName } from "../rules.ts";
import { isLate } from "../state.ts";
import type { State } from "../state.ts";
import { getLang, name, reason, t, wordOf } from "../words.ts";
import type { Word } from "../words.ts";
import { caseOf, circumstances, isOpen, mostUrgent } from "./alarms.ts";
import type { Act, Handling, LossAlarm } from "./model.ts";
import { hindrance, isExerciseId, nextAct, URGENCY } from "./model.ts";

const STATES: Readonly<Record<Handling["state"], Word>> = {
  new: "stNew", acknowledged: "stAcknowledged", handled: "stHandled", closed: "stClosed",
};
export const HANDLINGS = Object.keys(STATES) as Handling["state"][];
const ACTS: Readonly<Record<Act, Word>> = {
  acknowledge: "actAcknowledge", handle: "actHandle", close: "actClose", false: "actFalse", reopen: "actReopen", note: "actNote",
  assign: "actAssign", correct: "actCorrect", end: "actEnd",
};

export function actWord(act: Act): string {
  return t(ACTS[act]);
}

/** What was done, in the trail, in the log of acts and in the words for a refusal. */
export function doneWord(act: string): string {
  return wordOf("act", act);
}

/** The word for a state that a centre names; one that the page does not know keeps its name. */
export function stateNamed(state: string): string {
  return Object.hasOwn(STATES, state) ? stateWord({ state: state as Handling["state"], is_false: false }) : state;
}

export function stateWord(handling: Pick<Handling, "state" | "is_false">): string {
  return t(handling.state === "closed" && handling.is_false ? "stFalse" : STATES[handling.state]);
}

/** The alarms that a row stands for: all of its case, or its own; `folded` says which. */
export function rowIds(state: State, id: string, folded: boolean): string[] {
  return folded && state.desk.of(id).case_n > 1 ? caseOf(state, id) : [id];
}

/** New, raised, late or exercise: one word beside the age. */
export function chipHtml(state: State, id: string, handling: Handling, episode: Episode | null): string {
  const chip = (word: Word, style = ""): string => `<span class="chip${style}">${t(word)}</span>`;
  if (isExerciseId(id)) return chip("exercise", " late");
  if (state.desk.risen.has(id)) return chip("raisedChip");
  if (episode !== null && !isAlarm(episode)) return isLate(episode) ? chip("lateMark", " late") : "";
  if (episode !== null && isLate(episode)) return chip("lateMark", " late");
  return handling.state === "new" && handling.shelf === null ? chip("new") : "";
}

/** Who has it, behind the state; empty for an alarm that nobody has touched. */
export function handledBy(handling: Handling): string {
  const who = handling.assigned ?? handling.user;
  return handling.state === "new" ? "" : `${stateWord(handling)}${who === null ? "" : ` ${escape(who)}`}`;
}

/** What a row's button says and does. */
export interface RowButton {
  readonly act: Act;
  readonly label: string;
  readonly primary: boolean;
  /** Why it can't be pressed; empty where it can. */
  readonly why: string;
}

export function rowButton(state: State, id: string, handling: Handling): RowButton {
  const act = nextAct(handling.state);
  const at = circumstances(state, handling.id);
  const why = hindrance(act, { ...at, pending: state.desk.pending.has(id) || at.pending });
  return {
    act, label: why === "sending" ? "…" : actWord(act), primary: act === "acknowledge", why: why === null ? "" : t(why),
  };
}

/** The time left of the deadline, or by how much it is over: `余 1:23`, `▲ 超 0:40`. */
export function dueHtml(handling: Handling, nowMs: number): string {
  if (handling.deadline_ns === null || handling.state === "closed" || handling.state === "handled") return "";
  const leftS = (ms(handling.deadline_ns) - nowMs) / 1_000;
  return leftS >= 0 ? t("left", { t: age(leftS) }) : `<b>${t("over", { t: briefAge(-leftS) })}</b>`;
}

/** The desk's part of the line below a row: escalation, refusal, case. */
export function noteParts(state: State, id: string, folded: boolean, handling: Handling): string[] {
  const parts: string[] = [];
  const refusal = state.desk.refused.get(id);
  if (refusal !== undefined) parts.push(`▲ ${escape(refusalText(state, id))}`);
  if (handling.escalated > 0 && handling.state !== "closed") {
    parts.push(`${t("escalated", { n: handling.escalated })}${getLang() === "zh" ? "：" : ": "}${
      t(handling.escalated > 1 ? "notHandled" : "notAcked")
    }`);
  }
  const elsewhere = elsewhereWords(state, id);
  if (elsewhere !== "") parts.push(escape(elsewhere));
  const n = state.desk.of(id).case_n;
  if (n > 1 && folded) parts.push(caseHtml(state, id));
  return parts;
}

/** What a row and the card say of another centre's desk: where somebody there did more than was done here; empty: nothing. */
export function elsewhereWords(state: State, id: string): string {
  const found = state.desk.elsewhere.get(id);
  if (found === undefined || URGENCY[found.state] <= URGENCY[state.desk.of(id).state]) return "";
  return t("elsewhere", {
    c: found.centre, s: stateWord({ state: found.state, is_false: false }), u: found.user,
    t: moment(found.atMs, state.nowMs()).slice(0, -3), a: moment(found.asOfMs, state.nowMs()).slice(0, -3),
  });
}

/** Why the last act did not happen, in words for a person. */
export function refusalText(state: State, id: string): string {
  const refusal = state.desk.refused.get(id);
  if (refusal === undefined) return "";
  if (refusal.who === "") return refusal.detail;
  return t("firstWas", { u: refusal.who, t: moment(ms(refusal.atNs), state.nowMs()), a: doneWord(refusal.act) });
}

function caseHtml(state: State, id: string): string {
  const ids = caseOf(state, id);
  const rules = new Map<string, number>();
  for (const one of ids.filter((x) => x !== id)) {
    const episode = state.episodes.get(one);
    const word = episode === undefined ? t("lossOfView") : ruleName(episode.rule) + (episode.open ? ` (${t("open")})` : "");
    rules.set(word, (rules.get(word) ?? 0) + 1);
  }
  const names = [...rules].map(([word, n]) => `${escape(word)}${n > 1 ? ` ×${n}` : ""}`).join(getLang() === "zh" ? "、" : ", ");
  const words = t("caseN", { n: state.desk.of(id).case_n });
  return `<button type="button" class="fold" data-case="${escape(id)}" tabindex="-1">＋ ${words}</button> ${names}`;
}

// --- losses of view

export function lossName(loss: Pick<LossAlarm, "kind">): string {
  return wordOf("loss", loss.kind);
}

/** What is lost; the broker, the database and a disk are the centre's. */
export function lossPart({ kind, part }: Pick<LossAlarm, "kind" | "part">): string {
  return kind === part ? t("byCentre") : part || "—";
}

/** What a loss says beside its kind: codes of the centre as words, its sentences as they are. */
export function lossDetail({ kind, detail }: Pick<LossAlarm, "kind" | "detail">): string {
  const [code = "", ...rest] = detail.split(" ");
  if (kind === "clock" && rest.length > 0) return `${reason(`clock_${code}`)} ${rest.join(" ")}`;
  return detail === "off" ? t("offline") : name(detail);
}

/** The cells of a loss's row, as `cellsHtml` of row.ts gives those of an episode; the last is the note. */
export function lossCells(state: State, loss: LossAlarm, folded: boolean): string[] {
  const handling = mostUrgent(state, rowIds(state, loss.id, folded));
  const startMs = ms(loss.start_ns);
  const endMs = loss.end_ns === null ? state.viewMs() : ms(loss.end_ns);
  const lasted = `${loss.end_ns === null && state.connection === "disconnected" ? "≥" : ""}${span((endMs - startMs) / 1_000)}`;
  const who = handledBy(handling);
  const [part, detail, ageS] = [lossPart(loss), lossDetail(loss), (state.nowMs() - startMs) / 1_000];
  const word = who !== "" ? who : loss.end_ns === null ? t("lossGoes") : t("ended");
  return [
    `<div>${markSvg("warning", 7, handling.state === "new", priorityDigit(handling))}${t("lossS")}</div>`
      + beganHtml(startMs, state.nowMs()),
    `<span class="p" title="${escape(part)}">${escape(part)}</span><i>${t("lossOfView")}</i>`,
    `<span class="rl">${escape(lossName(loss))}</span><i title="${escape(detail)}">${escape(detail) || "&nbsp;"}</i>`,
    '<span class="a">—</span><i>&nbsp;</i>',
    `<span class="a">${lasted}</span><i>&nbsp;</i>`,
    `<div class="when">${chipHtml(state, loss.id, handling, null)}<span class="a">${briefAge(ageS)}</span></div><i>${word}</i>`,
    noteParts(state, loss.id, folded, handling).join(" · "),
  ];
}

/** The number of the mark: 1 to 4; none until the centre has judged it. */
export function priorityDigit(handling: Handling): string {
  return handling.priority > 0 ? String(handling.priority) : "";
}

/** The words that a screen reader gives to a row. */
export function rowLabel(state: State, id: string, plate: string, rule: string): string {
  const made = isExerciseId(id) ? `${t("exercise")} · ` : "";
  const episode = state.episodes.get(id);
  const word = episode !== undefined && !isAlarm(episode) ? t("logged") : stateWord(state.desk.of(id)); // a record has no state
  return `${made}${word} · ${plate} · ${rule}${isOpen(state, id) ? ` · ${t("open")}` : ""}`;
}
