/** Starts the page: builds its views, loads, opens the streams, and draws each view at its rate. */

import "./style.css";
import { Board } from "./board.ts";
import { drawCard } from "./card.ts";
import { watchConnection } from "./connection.ts";
import { DetailView } from "./detail/view.ts";
import { drawnInSoftware, enlarge } from "./draw.ts";
import { DELAY_MS } from "./fleet.ts";
import { drawBanner, drawFooter, drawHeader, openAlarms } from "./header.ts";
import { listen } from "./input.ts";
import { List } from "./list.ts";
import { loadDetail, Loader } from "./load.ts";
import { applyLang, applyTheme, restoreLooks } from "./looks.ts";
import { CloseUpView, WholeMapView } from "./mappanes.ts";
import { OverviewView } from "./overview.ts";
import { RsuTable } from "./rsutable.ts";
import { Router } from "./router.ts";
import { FrameScheduler, Interval, PromptDrawing } from "./schedule.ts";
import { Look, LOOK_HASH } from "./search/look.ts";
import { Selection } from "./selection.ts";
import { State } from "./state.ts";
import { Events, Tracks } from "./streams.ts";
import { drawTitles } from "./titles.ts";
import { Updates } from "./updates.ts";
import { Screen, Screens, textView } from "./views.ts";
import { getLang, pick } from "./words.ts";

const $ = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const root = document.documentElement;
const state = new State();
let events: Events | null = null;
let tracks: Tracks | null = null;

// --- the views, in the order in which they are drawn

const selection = new Selection(state, { changed: drawText, moved: redraw, reveal: (id) => list.reveal(id) });
const list = new List($("#list"), (id) => selection.episode(id, true), drawText, (items) => items.forEach((x) => state.put(x)));
const table: RsuTable = new RsuTable($("#rsu"), () => table.draw(state));
const overview = new OverviewView($<HTMLCanvasElement>("#over canvas"));
const detail = new DetailView($<HTMLCanvasElement>("#focus canvas"));
const wholeMap = new WholeMapView($("#whole"));
const closeUp = new CloseUpView($("#close"));
const frame = new Screen([
  textView("alarm", $("#top"), drawHeader),
  textView("alarm", $("#banner"), drawBanner),
  textView("text", $("#foot"), drawFooter),
]);
const road = new Screen([
  list,
  table,
  textView("text", $("#card"), drawCard),
  textView("text", document.body, () => drawTitles(state, detail.trucks, wholeMap.moved)),
  overview,
  wholeMap,
  detail,
  closeUp,
], $("main"));
const board = new Screen([new Board($("#journeys"))], $("#journeys"));
const look = new Look($("#look"));
const looking = new Screen([look], $("#look"));
// a new screen: its element in index.html, its views here, its route below
const screens = new Screens(state, frame, [road, board, looking]);

// --- drawing: each view at its rate

const textEach = new Interval(drawnInSoftware() ? 1_000 : 500);
const roadEach = new Interval(drawnInSoftware() ? 1_000 : 250);
const stripEach = new Interval(60);
let frames = 0;

const prompt = new PromptDrawing(() => {
  drawAlarms();
  void $("#list .rows").scrollHeight; // lays out now, so that the pause after it accounts for the cost
});
const updates = new Updates(state, () => prompt.request());

/** Draw the connection and the open episodes: what must never be late. */
function drawAlarms(): void {
  watchConnection(state, events, updates.snapshotAt);
  screens.draw("alarm", performance.now());
  events?.drawn();
}

function drawText(): void {
  drawAlarms();
  if (state.wantsDetail && (state.connection === "live" || state.connection === "stale")) void loadDetail(state, state.selected!);
  screens.draw("text", performance.now());
  drawWindowTitle();
}

function drawWindowTitle(): void {
  const open = openAlarms(state).all;
  const title = state.site === null ? "petroroad" : pick(state.site.title.zh, state.site.title.en);
  const count = open > 0 && state.connection !== "loading" ? `(${open}) ` : "";
  const fault = state.connection === "disconnected" ? "✕ " : state.losses.length > 0 ? "▲ " : "";
  const shown = `${count}${fault}${title}`;
  if (document.title !== shown) document.title = shown;
  root.dataset["open"] = String(open);
  root.dataset["episodes"] = String(state.episodes.size);
}

/** Move the vehicles to where they are now, `DELAY_MS` behind the newest snapshots. */
function moveVehicles(now: number): void {
  if (state.fleet !== null && state.steps.has("vehicles")) state.fleet.at(state.stream.now(now) - DELAY_MS);
}

function drawFrame(now: number): void {
  if (state.connection !== "disconnected") moveVehicles(now); // else the picture is frozen
  root.dataset["vehicles"] = String(state.fleet?.nLive ?? 0);
  root.dataset["frames"] = String(++frames);
  if (textEach.due(now)) drawText();
  if (roadEach.due(now)) screens.draw("road", now);
  if (stripEach.due(now)) screens.draw("strip", now);
  screens.draw("frame", now);
}

/** In a hidden tab no frame is drawn, but its title still counts, and old vehicles are removed. */
function drawHidden(): void {
  if (!document.hidden) return;
  moveVehicles(performance.now());
  drawText();
}

/** Draw everything with the next frame. */
function redraw(): void {
  for (const interval of [textEach, roadEach, stripEach]) interval.reset();
}

function layOut(): void {
  enlarge();
  // at once, not with their next drawing: else the panes below them would move a second time
  overview.setHeight(state.site);
  detail.setHeight(state.site);
  if (!state.steps.has("map")) return;
  wholeMap.setHeight($("#map").clientWidth);
  closeUp.resize();
  wholeMap.resize();
  redraw();
}

// --- the address

const router = new Router([
  { hash: /^$/, open: () => screens.show(road) },
  { hash: /^#journeys$/, open: () => screens.show(board) },
  {
    hash: LOOK_HASH,
    open: (address) => {
      screens.show(looking);
      look.open(address);
    },
  },
  {
    hash: /^#v=([\w-]+)$/,
    open: (id) => {
      screens.show(road);
      selection.episode(id);
    },
  },
]);

function route(): void {
  if (router.follow(location.hash)) redraw();
}

// --- keys and buttons

const BUTTONS = {
  lang: () => applyLang(getLang() === "zh" ? "en" : "zh"),
  board: () => {
    location.hash = location.hash === "#journeys" ? "" : "#journeys";
  },
  search: () => look.focus(),
  theme: () => applyTheme(state, state.theme === "dark" ? "light" : "dark", () => wholeMap.restyle()),
  retry: () => {
    events?.retry();
    tracks?.retry();
  },
};

function stepInList(by: number): void {
  const id = list.step(state.selected, by);
  if (id !== null) selection.episode(id);
}

const KEYS = {
  j: () => stepInList(1),
  k: () => stepInList(-1),
  "[": () => selection.moveWindow(state.windowFrom - 1_000),
  "]": () => selection.moveWindow(state.windowFrom + 1_000),
  b: BUTTONS.board,
  "/": BUTTONS.search,
  l: BUTTONS.lang,
  t: BUTTONS.theme,
  r: BUTTONS.retry,
};

function acted(): void {
  drawText();
  redraw();
}

async function start(): Promise<void> {
  restoreLooks(state);
  screens.mount((picked) => selection.choose(picked));
  listen({ buttons: BUTTONS, keys: KEYS, acted, fitMap: () => wholeMap.fit(), layOut, route });
  new FrameScheduler(drawnInSoftware(), drawFrame);
  setInterval(drawHidden, 1_000);
  const loader = new Loader(state, updates, (site, features) => {
    wholeMap.open(site, features);
    closeUp.open(site, features);
    layOut();
  });
  const cursor = await loader.load();
  events = new Events(cursor, updates);
  tracks = new Tracks(updates);
  route();
}

void start();
