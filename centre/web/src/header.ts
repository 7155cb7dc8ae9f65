/** Header, banner and footer: the state of the link and the figures of the whole road. */

import { openAlarms } from "./desk/alarms.ts";
import { dutyHtml, muteHtml, soundHtml, waitingHtml } from "./desk/boxes.ts";
import { exerciseBanner } from "./desk/exercise.ts";
import type { Ring } from "./desk/ring.ts";
import { clock, date, escape, moment, span, weekday } from "./format.ts";
import { markSvg } from "./icons.ts";
import { isAlarm } from "./order.ts";
import { judgeableM } from "./site.ts";
import { HAZMAT } from "./snapshot.ts";
import type { State } from "./state.ts";
import { lossOf, nobodyWatches, sinceWord } from "./supervision.ts";
import { getLang, pick, reason, t } from "./words.ts";
import { set, setKeyed } from "./written.ts";

const DAYS = { zh: ["日", "一", "二", "三", "四", "五", "六"], en: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] };

/** Vehicles that are drawn as live, hollow ones not counted; while the link is down, those of the frozen picture. */
function countVehicles(state: State): { trucks: number; others: number } {
  const { fleet } = state;
  const frozen = state.connection === "disconnected";
  let [trucks, others] = [0, 0];
  for (let i = 0; fleet !== null && i < fleet.nLive; i++) {
    const slot = fleet.live[i]!;
    if (fleet.stale[slot] === 1 && !frozen) continue;
    if (fleet.kind[slot] === HAZMAT) trucks++;
    else others++;
  }
  return { trucks, others };
}

const HEADER =
  `<div class="site"></div><div class="drops"><div></div><div data-testid="link"></div><div data-testid="waiting"></div>
  <div></div><div data-testid="trucks"></div><div class="wide" data-testid="open"></div><div class="mid"></div>
  <div class="wide"></div><div class="wide"></div></div>
  <div class="soundbox"><button type="button" class="boxed" data-do="sound" data-testid="sound"></button></div>
  <div class="dutybox"><button type="button" class="boxed" data-do="shift" data-testid="duty"></button></div>
  <div class="ctl"><button type="button" data-do="mute" data-testid="mute"></button><button type="button" data-do="search"></button>
  <button type="button" data-do="board"></button><button type="button" data-do="lang"></button>
  <button type="button" data-do="theme"></button></div><div class="who" data-testid="who"></div>`;
const BANNER = '<div></div><button type="button" data-do="retry"></button>';

export function drawHeader(el: HTMLElement, state: State, ring: Pick<Ring, "current" | "mutedMs">): void {
  const lang = getLang();
  const { site, summary } = state;
  const now = state.nowMs();
  const num = (html: string): string => (state.connection === "loading" ? "—" : `<span class="num row">${html}</span>`);
  const box = (key: string, html: string): string => `<span class="k">${key}</span><span class="x row">${html}</span>`;
  const open = openAlarms(state);
  const day = lang === "zh" ? `星期${DAYS.zh[weekday(now)]}` : DAYS.en[weekday(now)];
  const rsus = [...state.rsus.values()];
  const length = site === null ? 0 : site.to - site.from;
  const seen = state.steps.has("vehicles") && (!state.late.all || state.connection === "disconnected") ? countVehicles(state) : null;
  const p99 = summary === null ? null : summary.latency.p99_ms;
  el.dataset["lang"] = lang;
  set(el, HEADER); // written once: the buttons keep the focus, and a press of more than a second still ends on its button
  // on a narrow screen, where a replay's two times need the room, that the map is made up comes first
  const kind = site?.body.synthetic === true ? `<span class="wide">${t("mapped")} · </span>${t("synthetic")}` : t("mapped");
  const title =
    `<h1 class="title">${escape(site === null ? "petroroad" : pick(site.title.zh, site.title.en))}</h1>`
      + `<span class="k">${site === null ? "" : kind}</span>`;
  const boxes = [ // what is needed least comes last: it drops first where there is no room
    Number.isNaN(state.replayMs)
      ? `<span class="k">${date(now)} ${day} · UTC+8</span><span class="clock" data-testid="clock">${clock(now)}</span>`
      : replayedClock(state.replayMs, now),
    box(t("link"), connectionHtml(state)),
    box(t("unacked"), num(waitingHtml(state))),
    box(t("rsuOnline"), num(`${rsus.filter((x) => x.state === "online" && !x.stale).length}<small>/${rsus.length}</small>`)),
    box(t("trucks"), num(seen === null ? "—" : String(seen.trucks))),
    box(t("openN"), num(String(open.all))),
    box(t("judgeable"), num(site === null ? "—" : `${((judgeableM(site, state.hatches) / length) * 100).toFixed(1)} %`)),
    box(t("others"), num(seen === null ? "—" : String(seen.others))),
    box(
      t("latency99"),
      num(
        `${p99 === null ? "—" : `${p99.toFixed(0)}<small>ms</small>`}`
          + `<small title="${t("deferredN", { n: summary?.latency.deferred ?? 0 })}">n ${summary?.latency.n ?? 0}</small>`
      ),
    ),
  ];
  set(el.querySelector(".site")!, title);
  const shown = el.querySelector(".drops")!.children;
  boxes.forEach((html, i) => set(shown[i]!, html));
  const sound = ring.current;
  set(el.querySelector('[data-do="sound"]')!, box(t("sound"), soundHtml(sound, ring.mutedMs)));
  set(el.querySelector('[data-do="shift"]')!, box(t("duty"), dutyHtml(state)));
  setKeyed(el.querySelector('[data-do="mute"]')!, muteHtml(sound, ring.mutedMs), "M");
  setKeyed(el.querySelector('[data-do="board"]')!, t(location.hash === "#journeys" ? "toRoad" : "board"), "B");
  setKeyed(el.querySelector('[data-do="search"]')!, t("qSearch"), "/");
  const toLang = el.querySelector<HTMLElement>('[data-do="lang"]')!;
  toLang.lang = lang === "zh" ? "en" : "zh";
  setKeyed(toLang, lang === "zh" ? "English" : "中文", "L");
  setKeyed(el.querySelector('[data-do="theme"]')!, t(state.theme === "dark" ? "light" : "dark"), "T");
}

/** The replayed time, with the word for it, and the present time beside it. */
function replayedClock(thenMs: number, nowMs: number): string {
  return `<span class="k"><b>${t("replayMark")}</b> ${date(thenMs)} · ${t("replayNow", { t: clock(nowMs) })}</span>`
    + `<span class="clock replayed" data-testid="clock">${clock(thenMs)}</span>`;
}

function connectionHtml(state: State): string {
  switch (state.connection) {
    case "loading": return t("loading");
    case "disconnected": return `${markSvg("violation", 5, true)}${t("lost")} ${lostFor(state)}`;
    case "stale": if (state.losses.length > 0 || nobodyWatches(state)) return `${markSvg("warning", 5, true)}${lossWord(state)}`;
      return `${markSvg("warning", 5, true)}${t("late")}${state.late.ageS > 0 ? ` ${aged(state.late.ageS)}` : ""}`;
    case "live": return `<svg width="12" height="12" aria-hidden="true">`
      + `<rect x="1" y="1" width="10" height="10" fill="var(--veh)"/></svg>${t("live")}`
      + `${state.steps.has("vehicles") ? ` ${aged(Math.max(0.1, state.late.ageS))}` : ""}`;
  }
}

function lossWord(state: State): string {
  const rsus = state.losses.filter((x) => x.kind === "rsu");
  const [first] = state.losses;
  if (first?.kind === "broker" || first?.kind === "database") return t(first.kind === "broker" ? "brokerOff" : "databaseOff");
  if (nobodyWatches(state)) return t("noRsu");
  if (rsus.length === 0 && first?.never === true) return t("gatewayNever", { r: escape(first.id) });
  return rsus.length > 1 ? `RSU ${t("nOff", { n: rsus.length })}` : `${escape(state.losses.at(-1)!.id)} ${t("offline")}`;
}

function aged(s: number): string {
  return s < 60 ? `${s.toFixed(1)} s` : span(s);
}

function lostFor(state: State): string {
  const s = (performance.now() - state.lostSinceMs) / 1_000;
  return s < 60 ? `${Math.max(0, s).toFixed(0)} s` : span(s);
}

export function drawBanner(el: HTMLElement, state: State): void {
  set(el, BANNER);
  const warnings = state.connection === "disconnected" || state.connection === "loading" ? "" : exerciseBanner(state) + warningsHtml(state);
  el.toggleAttribute("data-warns", warnings !== "");
  set(el.firstElementChild!, bannerHtml(state) + warnings);
  const retry = el.querySelector<HTMLElement>("button")!;
  retry.hidden = state.connection !== "disconnected";
  setKeyed(retry, t("retryNow"), "R");
}

function bannerHtml(state: State): string {
  if (state.connection === "disconnected") {
    const wait = (state.nextTryMs - performance.now()) / 1_000;
    return `<b>■ ${t("lostTitle", { t: lostFor(state) })}</b><span>${t("lostText", { t: moment(state.viewMs(), state.nowMs()) })}</span>
      <span>${state.attempt > 0 ? t("lostRetry", { n: state.attempt }) : ""}${
        wait > 0
          ? `${getLang() === "zh" ? "，" : ", "}${t("retryIn", { t: `${Math.ceil(wait)} s` })}`
          : `${state.attempt > 0 ? (getLang() === "zh" ? "，" : ", ") : ""}${t("retrying")}…`
      }</span>`;
  }
  if (state.connection !== "stale") return "";
  const loss = lossHtml(state);
  if (loss !== "") return loss;
  const { esns, ageS } = state.late;
  const age = aged(ageS);
  const online = [...state.rsus.values()].some((x) => x.state === "online" && !x.stale);
  const title = !state.steps.has("vehicles") || ageS === 0
    ? t("staleNone")
    : state.late.all || esns.length > 4
    ? t("staleAll", { t: age })
    : t("staleTitle", { r: escape(esns.join(getLang() === "zh" ? "、" : ", ")), t: age });
  const arriving = t(online ? "staleArrive" : "staleOff");
  return `${markSvg("warning", 6, true)}<b>${title}</b><span class="dim">${t("staleText")} ${arriving}</span>`;
}

/** What an operator must look after, though it works; empty where there is nothing. */
function warningsHtml(state: State): string {
  const comma = getLang() === "zh" ? "、" : ", ";
  const colon = getLang() === "zh" ? "：" : ": ";
  return (state.summary?.warnings ?? []).map((x) => {
    const names = x.parts.join(comma) + (x.n > x.parts.length ? ` +${x.n - x.parts.length}` : "");
    const about = [names, x.detail].filter((word) => word !== "").join(" · ");
    return `<span data-testid="warning" data-kind="${escape(x.kind)}" title="${escape(about)}">▲ <b>${escape(reason(x.kind))}</b>${
      about === "" ? "" : `${colon}${escape(about)}`
    }</span>`;
  }).join("");
}

/** The units that are off, and since when; empty where none is. */
function lossHtml(state: State): string {
  const comma = getLang() === "zh" ? "、" : ", ";
  const parts: string[] = [];
  const since = (x: { sinceMs: number }): string => sinceWord(x.sinceMs, state.nowMs());
  const rsus = state.losses.filter((x) => x.kind === "rsu");
  for (const x of state.losses) {
    if (x.kind === "broker" || x.kind === "database") {
      const why = x.kind === "broker" && x.id !== "" ? `${getLang() === "zh" ? "：" : ": "}${escape(x.id)}` : "";
      parts.push(t(x.kind === "broker" ? "lossBroker" : "lossDatabase", { r: escape(x.id), t: since(x) }) + why);
    }
  }
  const first = sinceWord(Math.min(...rsus.map((x) => x.sinceMs)), state.nowMs());
  const seen = [...state.rsus.values()].filter((x) => x.state !== "never").length;
  if (nobodyWatches(state)) parts.push(rsus.length === 0 ? t("lossNever") : t("lossAll", { n: rsus.length, t: first }));
  else if (rsus.length > 4) parts.push(t("lossMany", { n: rsus.length, m: seen, t: first }));
  else if (rsus.length > 0) {
    parts.push(
      rsus.map((x) => t(x.never === true ? "lossRsuNever" : "lossRsus", { r: escape(x.id), t: since(x) })).join(comma)
    );
  }
  for (const x of state.losses) {
    if (x.kind === "gateway") {
      parts.push(t(x.never === true ? "lossGatewayNever" : "lossGateway", { r: escape(x.id), t: since(x) }));
    }
  }
  if (parts.length === 0) return "";
  const open = [...state.episodes.values()].filter((x) => isAlarm(x) && lossOf(state, x) !== null).length;
  return `${markSvg("warning", 6, true)}<b>${parts.join(getLang() === "zh" ? "；" : " · ")}</b>`
    + `<span class="dim">${open > 0 ? t("lossOpen", { n: open }) : ""}</span>`;
}
