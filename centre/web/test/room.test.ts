import assert from "node:assert/strict";
import { test } from "node:test";
import { Room, zoomFor } from "../src/draw.ts";

test("a label gives way to one on its own line, and to one on a line that touches it", () => {
  const room = new Room();
  assert.ok(room.take(0, 50, 2, 100));
  assert.ok(!room.take(51, 90, 2, 100), "nearer than the gap");
  assert.ok(!room.take(20, 70, 2, 106), "another row, half a line lower");
  assert.ok(room.take(20, 70, 2, 113), "a whole line lower");
  assert.ok(room.take(53, 90, 2, 100));
});

test("a text takes the room on the side where it stands", () => {
  const room = new Room();
  assert.ok(room.takeText(0, 50, "left"));
  assert.ok(!room.takeText(60, 30, "center"), "45 to 75: inside");
  assert.ok(room.takeText(70, 30, "center"), "55 to 85: beside it");
  assert.ok(!room.takeText(100, 20, "right"), "80 to 100");
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
