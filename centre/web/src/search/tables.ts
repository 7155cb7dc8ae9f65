/** Tables and bars of the pages for search and statistics. Pure: they return HTML. */

import type { Episode } from "../api.ts";
import { byArrival } from "../arrival.ts";
import { stateWord } from "../desk/deskrow.ts";
import type { DeskState } from "../desk/model.ts";
import { clock, date, escape, kmh, ms } from "../format.ts";
import { markSvg } from "../icons.ts";
import { about, placeOf } from "../row.ts";
import { caseName } from "../rules.ts";
import type { State } from "../state.ts";
import { name, t } from "../words.ts";
import { goodsText, vehicleLink } from "./goods.ts";

export interface Found extends Episode {
  is_false?: boolean;
  handling?: DeskState | null;
  corrected?: string | null;
}

export function table(heads: readonly string[], rows: readonly (readonly string[])[], label: string): string {
  const head = heads.map((word) => `<th scope="col">${word}</th>`).join("");
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("");
  return `<table aria-label="${escape(label)}"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

export function stamp(ns: string | null | undefined): string {
  const at = ms(ns);
  return Number.isFinite(at) ? `${date(at)} ${clock(at)}` : "—";
}

/** One row of a list of violations: the start leads to the violation, the plate to the vehicle. */
export function violationRow(state: State, found: Found): string[] {
  const x = byArrival(found);
  const at = x.decided ?? x;
  const plate = x.vehicle?.plate ?? x.vehicle?.terminal ?? null;
  const corrected = x.corrected ? `<br><small>${t("qCorrected", { p: escape(x.corrected) })}</small>` : "";
  const most = x.excess_m_max === null
    ? (x.limit_mps === null ? "—" : `${kmh(at.speed_mps)} / ${kmh(x.limit_mps)} km/h`)
    : `${Math.max(0, x.excess_m_max).toFixed(2)} m`;
  const isFalse = x.is_false === true;
  const done = x.handling ? stateWord({ state: x.handling, is_false: isFalse }) : isFalse ? t("qFalse") : "";
  const words = [t(x.open ? "open" : "ended"), done, x.clock_unset === true ? t("clockUnsetS") : ""];
  return [
    `<a href="#v=${escape(x.id)}" data-testid="found">${about(x)}${stamp(x.start_ns)}</a>`,
    `<span class="g-${x.grade_max}">${markSvg(x.grade_max, 6, x.open)}</span>${name(x.grade_max)}`, escape(caseName(x)),
    `${plate === null ? t("unknown") : vehicleLink(plate)}${corrected}`,
    x.vehicle?.un ? `<span title="${escape(goodsText(x.vehicle.un))}">UN${escape(x.vehicle.un)}</span>` : "—",
    x.vehicle?.carrier ? carrierLink(x.vehicle.carrier) : "—", placeOf(state, x),
    rsuLink(x.esn), most, escape(words.filter((word) => word !== "").join(" · ")),
  ];
}

export function violationTable(state: State, rows: readonly Found[], label: string): string {
  const heads = [
    `${t("qBegan")} · UTC+8`, t("qGrade"), t("qRule"), t("qPlateShort"), "UN", t("qCarrier"), t("qPlace"), "RSU", t("qMost"), t("qState"),
  ];
  return table(heads, rows.map((x) => violationRow(state, x)), label);
}

export function carrierLink(carrier: string): string {
  return `<a class="carrier" title="${escape(carrier)}" href="#carrier=${escape(encodeURIComponent(carrier))}">${escape(carrier)}</a>`;
}

export function rsuHref(esn: string): string {
  return `#rsu=${escape(encodeURIComponent(esn))}`;
}

export function rsuLink(esn: string): string {
  return `<a href="${rsuHref(esn)}">${escape(esn)}</a>`;
}

const BAR_PX = 160; // all columns beside it at 1280 px

/** A horizontal bar: the whole, and the darker part of it. */
export function bar(part: number, rest: number, most: number): string {
  const px = (n: number): number => (most > 0 ? (n / most) * BAR_PX : 0);
  const [a, b] = [px(part), px(rest)];
  return `<svg class="bar" width="${BAR_PX}" height="12" aria-hidden="true"><rect width="${a.toFixed(1)}" height="12" fill="var(--truck)"/>`
    + `<rect x="${a.toFixed(1)}" width="${b.toFixed(1)}" height="12" fill="var(--lane)"/></svg>`;
}

export function percent(share: number | null, digits = 1): string {
  return share === null ? "—" : `${(share * 100).toFixed(digits)} %`;
}

/** A part of a screen: its title, its table, and what it is of. */
export function block(title: string, html: string, note = ""): string {
  return `<section class="block"><h3>${title} <span>${note}</span></h3>${html}</section>`;
}
