import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rsu, SiteBody } from "../src/api.ts";
import { makeSite } from "../src/site.ts";
import { State } from "../src/state.ts";
import { Updates } from "../src/updates.ts";

const BODY = {
  origin: [122, 41], range_m: [0, 1_000], axis: null, lanes: [], rsus: [], places: [], title: { zh: "", en: "" },
  rows: [{ row: 0, offset_m: [-4, 0], hazmat: true, allowed: ["hazmat"], direction: 1 }],
} as unknown as SiteBody;

function rsu(more: Partial<Rsu> = {}): Rsu {
  return {
    esn: "A", state: "online", stale: false, stretch_m: [0, 1_000], unjudged: [], sensors: {}, latency: { p99_ms: 50, n: 500 },
    since_ns: "1", beat_ns: "1", ...more,
  } as unknown as Rsu;
}

test("a heartbeat that says what the last one said paints nothing anew; an RSU that goes is drawn at once", () => {
  const state = new State();
  state.site = makeSite(BODY);
  let drawings = 0;
  const updates = new Updates(state, () => drawings++);
  updates.rsu(rsu());
  assert.deepEqual([drawings, state.roadChanges], [1, 1]);
  updates.rsu(rsu({ beat_ns: "2000000000" }));
  assert.deepEqual([drawings, state.roadChanges], [1, 1]);
  assert.equal(state.rsus.get("A")!.beat_ns, "2000000000", "its numbers are in the next text");
  updates.rsu(rsu({ latency: { p99_ms: 80, n: 500 } } as Partial<Rsu>));
  assert.deepEqual([drawings, state.roadChanges], [1, 2], "the strip names its latency");
  updates.rsu(rsu({ unjudged: [{ road: "main", from_m: 0, to_m: 9, reason: "radar_gap", since_ns: "1" }] }));
  assert.deepEqual([drawings, state.roadChanges, state.hatches.length], [1, 3, 1]);
  updates.rsu(rsu({ state: "offline" }));
  assert.deepEqual([drawings, state.roadChanges], [2, 4]);
  updates.rsu(rsu({ stale: true }));
  assert.equal(drawings, 3);
});
