/** What the list says besides its rows: heads of sections, the words of an empty list and of one that is loading. */

import { canUnfold } from "./order.ts";
import type { Ranked, Section, SectionKey } from "./order.ts";
import { moment, ms } from "./format.ts";
import { unseen } from "./desk/alarms.ts";
import { judgeableM } from "./site.ts";
import type { State, Step } from "./state.ts";
import { stretches, t } from "./words.ts";

/** The section's word, how many episodes it has, and how many of the recorded ones are still open. */
export function headHtml(section: Section, leafing: boolean): string {
  const { total, ids } = section;
  const open = section.key === "secRecord" && section.open > 0 ? ` <span>${t("openN")} ${section.open}</span>` : "";
  const of = total > ids.length && canUnfold(section) && !leafing ? ` <span>${t("newest")} ${ids.length}</span>` : "";
  return `${t(section.key)} ${total}${open}${of}`;
}

/** What the centre counts; needed only where this page has not loaded all. What waits for somebody is loaded in full. */
export function totalsOf(state: State, ranked: ReadonlyMap<string, Ranked>): Partial<Record<SectionKey, number>> {
  const counted = state.summary?.sections;
  if (state.complete || counted === undefined) return {};
  let waiting = 0;
  for (const x of ranked.values()) {
    if (!x.open && x.section !== "secClosed" && x.section !== "secRecord" && state.episodes.has(x.id)) waiting++;
  }
  const found = { secClosed: Math.max(0, counted.ended - waiting), secRecord: counted.record };
  if (!state.desk.cut) return found;
  let fresh = 0;
  for (const x of ranked.values()) if (x.section === "secNew") fresh++;
  return { ...found, secUnseen: Math.max(0, unseen(state).all - fresh) };
}

export function emptyHtml(state: State): string {
  if (state.site === null || state.summary === null) return "";
  if (state.connection === "disconnected") {
    return `<p><b>${t("emptyTitle")}</b></p><p class="dim">${t("frozen")} ${moment(state.viewMs(), state.nowMs())}</p>`;
  }
  const length = state.site.to - state.site.from;
  const good = judgeableM(state.site, state.hatches);
  const lastMs = ms(state.summary.last_alarm_ns);
  const lengths = { n: state.summary.hazmat, a: (good / 1_000).toFixed(1), b: (length / 1_000).toFixed(2) };
  return `<p><b>${t("emptyTitle")}</b></p><p class="dim">${t("emptyJudging", lengths)}<br>
    ${t("emptyNot", { n: stretches(state.hatches.length), a: ((length - good) / 1_000).toFixed(1) })}<br>
    ${Number.isFinite(lastMs) ? t("emptyLast", { t: moment(lastMs, state.nowMs()) }) : t("emptyNone")}</p>`;
}

export function loadingHtml(state: State): string {
  const steps: [Step, string][] = [
    ["site", t("loadSite")], ["map", t("loadMap")], ["list", t("loadList")], ["rsus", t("loadRsus")], ["vehicles", t("loadVehicles")],
  ];
  const lines = steps.map(([step, word]) => `${state.steps.has(step) ? "✓" : "…"} ${word}`).join("<br>");
  return `<p><b>${t("loadTitle")}</b></p><p class="dim">${lines}</p><p class="dim">${t("loadNote")}</p>`;
}
