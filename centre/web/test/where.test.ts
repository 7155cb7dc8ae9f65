import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { FakeCanvas } from "./samples_canvas.ts"; // before what draws
import type { Episode, SiteBody } from "../src/api.ts";
import { Camera } from "../src/camera.ts";
import { layOut } from "../src/detail/frame.ts";
import { drawStill } from "../src/detail/road.ts";
import { drawDetail } from "../src/detail/view.ts";
import { Fleet } from "../src/fleet.ts";
import { wayWords } from "../src/mapmarks.ts";
import { besideRoad, closeTitle, drawClose, drawWhole } from "../src/mapview.ts";
import type { ClosePane, Pane } from "../src/maps.ts";
import { drawOverview } from "../src/overview.ts";
import { Plane } from "../src/projection.ts";
import { lanePlace, makeSite } from "../src/site.ts";
import { readSnapshot } from "../src/snapshot.ts";
import { State } from "../src/state.ts";
import { seenSlot, whereabouts } from "../src/where.ts";
import { setLang } from "../src/words.ts";
import { episode, snapshotBytes } from "./samples.ts";
import type { Car } from "./samples.ts";

const PLANE = new Plane(122, 41);
const LANE: SiteBody["lanes"][number] = {
  lane: "h", road: "main", index: 0, level: 0, allowed: ["hazmat"], speed_limit_mps: 20, direction: 1, from_m: 0, to_m: 4_000,
  offset_m: [-2, 2], row: 0,
};
const SITE = makeSite({
  name: "made up", title: { zh: "虚构", en: "made up" }, synthetic: true, origin: [122, 41], map_version: "1", rules_version: "1",
  length_m: 4_000, range_m: [0, 4_000],
  axis: { lon: [122, PLANE.lonLat(4_000, 0)[0]], lat: [41, 41], s_m: [0, 4_000] }, lanes: [LANE],
  rows: [{ row: 0, direction: 1, index: 0, offset_m: [-2, 2], hazmat: true, allowed: ["hazmat"], speed_limit_mps: 20 }],
  places: [], rsus: [], gateway: null, rules: {},
});
const T0 = 1_000_000;
const PLACE_M = 1_000;

/** A truck on the lane's middle. */
const truck = (track: number, s: number): Car =>
  ({ track: BigInt(track), lon: PLANE.lonLat(s, 0)[0], lat: 41, s, d: 0, lane: 0, course: 90 });
const names = (...of: [track: number, terminal: string | null, plate: string | null][]): Record<string, unknown> => ({
  names: { track: of.map((x) => x[0]), terminal: of.map((x) => x[1]), plate: of.map((x) => x[2]), identity_p: of.map(() => 1) },
});

let state: State;

/** Put the vehicles of one RSU on the road at T0 + afterMs and look at that moment. */
function see(afterMs: number, cars: readonly Car[], more = {}, esn = "A"): void {
  state.fleet!.ingest(readSnapshot(snapshotBytes(esn, T0 + afterMs, cars, { lanes: ["h"], ...more })));
  state.fleet!.at(T0 + afterMs);
  state.setCentreTime(String((T0 + afterMs) * 1_000_000), performance.now());
}

/** An episode of track 1 at PLACE_M. */
function fact(more: Partial<Episode> = {}): Episode {
  const [lon] = PLANE.lonLat(PLACE_M, 0);
  return episode("e", 1, {
    grade: "violation", grade_max: "violation", track: "1", s_m: PLACE_M, d_m: 0, lane: "h", lon_deg: lon, lat_deg: 41,
    vehicle: { plate: "辽L·K6883", terminal: "139", hazmat_class: null, un: null, carrier: null },
    stamps: { measured_ns: String(T0 * 1_000_000), arrived_ns: "0" }, ...more,
  });
}
const ended = (): Episode => fact({ open: false, phase: "close", end_ns: String(T0 * 1_000_000) });

function choose(chosen: Episode): void {
  state.put(chosen);
  state.selected = chosen.id;
}

beforeEach(() => {
  setLang("en");
  state = new State();
  state.site = SITE;
  state.fleet = new Fleet({ plane: SITE.plane, axis: SITE.axis, lane: (lane) => lanePlace(SITE, lane) });
  state.steps.add("vehicles");
  state.connection = "live";
});

/** Every view's strokes in the colour of selection, with the pixel where station s on the lane's middle is drawn there. */
function drawnViews(s: number): { view: string; canvas: FakeCanvas; x: number; y: number; metre: number }[] {
  const close = { canvas: new FakeCanvas(), camera: Object.assign(new Camera(), { w: 800, h: 300 }), ground: { draw: () => undefined } };
  drawClose(close as unknown as ClosePane, state);
  const whole = {
    canvas: new FakeCanvas(), camera: Object.assign(new Camera(), { w: 800, h: 300, x: PLACE_M, perMetre: 2 }), gl: { getZoom: () => 16 },
    read: () => undefined, drawn: () => undefined,
  };
  drawWhole(whole as unknown as Pane, state);
  const detail = new FakeCanvas();
  drawDetail(detail as unknown as HTMLCanvasElement, state);
  const overview = new FakeCanvas();
  drawOverview(overview as unknown as HTMLCanvasElement, state);
  const strip = (width: number): number => 80 + (s / 4_000) * (width - 94);
  return [
    { view: "close-up", canvas: close.canvas, x: close.camera.toX(s, 0), y: close.camera.toY(s, 0), metre: close.camera.perMetre },
    { view: "map", canvas: whole.canvas, x: whole.camera.toX(s, 0), y: whole.camera.toY(s, 0), metre: 2 },
    { view: "detail", canvas: detail, x: strip(800), y: 22 + 3.5 * 5.2, metre: 5.2 },
    { view: "overview", canvas: overview, x: strip(800), y: 34 + 4.5, metre: 1 },
  ];
}

/** Brackets: a box in the colour of selection, wider than a stake's foot, around the pixel. */
function bracketed(view: { canvas: FakeCanvas; x: number; y: number }): boolean {
  return view.canvas.strokes.some(
    ({ colour, box: [x0, y0, x1, y1] }) => colour === "--sel" && x1 - x0 > 9 && x1 - x0 < 400 && y1 - y0 > 9 && y1 - y0 < 120
      && x0 <= view.x && x1 >= view.x && y0 - 40 <= view.y && y1 + 40 >= view.y
  );
}

test("an ended violation is a place with its time, and a vehicle that drives over it gets no bracket", () => {
  choose(ended());
  see(60_000, [truck(2, PLACE_M)], names([2, "140", "辽L·F3775"]));
  for (const view of drawnViews(PLACE_M)) {
    assert.ok(!bracketed(view), `${view.view}: a bracket on an innocent truck`);
    assert.ok(view.canvas.texts.includes("K6883"), `${view.view}: whose place it is`);
    assert.ok(view.canvas.texts.some((x) => x.startsWith("ended 08:16:40")), `${view.view}: since when`);
  }
  assert.match(closeTitle(state), /K01\+000 · where it ended, 08:16:40/);
});

test("also if that vehicle is the one of the violation", () => {
  choose(ended());
  see(60_000, [truck(1, PLACE_M)], names([1, "139", "辽L·K6883"]));
  for (const view of drawnViews(PLACE_M)) assert.ok(!bracketed(view), view.view);
  assert.equal(whereabouts(state, SITE, state.chosen!).slot, -1);
});

test("an open one's bracket follows its vehicle, also where another drives at the reported place", () => {
  choose(fact());
  see(3_000, [truck(1, PLACE_M + 50), truck(2, PLACE_M)], names([1, "139", "辽L·K6883"], [2, "140", "辽L·F3775"]));
  for (const view of drawnViews(PLACE_M + 50)) assert.ok(bracketed(view), `${view.view}: no bracket on its vehicle`);
  for (const view of drawnViews(PLACE_M).filter((x) => x.view === "close-up")) {
    assert.ok(!bracketed(view), `${view.view}: a bracket on another`);
  }
});

test("after a handover that changed the track it follows the terminal", () => {
  choose(fact());
  see(1_000, [truck(7, PLACE_M + 20), truck(2, PLACE_M)], names([7, "139", "辽L·K6883"], [2, "140", "辽L·F3775"]));
  assert.equal(state.fleet!.track[seenSlot(state, state.chosen!)], 7n);
  // the same plate on another terminal is another vehicle: plates are read, forged and mistyped
  see(3_000, [truck(8, PLACE_M + 40)], names([8, "141", "辽L·K6883"]));
  assert.equal(seenSlot(state, state.chosen!), -1);
});

test("two trucks 8 m apart whose tracks are exchanged: the bracket stays on the truck of the row's name, or on none", () => {
  choose(fact());
  see(0, [truck(1, PLACE_M), truck(2, PLACE_M + 8)], names([1, "139", "辽L·K6883"], [2, "140", "辽L·F3775"]));
  assert.equal(state.fleet!.track[seenSlot(state, state.chosen!)], 1n);
  see(1_000, [truck(1, PLACE_M + 18), truck(2, PLACE_M + 20)], names([1, "140", "辽L·F3775"], [2, "139", "辽L·K6883"]));
  assert.equal(state.fleet!.track[seenSlot(state, state.chosen!)], 2n);
  // its truck leaves the road, and the other one keeps the violation's track
  see(2_000, [truck(1, PLACE_M + 36)], names([1, "140", "辽L·F3775"]));
  state.fleet!.at(T0 + 60_000);
  see(60_000, [truck(1, PLACE_M + 500)], names([1, "140", "辽L·F3775"]));
  assert.equal(seenSlot(state, state.chosen!), -1);
  for (const view of drawnViews(PLACE_M + 500)) assert.ok(!bracketed(view), `${view.view}: a bracket on an innocent truck`);
  state.put(fact({ id: "f", vehicle: { ...fact().vehicle!, terminal: null }, order: 2 })); // a plate alone is a name too
  assert.equal(seenSlot(state, state.episodes.get("f")!), -1);
  state.put(fact({ id: "g", vehicle: null, order: 3 })); // nobody's violation is the track's, whoever that is found to be
  assert.notEqual(seenSlot(state, state.episodes.get("g")!), -1);
});

test("a track that lost its identity is not the vehicle any more", () => {
  choose(fact({ track: "5" }));
  see(0, [truck(6, 900)], names([6, "139", "辽L·K6883"]));
  assert.notEqual(seenSlot(state, state.chosen!), -1);
  see(100, [truck(6, 902)], names());
  assert.equal(seenSlot(state, state.chosen!), -1);
  assert.equal(state.fleet!.plate(0), "");
});

test("an open violation of a silent RSU is at its last seen place, with an age and without a bracket", () => {
  choose(fact());
  see(0, [truck(1, PLACE_M)], names([1, "139", "辽L·K6883"]));
  see(20_000, [truck(2, PLACE_M + 16)], names([2, "140", "辽L·F3775"]), "B"); // another RSU's truck drives there now
  const where = whereabouts(state, SITE, state.chosen!);
  assert.deepEqual([where.slot, where.atMs], [-1, T0]);
  for (const view of drawnViews(PLACE_M + 16)) {
    assert.ok(!bracketed(view), `${view.view}: a bracket on an innocent truck`);
    assert.ok(view.canvas.texts.includes("seen 20 s ago"), `${view.view}: no age`);
  }
  state.connection = "disconnected"; // a frozen picture keeps its bracket on its own hollow vehicle
  assert.notEqual(seenSlot(state, state.chosen!), -1);
});

test("a violation whose vehicle was never seen is at its reported place, with that age", () => {
  choose(fact({ vehicle: null }));
  see(65_000, [truck(2, PLACE_M)]);
  const where = whereabouts(state, SITE, state.chosen!);
  assert.deepEqual([where.slot, where.s, where.atMs], [-1, PLACE_M, T0]);
  for (const view of drawnViews(PLACE_M)) assert.ok(!bracketed(view), view.view);
  assert.match(closeTitle(state), /last seen here 1:05 ago/);
});

test("on a short one-way road no word of the strip's margin stands over another", () => {
  setLang("en");
  const canvas = new FakeCanvas();
  drawStill(canvas.getContext() as CanvasRenderingContext2D, layOut(SITE, 800, 0, 4_000), state, SITE);
  const margin = canvas.places.filter(({ word }) => ["SB →", "HAZMAT", "RSU", "Radar"].includes(word));
  assert.equal(margin.length, 4);
  for (const a of margin) for (const b of margin) assert.ok(a === b || Math.abs(a.y - b.y) >= 12, `${a.word} over ${b.word}`);
});

test("in the close-up the words for the ways are whole, or of the one side that is in the picture", () => {
  assert.deepEqual(wayWords(100, 200), [97.5, 111.5]);
  assert.deepEqual(wayWords(-8, 200), [null, 14], "the middle is above the picture: all of it is the lower side");
  assert.deepEqual(wayWords(206, 200), [196, null]);
  assert.deepEqual(wayWords(2, 200), [null, 14]);
});

test("a place's name stands below all of the road that passes there, above it at the lower rim", () => {
  const camera = new Camera();
  [camera.w, camera.h, camera.perMetre, camera.x, camera.y, camera.turn] = [400, 200, 0.1, PLACE_M, 0, 0.5]; // the road falls
  const words: [number, number] = [150, 250];
  const roadAt = (s: number): number => camera.toY(SITE.axis!.at(s).x, SITE.axis!.at(s).y);
  const lowest = Math.max(roadAt(PLACE_M - 560), roadAt(PLACE_M + 560));
  assert.ok(besideRoad(camera, SITE, PLACE_M, words) >= lowest + 18, "12 px of word and the half width of the road");
  camera.h = 100;
  assert.ok(besideRoad(camera, SITE, PLACE_M, words) < Math.min(roadAt(PLACE_M - 560), roadAt(PLACE_M + 560)));
});

test("an exercise's vehicle drives on between its versions, hatched and with its word in each picture, and is no place of long ago", () => {
  const made = fact({ id: "exercise-3", track: "0", speed_mps: 20, vehicle: {
    plate: "演练·A0001", terminal: null, hazmat_class: "3", un: "1203", carrier: null,
  } });
  choose(made);
  see(4_000, [truck(2, PLACE_M + 30)], names([2, "140", "辽L·F3775"]));
  const where = whereabouts(state, SITE, made);
  assert.ok(Math.abs(where.s - PLACE_M - 80) < 1, "80 m on after 4 s");
  assert.equal(where.u, 0);
  const against = whereabouts(state, SITE, { ...made, rule: "wrong_way" });
  assert.ok(Math.abs(against.s - PLACE_M + 80) < 1, "on the wrong way it drives back");
  see(60_000, [truck(2, PLACE_M + 30)], names([2, "140", "辽L·F3775"]));
  assert.ok(whereabouts(state, SITE, made).s < PLACE_M + 200, "without versions it stops");
  for (const lang of ["zh", "en"] as const) {
    setLang(lang);
    for (const { view, canvas } of drawnViews(PLACE_M)) {
      assert.ok(canvas.texts.some((x) => x.includes(lang === "zh" ? "演练" : "EXERCISE")), `${view}, ${lang}: its word`);
      assert.ok(!canvas.texts.some((x) => /last seen|前所见/.test(x)), `${view}: it is simulated`);
      const framed = canvas.strokes.some(({ colour, box: [a, , b] }) => colour === "--tx" && Math.abs(b - a - 18) < 0.1);
      assert.ok(framed, `${view}: its mark is framed`);
    }
  }
  setLang("en");
  assert.match(closeTitle(state), /EXERCISE · simulated/);
});

test("open alarms at one place whose vehicles nobody sees keep their words, none over another, and their heads stand apart", () => {
  const plates = Array.from({ length: 6 }, (_, i) => `辽L·K100${i}`);
  plates.forEach((plate, i) => {
    const vehicle = { plate, terminal: `15${i}`, hazmat_class: null, un: null, carrier: null };
    state.put(fact({ id: `e${i}`, track: `${10 + i}`, order: i + 1, s_m: PLACE_M + i, vehicle } as Partial<Episode>));
  });
  see(60_000, [truck(2, PLACE_M + 30), truck(3, PLACE_M - 30)], names([2, "140", "辽L·F3775"], [3, "141", "辽L·F3776"]));
  const detail = new FakeCanvas();
  drawDetail(detail as unknown as HTMLCanvasElement, state);
  const words = detail.places.filter(({ word }) => /^K100\d$/.test(word));
  assert.deepEqual(words.map(({ word }) => word).sort(), plates.map((plate) => plate.slice(3)).sort());
  words.forEach((a, i) =>
    words.slice(0, i).forEach((b) => assert.ok(Math.abs(a.x - b.x) >= 35 || Math.abs(a.y - b.y) >= 12, `${a.word} on ${b.word}`))
  );
  const heads = new Set( // a head is a square of 10 px
    detail.strokes.filter(({ colour, box: [x0, y0, x1, y1] }) => colour === "--v" && Math.abs(x1 - x0 - 10) + Math.abs(y1 - y0 - 10) < 0.1)
      .map(({ box: [x0] }) => Math.round(x0))
  );
  assert.equal(heads.size, 6, [...heads].join());
});
