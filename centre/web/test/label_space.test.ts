import assert from "node:assert/strict";
import { test } from "node:test";
import { LabelSpace, zoomFor } from "../src/draw.ts";

test("a label avoids one on its own line, and one on a line that touches it", () => {
  const labels = new LabelSpace();
  assert.ok(labels.reserve(0, 50, 2, 100));
  assert.ok(!labels.reserve(51, 90, 2, 100), "nearer than the gap");
  assert.ok(!labels.reserve(20, 70, 2, 106), "another row, half a line lower");
  assert.ok(labels.reserve(20, 70, 2, 113), "a whole line lower");
  assert.ok(labels.reserve(53, 90, 2, 100));
});

test("a text reserves the space on the side where it is drawn", () => {
  const labels = new LabelSpace();
  assert.ok(labels.reserveText(0, 50, "left"));
  assert.ok(!labels.reserveText(60, 30, "center"), "45 to 75: inside");
  assert.ok(labels.reserveText(70, 30, "center"), "55 to 85: beside it");
  assert.ok(!labels.reserveText(100, 20, "right"), "80 to 100");
});

test("a large screen enlarges the page, and the browser's own zoom is never undone by that", () => {
  assert.equal(zoomFor(1_920, 1_080), 1);
  assert.equal(zoomFor(3_440, 1_080), 1, "wide but low");
  assert.ok(zoomFor(3_840, 2_160) > 1.4);
  for (let z = 1; z < 5; z += 0.05) {
    const shown = (by: number): number => by * zoomFor(3_840 / by, 2_160 / by);
    assert.ok(shown(z + 0.05) > shown(z), `at ${z}`);
  }
});
