/** Wrong clocks in words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Clock } from "../src/api.ts";
import { clockFacts, offset, wrongClocks } from "../src/clocks.ts";
import { setLang } from "../src/words.ts";

const clock = (kind: string, offset_s: number, corrected = false): Clock => ({ kind, offset_s, corrected, since_ns: "0", n: 4 });
const none = { clocks: {}, clocks_n: 0, radar_clocks: {}, host_clock: null };

test("an offset is written in the unit that people think in", () => {
  assert.equal(offset(-28_800), "−8:00:00");
  assert.equal(offset(17.9), "+17.9 s");
  assert.equal(offset(-4), "−4.0 s");
  assert.equal(offset(-619_315_200), "−7168 d");
});

test("a clock that is put right is named and is no fault", () => {
  setLang("en");
  const x = { ...none, clocks: { A: clock("rollover", -619_315_200, true) }, clocks_n: 1 };
  assert.equal(wrongClocks(x), 0);
  assert.deepEqual(clockFacts(x), [["A", "GPS week rollover −7168 d · put right"]]);
});

test("a clock that is some seconds behind looks like a constant delay", () => {
  setLang("en");
  const said = (offset_s: number): string => clockFacts({ ...none, clocks: { A: clock("offset", offset_s) }, clocks_n: 1 })[0]![1];
  assert.equal(said(-4), "clock behind, or always late −4.0 s");
  assert.equal(said(18), "clock off +18.0 s"); // no report comes before it was sent
  assert.equal(said(-137), "clock off −2:17");
});

test("wrong clocks of terminals, radars and the RSU are named, the rest counted", () => {
  setLang("en");
  const x = {
    clocks: { A: clock("time_zone", -28_800) }, clocks_n: 3, radar_clocks: { R1: clock("offset", 20) }, host_clock: clock("gateway", 137),
  };
  assert.equal(wrongClocks(x), 5);
  assert.deepEqual(clockFacts(x).map(([who]) => who), ["▲", "▲ R1", "▲ A", "further terminals"]);
  assert.deepEqual(clockFacts(none), []);
});
