import assert from "node:assert/strict";
import { test } from "node:test";
import type { Gateway, Rsu } from "../src/api.ts";
import { cellsHtml, isReturning, lastedOf, probabilityOf, shownGrade } from "../src/row.ts";
import { State } from "../src/state.ts";
import { backlog, hasFault, losses, lossOf, nobodyWatches, sinceWord, missingUpdates } from "../src/supervision.ts";
import { setLang } from "../src/words.ts";
import { episode } from "./samples.ts";

const T0 = 1_790_000_000_000; // 22:13:20 in UTC+8
const ns = (seconds: number): string => `${T0 + seconds * 1_000}000000`;
const latency = { p50_ms: 20, p99_ms: null, n: 1, deferred: 0 };

function rsu(esn: string, more: Partial<Rsu> = {}): Rsu {
  return {
    esn, state: "online", stale: false, since_ns: ns(0), beat_ns: ns(10), outbox_depth: 0, degraded: [], sensors: {}, missing: 0,
    clock_offset_ms: 0, clocks: {}, clocks_n: 0, radar_clocks: {}, host_clock: null, latency, ...more,
  } as Rsu;
}

function stateOf(rsus: readonly Rsu[], gateways: readonly Partial<Gateway>[] = []): State {
  const state = new State();
  for (const x of rsus) state.rsus.set(x.esn, x);
  state.rsuOrder = rsus.map((x) => x.esn);
  state.gateways = gateways as Gateway[];
  state.setCentreTime(ns(60), performance.now());
  state.losses = losses(state);
  return state;
}

test("a unit that is off or without heartbeat is lost, one that was never online is not", () => {
  const off = { state: "offline", since_ns: ns(20) } as const;
  const state = stateOf(
    [rsu("A"), rsu("B", off), rsu("C", { stale: true, beat_ns: ns(30) }), rsu("D", { state: "never", since_ns: null, beat_ns: null })],
    [{ id: "GW1", ...off, stale: false, beat_ns: ns(5) }],
  );
  assert.deepEqual(state.losses, [
    { kind: "gateway", id: "GW1", sinceMs: T0 + 20_000 },
    { kind: "rsu", id: "B", sinceMs: T0 + 20_000 }, // since its will
    { kind: "rsu", id: "C", sinceMs: T0 + 30_000 }, // since its last heartbeat
  ]);
  assert.equal(nobodyWatches(state), false);
});

test("a loss from before the centre's start has no time", () => {
  setLang("en");
  const { sinceMs } = stateOf([rsu("A", { stale: true, beat_ns: null })]).losses[0]!;
  assert.equal(sinceWord(sinceMs, 0), "before the centre started");
});

test("nobody watches if all RSUs are off, silent or were never online", () => {
  assert.equal(nobodyWatches(stateOf([rsu("A", { state: "offline" }), rsu("B", { stale: true }), rsu("C", { state: "never" })])), true);
  assert.equal(nobodyWatches(stateOf([rsu("A", { state: "never" })])), true);
  assert.equal(nobodyWatches(stateOf([])), false, "not loaded yet");
});

test("an open row of a lost RSU names the loss; ended rows and those of other RSUs are unchanged", () => {
  setLang("en");
  const state = stateOf([rsu("A", { state: "offline", since_ns: ns(40) }), rsu("B")]);
  const seen = { start_ns: ns(0), last_violating_ns: ns(35), stamps: { measured_ns: ns(35.5), arrived_ns: ns(35.5) } };
  const row = episode("a", 1, { esn: "A", ...seen });
  const text = cellsHtml(state, row).join("|").replace(/<[^>]*>/g, " ");
  assert.match(text, /≥35\.0\s+s/);
  assert.match(text, /A off since 22:14:00 · as of 22:13:55/);
  assert.equal(lossOf(state, episode("b", 2, { esn: "A", open: false })), null);
  assert.equal(lossOf(state, episode("c", 3, { esn: "B" })), null);
  state.rsus.set("A", rsu("A"));
  state.losses = losses(state);
  assert.equal(lossOf(state, row), null, "it is back");
});

test("a row has its start, its age and the time of its values", () => {
  setLang("en");
  const state = stateOf([rsu("A")]);
  const row = episode(
    "a", 1,
    {
      start_ns: ns(0), stamps: { measured_ns: ns(58), arrived_ns: ns(58) }, first_committed_ns: ns(59), first_sent_ns: ns(58.9),
      first_detected_ns: ns(1),
    },
  );
  const text = cellsHtml(state, row).join("|").replace(/<[^>]*>/g, " ");
  assert.match(text, /22:13:20/);
  assert.match(text, /1:0\d/, "from the event, not from the commit a second ago");
  assert.match(text, /as of 22:14:18/);
  assert.match(text, /Late/);
});

test("before it ends it is returning, at its worst values, and its duration does not shrink at the end", () => {
  const open = {
    start_ns: ns(0), p_violation: 0.999, p_violation_max: 0.999, excess_m: 0.9, excess_m_max: 1.2, last_violating_ns: ns(11.3),
  };
  const out = episode("a", 1, open);
  const back = episode(
    "a", 1, { ...open, version: 2, p_violation: 0.0001, excess_m: -0.4, stamps: { measured_ns: ns(14), arrived_ns: ns(14) } },
  );
  const closed = episode("a", 1, { ...back, version: 3, open: false, end_ns: ns(11.3), grade: "notice", grade_max: "violation" });
  assert.deepEqual([out, back, closed].map((x) => isReturning(x)), [false, true, false]);
  assert.deepEqual([out, back, closed].map(lastedOf), ["≥11.3 s", "≥11.3 s", "11.3 s"]);
  assert.deepEqual([back, closed].map((x) => probabilityOf(x)), ["0.9990", "0.9990"]);
  assert.equal(shownGrade(closed), "violation", "the closing version's own grade says nothing");
});

test("many items in outboxes are a backlog, a few are only being sent", () => {
  assert.equal(backlog(stateOf([rsu("A", { outbox_depth: 70 }), rsu("B", { outbox_depth: 2 })])), 72);
  assert.equal(backlog(stateOf([rsu("A", { outbox_depth: 2 }), rsu("B", { outbox_depth: 2 })])), 0);
  assert.equal(backlog(stateOf([rsu("A", { outbox_depth: 70, state: "offline" })])), 0, "it sends nothing now");
});

test("a quantile of few samples is neither shown nor an alarm", () => {
  assert.deepEqual([hasFault(rsu("A")), hasFault(rsu("A", { latency: { ...latency, n: 20, p99_ms: 900 } }))], [false, true]);
});

test("a gateway that was never online is a loss; an RSU only while it has an open episode", () => {
  const never = { state: "never", stale: false, since_ns: null, beat_ns: null } as const;
  const state = stateOf([rsu("A"), rsu("B", never)], [{ id: "GW1", ...never }]);
  assert.deepEqual(state.losses.map((x) => [x.kind, x.id, x.never]), [["gateway", "GW1", true]]);
  state.put(episode("b", 1, { esn: "B", open: true }));
  assert.deepEqual(losses(state).map((x) => x.id), ["GW1", "B"]);
  state.losses = losses(state);
  assert.equal(lossOf(state, episode("b", 1, { esn: "B" }))?.never, true);
});

test("without the broker no RSU's state is known; without the database nothing new is shown", () => {
  setLang("en");
  const state = stateOf([rsu("A", { stale: true })]);
  state.summary = { broker: { connected: false, since_ns: ns(50) }, database: null } as never;
  state.losses = losses(state);
  assert.deepEqual(state.losses, [{ kind: "broker", id: "", sinceMs: T0 + 50_000 }]);
  assert.equal(nobodyWatches(state), false, "nobody knows");
  const open = episode("a", 1, { esn: "A", open: true });
  assert.equal(missingUpdates(state, open), "no link to the RSUs since 22:14:10");
  state.summary = { broker: { connected: true, since_ns: ns(50) }, database: { fault: "database is locked", since_ns: ns(55) } } as never;
  state.losses = losses(state);
  assert.deepEqual(state.losses.map((x) => x.kind), ["database", "rsu"]);
  assert.equal(missingUpdates(state, open), "the centre's database fails since 22:14:15");
});

test("an open row without three updates does not look live, although its RSU is online", () => {
  setLang("en");
  const state = stateOf([rsu("A")]);
  const row = (afterS: number): string => missingUpdates(state, episode("a", 1, { esn: "A", open: true, received_ns: ns(60 - afterS) }));
  assert.equal(row(14), "");
  assert.match(row(16), /A: no update since 22:14:04/);
  assert.equal(missingUpdates(state, episode("a", 1, { esn: "A", open: false, received_ns: ns(0) })), "");
});
