import assert from "node:assert/strict";
import { test } from "node:test";
import { byName, shortPlate } from "../src/format.ts";
import { Fleet, StreamClock } from "../src/fleet.ts";
import { Axis, Plane } from "../src/projection.ts";
import { readSnapshot } from "../src/snapshot.ts";
import { snapshotBytes } from "./samples.ts";
import type { Car } from "./samples.ts";

const PLANE = new Plane(122, 41);
const LANES = new Map(
  [
    ["sb", { centreM: -4, direction: 1, onStrip: true }], ["nb", { centreM: 4, direction: -1, onStrip: true }],
    ["ramp", { centreM: -20, direction: 1, onStrip: false }],
  ]
);
const NAMES = [...LANES.keys()];

function fleet(): Fleet {
  return new Fleet({ plane: PLANE, axis: new Axis([0, 10_000], [0, 10_000], [0, 0]), lane: (name) => LANES.get(name) });
}

/** A car on the axis at station s, driving east. */
function car(s: number, more: Partial<Car> = {}): Car {
  const [lon, lat] = PLANE.lonLat(s, -4);
  return { track: 1n, lon, lat, s, d: 0, lane: 0, speed: 20, course: 90, ...more };
}

function feed(to: Fleet, stampMs: number, cars: Car[], esn = "A"): void {
  to.ingest(readSnapshot(snapshotBytes(esn, stampMs, cars, { lanes: NAMES })));
}

const near = (a: number, b: number, by: number): void => assert.ok(Math.abs(a - b) < by, `${a} is not ${b}`);

test("between two snapshots a vehicle is where it was between them", () => {
  const f = fleet();
  feed(f, 1_000, [car(100)]);
  feed(f, 1_100, [car(102, { d: 0.4 })]);
  f.at(1_050);
  near(f.s[0]!, 101, 1e-6);
  near(f.x[0]!, 101, 0.02); // 1e-7 degrees are 1 cm
  near(f.u[0]!, -4 + 0.2, 1e-6);
  assert.equal(f.stale[0], 0);
});

test("left of the lane counts in driving direction", () => {
  const f = fleet();
  feed(f, 1_000, [car(100, { d: 1, lane: 0 }), car(100, { track: 2n, d: 1, lane: 1, course: 270 })]);
  f.at(1_000);
  near(f.u[f.slot(1n)]!, -3, 1e-6);
  near(f.u[f.slot(2n)]!, 3, 1e-6);
  assert.deepEqual([f.way[f.slot(1n)], f.way[f.slot(2n)]], [1, -1]);
});

test("before the road's zero a vehicle has a station, if its RSU sends signed ones", () => {
  const axis = new Axis([-500, 0, 9_500], [0, 500, 10_000], [0, 0, 0]);
  const place = (signed: boolean): Fleet => {
    const f = new Fleet({ plane: PLANE, axis, lane: (name) => LANES.get(name) });
    const [lon, lat] = PLANE.lonLat(100, -4); // 100 m beyond the axis' beginning at -500 m
    const cars: Car[] = [{ track: 1n, lon, lat, s: -400, d: 0.5, lane: 0, speed: 20, course: 90 }];
    f.ingest(readSnapshot(snapshotBytes("A", 1_000, cars, { lanes: NAMES }, signed)));
    f.at(1_500);
    return f;
  };
  const [now, old] = [place(true), place(false)];
  near(now.s[0]!, -390, 1e-3);
  near(now.u[0]!, -3.5, 1e-6);
  assert.equal(now.way[0], 1);
  assert.ok(Number.isNaN(old.s[0]!)); // an older RSU sends no station there: the map alone shows the vehicle
});

test("a wrong-way driver moves against its lane", () => {
  const f = fleet();
  feed(f, 1_000, [car(100, { lane: 1, course: 90 })]);
  f.at(1_500);
  near(f.s[0]!, 110, 1e-3);
});

test("a vehicle at rest keeps its heading, or points along its lane: its course is noise", () => {
  const f = fleet();
  const parked = car(300, { track: 2n, lane: 1, speed: 0.3, course: 10 });
  feed(f, 1_000, [car(100), parked]);
  feed(f, 1_100, [car(100.1, { speed: 0.4, course: 200 }), parked]);
  f.at(1_100);
  near(f.hx[f.slot(1n)]!, 1, 1e-6);
  near(f.hx[f.slot(2n)]!, -1, 1e-6);
  assert.deepEqual([f.way[f.slot(1n)], f.way[f.slot(2n)]], [1, -1]);
});

test("without lane the offset comes from the position; ramps are not on the strip", () => {
  const f = fleet();
  feed(f, 1_000, [car(100, { lane: 65535, d: undefined as never }), car(100, { track: 2n, lane: 2 })]);
  f.at(1_000);
  near(f.u[f.slot(1n)]!, -4, 0.02);
  assert.ok(Number.isNaN(f.u[f.slot(2n)]!));
});

test("nothing is extrapolated beyond one second", () => {
  const f = fleet();
  feed(f, 1_000, [car(100)]);
  f.at(2_000);
  near(f.s[0]!, 120, 1e-3);
  assert.equal(f.stale[0], 0);
  f.at(5_000);
  near(f.s[0]!, 120, 1e-3);
  assert.equal(f.stale[0], 1);
  assert.equal(f.nLive, 1);
});

test("a vehicle that its RSU no longer reports is gone, one of a silent RSU stays", () => {
  const f = fleet();
  feed(f, 1_000, [car(100), car(200, { track: 2n })]);
  feed(f, 1_000, [car(300, { track: 3n })], "B");
  for (let t = 1_100; t <= 1_600; t += 100) feed(f, t, [car(100)]);
  f.at(1_600);
  assert.deepEqual([f.slot(1n) >= 0, f.slot(2n) >= 0, f.slot(3n) >= 0], [true, false, true]);
});

test("only the owner draws a vehicle, and a handover does not make it jump", () => {
  const f = fleet();
  feed(f, 1_000, [car(100)]);
  feed(f, 1_000, [car(150, { flags: 2 })], "B"); // B tracks it too, but doesn't own it
  f.at(1_000);
  near(f.s[0]!, 100, 1e-6);
  feed(f, 1_100, [car(102, { flags: 2 })]);
  feed(f, 1_100, [car(102)], "B");
  f.at(1_050);
  assert.equal(f.nLive, 1);
  near(f.s[0]!, 101, 1e-6);
  assert.equal(f.esn(0), "B");
});

test("an older snapshot brings names but no positions", () => {
  const f = fleet();
  feed(f, 1_000, [car(100)]);
  f.ingest(
    readSnapshot(snapshotBytes("A", 900, [car(50)], { names: { track: [1], terminal: ["139"], plate: ["辽L·A1"], identity_p: [1] } }))
  );
  f.at(1_000);
  near(f.s[0]!, 100, 1e-6);
  assert.equal(f.plate(0), "辽L·A1");
  assert.deepEqual([f.findPlate("辽L·A1"), f.findTerminal("139"), f.findTerminal("140")], [0, 0, -1]);
});

test("a name that is only presumed is known as such, until it is bound or gone", () => {
  const f = fleet();
  const said = (stampMs: number, p: number | null): void => {
    const names = { track: [1], terminal: ["139"], plate: ["辽L·A1"], ...(p === null ? {} : { identity_p: [p] }) };
    f.ingest(readSnapshot(snapshotBytes("A", stampMs, [car(100)], { names })));
  };
  said(1_000, 0.93);
  assert.equal(byName(shortPlate(f.plate(0)), f.nameP(0)), "(A1 0.93)");
  said(1_100, 1);
  assert.equal(byName(shortPlate(f.plate(0)), f.nameP(0)), "A1");
  said(1_200, 0.99);
  assert.equal(byName("A1", f.nameP(0)), "(A1 0.99)");
  said(1_300, null); // an RSU that does not say how sure it is
  assert.equal(byName("A1", f.nameP(0)), "A1");
  assert.equal(byName("", 0.93), "", "who has no name has no probability");
  f.ingest(readSnapshot(snapshotBytes("A", 1_400, [car(100)], { names: { track: [], terminal: [], plate: [], identity_p: [] } })));
  assert.equal(f.nameP(0), 1);
});

test("thousands of vehicles come and go without growing the arrays for ever", () => {
  const f = fleet();
  for (let round = 0; round < 20; round++) {
    const t = 1_000 + round * 1_000;
    feed(f, t, Array.from({ length: 1_000 }, (_, i) => car(i, { track: BigInt(round * 1_000 + i + 1) })));
    f.at(t);
    assert.equal(f.nLive, 1_000);
  }
  assert.ok(f.size <= 2_000, `${f.size} slots`);
});

test("the stamps' clock follows the fastest delivery and ignores a late one", () => {
  const clock = new StreamClock();
  for (let i = 0; i < 50; i++) clock.observe(10_000 + i * 100, 500 + i * 100 + (i % 5 === 0 ? 2 : 40));
  near(clock.now(5_400) - (10_000 + 49 * 100), -2, 3);
  clock.observe(100_000, 5_500); // the clock was stepped
  near(clock.now(5_500), 100_000, 1);
});

test("a new vehicle has no station before a moment is asked for, not even where its slot was used before", () => {
  const f = fleet();
  feed(f, 1_000, [car(300)]);
  assert.ok(Number.isNaN(f.s[f.slot(1n)]!));
  f.at(1_000);
  f.at(200_000); // gone
  feed(f, 201_000, [car(500, { track: 2n })]);
  assert.equal(f.slot(2n), 0);
  assert.ok(Number.isNaN(f.s[0]!));
});
