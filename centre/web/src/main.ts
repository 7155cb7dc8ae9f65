/** Starts the page: loads, listens, keeps the views drawn at the rates they need, and takes keys and pointers. */

import "./style.css";
import { get, loadEpisodes } from "./api.ts";
import type { Episode, Rsu, Rsus, SiteBody } from "./api.ts";
import { drawCard } from "./card.ts";
import { detailHeight, detailPick, drawDetail } from "./detail.ts";
import { drawnInSoftware, enlarge, pointIn } from "./draw.ts";
import { DELAY_MS, Fleet } from "./fleet.ts";
import { drawHeadings } from "./headings.ts";
import { drawBanner, drawFooter, drawHeader, openAlarms } from "./header.ts";
import { LATE_MS, watchLink } from "./link.ts";
import { List } from "./list.ts";
import { loadDetail } from "./loaddetail.ts";
import { applyLang, applyTheme, restoreLooks } from "./looks.ts";
import { baseFeatures } from "./basemap.ts";
import { ClosePane, Pane } from "./maps.ts";
import { drawClose, drawWhole, fitWhole } from "./mapview.ts";
import { drawOverview, overviewHeight, overviewPick, overviewStation } from "./overview.ts";
import { Pace } from "./pace.ts";
import { Prompt } from "./prompt.ts";
import { RsuTable } from "./rsutable.ts";
import { extent, hatches, lanePlace, makeSite, nearestStation, radarCovers } from "./site.ts";
import { readSnapshot } from "./snapshot.ts";
import { State, WINDOW_M } from "./state.ts";
import { Events, Tracks } from "./streams.ts";
import { slotOf, whereabouts } from "./where.ts";
import { getLang, pick } from "./words.ts";

const $ = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const root = document.documentElement;
const state = new State();
const list = new List($("#list"), (id) => select(id, true), () => slow(), (items) => items.forEach((x) => state.put(x)));
const prompt = new Prompt(() => {
  words();
  void $("#list .rows").scrollHeight; // lays out now, so that its cost counts
});
const table = new RsuTable($("#rsu"), () => table.render(state));
let panes: { whole: Pane; close: ClosePane } | null = null;
let events: Events | null = null;
let tracks: Tracks | null = null;
let badFrames = 0;
const heard = new Map<string, number>(); // RSU -> when its last snapshot came [performance.now()]

// --- what the streams bring

function hearRsus(body: Rsus): void {
  for (const rsu of body.rsus) state.rsus.set(rsu.esn, rsu);
  state.rsuOrder = body.rsus.map((x) => x.esn);
  state.gateways = body.gateways;
  roadChanged();
  prompt.ask();
}

function hearRsu(rsu: Rsu): void {
  if (!state.rsus.has(rsu.esn)) state.rsuOrder.push(rsu.esn);
  state.rsus.set(rsu.esn, rsu);
  roadChanged();
  prompt.ask(); // one that goes off is an alarm too
}

function roadChanged(): void {
  if (state.site === null) return;
  state.roadChanges++;
  state.hatches = hatches(state.site, [...state.rsus.values()]);
  state.covers = radarCovers(state.site, state.rsus);
}

function hearViolation(episode: Episode): void {
  if (!state.put(episode)) return;
  prompt.ask(); // nobody waits a slow tick for an alarm
  if (episode.id === state.selected) void loadDetail(state, episode.id);
}

function hearFrame(bytes: Uint8Array): void {
  const now = performance.now();
  try {
    const snapshot = readSnapshot(bytes);
    state.fleet?.ingest(snapshot);
    state.stream.hear(snapshot.stampMs, now);
    // the first frame of a connection may be seconds old: it brings names, not news
    if (snapshot.stampMs > state.stream.now(now) - LATE_MS) {
      heard.set(snapshot.esn, now);
      state.steps.add("vehicles");
    }
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    root.dataset["badFrames"] = String(++badFrames); // one RSU's fault must not stop the page
  }
}

// --- choosing

function select(id: string, byHand: boolean): void {
  state.selected = id;
  state.follow = null;
  state.looked.add(id);
  if (location.hash !== `#v=${id}`) window.history.replaceState(null, "", `#v=${id}`);
  void loadDetail(state, id).then(() => {
    bringIntoWindow();
    slow();
  });
  bringIntoWindow();
  slow();
  if (!byHand) list.reveal(id);
}

/** Move the detail strip only when the chosen one is near its rim or outside. */
function bringIntoWindow(): void {
  const episode = state.chosen;
  if (episode === null || state.site === null) return;
  const { s } = whereabouts(state, state.site, episode);
  if (Number.isNaN(s)) return;
  if (s < state.windowFrom + 300 || s > state.windowFrom + WINDOW_M - 300) state.moveWindow(s - WINDOW_M / 2);
}

function chooseSlot(slot: number): void {
  const track = state.fleet!.track[slot]!;
  for (const episode of state.episodes.values()) {
    if (episode.open && slotOf(state, episode) === slot) return select(episode.id, false);
  }
  state.selected = null;
  state.follow = track;
  window.history.replaceState(null, "", location.pathname + location.search);
  slow();
}

function fromHash(): void {
  const id = /^#v=([\w-]+)$/.exec(location.hash)?.[1];
  if (id !== undefined) select(id, false);
}

// --- language and theme

const restyle = (): void => panes?.whole.restyle();

const ACTIONS: Readonly<Record<string, () => void>> = {
  lang: () => applyLang(getLang() === "zh" ? "en" : "zh"),
  theme: () => applyTheme(state, state.theme === "dark" ? "light" : "dark", restyle),
  retry: () => {
    events?.retry();
    tracks?.retry();
  },
};

// --- drawing: what moves fast is drawn often, what is read is drawn when it changes

/** What alarms: who is heard, what is open. */
function words(): void {
  watchLink(state, events, heard);
  drawHeader($("#top"), state);
  drawBanner($("#banner"), state);
  list.render(state);
}

function slow(): void {
  words();
  if (state.wantsDetail && (state.link === "live" || state.link === "stale")) void loadDetail(state, state.selected!);
  drawFooter($("#foot"), state);
  table.render(state);
  drawCard($("#card"), state);
  drawHeadings(state, trucksInDetail, panes?.whole.moved ?? false);
  const open = openAlarms(state).all;
  const title = state.site === null ? "petroroad" : pick(state.site.title.zh, state.site.title.en);
  const shown = `${open > 0 && state.link !== "loading" ? `(${open}) ` : ""}${state.link === "disconnected" ? "✕ " : state.losses.length > 0 ? "▲ " : ""}${title}`;
  if (document.title !== shown) document.title = shown;
  root.dataset["open"] = String(open);
  root.dataset["episodes"] = String(state.episodes.size);
}

let trucksInDetail = 0;
let frames = 0;
let lastSlow = 0;
let lastWhole = 0;
let lastDetail = 0;

/** Due again: words at most twice a second (once without a card), the whole road four times, the strip sixteen times. */
function due(last: number, now: number, everyMs: number): boolean {
  return now - last >= everyMs - 5;
}

function tick(now: number): void {
  const { fleet } = state;
  // the picture stands still while the link is down
  if (fleet !== null && state.steps.has("vehicles") && state.link !== "disconnected") fleet.at(state.stream.now(now) - DELAY_MS);
  root.dataset["vehicles"] = String(fleet?.nLive ?? 0);
  root.dataset["frames"] = String(++frames);
  if (due(lastSlow, now, drawnInSoftware() ? 1_000 : 500)) {
    lastSlow = now;
    slow();
  }
  if (due(lastWhole, now, drawnInSoftware() ? 1_000 : 250)) {
    lastWhole = now;
    drawOverview($<HTMLCanvasElement>("#over canvas"), state);
    if (panes !== null) drawWhole(panes.whole, state);
  }
  if (due(lastDetail, now, 60)) {
    lastDetail = now;
    trucksInDetail = drawDetail($<HTMLCanvasElement>("#focus canvas"), state);
  }
  if (panes !== null) drawClose(panes.close, state);
}

/** In a tab that nobody looks at nothing is drawn, but its title still counts and old vehicles are let go. */
function unseen(): void {
  if (!document.hidden) return;
  if (state.fleet !== null && state.steps.has("vehicles")) state.fleet.at(state.stream.now(performance.now()) - DELAY_MS);
  slow();
}

function redraw(): void {
  lastSlow = lastWhole = lastDetail = 0;
}

function layOut(): void {
  enlarge();
  // at once, not when they are drawn next: else all that stands below them would move a second time
  $("#over .plot").style.height = `${overviewHeight(state.site)}px`;
  $("#focus .plot").style.height = `${detailHeight(state.site)}px`;
  if (panes === null || state.site === null) return;
  const w = $("#map").clientWidth;
  const { length, bulge } = extent(state.site);
  $("#whole").style.height = `${Math.round(Math.min(160, Math.max(70, (bulge * (w - 60)) / length + (innerWidth > 1600 ? 70 : 62))))}px`;
  panes.close.measure();
  if (panes.whole.resize() && !panes.whole.moved) fitWhole(panes.whole, state.site);
  redraw();
}

// --- pointers and keys

function wire(): void {
  document.body.addEventListener("click", (event) => {
    const action = (event.target as HTMLElement).closest<HTMLElement>("[data-do]")?.dataset["do"];
    if (action === undefined) return;
    ACTIONS[action]?.();
    slow();
    redraw();
  });
  $("#over canvas").addEventListener("click", (event) => {
    const [x, y] = pointIn(event.target as HTMLElement, event);
    const id = overviewPick(state, x, y);
    if (id !== null) return select(id, false);
    const s = state.site === null ? null : overviewStation(state.site, x);
    if (s !== null) pan(s - WINDOW_M / 2);
  });
  $("#focus canvas").addEventListener("click", (event) => {
    const slot = detailPick(state, ...pointIn(event.target as HTMLElement, event));
    if (slot >= 0) chooseSlot(slot);
  });
  $("#whole > button").addEventListener("click", () => {
    if (panes !== null && state.site !== null) fitWhole(panes.whole, state.site);
    slow();
    redraw();
  });
  new ResizeObserver(layOut).observe($("#map"));
  addEventListener("resize", layOut); // also on another screen, where pixels are of another size
  addEventListener("hashchange", fromHash);
  addEventListener("keydown", onKey);
}

function pan(from: number): void {
  state.moveWindow(from);
  redraw();
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = (by: number): void => {
    const id = list.step(state.selected, by);
    if (id !== null) select(id, false);
  };
  const keys: Readonly<Record<string, () => void>> = {
    j: () => step(1), k: () => step(-1), "[": () => pan(state.windowFrom - 1_000), "]": () => pan(state.windowFrom + 1_000),
    l: ACTIONS["lang"]!, t: ACTIONS["theme"]!, r: ACTIONS["retry"]!,
  };
  const act = keys[event.key.toLowerCase()];
  if (act === undefined) return;
  act();
  slow();
  redraw();
}

// --- start

/** Where traffic is to be seen: in the middle of the RSUs that are online. */
function firstWindow(): void {
  const online = [...state.rsus.values()].filter((x) => x.state === "online" && x.stretch_m !== null);
  const from = Math.min(...online.map((x) => x.stretch_m![0]));
  const to = Math.max(...online.map((x) => x.stretch_m![1]));
  state.moveWindow(online.length === 0 ? (state.site?.from ?? 0) : (from + to - WINDOW_M) / 2);
}

async function loadSite(): Promise<void> {
  const site = makeSite(await get<SiteBody>("/api/site"));
  state.site = site;
  state.fleet = new Fleet({ plane: site.plane, axis: site.axis, lane: (lane) => lanePlace(site, lane) });
  state.steps.add("site");
  state.windowFrom = site.from;
  const map = await get<GeoJSON.FeatureCollection>("/api/map");
  state.steps.add("map");
  const features = baseFeatures(map, site);
  const whole = new Pane($("#whole"), site, features, (pane) => drawWhole(pane, state));
  panes = { whole, close: new ClosePane($("#close"), site, features) };
  whole.gl.on("click", (event) => {
    if (site.axis === null) return;
    const [x, y] = whole.camera.from(event.point.x, event.point.y);
    pan(nearestStation(site, x, y) - WINDOW_M / 2);
  });
  layOut();
}

let sited: Promise<void> | null = null; // once: another attempt makes no second map

async function loadList(): Promise<number> {
  const episodes = await loadEpisodes();
  state.complete = episodes.complete;
  for (const episode of episodes.items) state.put(episode);
  state.steps.add("list");
  return episodes.cursor;
}

async function loadRsus(): Promise<void> {
  const rsus = await get<Rsus>("/api/rsus");
  state.hearTime(rsus.now_ns, performance.now());
  hearRsus(rsus);
  state.steps.add("rsus");
}

async function load(): Promise<number> {
  sited ??= loadSite();
  sited.catch(() => (sited = null));
  const [cursor] = await Promise.all([loadList(), loadRsus(), sited]);
  roadChanged();
  firstWindow();
  return cursor;
}

async function start(): Promise<void> {
  restoreLooks(state);
  wire();
  new Pace(drawnInSoftware(), tick);
  setInterval(unseen, 1_000);
  let cursor = NaN;
  for (let attempt = 0; Number.isNaN(cursor); attempt++) {
    try {
      cursor = await load();
    } catch (error) {
      console.warn(error);
      await new Promise((done) => setTimeout(done, Math.min(5_000, 500 * 2 ** attempt)));
    }
  }
  const hears = {
    violation: hearViolation, rsu: hearRsu, rsus: hearRsus, frame: hearFrame,
    gateway: (x: (typeof state.gateways)[number]) => {
      state.gateways = [...state.gateways.filter((g) => g.id !== x.id), x].sort((a, b) => a.id.localeCompare(b.id));
      prompt.ask();
    },
    summary: (x: NonNullable<typeof state.summary>) => {
      state.summary = x;
      state.attempt = 0;
      state.nextTryMs = NaN;
      state.hearTime(x.now_ns, performance.now());
    },
    reset: () => location.reload(),
    lost: (attempt: number, waitMs: number) => {
      state.attempt = attempt;
      state.nextTryMs = performance.now() + waitMs;
    },
  };
  events = new Events(cursor, hears);
  tracks = new Tracks(hears);
  fromHash();
}

void start();
