import assert from "node:assert/strict";
import { test } from "node:test";
import { Room } from "../src/draw.ts";

test("a label gives way to one on its own line, and to one on a line that touches it", () => {
  const room = new Room();
  assert.ok(room.take(0, 50, 2, 100));
  assert.ok(!room.take(51, 90, 2, 100), "nearer than the gap");
  assert.ok(!room.take(20, 70, 2, 106), "another row, half a line lower");
  assert.ok(room.take(20, 70, 2, 113), "a whole line lower");
  assert.ok(room.take(53, 90, 2, 100));
});
