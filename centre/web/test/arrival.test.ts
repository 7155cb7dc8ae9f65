import assert from "node:assert/strict";
import { test } from "node:test";
import type { Episode, EpisodeDetail, Version } from "../src/api.ts";
import { byArrival, detailByArrival } from "../src/arrival.ts";
import { budget } from "../src/evidence.ts";
import { cellsHtml } from "../src/row.ts";
import { violationRow } from "../src/search/tables.ts";
import { isLate, State } from "../src/state.ts";
import { setLang } from "../src/words.ts";
import { episode } from "./samples.ts";

const NOW_MS = Date.UTC(2026, 10, 30, 6);
const BOOT_MS = Date.UTC(2020, 0, 1); // where a board's clock begins
const ns = (ms: number): string => `${ms}000000`;

/** An episode of a board whose clock began in 2020: begun 3 s before its detection, which is a second before now. */
function unset(more: Partial<Episode> = {}): Episode {
  return episode("a", 1, {
    start_ns: ns(BOOT_MS), confirmed_ns: ns(BOOT_MS + 2_000), stamps: { measured_ns: ns(BOOT_MS + 2_900), arrived_ns: ns(BOOT_MS + 2_950) },
    detected_ns: ns(BOOT_MS + 3_000), received_ns: ns(NOW_MS - 1_000), last_violating_ns: ns(BOOT_MS + 2_900), clock_unset: true,
    first_detected_ns: ns(BOOT_MS + 3_000), first_sent_ns: ns(BOOT_MS + 3_010), ...more,
  });
}

test("what an RSU detected before its clock was set has the times of its arrival, however often it comes", () => {
  const found = byArrival(unset());
  assert.deepEqual([found.start_ns, found.confirmed_ns, found.end_ns], [ns(NOW_MS - 4_000), ns(NOW_MS - 2_000), null]);
  assert.deepEqual([found.stamps.measured_ns, found.last_violating_ns], [ns(NOW_MS - 1_100), ns(NOW_MS - 1_100)]);
  assert.deepEqual(byArrival(found), found);
  const known = unset({ clock_unset: false });
  assert.equal(byArrival(known), known, "a clock that was set is believed");
});

test("all versions are moved alike: of an outbox, all arrive at once", () => {
  const of = (sinceMs: number): Version =>
    ({ ...unset({ detected_ns: ns(BOOT_MS + sinceMs) }), evidence: { stamp_ns: [ns(BOOT_MS + sinceMs)], d_m: [1] } } as unknown as Version);
  const detail: EpisodeDetail = { episode: unset({ detected_ns: ns(BOOT_MS + 8_000) }), versions: [of(3_000), of(8_000)] };
  const stamps = detailByArrival(detail).versions.map((x) => (x.evidence["stamp_ns"] as string[])[0]);
  assert.deepEqual(stamps, [ns(NOW_MS - 6_000), ns(NOW_MS - 1_000)]);
  assert.equal(budget({ ...of(3_000), committed_ns: ns(NOW_MS) }), null, "no latency is measured by such a clock");
});

test("row and table of found ones say that the time is that of the arrival", () => {
  setLang("en");
  const state = new State();
  state.setCentreTime(ns(NOW_MS), performance.now());
  state.connection = "live";
  state.put(unset());
  const cells = cellsHtml(state, state.episodes.get("a")!);
  assert.match(cells[0]!, />≈13:59:56</);
  assert.match(cells[5]!, />0:04</, "its age counts from there");
  assert.match(cells.at(-1)!, /RSU clock not set/);
  const row = violationRow(state, unset());
  assert.match(row[0]!, />≈2026-11-30 13:59:56</);
  assert.match(row.at(-1)!, /RSU clock not set/);
  assert.doesNotMatch(violationRow(state, unset({ clock_unset: false })).join(), /≈|not set/);
});

test("a clock that was set before it was sent makes nothing late", () => {
  assert.equal(isLate(unset({ first_sent_ns: ns(NOW_MS) })), false);
  assert.equal(isLate(unset({ first_sent_ns: ns(BOOT_MS + 60_000) })), true, "by the same clock it waited for a minute");
});
