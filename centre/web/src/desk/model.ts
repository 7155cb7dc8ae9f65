/** What the desk of the centre serves (centre/API.md), and what a person may do with an alarm. Pure. */

import type { Word } from "../words.ts";

export type DeskState = "new" | "acknowledged" | "handled" | "closed";

/** How far an alarm has come: the least of a case is the most urgent. */
export const URGENCY: Readonly<Record<DeskState, number>> = { new: 0, acknowledged: 1, handled: 2, closed: 3 };

/** The desk's row of one alarm; an alarm without a row is new. */
export interface Handling {
  id: string;
  kind: "violation" | "loss";
  state: DeskState;
  user: string | null;
  assigned: string | null;
  since_ns: string | null;
  acknowledged_ns: string | null;
  deadline_ns: string | null;
  escalated: number;
  reason: string | null;
  is_false: boolean;
  plate: string | null;
  n_notes: number;
  shelf: number | null;
  case: string;
  case_n: number;
  priority: number;
  why: string[];
  exercise: boolean;
  version: number;
  /** When the desk learnt of it. */
  raised_ns?: string | null;
  /** Who ended the episode of a dead RSU, and when its RSU said something else of it. */
  ended?: { user: string; at_ns: string } | null;
  resumed_ns?: string | null;
}

export type LossKind = "rsu" | "gateway" | "broker" | "database" | "clock" | "radar" | "cover" | "disk" | "workers" | "own_clock";

/** A loss of view: an alarm about the supervision itself. */
export interface LossAlarm {
  id: string;
  kind: LossKind;
  part: string;
  start_ns: string;
  end_ns: string | null;
  detail: string;
}

export interface Shelf {
  n: number;
  plate: string | null;
  terminal?: string | null;
  esn: string | null;
  rule: string | null;
  from_m: number | null;
  to_m: number | null;
  until_ns: string;
  reason: string;
  user: string;
  n_held: number;
  ended_ns: string | null;
}

export interface ReasonCode {
  code: string;
  zh: string;
  en: string;
  is_false: boolean;
}

/** What an exercise can play. */
export interface ExerciseScript {
  name: string;
  zh: string;
  en: string;
  alarms: number;
  lasts_s: number;
}

/** The exercise that runs. */
export interface Running {
  script: string;
  user: string;
  until_ns: string;
}

/** What all desks have in common. */
export interface DeskSettings {
  reasons: ReasonCode[];
  /** Words for what a priority rests on. */
  why?: { code: string; zh: string; en: string }[];
  deadlines_s: Record<string, number>;
  escalate_s: number;
  users: { name: string; role: string }[];
  flood: { n: number; minutes: number };
}

/** The desk's figures in the summary. */
export interface DeskSummary {
  new: { violation: number; warning: number; loss: number };
  acknowledged: number;
  handled: number;
  escalated: number;
  shelved: number;
  per_operator_hour: number | null;
  last_10_min: number;
  flood: boolean;
  chattering: number;
  standing: number;
  ack_s_mean: number | null;
  false_share_7d: number | null;
  operators: number;
}

export const ACTS = ["acknowledge", "handle", "close", "false", "reopen", "note", "assign", "correct", "end"] as const;
export type Act = (typeof ACTS)[number];

/** What belongs to an act besides its name. */
export interface ActBody {
  /** Of the row that the person saw. */
  version: number;
  reason?: string | null;
  text?: string | null;
  to?: string | null;
  plate?: string | null;
  whole_case?: boolean;
}

/** One line of an alarm's trail. */
export interface ActLine {
  n: number;
  at_ns: string;
  user: string;
  role: string;
  act: string;
  reason: string | null;
  text: string | null;
  to: string | null;
  plate: string | null;
}

/** The row of an alarm that nobody has touched. */
export function untouched(id: string, state: DeskState = "new"): Handling {
  return {
    id, kind: isLossId(id) ? "loss" : "violation", state, user: null, assigned: null, since_ns: null, acknowledged_ns: null,
    deadline_ns: null, escalated: 0, reason: null, is_false: false, plate: null, n_notes: 0, shelf: null, case: id, case_n: 1,
    priority: 0, why: [], exercise: false, version: 0,
  };
}

export function isLossId(id: string): boolean {
  return id.startsWith("loss-");
}

/** Whether it is made up: known by the id alone, also before the desk has its row. */
export function isExerciseId(id: string): boolean {
  return id.startsWith("exercise-");
}

/** Whether it has versions with evidence columns: all but a loss of view. */
export function hasVersions(id: string): boolean {
  return !isLossId(id);
}

/** Whether the centre keeps evidence of it: not of a loss of view, nor of an exercise's alarm, which is in no ledger. */
export function hasEvidence(id: string): boolean {
  return !isLossId(id) && !isExerciseId(id);
}

/** What decides whether an act can be done; `linked`: the centre hears this page. */
export interface Circumstances {
  readonly handling: Handling | null;
  readonly open: boolean;
  /** Whether it is an alarm; episodes that are only recorded are not acted on. */
  readonly alarm: boolean;
  /** It is a loss of view, which has no plate. */
  readonly loss: boolean;
  readonly linked: boolean;
  readonly rights: readonly string[];
  /** The RSU of an open episode is off. */
  readonly rsuLost: boolean;
  readonly pending: boolean;
}

const NEEDS_STATE: Readonly<Partial<Record<Act, readonly DeskState[]>>> = {
  acknowledge: ["new"], handle: ["new", "acknowledged"], close: ["new", "acknowledged", "handled"],
  false: ["new", "acknowledged", "handled"], end: ["new", "acknowledged", "handled"],
  reopen: ["closed"], assign: ["new", "acknowledged", "handled"],
};

/** Why an act can't be done, as a word of the page; null where it can. */
export function hindrance(act: Act, at: Circumstances): Word | null {
  if (!at.linked) return "noLink";
  if (at.handling === null) return "noRow";
  if (!at.alarm) return "onlyRecord";
  if (!at.rights.includes("handle")) return "noDeskRight";
  if (at.pending) return "sending";
  if ((act === "reopen" || act === "end") && !at.rights.includes("shelve")) return "supervisorOnly";
  if (act === "end" && (!at.open || !at.rsuLost)) return "rsuLives";
  if (act === "correct" && at.loss) return "noPlate";
  const wanted = NEEDS_STATE[act];
  if (wanted === undefined || wanted.includes(at.handling.state)) return null;
  if (at.handling.state === "closed") return "isClosed";
  return act === "reopen" ? "notClosed" : "isDone";
}

/** The act of a row's button: the next one of its life. */
export function nextAct(state: DeskState): Act {
  return state === "new" ? "acknowledge" : state === "acknowledged" ? "handle" : state === "handled" ? "close" : "reopen";
}

/** Acts that ask for a reason before they are sent. */
export function asksReason(act: Act): boolean {
  return act === "close" || act === "false" || act === "end";
}
