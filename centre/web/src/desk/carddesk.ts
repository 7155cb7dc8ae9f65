/** The desk's part of the card: who has the alarm, its priority and why, its trail of acts; and the card of a loss of view. */

import { get } from "../api.ts";
import { age, escape, moment, ms } from "../format.ts";
import { markSvg } from "../icons.ts";
import { isLinked } from "../state.ts";
import type { State } from "../state.ts";
import { getLang, pick, t } from "../words.ts";
import type { Word } from "../words.ts";
import { doneWord, dueHtml, elsewhereWords, lossDetail, lossName, lossPart, priorityDigit, stateWord } from "./deskrow.ts";
import type { ActLine, Handling, LossAlarm } from "./model.ts";

interface Held {
  version: number;
  lines: readonly ActLine[];
  failed: boolean;
}

const trails = new Map<string, Held>();
const asked = new Map<string, number>(); // the version that is being asked for
const TRAILS_MAX = 50;
const ASK_AGAIN_MS = 3_000;
let failedAt = -Infinity;

/** The trail of an alarm as the page has it; asks for it where it is absent or older than the alarm's newest act. */
export function trailOf(state: State, id: string): readonly ActLine[] | "failed" | null {
  const { version } = state.desk.of(id);
  const held = trails.get(id);
  const linked = isLinked(state);
  const mayAsk = linked && asked.get(id) !== version && performance.now() - failedAt > ASK_AGAIN_MS;
  if ((held === undefined || held.version < version || held.failed) && mayAsk) void load(id, version);
  return held === undefined ? null : held.failed ? "failed" : held.lines;
}

async function load(id: string, version: number): Promise<void> {
  asked.set(id, version);
  try {
    const { items } = await get<{ items: ActLine[] }>(`/api/alarms/${encodeURIComponent(id)}/acts`);
    if (trails.size > TRAILS_MAX) trails.clear();
    trails.set(id, { version: Math.max(version, items.at(-1)?.n ?? 0), lines: items, failed: false });
  } catch (error) {
    console.warn(error);
    failedAt = performance.now();
    trails.set(id, { version: 0, lines: trails.get(id)?.lines ?? [], failed: true });
  } finally {
    asked.delete(id);
  }
}

/** One line of the card's log: its time [ms], its HTML, and whether it has words of a person, which are never cut. */
export type LogLine = readonly [atMs: number, html: string, isWhole?: boolean];

/** The lines as elements, in the order of their times. */
export function logLines(lines: readonly LogLine[]): string {
  return [...lines].sort(([a], [b]) => a - b).map(([, html, isWhole]) => `<div${isWhole ? ' class="whole"' : ""}>${html}</div>`).join("");
}

/** The acts as lines of the card's log. */
export function trailLines(state: State, id: string): LogLine[] {
  const trail = trailOf(state, id);
  if (trail === null || trail === "failed") return trail === null ? [] : [[Infinity, `▲ ${t("trailFailed")}`]];
  return trail.map((x) => {
    const who = x.user === "" ? t("byCentre") : x.user;
    const about = [
      x.reason === null ? "" : reasonWord(state, x.reason), x.to === null ? "" : `→ ${x.to}`, x.plate ?? "",
      x.text === null ? "" : `“${x.text}”`,
    ].filter((part) => part !== "").join(" · ");
    const words = `${who} ${doneWord(x.act)}${about === "" ? "" : `${getLang() === "zh" ? "：" : ": "}${about}`}`;
    const at = ms(x.at_ns);
    const when = `<span class="q">${moment(at, state.nowMs())}</span>`;
    return [at, `${when} <span title="${escape(words)}">${escape(words)}</span>`, x.text !== null] as const;
  });
}

export function reasonWord(state: State, code: string): string {
  const found = state.desk.settings?.reasons.find((x) => x.code === code);
  return found === undefined ? code.replaceAll("_", " ") : pick(found.zh, found.en);
}

/** One line of the card: state, by whom and since when, time left, notes, case, shelf; and the priority with its grounds. */
export function deskLine(state: State, id: string): string {
  const x = state.desk.of(id);
  const since = x.since_ns === null ? "" : ` ${moment(ms(x.since_ns), state.nowMs())}`;
  const parts = [
    `<b>${stateWord(x)}</b>${x.user === null || x.state === "new" ? "" : ` ${escape(x.user)}`}${since}`,
    x.reason === null ? "" : escape(reasonWord(state, x.reason)),
    x.assigned === null ? "" : t("assignedTo", { u: escape(x.assigned) }),
    dueHtml(x, state.viewMs()),
    escape(elsewhereWords(state, id)),
    x.escalated > 0 && x.state !== "closed" ? `<b>${t("escalated", { n: x.escalated })}</b>` : "",
    x.plate === null ? "" : t("correctedTo", { p: escape(x.plate) }),
    x.n_notes === 0 ? "" : t("notesN", { n: x.n_notes }),
    x.case_n > 1 ? t("caseN", { n: x.case_n }) : "",
    x.shelf === null ? "" : t("onShelf", { n: x.shelf }),
    x.ended == null ? "" : t("endedBy", { u: escape(x.ended.user) }),
    priorityWords(state, x),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

function priorityWords(state: State, x: Handling): string {
  if (x.priority < 1 || x.priority > 4) return "";
  const why = x.why.map((code) => {
    const known = state.desk.settings?.why?.find((one) => one.code === code);
    return known === undefined ? code.replaceAll("_", " ") : pick(known.zh, known.en);
  });
  const grounds = why.length === 0 ? "" : ` (${escape(why.join(getLang() === "zh" ? "、" : ", "))})`;
  return `${t("priority")} ${x.priority} ${t(`pri${x.priority}` as Word)}${grounds}`;
}

/** The card of a loss of view: what is lost, since when, and what was done about it. */
export function lossCard(state: State, loss: LossAlarm): string {
  const handling = state.desk.of(loss.id);
  const endMs = loss.end_ns === null ? state.viewMs() : ms(loss.end_ns);
  const facts: [string, string][] = [
    [t("since"), moment(ms(loss.start_ns), state.nowMs())], [t("lasted"), age((endMs - ms(loss.start_ns)) / 1_000)],
    [t("cState"), loss.end_ns === null ? t("lossGoes") : t("lossGone", { t: moment(ms(loss.end_ns), state.nowMs()) })],
  ];
  const trail = logLines(trailLines(state, loss.id));
  return `<div class="cardtop g-warning">${markSvg("warning", 9, handling.state === "new", priorityDigit(handling))}`
    + `<span class="gw">${t("lossOfView")} · ${escape(lossName(loss))}</span><span class="pl">${escape(lossPart(loss))}</span></div>`
    + `<div class="asof" data-testid="card-desk">${deskLine(state, loss.id)}</div>`
    + `<div class="nums">${facts.map(([key, x]) => `<div><div class="k">${key}</div><div class="x">${x}</div></div>`).join("")}</div>`
    + `<div class="asof">${escape(lossDetail(loss))}</div>`
    + `<div class="log" data-testid="trail" tabindex="0" role="group" aria-label="${t("trail")}">`
    + `${trail || `<div>${t("trailNone")}</div>`}</div>`;
}
