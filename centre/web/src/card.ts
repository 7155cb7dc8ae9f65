/** The selected episode: who, how far, how sure, its charts and its history. */

import type { Episode, EpisodeDetail, Version } from "./api.ts";
import { chartsSvg } from "./charts.ts";
import { deskLine, logLines, lossCard, trailLines } from "./desk/carddesk.ts";
import type { LogLine } from "./desk/carddesk.ts";
import { chipHtml, priorityDigit } from "./desk/deskrow.ts";
import { hasVersions } from "./desk/model.ts";
import { byName, escape, kmh, moment, ms, probability, station, withUnit } from "./format.ts";
import { markSvg } from "./icons.ts";
import { isAlarm, rank } from "./order.ts";
import {
  about, asOf, depthOf, isReturning, lastedOf, liveFor, maxOf, plateOf, plateShown,
  probabilityOf, shownGrade, stakeOf, whereShown,
} from "./row.ts";
import { caseName, faultName, limitOf, ruleView } from "./rules.ts";
import { rowName, wide } from "./strip.ts";
import type { State } from "./state.ts";
import { goodsText, vehicleLink } from "./search/goods.ts";
import { missingUpdates } from "./supervision.ts";
import { getLang, name, reason, t } from "./words.ts";
import { set } from "./written.ts";

const PLOT_PX_MIN = 120; // lower, its axes are cut
const LOG_VERSIONS = 6; // newest lines of the episode's own history

export function drawCard(el: HTMLElement, state: State): void {
  const episode = state.chosen;
  const loss = state.selected === null ? undefined : state.desk.losses.get(state.selected);
  if (loss !== undefined && state.connection !== "loading") {
    of(el, loss.id);
    set(el, lossCard(state, loss));
    return;
  }
  if (episode === null || state.site === null || state.connection === "loading") {
    const missing = state.selected !== null && state.details.get(state.selected) === "missing";
    of(el, "");
    set(el, `<div class="blank dim">${state.connection === "loading" ? "…" : missing ? t("notFound") : blankText(state)}</div>`);
    return;
  }
  if (el.dataset["id"] !== episode.id || el.querySelector(".plot") === null) {
    of(el, episode.id);
    set(el, '<div class="top"></div><div class="nums"></div><div class="plot" data-testid="charts"></div>'
      + '<div class="log" data-testid="trail" tabindex="0" role="group"></div>');
  }
  set(el.querySelector(".top")!, topHtml(state, episode));
  set(el.querySelector(".nums")!, numsHtml(state, episode));
  const detail = state.details.get(episode.id);
  const plot = el.querySelector<HTMLElement>(".plot")!;
  if (detail === undefined || detail === "loading" || detail === "missing") {
    set(plot, `<div class="blank dim">${t(hasVersions(episode.id) ? "loadingEvidence" : "noEvidence")}</div>`);
    set(el.querySelector(".log")!, logLines(trailLines(state, episode.id)));
    return;
  }
  const log = el.querySelector(".log")!;
  if (log.getAttribute("aria-label") !== t("trail")) log.setAttribute("aria-label", t("trail"));
  set(log, logHtml(state, episode, detail));
  const [w, h] = [plot.clientWidth, plot.clientHeight];
  set(plot, w > 0 && h > PLOT_PX_MIN ? chartsSvg(state.site, detail, w, h, state.nowMs()) : ""); // never a part of a chart
}

/** Note whose card it is: another one's begins at its top, where this one was scrolled. */
function of(el: HTMLElement, id: string): void {
  if (el.dataset["id"] === id) return;
  el.dataset["id"] = id;
  el.scrollTop = 0;
}

/** The card's words without an episode: its evidence is being fetched, a vehicle is followed, or nothing is chosen. */
function blankText(state: State): string {
  if (state.selected !== null) return t("loadingEvidence");
  return state.follow !== null ? followed(state) : t("select");
}

function followed(state: State): string {
  const { fleet } = state;
  const slot = fleet === null || state.follow === null ? -1 : fleet.slot(state.follow);
  if (fleet === null || slot < 0) return t("select");
  const plate = fleet.plate(slot);
  const presumed = byName(plate, fleet.nameP(slot)) === plate ? "" : ` ${t("presumed", { p: fleet.nameP(slot).toFixed(2) })}`;
  return `<p><b>${plate ? vehicleLink(plate) : t("unknown")}</b>${presumed}</p>`
    + `${station(fleet.s[slot])} · ${kmh(fleet.speed[slot]!)} km/h · ${t("sigma")} ${fleet.sigma[slot]!.toFixed(2)} m`
    + `<br>${t("select")}`;
}

function stateKey(state: State, episode: Episode): "logged" | "ended" | "returning" | "open" {
  if (!isAlarm(episode)) return "logged";
  if (!episode.open) return "ended";
  return isReturning(episode, liveFor(state, episode)) ? "returning" : "open";
}

function topHtml(state: State, episode: Episode): string {
  const { vehicle } = episode;
  const plate = plateShown(state, episode);
  const handling = state.desk.of(episode.id);
  const chip = `${chipHtml(state, episode.id, handling, episode)}<span class="dim">${t(stateKey(state, episode))}</span>`;
  const cls = vehicle?.hazmat_class ? `${vehicle.hazmat_class}${getLang() === "zh" ? " " : ""}${t("classN")}` : "";
  const joined = (parts: readonly string[]): string => parts.filter(Boolean).join(" · ");
  const [number, rest] = [joined([vehicle?.un ? `UN${vehicle.un}` : "", cls]), joined([goodsText(vehicle?.un), vehicle?.carrier ?? ""])];
  const un = vehicle === null
    ? ""
    : `<span class="un" title="${escape(joined([number, rest]))}">${escape(number)}<br><span class="dim">${escape(rest)}</span></span>`;
  const detail = state.details.get(episode.id);
  const first = typeof detail === "object" ? (detail.versions[0]?.reason ?? null) : null; // the last version may say how it ended
  const digit = isAlarm(episode) ? priorityDigit(handling) : "";
  const stated = handling.plate === null ? plate : `${plate} (${plateOf(episode)})`;
  return `<div class="cardtop g-${shownGrade(episode)}">${markSvg(shownGrade(episode), 9, state.isUnseen(episode), digit)}`
    + `<span class="gw">${name(shownGrade(episode))} · ${escape(caseName(episode, first))}</span>${chip}`
    + `<span class="pl" title="${escape(stated)}">${vehicle === null ? escape(plate) : vehicleLink(plate)}</span>${un}</div>`
    + (isAlarm(episode) ? `<div class="asof desk" data-testid="card-desk">${deskLine(state, episode.id)}</div>` : "")
    + terminalHtml(episode) + unsetHtml(state, episode)
    + `${episode.open ? `<div class="asof" data-testid="card-as-of">${asOfHtml(state, episode)}</div>` : ""}`;
}

/** What the terminal's own alarms say of the episode; nothing where it has none. */
function terminalHtml(episode: Episode): string {
  const says = episode.terminal_alarm;
  return says == null ? "" : `<div class="asof" data-testid="card-terminal">${t(says ? "terminalAlarm" : "terminalSilent")}</div>`;
}

/** Where the RSU's clock was never set: what the times below are. */
function unsetHtml(state: State, episode: Episode): string {
  if (episode.clock_unset !== true) return "";
  const words = t("clockUnsetCard", { t: moment(ms(episode.received_ns), state.nowMs()) });
  return `<div class="asof" data-testid="card-clock-unset"><b>▲ ${t("clockUnset")}</b> · ${words}</div>`;
}

/** The time of the numbers below: a visible vehicle's are live, as in the close-up; the others come with each version. */
function asOfHtml(state: State, episode: Episode): string {
  const why = missingUpdates(state, episode);
  const values = t(liveFor(state, episode) === null ? "lastValues" : "liveValues", { t: moment(asOf(episode), state.nowMs()) });
  return why === "" ? values : `<b>▲ ${why}</b> · ${values}`;
}

/** The highest speed of all versions and their evidence, from start to end [m/s]; NaN before the versions are loaded. */
function peakMps(detail: EpisodeDetail | undefined | "loading" | "missing"): number {
  if (typeof detail !== "object") return NaN;
  let peak = NaN;
  const note = (atMs: number, speed: unknown, version: Version): void => {
    const within = atMs >= ms(version.start_ns) && atMs <= ms(detail.episode.end_ns ?? version.stamps.measured_ns);
    if (within && typeof speed === "number" && !(speed <= peak)) peak = speed;
  };
  for (const version of detail.versions) {
    note(ms(version.stamps.measured_ns), version.speed_mps, version);
    const { stamp_ns: stamps, speed_mps: speeds } = version.evidence ?? {};
    if (Array.isArray(stamps) && Array.isArray(speeds)) stamps.forEach((stamp, i) => note(ms(stamp as string), speeds[i], version));
  }
  return peak;
}

function numsHtml(state: State, found: Episode): string {
  const live = liveFor(state, found);
  const episode = whereShown(state, found, live);
  const peak = episode.open ? NaN : peakMps(state.details.get(episode.id));
  const lane = episode.lane === null ? undefined : state.site!.lanes.get(episode.lane);
  const row = lane?.row == null ? undefined : state.site!.rows.find((x) => x.row === lane.row);
  const where = lane === undefined
    ? (episode.zone ?? t("outside"))
    : `${lane.direction === 0 ? "" : `${t(lane.direction < 0 ? "nb" : "sb")} · `}${row === undefined ? t("ramp") : rowName(row)}`;
  const back = isReturning(episode, live);
  const [speed, sigma] = [Number.isNaN(peak) ? (live?.speedMps ?? episode.speed_mps) : peak, live?.sigmaM ?? episode.sigma_d_m];
  const limit = episode.limit_mps === null ? "" : ` · ${t("limit")} ${kmh(episode.limit_mps)}${escape(limitOf(episode.limit_of))}`;
  const list: [string, string][] = [
    [
      maxOf(episode) === "" ? t("excess") : `${t("excess")} · ${t("max")}${episode.open && !back ? ` ${maxOf(episode, live)}` : ""}`,
      withUnit(depthOf(state, episode, live)),
    ],
    [t("lasted"), withUnit(lastedOf(episode))],
    [t("probS"), probabilityOf(episode, live)],
    [`${t("speed")}${Number.isNaN(peak) ? "" : ` · ${t("max")}`}${limit}`, `${kmh(speed)}<small>km/h</small>`],
    [t("sigma"), sigma === null ? "—" : `${sigma.toFixed(2)}<small>m</small>`],
    [escape(where), stakeOf(state, episode)],
  ];
  return list.map(([key, value]) => `<div><div class="k">${key}</div><div class="x">${value}</div></div>`).join("");
}

/** The history, from the versions and from what people did: opening, higher grades, handovers, end. */
function logHtml(state: State, episode: Episode, detail: EpisodeDetail): string {
  const lines: LogLine[] = [];
  const add = (atMs: number, digits: number, what: string): void => {
    lines.push([atMs, `<span class="q">${about(episode)}${moment(atMs, state.nowMs(), digits)}</span> ${escape(what)}`]);
  };
  detail.versions.forEach((version, i) => {
    const before: Version | undefined = detail.versions[i - 1];
    const at = ms(version.stamps.measured_ns);
    const opened = [t(ruleView(version.rule).opened), faultName(version.reason)].filter(Boolean);
    if (before === undefined) add(ms(version.start_ns), 1, opened.join(" · "));
    if (before === undefined ? version.grade !== "notice" : rank(version.grade) > rank(before.grade)) {
      add(at, 1, `${t("upTo")}${getLang() === "en" ? " " : ""}${name(version.grade)}`);
    }
    if (before !== undefined && version.hop > before.hop) {
      add(at, 1, `${t("ownerTo")} ${wide() ? `${before.esn} ` : ""}→ ${version.esn}${getLang() === "zh" ? "，" : ", "}${t("sameId")}`);
    }
    if (version.phase === "close") {
      add(ms(version.end_ns), 1, `${t("closed")}${version.reason ? ` · ${reason(version.reason)}` : ""}`);
    }
  });
  const identity = episode.vehicle === null
    ? `<span class="q">${t("identity")}</span> ${t("unknown")}`
    : `<span class="q">${t("identity")} P</span> <b>${probability(episode.identity_p)}</b>`;
  const latency = episode.latency_ms === null
    ? ""
    : ` <span class="q" title="${t("arrivedToCommit")}">·</span> ${episode.latency_ms.toFixed(0)} ms`;
  const link =
    `<span class="q">${t("event")}</span> `
      + `<a href="#v=${escape(episode.id)}">${escape(episode.id.slice(0, 4))}…${escape(episode.id.slice(-4))}</a> v${episode.version} `
      + `<span class="q">· ${escape(episode.esn)}</span>`
      + latency;
  return `${logLines([...lines.slice(-LOG_VERSIONS), ...trailLines(state, episode.id)])}<div>${identity}</div><div>${link}</div>`;
}
