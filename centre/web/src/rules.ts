/** One row for each rule: how the page names it, writes its excess, draws its chart and marks it on the road. Pure. */

import { kmh } from "./format.ts";
import { name, t } from "./words.ts";
import type { Word } from "./words.ts";

/** What an excess is written from; `metres` is the distance beyond the rule's line, null where it is unknown. */
export interface ExcessValues {
  readonly metres: number | null;
  readonly speedMps: number;
  readonly limitMps: number | null;
}

export interface RuleView {
  readonly word: Word;
  /** Of the excess; empty where the rule has none. */
  readonly unit: "m" | "km/h" | "";
  /** The excess without its unit; null where it is unknown or the rule has none. */
  readonly excess: (values: ExcessValues) => string | null;
  /** The card's upper chart; `lateral` needs a lane, without one it is the speed. */
  readonly chart: "lateral" | "speed";
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

const PLAIN = { unit: "", excess: () => null, chart: "lateral", opened: "opened", started: "started", mark: "plain" } as const;

const ROWS: Readonly<Record<string, RuleView>> = {
  lane_departure: {
    word: "lane_departure", unit: "m", excess: distance, chart: "lateral", opened: "crossed", started: "crossed", mark: "overLine",
  },
  off_dedicated_road: { ...PLAIN, word: "off_dedicated_road", unit: "m", excess: distance },
  overspeed: { ...PLAIN, word: "overspeed", unit: "km/h", excess: fromLimit, chart: "speed" },
  too_slow: { ...PLAIN, word: "too_slow", unit: "km/h", excess: fromLimit, chart: "speed" },
  illegal_stop: { ...PLAIN, word: "illegal_stop", unit: "km/h", excess: speed, chart: "speed" },
  wrong_way: { ...PLAIN, word: "wrong_way", unit: "km/h", excess: speed },
  dark_vehicle: { ...PLAIN, word: "dark_vehicle" },
  ghost_report: { ...PLAIN, word: "ghost_report" },
  zone_entry: { ...PLAIN, word: "zone_entry" },
  zone_exit: { ...PLAIN, word: "zone_exit" },
  time_window: { ...PLAIN, word: "time_window" },
  route_deviation: { ...PLAIN, word: "route_deviation" },
  missed_exit: { ...PLAIN, word: "missed_exit" },
  following_distance: { ...PLAIN, word: "following_distance" },
  unauthorised_vehicle: { ...PLAIN, word: "unauthorised_vehicle" },
  gnss_integrity: { ...PLAIN, word: "gnss_integrity" },
};

export const RULES: ReadonlyMap<string, RuleView> = new Map(Object.entries(ROWS));

/** How a rule is shown; a rule without a row (of a newer RSU) has no excess and no mark of its own. */
export function ruleView(rule: string): Omit<RuleView, "word"> {
  return RULES.get(rule) ?? PLAIN;
}

/** The rule's name in the page's language; a rule without a row keeps its name on the wire. */
export function ruleName(rule: string): string {
  const view = RULES.get(rule);
  return view === undefined ? name(rule) : t(view.word);
}

/** The excess with its unit, `—` where it is unknown or the rule has none. */
export function excessText(rule: string, values: ExcessValues): string {
  const view = ruleView(rule);
  const text = view.excess(values);
  return text === null ? "—" : `${text} ${view.unit}`;
}
