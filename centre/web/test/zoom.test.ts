import assert from "node:assert/strict";
import { test } from "node:test";
import { placeLabel } from "../src/detail/placing.ts";
import { dragClose, isDragged, resetWindow, WINDOW_M_MIN, zoomClose, zoomWindow } from "../src/detail/zoom.ts";
import { LabelSpace } from "../src/draw.ts";
import { State, WINDOW_M } from "../src/state.ts";

function state(lengthM: number): State {
  const found = new State();
  found.site = { from: 0, to: lengthM } as NonNullable<State["site"]>;
  found.moveWindow(10_000);
  return found;
}

test("the station under the pointer stays where it is while the strip is zoomed", () => {
  const x = state(40_000);
  const share = (atM: number): number => (atM - x.windowFrom) / x.windowM;
  const before = share(11_000);
  for (let i = 0; i < 5; i++) zoomWindow(x, 1 / 1.25, 11_000);
  assert.ok(Math.abs(share(11_000) - before) < 0.01);
  assert.ok(x.windowM < WINDOW_M / 3 + 50);
  resetWindow(x);
  assert.equal(x.windowM, WINDOW_M);
});

test("a road shorter than the strip is shown whole, and nothing beyond it", () => {
  const x = state(600);
  resetWindow(x);
  assert.deepEqual([x.windowFrom, x.windowM], [0, 600]);
});

test("the strip is never shorter than its least nor longer than the road, and stays on it", () => {
  const x = state(40_000);
  for (let i = 0; i < 40; i++) zoomWindow(x, 0.8, 39_990);
  assert.equal(x.windowM, WINDOW_M_MIN);
  assert.ok(x.windowFrom >= 0 && x.windowFrom + x.windowM <= 40_000);
  for (let i = 0; i < 40; i++) zoomWindow(x, 1.25, 0);
  assert.deepEqual([x.windowFrom, x.windowM], [0, 40_000]);
  for (let i = 0; i < 40; i++) zoomClose(x, 2);
  assert.ok(x.closeZoom <= 6);
});

test("no label of an alarm is dropped, and as long as there is room none covers another", () => {
  const f = { left: 50, right: 1_200, bottom: 180 };
  const labels = new LabelSpace();
  const free = (y: number, from: number, to: number): boolean => labels.reserve(from, to, 2, y);
  const placed = Array.from({ length: 12 }, (_, i) => placeLabel(f, 600 + i, 60, 90, free));
  for (const [x0, y] of placed) assert.ok(x0 >= f.left && x0 + 90 <= f.right && y > 0 && y <= f.bottom);
  const apart = ([a, ya]: readonly number[], [b, yb]: readonly number[]): boolean =>
    Math.abs(a! - b!) >= 90 || Math.abs(ya! - yb!) >= 12;
  placed.forEach((x, i) => assert.ok(placed.slice(0, i).every((other) => apart(x, other)), `${i}`));
  const full = placeLabel(f, 600, 60, 90, () => false);
  assert.deepEqual(full, [612, 60]);
});

test("what is under the pointer stays under it while the close-up is dragged, and it is not dragged out of sight", () => {
  const x = state(40_000);
  assert.equal(isDragged(x), false);
  dragClose(x, 50, -20, 10);
  assert.deepEqual(x.closeShift, [-5, -2]); // 50 px to the right show what is 5 m to the left
  dragClose(x, -50, 20, 10);
  assert.deepEqual([x.closeShift[0], x.closeShift[1], isDragged(x)], [0, 0, false]);
  dragClose(x, 1e9, 1e9, 10);
  assert.deepEqual(x.closeShift, [-1_000, 1_000]);
});
