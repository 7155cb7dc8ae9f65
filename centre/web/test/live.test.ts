import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Episode, SiteBody } from "../src/api.ts";
import { Fleet } from "../src/fleet.ts";
import { untouched } from "../src/desk/model.ts";
import { labelOf } from "../src/places.ts";
import { Plane } from "../src/projection.ts";
import { cellsHtml, depthOf, isReturning, maxOf } from "../src/row.ts";
import { lanePlace, makeSite } from "../src/site.ts";
import { COASTING, readSnapshot, UNDECIDABLE } from "../src/snapshot.ts";
import { State } from "../src/state.ts";
import { losses } from "../src/supervision.ts";
import { liveOf } from "../src/where.ts";
import { setLang } from "../src/words.ts";
import { episode, snapshotBytes } from "./samples.ts";

const PLANE = new Plane(122, 41);
const lane = (name: string, row: number, offset_m: [number, number], allowed: string[]): SiteBody["lanes"][number] => ({
  lane: name, road: "main", index: row, level: 0, allowed, speed_limit_mps: 20, direction: 1, from_m: 0, to_m: 4_000, offset_m, row,
});
const SITE = makeSite({
  name: "made up", title: { zh: "虚构", en: "made up" }, synthetic: true, origin: [122, 41], map_version: "1", rules_version: "1",
  length_m: 4_000, range_m: [0, 4_000],
  axis: { lon: [122, PLANE.lonLat(4_000, 0)[0]], lat: [41, 41], s_m: [0, 4_000] },
  lanes: [lane("h", 0, [-2, 2], ["hazmat"]), lane("m", 1, [-6, -2], ["car"])],
  rows: [
    { row: 0, direction: 1, index: 0, offset_m: [-2, 2], hazmat: true, allowed: ["hazmat"], speed_limit_mps: 20 },
    { row: 1, direction: 1, index: 1, offset_m: [-6, -2], hazmat: false, allowed: ["car"], speed_limit_mps: 20 },
  ],
  places: [], rsus: [], gateway: null, rules: { update_s: 5 },
});
const T0 = 1_790_000_000_000;
let state: State;

/** A truck (2.5 m wide) whose middle is `d` left of the hazmat lane's. */
function see(d: number, speed = 15, flags = 3): void {
  const car = { flags, track: 1n, lon: PLANE.lonLat(1_100, 0)[0], lat: 41 + d / 111_200, s: 1_100, d, lane: 0, course: 90, speed };
  state.fleet!.ingest(readSnapshot(snapshotBytes("A", T0, [car], { lanes: ["h", "m"] })));
  state.fleet!.at(T0);
}

function row(more: Partial<Episode> = {}): Episode {
  return episode("e", 1, {
    grade: "violation", grade_max: "violation", track: "1", s_m: 1_000, lane: "h", esn: "A", excess_m: 0.9, excess_m_max: 1.1,
    p_violation: 0.9999, p_violation_max: 0.9999,
    start_ns: `${T0 - 8_000}000000`, received_ns: `${T0 - 4_000}000000`, stamps: { measured_ns: `${T0 - 4_000}000000`, arrived_ns: "0" },
    ...more,
  });
}
const text = (found: Episode): string => cellsHtml(state, found).join("|").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");

beforeEach(() => {
  setLang("en");
  state = new State();
  state.site = SITE;
  state.fleet = new Fleet({ plane: SITE.plane, axis: SITE.axis, lane: (name) => lanePlace(SITE, name) });
  state.steps.add("vehicles");
  state.connection = "live";
  state.setCentreTime(`${T0}000000`, performance.now());
});

test("a row has its truck's live values, and the time of the others", () => {
  see(-2.2); // 2.2 + 1.25 - 2 beyond the right line, its middle in the lane beside
  const found = row();
  assert.equal(liveOf(state, found)!.excessM.toFixed(2), "1.45");
  assert.match(text(found), /1\.45 m max 1\.45 /, "deeper than any version: the maximum is not below it");
  assert.match(text(found), /K01\+100 SB CAR/);
  assert.match(text(found), /P at 22:13:16/);
});

test("a truck that is back within its line is returning before its next version says so", () => {
  see(0.1);
  const found = row();
  assert.deepEqual([isReturning(found), isReturning(found, liveOf(state, found))], [false, true]);
  assert.match(text(found), /returning/);
  assert.match(text(found), /1\.10 m max /);
});

test("a truck that leaves its lane again is not returning, whatever its version says", () => {
  see(1.5);
  const back = row({ p_violation: 0.001, excess_m: -0.3 });
  assert.equal(isReturning(back), true);
  assert.match(text(back), /0\.75 m max 1\.10 /);
});

test("a truck that is entirely beyond the line is out by more than its width", () => {
  see(-6);
  assert.equal(liveOf(state, row())!.excessM.toFixed(2), "5.25");
});

test("without a visible truck the row has the version's values, with their age", () => {
  assert.equal(liveOf(state, row()), null);
  assert.match(text(row()), /0\.90 m max 1\.10 .* as of 22:13:16/);
});

test("a coasting truck, or one with an uncertain position, gives no excess", () => {
  for (const flag of [COASTING, UNDECIDABLE]) {
    see(-4, 15, 3 | flag);
    assert.match(text(row()), /0\.90 m max 1\.10 .* as of 22:13:16/);
    assert.equal(isReturning(row(), liveOf(state, row())), false);
  }
});

test("speeds are those of the picture", () => {
  see(0, 25);
  const found = row({ rule: "overspeed", limit_mps: 20, speed_mps: 22, excess_m: null, excess_m_max: 2 });
  assert.deepEqual([depthOf(state, found), depthOf(state, found, liveOf(state, found))], ["+7 km/h", "+18 km/h"]);
});

test("a truck that drives below its limit again is returning: an excess is never negative", () => {
  const found = row({
    rule: "overspeed", limit_mps: 20, speed_mps: 22, excess_m: null, excess_m_max: null,
    decided: { speed_mps: 24 } as Episode["decided"],
  });
  see(0, 18);
  assert.deepEqual([isReturning(found), isReturning(found, liveOf(state, found))], [false, true]);
  assert.equal(depthOf(state, found, liveOf(state, found)), "+14 km/h", "the highest that was decided");
  const slow = row({ rule: "too_slow", limit_mps: 20, speed_mps: 15, excess_m: null, excess_m_max: null });
  assert.equal(isReturning(slow, liveOf(state, slow)), false);
});

test("the picture and the list name a vehicle alike, also where a person corrected its plate", () => {
  const found = row({ vehicle: { plate: "辽L·A0001", terminal: "139" } as Episode["vehicle"] });
  const labels = (): string[] => [labelOf(state, found, "辽L·A0001"), labelOf(state, found)];
  assert.deepEqual(labels(), ["A0001", "A0001"]);
  assert.equal(labelOf(state, null, "辽L·B0002"), "B0002");
  assert.equal(labelOf(state, row({ vehicle: null })), "Unidentified");
  state.desk.put({ ...untouched(found.id, "new"), version: 1, plate: "辽L·A00886挂" });
  assert.deepEqual(labels(), ["A00886挂", "A00886挂"]);
});

test("the values of a lost RSU's row are its last version's, also where a neighbour sees the truck", () => {
  see(-2.2);
  state.rsus.set("A", { esn: "A", state: "offline", since_ns: `${T0}000000`, beat_ns: null } as never);
  state.rsuOrder = ["A"];
  state.losses = losses(state);
  assert.match(text(row()), /0\.90 m max 1\.10 .* RSU off .* as of/);
});

test("an undecidable episode shows no maxima", () => assert.equal(maxOf(row({ grade: "undecidable" }), null), ""));
