/** What of an alarm can be put on a shelf: its plate, rule, RSU or stretch; of a loss of view its part and its fault. */

import { station } from "../format.ts";
import { plateOf } from "../row.ts";
import { ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import { lossName } from "./deskrow.ts";
import type { LossAlarm, LossKind } from "./model.ts";

/** The centre's own parts: their loss concerns the whole road. */
const NEVER: ReadonlySet<LossKind> = new Set(["broker", "database", "disk", "workers", "own_clock"]);
const REACH_M = 250; // of the stretch on both sides of the chosen alarm

/** What of the chosen alarm can be shelved, with the members of `POST /api/shelves` for it. */
export interface Scope {
  readonly key: string;
  readonly label: string;
  readonly body: Readonly<Record<string, string | number>>;
  /** Whether it is chosen unless a person chooses otherwise. */
  readonly on: boolean;
}

/** The scopes that an alarm offers. Pure. */
export function scopesOf(state: State, id: string | null): Scope[] {
  const [episode, loss] = id === null ? [undefined, undefined] : [state.episodes.get(id), state.desk.losses.get(id)];
  if (loss !== undefined) {
    return ofLoss(loss);
  }
  if (episode === undefined) return [];
  const found: Scope[] = [];
  const plate = episode.vehicle?.plate;
  if (plate) found.push({ key: "plate", label: `${t("shelfPlate")} ${plateOf(episode)}`, body: { plate }, on: true });
  found.push({ key: "rule", label: `${t("shelfRule")} ${ruleName(episode.rule)}`, body: { rule: episode.rule }, on: true });
  found.push({ key: "esn", label: `${t("shelfRsu")} ${episode.esn}`, body: { esn: episode.esn }, on: false });
  if (episode.s_m !== null) {
    const [a, b] = [Math.round(episode.s_m - REACH_M), Math.round(episode.s_m + REACH_M)];
    found.push({ key: "stretch", label: t("shelfStretch", { a: station(a), b: station(b) }), body: { from_m: a, to_m: b }, on: false });
  }
  return found;
}

/** The narrower part comes later: where both are chosen, it is what the shelf names. None: of the centre's own parts. */
function ofLoss(loss: LossAlarm): Scope[] {
  if (NEVER.has(loss.kind)) return [];
  const unit = loss.part.split("/")[0]!;
  const found: Scope[] = [];
  if (unit !== loss.part) found.push({ key: "unit", label: `${t("shelfRsu")} ${unit}`, body: { esn: unit }, on: false });
  const word = t(unit === loss.part ? "shelfPart" : "shelfRadar");
  found.push({ key: "esn", label: `${word} ${loss.part}`, body: { esn: loss.part }, on: true });
  found.push({ key: "rule", label: `${t("shelfFault")} ${lossName(loss)}`, body: { rule: loss.kind }, on: true });
  return found;
}
