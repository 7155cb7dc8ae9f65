/** What a row of the list says, cell by cell: which, where, how far, how long, how sure, and as of when. */

import type { Episode, Grade } from "./api.ts";
import { age, clock, escape, ms, probability, span, station, withUnit } from "./format.ts";
import { markSvg } from "./icons.ts";
import { isAlarm } from "./order.ts";
import { excessText, ruleName } from "./rules.ts";
import { homeRow } from "./site.ts";
import { isLate } from "./state.ts";
import type { State } from "./state.ts";
import { rowShort } from "./strip.ts";
import { isUnheard, lossOf, standstill } from "./supervision.ts";
import { liveOf, seenExcess, showsExcess } from "./where.ts";
import type { Live } from "./where.ts";
import { name, t } from "./words.ts";

const BACK_P = 0.5; // less likely broken than not

export const CELLS =
  '<div class="gr"></div><div></div><div></div><div class="r"></div><div class="r"></div><div class="r"></div><div class="note"></div>';

export function cellsHtml(state: State, episode: Episode): string[] {
  const { vehicle } = episode;
  const plate = plateOf(episode);
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
  const chip = state.isNew(episode)
    ? `<span class="chip">${t("new")}</span>`
    : isLate(episode)
    ? `<span class="chip late">${t("lateMark")}</span>`
    : "";
  const startMs = ms(episode.start_ns);
  return [
    `<div>${markSvg(grade, 6, episode.open)}${name(`${grade}S`)}</div><i>${clock(startMs)}</i>`,
    `<span class="p" title="${escape(plate)}">${escape(plate)}</span><i>${escape(un)}</i>`,
    `<span class="rl">${escape(ruleName(episode.rule))}</span><i>${placeOf(state, episode, live)}</i>`,
    `<span class="a">${withUnit(depth)}</span><i>${depth === "—" || most === "" ? "&nbsp;" : now ? `${t("max")} ${most}` : t("max")}</i>`,
    `<span class="a">${withUnit(lastedOf(episode))}</span><i>${probabilityOf(episode, live)}</i>`,
    `<div class="when">${chip}<span class="a">${age((state.nowMs() - startMs) / 1_000)}</span></div>`
      + `<i>${stateWord(state, episode, live)}</i>`,
    noteHtml(state, episode),
  ];
}

/** What of an episode is shown live: all that moves, or nothing, so that one "as of" holds for the rest. */
export function liveFor(state: State, episode: Episode): Live | null {
  const live = lossOf(state, episode) === null ? liveOf(state, episode) : null;
  return showsExcess(episode) && seenExcess(episode, live) === null ? null : live;
}

/** The state of an episode; for an open one the time of the numbers that arrive with its versions, every 5 s at most. */
function stateWord(state: State, episode: Episode, live: Live | null): string {
  if (!episode.open) return t(isAlarm(episode) ? "ended" : "logged");
  const loss = lossOf(state, episode);
  if (loss !== null) return t(loss.kind === "rsu" ? "rsuOff" : "noUpdate");
  if (isUnheard(state, episode)) return t("noUpdate");
  return isReturning(episode, live) ? t("returning") : t(live !== null ? "pAsOf" : "asOf", { t: clock(asOf(episode)) });
}

/** Why an open episode gets no updates, and since when; empty if it gets them. */
function noteHtml(state: State, episode: Episode): string {
  const why = standstill(state, episode);
  return why === "" ? "" : `▲ ${why} · ${t("lastValues", { t: clock(asOf(episode)) })}`;
}

export function plateOf(episode: Episode): string {
  return episode.vehicle?.plate ?? episode.vehicle?.terminal ?? t("unknown");
}

/** The grade that an open one has now, and the highest that an ended one had: its closing version's says nothing. */
export function shownGrade(episode: Episode): Grade {
  return episode.open ? episode.grade : episode.grade_max;
}

/** Of when the numbers of the shown version are [ms]. */
export function asOf(episode: Episode): number {
  return ms(episode.stamps.measured_ns);
}

/** Back within the rule, but not yet for long enough to have ended: as its vehicle is seen, else as its version says. */
export function isReturning(episode: Episode, live: Live | null = null): boolean {
  if (!episode.open || !isAlarm(episode) || episode.grade === "undecidable") return false;
  const seen = seenExcess(episode, live);
  return seen !== null ? seen === 0 : episode.p_violation < BACK_P && !((episode.excess_m ?? 0) > 0);
}

/** How long the rule was broken; of an open one how long at least: it was seen so, and what came since is not known yet. */
export function lastedOf(episode: Episode): string {
  const end = ms(episode.end_ns ?? episode.last_violating_ns ?? episode.stamps.measured_ns);
  return `${episode.open ? "≥" : ""}${span((end - ms(episode.start_ns)) / 1_000)}`;
}

/** How far beyond the rule it is now (`live`, else the version), or was at most once it has ended, in the rule's own unit. */
export function depthOf(state: State, episode: Episode, live: Live | null = null): string {
  if (episode.grade === "undecidable" || state.site === null) return "—";
  const now = episode.open && !isReturning(episode, live);
  const speed = live?.speedMps ?? episode.speed_mps;
  if (!now && episode.excess_m_max === null) return "—"; // the speed of a version that is back is no excess
  const metres = now ? (seenExcess(episode, live) ?? episode.excess_m) : episode.excess_m_max;
  return excessText(episode.rule, { metres, speedMps: speed, limitMps: episode.limit_mps });
}

/** The deepest excess in metres, without unit, never below what is seen; empty where the rule has none. */
export function maxOf(episode: Episode, live: Live | null = null): string {
  if (episode.grade === "undecidable" || episode.excess_m_max === null) return "";
  return Math.max(0, episode.excess_m_max, seenExcess(episode, live) ?? 0).toFixed(2);
}

/** How sure it is, or was at most once it has ended: the closing version's own is near 0 and says nothing. */
export function probabilityOf(episode: Episode, live: Live | null = null): string {
  if (episode.grade_max === "undecidable") return "—";
  return probability(episode.open && !isReturning(episode, live) ? episode.p_violation : episode.p_violation_max);
}

/** The episode at the place that counts: where it is; once it has ended where it was decided, not where it was legal again. */
export function placed(episode: Episode): Episode {
  return episode.open || episode.decided === null ? episode : { ...episode, ...episode.decided };
}

/** The episode at its vehicle's station and lane where that is seen, else at the place that counts. */
export function standing(state: State, episode: Episode, live: Live | null): Episode {
  const { site } = state;
  if (live === null || site === null || Number.isNaN(live.s)) return placed(episode);
  if (Number.isNaN(live.u)) return { ...episode, s_m: live.s };
  const row = site.rows.find((x) => live.u >= x.offset_m[0] && live.u < x.offset_m[1]);
  const lane = row === undefined ? undefined : [...site.lanes.values()].find((x) => x.row === row.row);
  return { ...episode, s_m: live.s, lane: lane?.lane ?? null };
}

export function placeOf(state: State, found: Episode, live: Live | null = null): string {
  const episode = standing(state, found, live);
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
  return `${station(episode.s_m)}${way}${where}`;
}

