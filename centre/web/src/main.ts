/** Starts the page: builds its views, loads, opens the streams, and draws each view at its rate. */

import "./style.css";
import "./desk/desk.css";
import { Audit, AUDIT_HASH } from "./accounts/audit.ts";
import { Session } from "./accounts/session.ts";
import { Users } from "./accounts/users.ts";
import "./access/wall.css";
import { isWall, restoreWall, wallWindow } from "./access/wall.ts";
import { addWindowKeys } from "./access/window_keys.ts";
import { Board } from "./board.ts";
import { drawCard } from "./card.ts";
import { watchConnection } from "./connection.ts";
import { Acting } from "./desk/acting.ts";
import { ActsBar } from "./desk/actsbar.ts";
import { Announcer } from "./desk/announce.ts";
import { caseOf, mostUrgent, openAlarms, unseen } from "./desk/alarms.ts";
import { Dialog } from "./desk/dialog.ts";
import { Exercises } from "./desk/exercise.ts";
import { drawFooter } from "./desk/health.ts";
import { showHelp } from "./desk/help.ts";
import { deskEvents } from "./desk/load.ts";
import type { Act } from "./desk/model.ts";
import { Notice } from "./desk/notice.ts";
import { Others } from "./desk/others.ts";
import { Ring } from "./desk/ring.ts";
import { Shelving } from "./desk/shelving.ts";
import { ShiftView } from "./desk/shift.ts";
import { Strips } from "./desk/strips.ts";
import { DetailView } from "./detail/view.ts";
import { drawnInSoftware, enlarge } from "./draw.ts";
import { DELAY_MS } from "./fleet.ts";
import { drawBanner, drawHeader } from "./header.ts";
import { listen, onlyWhere } from "./input.ts";
import { List } from "./list.ts";
import { loadDetail, Loader } from "./load.ts";
import { OutwardPanel } from "./evidence/panel.ts";
import { applyLang, applyTheme, restoreLooks } from "./looks.ts";
import { CloseUpView, WholeMapView } from "./mappanes.ts";
import { OverviewView } from "./overview.ts";
import { Replay } from "./replay/replay.ts";
import { RsuTable } from "./rsutable.ts";
import { Router } from "./router.ts";
import { FrameScheduler, Interval, PromptDrawing } from "./schedule.ts";
import { Look, LOOK_HASH } from "./search/look.ts";
import { Selection } from "./selection.ts";
import { isLinked, State } from "./state.ts";
import { Events, Tracks } from "./streams.ts";
import { drawTitles } from "./titles.ts";
import { Updates } from "./updates.ts";
import { lookedAt } from "./where.ts";
import { Screen, Screens, textView } from "./views.ts";
import { getLang, pick, t } from "./words.ts";
import "./access/narrow.css"; // after the styles of all parts

const $ = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const root = document.documentElement;
const state = new State();
let events: Events | null = null;
let tracks: Tracks | null = null;

// --- the views, in the order in which they are drawn

const selection = new Selection(state, { changed: drawText, moved: redraw, reveal: (id) => list.reveal(id) });
const replay = new Replay(state, selection, redraw);
const ring = new Ring(state, () => prompt.request());
const notice = new Notice($("#said"));
const dialog = new Dialog($<HTMLDialogElement>("#ask"), () => isLinked(state) ? "" : t("noLink"));
const shelving = new Shelving(state, dialog, notice, drawText);
const acting: Acting = new Acting(state, dialog, notice, { changed: drawText, stirred: () => list.stirred() });
const list: List = new List($("#list"), {
  select: (id) => selection.episode(id, true),
  changed: drawText,
  older: (items) => items.forEach((x) => state.put(x)),
  act: (id, act, wholeCase) => void acting.begin(act, id, wholeCase),
});
const strips = new Strips($("#list"), (id) => selection.episode(id));
const actsBar = new ActsBar($("#acts"), {
  act: actOnChosen,
  target: () => (state.selected !== null && list.standsForCase(state.selected)
    ? mostUrgent(state, caseOf(state, state.selected)).id
    : state.selected),
  shelve: () => void shelving.add(state.selected),
});
const table: RsuTable = new RsuTable($("#rsu"), () => table.draw(state));
const overview = new OverviewView($<HTMLCanvasElement>("#over canvas"));
const detail = new DetailView($<HTMLCanvasElement>("#focus canvas"));
const wholeMap = new WholeMapView($("#whole"));
const closeUp = new CloseUpView($("#close"));
const outward = new OutwardPanel($("#card"), $("#acts"), drawText);
const frame = new Screen([
  textView("alarm", $("#top"), (el) => drawHeader(el, state, ring)),
  textView("alarm", $("#banner"), drawBanner),
  textView("text", $("#foot"), drawFooter),
  new Announcer($("#announce")),
  new Others(),
]);
const road = new Screen([
  list,
  strips,
  actsBar,
  replay.picture(table),
  textView("text", $("#card"), (el) => drawCard(el, replay.cardState)),
  outward,
  textView("text", document.body, () => drawTitles(replay.shown, detail.trucks, wholeMap.moved)),
  replay.picture(overview),
  replay.picture(wholeMap),
  replay.picture(detail),
  replay.picture(closeUp),
  replay.bar,
], $("main"));
const board = new Screen([new Board($("#journeys"))], $("#journeys"));
const users = new Screen([new Users($("#users"))], $("#users"));
const acts = new Audit($("#audit"));
const audit = new Screen([acts], $("#audit"));
// a new screen: its element in index.html, its views here, its route below
const look = new Look($("#look"), state);
const looking = new Screen([look], $("#look"));
const shiftView = new ShiftView($("#shift"), dialog, notice, shelving, new Exercises(state, dialog, notice, drawText));
const shift = new Screen([shiftView], $("#shift"));
const screens = new Screens(state, frame, [road, board, looking, shift, users, audit]);

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
for (const [kind, take] of deskEvents(state)) updates.kinds.set(kind, take);
updates.kinds.set("shift", () => shiftView.renew());

/** Draw the connection and the open episodes: what must never be late. */
function drawAlarms(): void {
  watchConnection(state, events, updates.snapshotAt);
  ring.sound();
  screens.draw("alarm", performance.now());
  events?.drawn();
}

let drawnNow = false; // in this task

function drawText(): void {
  drawnNow = true;
  queueMicrotask(() => (drawnNow = false));
  if (isWall()) showNewest(); // first: titles and strip must be of one window
  drawAlarms();
  if (state.wantsDetail && isLinked(state)) void loadDetail(state, state.selected!);
  screens.draw("text", performance.now());
  session.draw();
  drawWindowTitle();
  if ($(".skip").textContent !== t("skip")) $(".skip").textContent = t("skip");
}

/** On a wall nobody moves the detail: it goes to the newest open alarm. */
function showNewest(): void {
  const from = wallWindow(state);
  if (!Number.isNaN(from)) selection.moveWindow(from);
}

function drawWindowTitle(): void {
  const open = openAlarms(state).all;
  const waiting = unseen(state).all;
  const title = state.site === null ? "petroroad" : pick(state.site.title.zh, state.site.title.en);
  const count = waiting > 0 && state.connection !== "loading" ? `(${waiting}) ` : "";
  const fault = state.connection === "disconnected" ? "✕ " : state.losses.length > 0 ? "▲ " : "";
  const shown = `${count}${fault}${title}`;
  if (document.title !== shown) document.title = shown;
  root.dataset["open"] = String(open);
  root.dataset["waiting"] = String(waiting);
  root.dataset["episodes"] = String(state.episodes.size);
}

/** Move the vehicles to where they are now, `DELAY_MS` behind the newest snapshots. */
function moveVehicles(now: number): void {
  if (state.fleet !== null && state.steps.has("vehicles")) state.fleet.at(state.stream.now(now) - DELAY_MS);
}

function drawFrame(now: number): void {
  if (state.connection !== "disconnected") moveVehicles(now); // else the picture is frozen
  replay.advance(now);
  root.dataset["vehicles"] = String(state.fleet?.nLive ?? 0);
  root.dataset["frames"] = String(++frames);
  if (textEach.due(now)) drawText();
  if (roadEach.due(now)) screens.draw("road", now);
  if (stripEach.due(now)) screens.draw("strip", now);
  tracks?.look(lookedAt(state));
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

/** Show another screen than the road; a replay is of the road, and would go on to name itself in the address. */
function leaveRoad(screen: Screen): void {
  replay.end();
  screens.show(screen);
}

const router = new Router([
  {
    hash: /^$/,
    open: () => {
      screens.show(road);
      selection.clear();
    },
  },
  {
    hash: /^#shift(?:=(\d{1,15}))?$/,
    open: (since) => {
      shiftView.open(since);
      leaveRoad(shift);
    },
  },
  { hash: /^#journeys$/, open: () => leaveRoad(board) },
  { hash: /^#users$/, open: () => leaveRoad(users) },
  {
    hash: AUDIT_HASH,
    open: (address) => {
      acts.open(address);
      leaveRoad(audit);
    },
  },
  { hash: /^#(t=\d+(?:&v=[\w-]+)?)$/, open: (link) => [screens.show(road), replay.follow(link)] },
  {
    hash: LOOK_HASH,
    open: (address) => {
      leaveRoad(looking);
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
  replay: () => replay.begin(),
  board: () => {
    const back = state.selected === null ? "" : `#v=${state.selected}`;
    location.hash = location.hash === "#journeys" ? back : "#journeys";
  },
  shift: () => {
    location.hash = location.hash.startsWith("#shift") ? "" : "#shift";
  },
  mute: () => ring.mute(),
  sound: () => ring.toggle(),
  search: () => look.focus(),
  theme: () => applyTheme(state, state.theme === "dark" ? "light" : "dark", () => wholeMap.restyle()),
  account: () => session.toggle(),
  skip: () => $("#list .rows").focus(),
  retry: () => {
    state.nextTryMs = NaN; // the countdown ends: it connects now
    events?.retry();
    tracks?.retry();
  },
};

const session = new Session(() => {
  BUTTONS.retry();
  redraw();
});

function stepInList(by: number): void {
  const id = list.step(state.selected, by);
  if (id !== null) selection.episode(id);
}

/** Begin an act with the chosen alarm; one row of a folded case stands for all of it. */
function actOnChosen(act: Act): void {
  const id = state.selected;
  void acting.begin(act, id, id !== null && list.standsForCase(id));
}

/** Keys of the road: on another screen nobody sees what they would act on. */
const ROAD_KEYS = {
  a: () => actOnChosen("acknowledge"),
  h: () => actOnChosen("handle"),
  c: () => actOnChosen("close"),
  f: () => actOnChosen("false"),
  n: () => actOnChosen("note"),
  s: () => void shelving.add(state.selected),
  x: () => state.selected !== null && list.unfoldCase(state.selected),
  p: BUTTONS.replay,
  j: () => stepInList(1),
  k: () => stepInList(-1),
  "[": () => selection.moveWindow(state.windowFrom - 1_000),
  "]": () => selection.moveWindow(state.windowFrom + 1_000),
  e: () => outward.evidence(),
  w: () => outward.warn(),
  escape: () => closeUp.back() || selection.clear(),
};
const KEYS = {
  ...onlyWhere(() => screens.shows(road), ROAD_KEYS),
  m: BUTTONS.mute,
  "?": () => showHelp($<HTMLDialogElement>("#help")),
  b: BUTTONS.board,
  "/": BUTTONS.search,
  d: BUTTONS.shift,
  l: BUTTONS.lang,
  t: BUTTONS.theme,
  r: BUTTONS.retry,
};

/** Draw what a key or button changed; a selection has drawn the text already, and a thousand rows are not drawn twice. */
function acted(): void {
  if (!drawnNow) drawText();
  for (const interval of [roadEach, stripEach]) interval.reset();
}

async function start(): Promise<void> {
  restoreLooks(state);
  screens.mount((picked) => replay.choose(picked) || selection.choose(picked));
  replay.listen(acted);
  restoreWall();
  addWindowKeys($<HTMLCanvasElement>("#over canvas"), state, (from) => selection.moveWindow(from));
  listen({ buttons: BUTTONS, keys: KEYS, acted, fitMap: () => wholeMap.fit(), layOut, route });
  new FrameScheduler(drawnInSoftware(), drawFrame);
  setInterval(drawHidden, 1_000);
  await session.begin();
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
