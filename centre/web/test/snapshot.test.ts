import assert from "node:assert/strict";
import { test } from "node:test";
import { readSnapshot, stationOf } from "../src/snapshot.ts";
import { snapshotBytes } from "./samples.ts";

const CAR = { track: 7687991459840000021n, lon: 122.0360461, lat: 41.0016861, s: 23_053.6, d: 0.66 };

test("columns lie where the message's own dtype says", () => {
  const read = readSnapshot(snapshotBytes("RSU-1", 1_795_561_663_400, [CAR, { ...CAR, track: 5n, d: -1.25 }]));
  assert.equal(read.stampMs, 1_795_561_663_400);
  assert.equal(read.itemBytes, 36);
  assert.equal(read.view.getBigUint64(read.at.track, true), CAR.track);
  assert.equal(read.view.getInt32(read.at.lon_e7, true), 1_220_360_461);
  assert.equal(read.view.getInt16(read.itemBytes + read.at.d_cm, true), -125);
});

test("an unknown column moves the others", () => {
  const dtype = [["constructor", "<f4"], ["track", "<u8"], ["lon_e7", "<i4"], ["lat_e7", "<i4"], ["flags", "|u1"]];
  const read = readSnapshot(snapshotBytes("R", 0, [], { n: 1, dtype, data: new Uint8Array(21) }));
  assert.deepEqual([read.at.track, read.at.lon_e7, read.at.flags, read.at.s_dm], [4, 12, 20, -1]);
});

test("a station is read from the signed column where there is one, else from the old one", () => {
  const cars = [{ ...CAR, s: -12.3 }, { ...CAR, track: 2n, s: 45.6 }, { track: 3n, lon: 122, lat: 41 }];
  for (const [signed, stations] of [[true, [-12.3, 45.6, NaN]], [false, [NaN, 45.6, NaN]]] as const) {
    const read = readSnapshot(snapshotBytes("R", 0, cars, {}, signed));
    assert.deepEqual(cars.map((_, i) => stationOf(read, i * read.itemBytes)), stations);
  }
  const bare = [["track", "<u8"], ["lon_e7", "<i4"], ["lat_e7", "<i4"], ["flags", "|u1"]];
  assert.deepEqual(stationOf(readSnapshot(snapshotBytes("R", 0, [], { n: 1, dtype: bare, data: new Uint8Array(17) })), 0), NaN);
});

test("names and lanes are read where a snapshot has them", () => {
  assert.equal(readSnapshot(snapshotBytes("R", 0, [CAR])).names, null);
  const names = { track: [CAR.track, 3], terminal: ["139", null], plate: ["辽L·A1", null], identity_p: [1, 0] };
  const read = readSnapshot(snapshotBytes("R", 0, [CAR], { names, lanes: ["a", "b"] }));
  assert.deepEqual(read.names, { track: [CAR.track, 3n], terminal: ["139", null], plate: ["辽L·A1", null], p: [1, 0] });
  assert.deepEqual(read.lanes, ["a", "b"]);
});

test("a message of another shape is refused, not misread", () => {
  const refused: [string, object][] = [
    ["bytes missing", { n: 2 }], ["another version", { v: 2 }], ["no stamp", { stamp_ns: null }],
    ["big endian", { dtype: [["track", ">u8"]] }],
    ["another kind", { dtype: [["track", "<u4"]] }], ["no position", { dtype: [["track", "<u8"]], n: 0, data: new Uint8Array(0) }],
  ];
  for (const [why, more] of refused) assert.throws(() => readSnapshot(snapshotBytes("R", 0, [CAR], more as never)), why);
});
