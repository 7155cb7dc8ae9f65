/** What radars' poses are off by, in words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Pose } from "../src/api.ts";
import { poseFacts } from "../src/poses.ts";
import { reason, setLang } from "../src/words.ts";

const NOW_MS = Date.UTC(2026, 10, 28, 12);
const pose = (state: string, more: Partial<Pose> = {}): Pose => ({
  state, estimate: [0.5, -0.25, 0.0175, 0.004, 0], sigma: [0.1, 0.05, 0.00175, 0.002, 0.2], applied: [0, 0, 0, 0, 0],
  n_trucks: 24, n_pairs: 90, since_ns: null, ...more,
});

test("each radar says what it is off by, with its sigma and in units that people think in", () => {
  setLang("en");
  assert.deepEqual(poseFacts({ registration: { R1: pose("fits") } }, NOW_MS), [[
    "R1",
    "pose fits its survey · east +0.50 ± 0.10 m · north −0.25 ± 0.05 m · turned +1.00 ± 0.10 ° · time +4 ± 2 ms"
      + " · range +0.00 ± 0.20 m · 24 trucks",
  ]]);
});

test("what is applied, and since when it learns, stand beside it", () => {
  setLang("en");
  const since_ns = String(BigInt(NOW_MS - 3_600_000) * 1_000_000n);
  const found = poseFacts({ registration: { R1: pose("corrected", { applied: [0, -0.2, 0, 0, 0], since_ns }) } }, NOW_MS);
  const about = found[0]![1];
  assert.match(about, /^pose corrected · .*north −0.25 ± 0.05 m \(applied −0.20\) · turned/);
  assert.match(about, /learns since \S+/);
});

test("one that somebody must look at is marked, in both languages, and an older centre says nothing", () => {
  for (const state of ["beyond", "drifting"]) {
    setLang("zh");
    const [[who, about]] = poseFacts({ registration: { R1: pose(state) } }, NOW_MS) as [[string, string]];
    assert.equal(who, "▲ R1");
    assert.match(about, /位姿/);
    assert.doesNotMatch(about, /pose/);
  }
  assert.deepEqual(poseFacts({}, NOW_MS), []);
  assert.notEqual(reason("registration"), "registration");
  setLang("en");
  assert.notEqual(reason("registration"), "registration");
});
