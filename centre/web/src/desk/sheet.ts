/** What one shift hands to the next, as tables for the screen and the printer, and as CSV. Pure. */

import { may } from "../accounts/me.ts";
import { age, clock, date, escape, moment, ms, station } from "../format.ts";
import { plateShown } from "../row.ts";
import { ruleName } from "../rules.ts";
import { table as tableHtml } from "../search/tables.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import { reasonWord } from "./carddesk.ts";
import { elsewhereWords, lossName, stateWord } from "./deskrow.ts";
import { isLossId } from "./model.ts";
import type { ActLine, DeskSummary, Handling, LossAlarm, LossKind, Shelf } from "./model.ts";
import { shelfWords } from "./shelving.ts";

export interface ShiftNow {
  on_duty: { user: string; desk: string; since_ns: string }[];
  last: { user: string; to: string; at_ns: string; text: string } | null;
}

export interface Sheet {
  since_ns: string;
  now_ns: string;
  new: Handling[];
  acknowledged: Handling[];
  handled: Handling[];
  escalated: string[];
  closed: Handling[];
  /** How many there are; the most urgent open ones and the newest closed ones are listed. */
  n_open: number;
  n_closed: number;
  /** Whose and what each alarm is: the page holds the newest ones only. */
  about: Readonly<Record<string, { vehicle: string | null; rule: string; esn: string; s_m: number | null }>>;
  notes: (ActLine & { id: string })[];
  shelves: Shelf[];
  losses: LossAlarm[];
  shift: ShiftNow;
  health: Partial<DeskSummary>;
}

type Cells = readonly string[];

function table(head: Cells, rows: readonly Cells[], label: string): string {
  if (rows.length === 0) return `<p class="dim">${t("sheetNone")}</p>`;
  return tableHtml(head, rows, label);
}

export function dutyTable(now: ShiftNow, nowMs: number): string {
  const rows = now.on_duty.map((x) => {
    const sinceMs = ms(x.since_ns);
    return [escape(x.user), escape(x.desk) || "—", moment(sinceMs, nowMs), age((nowMs - sinceMs) / 1_000)];
  });
  const { last } = now;
  const words = last === null
    ? t("noHand")
    : `${t("lastHand", { u: escape(last.user), v: escape(last.to), t: `${date(ms(last.at_ns))} ${clock(ms(last.at_ns))}` })}<br>${
      escape(last.text)
    }`;
  return `${table([t("duty"), t("desk"), t("cBegan"), t("cLasted")], rows, t("duty"))}<p class="dim">${words}</p>`;
}

export function shelvesTable(shelves: readonly Shelf[], linked: boolean, nowMs: number): string {
  const isFree = linked && may("shelve");
  const why = isFree ? "" : t(linked ? "noShelf" : "noLink");
  const sorted = [...shelves].sort((a, b) => Number(b.ended_ns === null) - Number(a.ended_ns === null) || b.n - a.n).slice(0, 100);
  const rows = sorted.map((x) => [
    `${x.n}`, escape(shelfWords(x)), moment(ms(x.until_ns), nowMs), escape(x.reason), escape(x.user), `${x.n_held}`,
    x.ended_ns === null
      ? `<button type="button" data-shelf="${x.n}" aria-disabled="${!isFree}" title="${why}">${t("shelfEnd")}</button>`
      : t("shelfGone", { t: moment(ms(x.ended_ns), nowMs) }),
  ]);
  if (rows.length === 0) return `<p class="dim">${t("shelfNone")}</p>`;
  return table(["#", t("shelfWhat"), t("shelfUntil"), t("shelfWhy"), t("shelfBy"), t("shelfHeld"), ""], rows, t("shelves"));
}

/** Plate or part, rule or kind, place: what an alarm is, by the page where it has it, else by the sheet. */
function what(sheet: Sheet, state: State, id: string): [string, string, string] {
  const [episode, loss, about] = [state.episodes.get(id), state.desk.losses.get(id), sheet.about[id]];
  if (episode !== undefined) return [plateShown(state, episode), ruleName(episode.rule), station(episode.s_m)];
  if (loss !== undefined) return [loss.part, lossName(loss), ""];
  if (about === undefined) return [id, "", ""];
  if (isLossId(id)) return [about.esn, lossName({ kind: about.rule as LossKind }), ""];
  return [about.vehicle ?? t("unknown"), ruleName(about.rule), station(about.s_m)];
}

/** Who has an alarm: nobody has a new one, though somebody may have noted or corrected something of it. */
function holderOf(x: Handling): string {
  return x.assigned ?? (x.state === "new" ? null : x.user) ?? "—";
}

const alarmRow = (sheet: Sheet, state: State, x: Handling): string[] => [
  `${x.priority || "—"}`, moment(ms(x.raised_ns), ms(sheet.now_ns)), ...what(sheet, state, x.id),
  [x.shelf === null ? stateWord(x) : t("onShelf", { n: x.shelf }), elsewhereWords(state, x.id)].filter((y) => y !== "").join(" · "),
  holderOf(x),
  x.escalated > 0 ? t("escalated", { n: x.escalated }) : "", x.reason === null ? "" : reasonWord(state, x.reason),
];

const alarmHead = (): string[] => [
  t("priority"), t("raisedAt"), t("cPlate"), t("cRule"), t("cPlace"), t("cState"), t("assignedTo", { u: "" }), t("escalatedN"), t("askWhy"),
];

/** The parts of the sheet: each a title and a table. */
function parts(sheet: Sheet, state: State): { title: string; n?: number; head: string[]; rows: string[][] }[] {
  const nowMs = ms(sheet.now_ns);
  const open = [...sheet.new, ...sheet.acknowledged, ...sheet.handled];
  return [
    { title: t("sheetOpen"), n: sheet.n_open, head: alarmHead(), rows: open.map((x) => alarmRow(sheet, state, x)) },
    { title: t("sheetClosed"), n: sheet.n_closed, head: alarmHead(), rows: sheet.closed.map((x) => alarmRow(sheet, state, x)) },
    {
      title: t("sheetLosses"), head: [t("cBegan"), t("shelfWhat"), t("cRule"), t("ended")],
      rows: sheet.losses.map((x) => {
        const end = x.end_ns === null ? t("lossGoes") : moment(ms(x.end_ns), nowMs);
        return [moment(ms(x.start_ns), nowMs), x.part, lossName(x), end];
      }),
    },
    {
      title: t("sheetShelves"), head: [t("shelfWhat"), t("shelfUntil"), t("shelfWhy"), t("shelfBy")],
      rows: sheet.shelves.map((x) => [shelfWords(x), moment(ms(x.until_ns), nowMs), x.reason, x.user]),
    },
    {
      title: t("sheetNotes"), head: [t("cTime"), t("cPlate"), t("shelfBy"), t("actNote")],
      rows: sheet.notes.map((x) => [moment(ms(x.at_ns), nowMs), what(sheet, state, x.id)[0], x.user, x.text ?? ""]),
    },
  ];
}

export function sheetHtml(sheet: Sheet, state: State): string {
  const { health } = sheet;
  const facts: [string, string][] = [
    [t("unacked"), String(sheet.new.filter((x) => x.shelf === null).length)],
    [t("secShelved"), String(sheet.new.filter((x) => x.shelf !== null).length)], [t("stHandled"), String(sheet.handled.length)],
    [t("escalatedN"), String(sheet.escalated.length)],
    [t("perHour"), health.per_operator_hour == null ? "—" : health.per_operator_hour.toFixed(1)],
    [t("ackMean"), health.ack_s_mean == null ? "—" : `${health.ack_s_mean.toFixed(0)} s`],
    [t("false7"), health.false_share_7d == null ? "—" : `${(health.false_share_7d * 100).toFixed(1)} %`],
  ];
  const span = `${date(ms(sheet.since_ns))} ${clock(ms(sheet.since_ns))} – ${date(ms(sheet.now_ns))} ${clock(ms(sheet.now_ns))} · UTC+8`;
  return `<p><b>${span}</b></p><p>${facts.map(([key, x]) => `${key} <b>${x}</b>`).join(" · ")}</p>`
    + parts(sheet, state).map((x) =>
      `<h3>${x.title} <span class="dim">${many(x)}</span></h3>${table(x.head, x.rows.map((row) => row.map(escape)), x.title)}`
    ).join("");
}

/** How many rows a part has; where not all are listed, how many there are. */
const many = (x: { n?: number; rows: string[][] }): string =>
  x.n === undefined || x.n <= x.rows.length ? `${x.rows.length}` : `▲ ${t("sheetCut", { a: x.rows.length, n: x.n })}`;

/** One table after the other, each with its title. A value that a spreadsheet would calculate is quoted by an apostrophe. */
export function sheetCsv(sheet: Sheet, state: State): string {
  const cell = (x: string): string => {
    const safe = /^[=+\-@\t\r]/.test(x) ? `'${x}` : x;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = parts(sheet, state).flatMap((x) => [[x.title, many(x)], x.head, ...x.rows, []]);
  return lines.map((line) => line.map(cell).join(",")).join("\r\n");
}
