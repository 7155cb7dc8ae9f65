/** The footer: how the alarms burden those who handle them, against EEMUA 191, and whether violations are delivered. */

import { escape } from "../format.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import { set } from "../written.ts";

const BINS = 12;
const COMFORT = 6; // alarms per operator and hour that one can handle well (EEMUA 191)
const BAR_PX = 92;

export function drawFooter(el: HTMLElement, state: State): void {
  const dash = state.connection === "loading";
  const s = state.summary ?? undefined;
  const value = (x: number | string | null | undefined): string => (dash || x === undefined || x === null ? "—" : String(x));
  const bad = (x: number | undefined): string =>
    `<b class="${!dash && (x ?? 0) > 0 ? "bad" : ""}">${!dash && (x ?? 0) > 0 ? "▲ " : ""}${value(x)}</b>`;
  const alarms = `<span class="wide">${t("footHour")} <b>${value(s?.alarms.last_hour)}</b></span>`;
  const delivery = `<span>${t("footMissing")} ${bad(s?.missing)}</span>`
    + `<span><a href="#quarantine" data-testid="quarantined">${t("footQuarantine")} ${bad(s?.quarantined)}</a></span>`
    + `<span class="wide">${t("footOutbox")} <b>${value(s?.outbox_depth)}</b></span>`
    + `<span class="wide">${t("footStored")} <b>${value(s?.total)}</b></span>`;
  const versions = state.site === null
    ? ""
    : `${t("mapW")} ${escape(state.site.body.map_version)} · ${t("rulesW")} ${escape(state.site.body.rules_version)}`;
  // what is needed least comes last: it drops first where there is no room
  set(el, `<span class="head">${t("health")}</span>${healthHtml(state, dash)}${alarms}
    <span class="head">${t("footDelivery")}</span>${delivery}
    <span class="bars wide">${barsHtml(state, dash)}</span>
    <span class="end wide"><span>${versions}</span></span>`);
}

/** The desk's figures: what is beyond its limit has a triangle, and the bar a mark at the comfort limit. */
function healthHtml(state: State, dash: boolean): string {
  const desk = state.summary?.desk;
  const flood = state.desk.settings?.flood ?? { n: 10, minutes: 10 };
  const perHour = dash || desk === undefined || desk.per_operator_hour === null ? NaN : desk.per_operator_hour;
  const figure = (word: string, text: string, over: boolean, more = ""): string =>
    `<span>${word} <b>${over ? "▲ " : ""}${text}</b>${more === "" ? "" : ` <span class="dim">${more}</span>`}</span>`;
  const count = (x: number | undefined): string => (dash || x === undefined ? "—" : String(x));
  const mean = desk?.ack_s_mean;
  const share = desk?.false_share_7d;
  const last10 = desk?.last_10_min ?? state.summary?.alarms.last_10_min;
  return figure(t("perHour"), Number.isNaN(perHour) ? "—" : perHour.toFixed(perHour < 10 ? 1 : 0), perHour > COMFORT)
    + `<span class="comfort">${barHtml(perHour)}<span class="dim wide">${t("comfort", { n: COMFORT })}</span></span>`
    + figure(t("last10"), count(last10), !dash && (last10 ?? 0) >= flood.n, t("floodMark", { n: flood.n }))
    + figure(t("chattering"), count(desk?.chattering), !dash && (desk?.chattering ?? 0) > 0)
    + figure(t("ackMean"), dash || mean == null ? "—" : `${mean.toFixed(0)} s`, false)
    + figure(t("false7"), dash || share == null ? "—" : `${(share * 100).toFixed(1)} %`, false);
}

function barHtml(perHour: number): string {
  const px = Number.isNaN(perHour) ? 0 : Math.min(BAR_PX, (perHour / (2 * COMFORT)) * BAR_PX);
  return `<svg width="${BAR_PX}" height="16" aria-hidden="true"><rect x="0.5" y="4.5" width="${BAR_PX - 1}" height="7" class="frame"/>`
    + `<rect x="0" y="4" width="${px.toFixed(1)}" height="8" fill="var(--tx)"/>`
    + `<line x1="${BAR_PX / 2}" y1="1" x2="${BAR_PX / 2}" y2="15" class="sl"/></svg>`;
}

function barsHtml(state: State, dash: boolean): string {
  const bins = state.summary?.alarms.per_10_min ?? new Array<number>(BINS).fill(0);
  const top = Math.max(5, ...bins);
  const bars = bins.map((n, i) => {
    const height = (n / top) * 18;
    return `<rect x="${i * 7 + 1}" y="${(21 - height).toFixed(1)}" width="5" height="${height.toFixed(1)}" fill="var(--truck)"/>`;
  }).join("");
  const width = BINS * 7 + 4;
  return `<span class="dim">${t("footBars")}</span><svg width="${width}" height="24" role="img" aria-label="${t("footBars")}">`
    + `<line x1="0" y1="21.5" x2="${width}" y2="21.5" class="ax"/>${dash ? "" : bars}</svg>`;
}
