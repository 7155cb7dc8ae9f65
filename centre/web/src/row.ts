/** The cells of a row of the list: vehicle, place, excess, duration, probability, and the time of these values. */

import type { Episode, Grade } from "./api.ts";
import { mostUrgent } from "./desk/alarms.ts";
import { chipHtml, handledBy, noteParts, priorityDigit, rowIds } from "./desk/deskrow.ts";
import { beganHtml, briefAge, briefMoment, escape, moment, ms, probability, span, station, withUnit } from "./format.ts";
import { isExerciseId } from "./desk/model.ts";
import { markSvg } from "./icons.ts";
import { isAlarm } from "./order.ts";
import { caseName, excessText } from "./rules.ts";
import { goodsText, vehicleHref } from "./search/goods.ts";
import { homeRow } from "./site.ts";
import type { State } from "./state.ts";
import { rowShort } from "./strip.ts";
import { isOverdue, lossOf, missingUpdates } from "./supervision.ts";
import { liveOf, seenExcess, showsExcess } from "./where.ts";
import type { Live } from "./where.ts";
import { name, t } from "./words.ts";

const BACK_P = 0.5; // less likely broken than not

export const CELLS =
  '<div class="gr"></div><div></div><div></div><div class="r"></div><div class="r"></div><div class="r"></div>'
    + '<div class="act"><button type="button" tabindex="-1"></button><i></i></div><div class="note"></div>';

/** The texts of an episode's row; `folded`: it stands for its whole case. The button is written by the list itself. */
export function cellsHtml(state: State, episode: Episode, folded = false): string[] {
  const { vehicle } = episode;
  const plate = plateShown(state, episode);
  const handling = mostUrgent(state, rowIds(state, episode.id, folded));
  const un = vehicle?.un
    ? `UN${vehicle.un}${vehicle.hazmat_class ? ` · ${vehicle.hazmat_class} ${t("classN")}` : ""}`
    : vehicle === null
    ? t("noPosition")
    : "—";
  const live = liveFor(state, episode);
  const depth = depthOf(state, episode, live);
  const most = maxOf(episode, live);
  const now = episode.open && !isReturning(episode, live);
  const grade = shownGrade(episode);
  const place = placeOf(state, episode, live);
  const chip = chipHtml(state, episode.id, handling, episode);
  const made = isExerciseId(episode.id); // its word is too long to stand beside the age
  const startMs = ms(episode.start_ns);
  const filled = isAlarm(episode) && handling.state === "new" && handling.shelf === null;
  return [
    `<div>${markSvg(grade, isAlarm(episode) ? 7 : 6, filled, priorityDigit(handling))}${name(`${grade}S`)}</div>`
      + beganHtml(startMs, state.nowMs(), about(episode)),
    `${plateHtml(episode, plate)}<i title="${escape(goodsText(vehicle?.un))}">${escape(un)}</i>`,
    `<span class="rl" title="${escape(caseName(episode))}">${escape(caseName(episode))}</span><i title="${place}">${place}</i>`,
    `<span class="a">${withUnit(depth)}</span><i>${depth === "—" || most === "" ? "&nbsp;" : now ? `${t("max")} ${most}` : t("max")}</i>`,
    `<span class="a">${withUnit(lastedOf(episode))}</span><i>${probabilityOf(episode, live)}</i>`,
    `<div class="when">${made ? "" : chip}<span class="a">${briefAge((state.nowMs() - startMs) / 1_000)}</span></div>`
      + `<i title="${timeWord(state, episode, live)}">${(isAlarm(episode) && handledBy(handling)) || timeWord(state, episode, live)}</i>`,
    noteOf(state, episode, [
      made ? chip : "", ...(isAlarm(episode) ? noteParts(state, episode.id, folded, handling) : []), unsetNote(episode),
    ]),
  ];
}

/** The plate; that of a known vehicle leads to its page in a window of its own: the alarms stay on the screen. */
function plateHtml(episode: Episode, plate: string): string {
  if (episode.vehicle === null || isExerciseId(episode.id)) return `<span class="p" title="${escape(plate)}">${escape(plate)}</span>`;
  const how = `class="p" tabindex="-1" target="_blank" rel="noopener" href="${vehicleHref(plate)}"`;
  return `<a ${how} title="${escape(plate)}">${escape(plate)}</a>`;
}

/** The live values of an episode: all or none, so that one "as of" is true for the others. */
export function liveFor(state: State, episode: Episode): Live | null {
  const live = lossOf(state, episode) === null ? liveOf(state, episode) : null;
  return showsExcess(episode) && seenExcess(episode, live) === null ? null : live;
}

/** The state of an episode; for an open one the time of its version's numbers, which are at most 5 s apart. */
function timeWord(state: State, episode: Episode, live: Live | null): string {
  if (!episode.open) return t(isAlarm(episode) ? "ended" : "logged");
  const loss = lossOf(state, episode);
  if (loss !== null) return t(loss.kind === "rsu" ? "rsuOff" : "noUpdate");
  if (isOverdue(state, episode)) return t("noUpdate");
  if (isReturning(episode, live)) return t("returning");
  return t(live !== null ? "pAsOf" : "asOf", { t: briefMoment(asOf(episode), state.nowMs()) });
}

/** The line below a row: why an open episode gets no updates, and what else a person must know; the time of its values if there is room. */
function noteOf(state: State, episode: Episode, others: readonly string[]): string {
  const why = missingUpdates(state, episode);
  const more = others.filter(Boolean);
  const lost = why === "" ? [] : [`▲ ${why}`];
  if (why !== "" && more.length < 2) lost.push(t("lastValues", { t: moment(asOf(episode), state.nowMs()) }));
  return [...lost, ...more].join(" · ");
}

/** What stands before the times of an episode that are by its arrival: its RSU's clock was never set. */
export function about(episode: Pick<Episode, "clock_unset">): string {
  return episode.clock_unset === true ? "≈" : "";
}

function unsetNote(episode: Episode): string {
  return episode.clock_unset === true ? `▲ ${t("clockUnsetS")}` : "";
}

/** The plate as a person corrected it, else as the RSU stated it. */
export function plateShown(state: State, episode: Episode): string {
  return state.desk.of(episode.id).plate ?? plateOf(episode);
}

export function plateOf(episode: Episode): string {
  return episode.vehicle?.plate ?? episode.vehicle?.terminal ?? t("unknown");
}

/** The present grade of an open episode, the highest of an ended one: the grade of its closing version means nothing. */
export function shownGrade(episode: Episode): Grade {
  return episode.open ? episode.grade : episode.grade_max;
}

/** The time of the shown version's numbers [ms]. */
export function asOf(episode: Episode): number {
  return ms(episode.stamps.measured_ns);
}

/** Back within the rule, but not for long enough to have ended: by the visible vehicle, else by the version. */
export function isReturning(episode: Episode, live: Live | null = null): boolean {
  if (!episode.open || !isAlarm(episode) || episode.grade === "undecidable") return false;
  if (episode.rule === "overspeed" && live !== null && episode.limit_mps !== null) return live.speedMps <= episode.limit_mps;
  const seen = seenExcess(episode, live);
  return seen !== null ? seen === 0 : episode.p_violation < BACK_P && !((episode.excess_m ?? 0) > 0);
}

/** How long the rule was broken; for an open episode at least how long, up to its newest version. */
export function lastedOf(episode: Episode): string {
  const end = ms(episode.end_ns ?? episode.last_violating_ns ?? episode.stamps.measured_ns);
  return `${episode.open ? "≥" : ""}${span((end - ms(episode.start_ns)) / 1_000)}`;
}

/** The excess in the rule's own unit: the present one of an open episode (`live`, else the version), else the greatest. */
export function depthOf(state: State, episode: Episode, live: Live | null = null): string {
  if (episode.grade === "undecidable" || state.site === null) return "—";
  const now = episode.open && !isReturning(episode, live);
  const speed = live?.speedMps ?? episode.speed_mps;
  if (!now && episode.excess_m_max === null) { // the speed of a version that is within the rule is no excess
    if (episode.decided === null || episode.limit_mps === null) return "—";
    return excessText(episode.rule, { metres: null, speedMps: episode.decided.speed_mps, limitMps: episode.limit_mps });
  }
  const metres = now ? (seenExcess(episode, live) ?? episode.excess_m) : episode.excess_m_max;
  return excessText(episode.rule, { metres, speedMps: speed, limitMps: episode.limit_mps });
}

/** The greatest excess in metres, without unit, never below the live one; empty where the rule has none. */
export function maxOf(episode: Episode, live: Live | null = null): string {
  if (episode.grade === "undecidable" || episode.excess_m_max === null) return "";
  return Math.max(0, episode.excess_m_max, seenExcess(episode, live) ?? 0).toFixed(2);
}

/** The present probability, or the highest of an ended episode: that of the closing version is near 0 and means nothing. */
export function probabilityOf(episode: Episode, live: Live | null = null): string {
  if (episode.grade_max === "undecidable") return "—";
  return probability(episode.open && !isReturning(episode, live) ? episode.p_violation : episode.p_violation_max);
}

/** The episode at its place; an ended one at the place of its decision, not where it was within the rule again. */
export function placed(episode: Episode): Episode {
  return episode.open || episode.decided === null ? episode : { ...episode, ...episode.decided, road_s_m: null };
}

/** The episode at its vehicle's station and lane if that is visible, else at the place of `placed`. */
export function whereShown(state: State, episode: Episode, live: Live | null): Episode {
  const { site } = state;
  if (live === null || site === null || Number.isNaN(live.s)) return placed(episode);
  if (Number.isNaN(live.u)) return { ...episode, s_m: live.s, road_s_m: null };
  const row = site.rows.find((x) => live.u >= x.offset_m[0] && live.u < x.offset_m[1]);
  const lane = row === undefined ? undefined : [...site.lanes.values()].find((x) => x.row === row.row);
  return { ...episode, s_m: live.s, road_s_m: null, lane: lane?.lane ?? null };
}

/** The K-number of the site's road, or that of the episode's own road with its name, where it has stakes of its own. */
export function stakeOf(state: State, episode: Episode): string {
  const own = episode.road_s_m;
  if (own === null || own === undefined) return station(episode.s_m);
  const road = episode.lane === null ? undefined : state.site?.lanes.get(episode.lane)?.road;
  return `${road === undefined ? "" : `${escape(road)} `}${station(own)}`;
}

export function placeOf(state: State, found: Episode, live: Live | null = null): string {
  const episode = whereShown(state, found, live);
  const lane = episode.lane === null ? undefined : state.site?.lanes.get(episode.lane);
  const row = lane?.row == null ? undefined : state.site?.rows.find((x) => x.row === lane.row);
  const direction = lane?.direction ?? (state.site === null || episode.s_m === null ? 0 : (homeRow(state.site, episode)?.direction ?? 0));
  const way = direction === 0 ? "" : ` ${t(direction < 0 ? "nb" : "sb")}`;
  const where = row !== undefined
    ? ` ${rowShort(row)}`
    : lane !== undefined
    ? ` ${t("ramp")}`
    : episode.zone !== null
    ? ` ${escape(episode.zone)}`
    : ` ${t("outside")}`;
  return `${stakeOf(state, episode)}${way}${where}`;
}

