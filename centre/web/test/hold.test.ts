import assert from "node:assert/strict";
import { test } from "node:test";
import { Hold, HOLD_MS } from "../src/hold.ts";

test("a parked pointer holds the order for fifteen seconds, not longer", () => {
  const hold = new Hold();
  assert.equal(hold.holds(0), false);
  hold.begin(1_000);
  assert.equal(hold.holds(1_000 + HOLD_MS - 1), true);
  assert.equal(hold.holds(1_000 + HOLD_MS), false);
  assert.equal(hold.holds(1_000 + 100 * HOLD_MS), false);
});

test("a moving pointer holds no longer than that, but holds the renewed order again", () => {
  const hold = new Hold();
  hold.begin(0);
  for (let t = 0; t < HOLD_MS; t += 100) hold.stir(t);
  assert.equal(hold.holds(HOLD_MS), false, "the order moves on");
  hold.stir(HOLD_MS + 10);
  assert.equal(hold.holds(HOLD_MS + 20), true);
  assert.equal(hold.holds(2 * HOLD_MS + 10), false);
});

test("leaving ends the hold; entering again starts a new one", () => {
  const hold = new Hold();
  hold.begin(0);
  hold.end();
  assert.equal(hold.holds(1), false);
  hold.stir(2);
  assert.equal(hold.holds(2), false, "a move outside is none");
  hold.begin(HOLD_MS * 2);
  assert.equal(hold.holds(HOLD_MS * 2 + 1), true);
});
