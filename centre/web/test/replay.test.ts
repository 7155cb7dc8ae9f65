/** Replay: what is held of the history, where vehicles are at a moment of it, and that nothing is drawn across a gap. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Episode } from "../src/api.ts";
import { LanePlace } from "./samples_replay.ts";
import { readAnswer } from "../src/replay/answer.ts";
import type { Answer } from "../src/replay/answer.ts";
import { Film } from "../src/replay/film.ts";
import { Grades, lasts } from "../src/replay/grades.ts";
import type { GradesBody } from "../src/replay/grades.ts";
import { Past } from "../src/replay/past.ts";
import { Projector } from "../src/replay/projector.ts";
import { Fleet } from "../src/fleet.ts";
import { State } from "../src/state.ts";
import { answerOf, frame, ground, pack } from "./samples_replay.ts";
import { episode } from "./samples.ts";

const T0 = 1_790_000_000_000; // ms

/** A truck at 20 m/s, one snapshot each `stepMs`, without the snapshots of `missing`. */
function drive(fromS: number, toS: number, stepMs = 1_000, missing: readonly [number, number] = [0, 0], esn = "RSU1"): Answer {
  const frames = [];
  for (let ms = fromS * 1_000; ms <= toS * 1_000; ms += stepMs) {
    if (ms >= missing[0] * 1_000 && ms < missing[1] * 1_000) continue;
    frames.push(frame(T0 + ms, ms / 50, { esn, named: ms === fromS * 1_000 }));
  }
  return answerOf(T0 + fromS * 1_000, T0 + toS * 1_000, frames);
}

test("an answer's bytes are read", () => {
  const answer = readAnswer(pack({
    v: 1, from_ns: BigInt(T0) * 1_000_000n, to_ns: BigInt(T0 + 1_000) * 1_000_000n, next: null, frames: [],
    gaps: [{ from_ns: "1790000000000000000", to_ns: "1790000000500000000", reason: "no_data", esn: "RSU1" }],
    rsus: [{ stamp_ns: BigInt(T0) * 1_000_000n, rows: '[{"esn":"RSU1","state":"online"}]' }],
  }));
  assert.equal(answer.fromMs, T0);
  assert.deepEqual(answer.gaps, [{ fromMs: T0, toMs: T0 + 500, reason: "no_data", esn: "RSU1" }]);
  assert.equal(answer.rsus[0]!.rows[0]!.esn, "RSU1");
  assert.throws(() => readAnswer(pack({ v: 2 })), /version 2/);
  assert.throws(() => readAnswer(pack({ v: 1, frames: [], gaps: [], rsus: [], from_ns: "x", to_ns: 0 })), /a time/);
});

test("a film knows what it holds", () => {
  const film = new Film();
  film.add(drive(0, 60), true);
  film.add(drive(60, 90), true);
  assert.equal(film.heldUntil(T0 + 5_000), T0 + 90_000);
  assert.ok(Number.isNaN(film.heldUntil(T0 + 91_000)));
  film.add(drive(20, 30, 100), false); // a clip has some RSUs only: it holds no time
  assert.equal(film.heldUntil(T0 + 5_000), T0 + 90_000);
  assert.equal(film.reels.get("RSU1")!.length, 91 + 90);
});

test("a vehicle is where it was, at any moment and in any order", () => {
  const film = new Film();
  film.add(drive(0, 60), true);
  const projector = new Projector(ground, film);
  for (const at of [10, 10.5, 11.25, 40, 12, 59.9]) {
    projector.show(T0 + at * 1_000);
    assert.equal(projector.fleet.nLive, 1);
    const slot = projector.fleet.live[0]!;
    assert.ok(Math.abs(projector.fleet.s[slot]! - at * 20) < 0.2, `${at} s: ${projector.fleet.s[slot]}`);
    assert.equal(projector.fleet.stale[slot], 0);
    assert.equal(projector.fleet.plate(slot), "P1"); // the name came before the tail's beginning
    assert.equal(projector.fleet.u[slot], LanePlace.centreM); // and so did the lanes
  }
});

test("nothing is drawn across a gap", () => {
  const film = new Film();
  film.add(drive(0, 60, 1_000, [20, 30]), true);
  const projector = new Projector(ground, film);
  for (const at of [19, 21, 25, 29.9]) projector.show(T0 + at * 1_000);
  const slot = projector.fleet.live[0]!;
  assert.equal(projector.fleet.stale[slot], 1);
  assert.ok(projector.fleet.s[slot]! <= 20 * 20 + 0.5, "it stands where it was last seen, extrapolated by a second");
  projector.show(T0 + 30_000);
  assert.equal(projector.fleet.stale[slot], 0);
  assert.ok(Math.abs(projector.fleet.s[slot]! - 600) < 0.2);
});

test("a clip's full rate is used where it is held", () => {
  const film = new Film();
  film.add(drive(0, 60), true);
  const clip = drive(20, 40, 100);
  film.add(answerOf(T0 + 20_000, T0 + 40_000, clip.frames.map((x) => ({ ...x }))), false);
  const projector = new Projector(ground, film);
  projector.show(T0 + 30_050);
  assert.equal(projector.fleet.seenMs(projector.fleet.live[0]!), T0 + 30_100);
});

test("an episode is open from its start to its end, with the grade of the moment and not the one it reached later", () => {
  const episode = {
    id: "a", open: false, grade: "notice", grade_max: "violation", start_ns: `${T0}000000`, end_ns: `${T0 + 9_000}000000`,
  } as unknown as Episode;
  const grades = new Grades();
  const at = (s: number): unknown[] => {
    const then = grades.at(episode, T0 + s * 1_000);
    return then === null ? [] : [then.open, then.grade, then.grade_max];
  };
  assert.deepEqual([at(-1), at(1)], [[], [true, "violation", "violation"]]); // not known: never less than it was
  const steps = [[500, "notice"], [2_000, "warning"], [4_000, "violation"], [6_000, "warning"]] as const;
  const stored = steps.map(([dt, grade]) => [`${T0 + dt}000000`, grade] as const);
  grades.add({ next: null, items: [{ id: "a", start_ns: episode.start_ns, end_ns: episode.end_ns, steps: stored }] });
  assert.deepEqual([at(0), at(3), at(5), at(7)], [
    [true, "notice", "notice"], [true, "warning", "warning"], [true, "violation", "violation"], [true, "warning", "violation"],
  ]);
  assert.equal(grades.at(episode, T0 + 9_000), episode);
  assert.deepEqual([lasts(episode, T0 + 8_999), lasts(episode, T0 + 9_000)], [true, false]);
  const marks = (chosen: boolean): unknown[] => {
    const live = new State();
    live.put(episode);
    live.selected = chosen ? "a" : null;
    return grades.marks(live).map((x) => [x.atMs - T0, x.grade]);
  };
  assert.deepEqual(marks(false), [[2_000, "warning"], [4_000, "violation"]]);
  assert.deepEqual(marks(true), [[0, "notice"], [2_000, "warning"], [4_000, "violation"]]);
});

test("grades are read page after page, and beyond the last page that is kept the bar can say from when on they are", async () => {
  const grades = new Grades();
  const asked: (string | null)[] = [];
  const start_ns = `${T0}000000`;
  const pageOf = (n: number, next: string | null): GradesBody =>
    ({ next, items: [{ id: `e${n}`, start_ns, end_ns: null, steps: [[start_ns, "notice"]] }] });
  const three = async (before: string | null): Promise<GradesBody> => {
    asked.push(before);
    return pageOf(asked.length, asked.length < 3 ? `${T0 - asked.length * 1_000}000000_e${asked.length}` : null);
  };
  assert.equal(await grades.read(three), true);
  assert.deepEqual(asked, [null, `${T0 - 1_000}000000_e1`, `${T0 - 2_000}000000_e2`]);
  assert.equal(grades.unreadMs, -Infinity);
  const of = (id: string): unknown => grades.of({ ...episode(id, 1), grade_max: "violation" })[0]!.grade;
  assert.deepEqual(["e1", "e2", "e3", "e4"].map(of), ["notice", "notice", "notice", "violation"]);
  let n = 0;
  assert.equal(await grades.read(async () => (n === 2 ? null : pageOf(n++, `${T0}000000_x`))), false, "left by whoever asks");
  assert.equal(await grades.read(async () => pageOf(++n, `${T0 - n * 1_000}000000_e${n}`)), true);
  assert.equal(grades.unreadMs, T0 - n * 1_000);
  assert.ok(n > 20 && n < 50, "as many pages as are kept, no more");
  grades.clear();
  assert.deepEqual([of("e1"), grades.unreadMs], ["violation", -Infinity]);
});

test("episodes of a replayed moment stay as they are until one of them begins or ends, or another version comes", () => {
  const at = (s: number): string => `${T0 + s * 1_000}000000`;
  const [live, past, fleet] = [new State(), new Past(), new Fleet(ground)];
  live.put(episode("a", 1, { start_ns: at(10), end_ns: at(20), open: false }));
  live.put(episode("b", 2, { start_ns: at(15) }));
  const shown = (s: number): string[] => {
    past.show(live, fleet, [], T0 + s * 1_000);
    return [...past.state.episodes.keys()];
  };
  assert.deepEqual([5, 10, 14.9, 15, 19.9, 20, 12, 5].map(shown), [[], ["a"], ["a"], ["a", "b"], ["a", "b"], ["b"], ["a"], []]);
  shown(16);
  const held = past.state.episodes.get("b");
  shown(17);
  assert.equal(past.state.episodes.get("b"), held, "not made anew for each frame");
  live.put(episode("b", 2, { start_ns: at(15), version: 2 }));
  shown(17);
  assert.equal(past.state.episodes.get("b")!.version, 2);
  past.grades.add({ next: null, items: [{ id: "b", start_ns: at(15), end_ns: null, steps: [[at(15), "notice"], [at(18), "warning"]] }] });
  const graded = (s: number): unknown => (shown(s), past.state.episodes.get("b")!.grade);
  assert.deepEqual([17, 18, 17.9].map(graded), ["notice", "warning", "notice"]);
  live.selected = "a";
  assert.deepEqual(shown(25), ["a", "b"], "the chosen one is shown after its end");
});

test("the bar marks a day of many thousands, though the page holds the newest only", () => {
  const [live, grades] = [new State(), new Grades()];
  const at = (s: number): string => `${T0 + s * 1_000}000000`;
  live.put(episode("e7999", 8_000, { start_ns: at(7_999), end_ns: at(8_003), open: false, grade_max: "violation" }));
  const item = (n: number): GradesBody["items"][number] =>
    ({ id: `e${n}`, start_ns: at(n), end_ns: at(n + 3), steps: [[at(n), "notice"], [at(n + 1), n % 2 === 0 ? "warning" : "violation"]] });
  for (let n = 0; n < 8_000; n += 2_000) grades.add({ next: null, items: Array.from({ length: 2_000 }, (_, i) => item(n + i)) });
  const marks = grades.marks(live);
  assert.equal(marks.length, 8_000);
  assert.deepEqual(marks[0], { id: "e0", startMs: T0, endMs: T0 + 3_000, atMs: T0 + 1_000, grade: "warning" });
  assert.equal(grades.marks(live), marks, "not made anew for each drawing");
  grades.add({ next: null, items: [item(5)] });
  assert.equal(grades.marks(live), marks, "what was known already changes nothing");
  live.selected = "e3";
  assert.equal(grades.marks(live).length, 8_001, "of the chosen one all grades");
});

test("episodes of a replayed minute that the page does not hold are in its pictures, with the grade of the moment", () => {
  const [live, past, fleet] = [new State(), new Past(), new Fleet(ground)];
  const at = (s: number): string => `${T0 + s * 1_000}000000`;
  const minute = Math.floor(T0 / 60_000);
  const old = episode("old", 1, { start_ns: at(1), end_ns: at(9), open: false, grade_max: "violation" });
  past.recalled.add(minute, [old], T0);
  const item = { id: "old", start_ns: at(1), end_ns: at(9), steps: [[at(1), "warning"], [at(5), "violation"]] as const };
  past.grades.add({ next: null, items: [item] });
  const shown = (s: number): unknown[] => {
    past.show(live, fleet, [], T0 + s * 1_000);
    return [...past.state.episodes.values()].map((x) => x.grade);
  };
  assert.deepEqual([0, 2, 6, 10].map(shown), [[], ["warning"], ["violation"], []]);
  live.put(episode("old", 1, { start_ns: at(1), end_ns: at(3), open: false, version: 2, grade_max: "violation" }));
  assert.deepEqual(shown(6), [], "what the page holds is newer");
  for (let n = 1; n <= 40; n++) past.recalled.add(minute + n, [], T0 + n * 60_000);
  assert.ok(!past.recalled.has(minute) && past.recalled.has(minute + 40), "as much is held as a film holds");
  assert.deepEqual([...past.recalled.beside(new Map())], []);
});
