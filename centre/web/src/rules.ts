/** One row for each rule: how the page writes its excess, draws its chart and marks it on the road. Pure.
 *
 * A new rule needs one row here and its word in `words.ts`, under the rule's name on the wire: a row without a word, or a word
 * without Chinese or English, does not compile.
 */

import { kmh } from "./format.ts";
import { reason, t } from "./words.ts";
import type { Word } from "./words.ts";

/** The values that an excess is written from; `metres` is the distance beyond the rule's line, null where it is unknown. */
export interface ExcessValues {
  readonly metres: number | null;
  readonly speedMps: number;
  readonly limitMps: number | null;
}

export interface RuleView {
  /** Of the excess; empty where the rule has none. */
  readonly unit: "m" | "km/h" | "";
  /** The excess without its unit; null where it is unknown or the rule has none. */
  readonly excess: (values: ExcessValues) => string | null;
  /**
   * The card's upper chart: the place in the lane (`lateral`, which needs one), the speed and its limit, how long it has lasted
   * against the grades' times (`duration`), the speed against the lane's direction, or the distance to the vehicle ahead (`gap`;
   * without one, as of an older RSU, the duration).
   */
  readonly chart: "lateral" | "speed" | "duration" | "against" | "gap";
  /** What the duration is of. */
  readonly lasting?: Word;
  /** Words for the start of an episode, in the card's log and in the chart. */
  readonly opened: Word;
  readonly started: Word;
  /** `overLine`: the picture shows how far the vehicle is over its lane's line, and this is the live excess. */
  readonly mark: "overLine" | "plain";
}

const distance = ({ metres }: ExcessValues): string | null => (metres === null ? null : Math.max(0, metres).toFixed(2));

const fromLimit = ({ speedMps, limitMps }: ExcessValues): string | null =>
  limitMps === null ? null : `${speedMps >= limitMps ? "+" : "−"}${Math.abs((speedMps - limitMps) * 3.6).toFixed(0)}`;

const speed = ({ speedMps }: ExcessValues): string => kmh(speedMps);

const PLAIN = { unit: "", excess: () => null, chart: "speed", opened: "opened", started: "started", mark: "plain" } as const;

const ROWS = {
  lane_departure: {
    unit: "m", excess: distance, chart: "lateral", opened: "crossed", started: "crossed", mark: "overLine",
  },
  off_dedicated_road: { ...PLAIN, unit: "m", excess: distance, chart: "lateral" },
  overspeed: { ...PLAIN, unit: "km/h", excess: fromLimit, chart: "speed" },
  too_slow: { ...PLAIN, unit: "km/h", excess: fromLimit, chart: "speed" },
  illegal_stop: { ...PLAIN, chart: "duration", lasting: "qStands" },
  wrong_way: { ...PLAIN, unit: "km/h", excess: speed, chart: "against" },
  dark_vehicle: { ...PLAIN, chart: "duration", lasting: "qSilent" },
  ghost_report: PLAIN,
  zone_entry: PLAIN,
  zone_exit: PLAIN,
  time_window: PLAIN,
  route_deviation: PLAIN,
  missed_exit: PLAIN,
  following_distance: { ...PLAIN, chart: "gap", lasting: "qTooClose" },
  unauthorised_vehicle: PLAIN,
  gnss_integrity: PLAIN,
  closed_road: PLAIN,
  convoy: { ...PLAIN, chart: "duration", lasting: "qTooMany" },
  parking_timeout: { ...PLAIN, chart: "duration", lasting: "qParked" },
  undecidable: PLAIN,
  permit: PLAIN,
  driving_time: PLAIN,
} as const satisfies Partial<Record<Word, RuleView>>;

export const RULES: ReadonlyMap<string, RuleView> = new Map(Object.entries(ROWS));

/** How a rule is shown; a rule without a row (of a newer RSU) has no excess and no mark of its own. */
export function ruleView(rule: string): RuleView {
  return RULES.get(rule) ?? PLAIN;
}

/** The rule's name in the page's language; a rule without a row keeps its name on the wire. */
export function ruleName(rule: string): string {
  return RULES.has(rule) ? t(rule as keyof typeof ROWS) : rule;
}

/** Kinds of fault that a rule of faults names as the reason of its versions, each with a word in `words.ts`. */
export const FAULTS: ReadonlySet<string> = new Set(["dragged", "frozen", "overconfident", "jammed"]);

/** The kind of fault of an episode, in words; empty where it has none. `first`: the reason of its first version, where it is known. */
export function faultName(kind: string | null, first: string | null = null): string {
  const fault = [kind, first].find((x) => x !== null && FAULTS.has(x));
  return fault == null ? "" : reason(fault);
}

/** The rule with the kind of fault: `GNSS integrity · dragged`. */
export function caseName(x: { readonly rule: string; readonly reason: string | null }, first: string | null = null): string {
  return [ruleName(x.rule), faultName(x.reason, first)].filter(Boolean).join(" · ");
}

const LAYERS = ["lane", "road", "class", "hazmat_class", "zone", "time", "weather"] as const;

/** Which layer states a speed limit, in brackets: `（区域限速 BRIDGE）`; empty where the RSU names none. */
export function limitOf(layer: string | null | undefined): string {
  if (!layer) return "";
  const [kind, ...name] = layer.split(":");
  const known = LAYERS.find((one) => one === kind);
  return ` (${[known === undefined ? kind : t(`of_${known}`), name.join(":")].join(" ").trim()})`;
}

/** The excess with its unit, `—` where it is unknown or the rule has none. */
export function excessText(rule: string, values: ExcessValues): string {
  const view = ruleView(rule);
  const text = view.excess(values);
  return text === null ? "—" : `${text} ${view.unit}`;
}
