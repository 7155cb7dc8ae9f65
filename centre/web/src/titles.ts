/** The titles of the strips and the map, and the names that a screen reader gives to drawings and parts of the page. */

import { describeWindow } from "./access/window_keys.ts";
import { station } from "./format.ts";
import { closeTitle } from "./mapview.ts";
import { judgeableM } from "./site.ts";
import type { State } from "./state.ts";
import { stretches, t } from "./words.ts";
import { set } from "./written.ts";

const $ = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;

export function drawTitles(state: State, trucksInDetail: number, wholeMoved: boolean): void {
  const { site } = state;
  const dash = state.connection === "loading" || site === null;
  const length = site === null ? 0 : (site.to - site.from) / 1_000;
  const unjudged = site === null ? 0 : length - judgeableM(site, state.hatches) / 1_000;
  const small = innerWidth <= 1600;
  // of a replayed moment that is still being read nothing is known
  const unknown = dash || state.rsus.size === 0;
  const hatched = unknown ? "—" : `${stretches(state.hatches.length)} ${unjudged.toFixed(1)} km`;
  set(
    $("#over h2"),
    `${t("whole")} <span>${dash ? "—" : `${length.toFixed(2)} km`} · ${t("northUp")}</span>`
      + `<span class="end">${t("legendTruck")}　${t(small ? "legendOtherShort" : "legendOther")}　▨ ${t("undecidable")} ${hatched}</span>`
      + (Number.isNaN(state.replayMs) ? "" : `<span class="replayed">${t("replayMark")}</span>`),
  );
  set(
    $("#focus h2"),
    `${t("detail")} <span>${station(state.windowFrom)} – ${station(state.windowFrom + state.windowM)}</span>`
      + `<span title="${t("legendPresumed")}">${t("scale")} · ${t("drawn")}${small ? "" : ` · ${t("legendPresumed")}`}</span>`
      + `<span class="end">${small ? "[ ]" : t("pan")}　${dash ? "—" : trucksInDetail} ${t("trucks")}</span>`,
  );
  set($("#map h2"), `${t("map")} ${small ? "" : `<span>${t("sameTurn")}</span>`}<span class="end">${dash ? "" : closeTitle(state)}</span>`);
  for (
    const [selector, word] of [
      ["#over canvas", t("whole")], ["#focus canvas", t("detail")], ["#whole > canvas", t("map")], ["#close > canvas", t("closeUp")],
      ["#whole .gl canvas", t("map")], ["#list", t("list")], ["#card", t("cardOf")],
    ] as const
  ) {
    const el = document.querySelector(selector); // MapLibre adds its own canvas later, with an English label
    if (el !== null && el.getAttribute("aria-label") !== word) el.setAttribute("aria-label", word);
  }
  describeWindow($<HTMLCanvasElement>("#over canvas"), state);
  const fit = $<HTMLButtonElement>("#whole > button");
  fit.hidden = !wholeMoved;
  if (fit.textContent !== t("fit")) fit.textContent = t("fit");
}
