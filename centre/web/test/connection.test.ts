import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rsu } from "../src/api.ts";
import { lateness } from "../src/connection.ts";
import { depthOf } from "../src/row.ts";
import { State } from "../src/state.ts";
import { episode } from "./samples.ts";

const NOW = 100_000;

function stateOf(states: Record<string, Rsu["state"]>): State {
  const state = new State();
  for (const [esn, now] of Object.entries(states)) state.rsus.set(esn, { esn, state: now } as Rsu);
  return state;
}

test("an RSU that is off makes nothing late while another's vehicles move", () => {
  const late = lateness(stateOf({ A: "online", B: "offline" }), new Map([["A", NOW - 100], ["B", NOW - 60_000]]), NOW);
  assert.deepEqual(late, { esns: [], ageS: 0.1, all: false });
});

test("an RSU that is online and silent is late", () => {
  const late = lateness(stateOf({ A: "online", B: "online" }), new Map([["A", NOW - 100], ["B", NOW - 3_000]]), NOW);
  assert.deepEqual(late, { esns: ["B"], ageS: 3, all: false });
});

test("while every RSU is off nothing moves: the picture is late, not live", () => {
  const late = lateness(stateOf({ A: "offline", B: "offline" }), new Map([["A", NOW - 14_000], ["B", NOW - 13_000]]), NOW);
  assert.deepEqual(late, { esns: [], ageS: 13, all: true });
});

test("before the first snapshot nothing is late", () => {
  assert.equal(lateness(stateOf({ A: "never" }), new Map(), NOW).all, false);
});

test("the speed of the version that closes an overspeed is no excess", () => {
  const state = new State();
  state.site = {} as NonNullable<State["site"]>;
  const open = episode("a", 1, { rule: "overspeed", open: true, speed_mps: 20, limit_mps: 15, excess_m: null, excess_m_max: null });
  assert.equal(depthOf(state, open), "+18 km/h");
  assert.equal(depthOf(state, { ...open, open: false, speed_mps: 14 }), "—");
});
